package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A contender is a server that is measured over HTTP, with the table of places
// in it. To add one is to implement this.
type contender interface {
	// name is what the table calls it.
	name() string

	// start runs the server as a process of its own on a loopback address, with
	// what it keeps below dir, and returns when it accepts connections.
	start(ctx context.Context, dir string) (*process, error)

	// query appends to b a whole request for the name of the place with an id,
	// from 1 to places. The answer must contain what placeName returns.
	query(b []byte, id int) []byte

	// insert appends to b a whole request that adds one place, durably, with an
	// id that is the server's choice. home tells connections apart: a contender with
	// many databases has each write to one of its own.
	insert(b []byte, home int) []byte
}

// placeName is the name of a place, as it stands in the answer to a query.
func placeName(b []byte, id int) []byte {
	return strconv.AppendInt(append(b, "place number "...), int64(id), 10)
}

// post appends a request of HTTP with a body of JSON.
func post(b []byte, path, token string, body []byte) []byte {
	b = fmt.Appendf(b, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", path)
	if token != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", token)
	}
	return fmt.Appendf(b, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// A process is a server that runs.
type process struct {
	cmd     *exec.Cmd
	address string // host and port
	log     *os.File
}

// startPatience is how long a server may take until it accepts connections.
const startPatience = 30 * time.Second

// launch runs a program until it prints the line "Starting server HOST:PORT...".
// What it logs goes to a file, as a service manager would have it.
func launch(ctx context.Context, dir string, environ []string, program string, args ...string) (*process, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, program, args...), log: log}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = dir, environ, log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	impatient := time.AfterFunc(startPatience, func() { p.cmd.Process.Kill() })
	defer impatient.Stop()
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if p.address, err = startedAt(line, err); err != nil {
		p.stop()
		logged, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s did not start: %w\n%s", program, err, logged)
	}
	go lines.WriteTo(log) // what else it has to say
	return p, nil
}

// startedAt returns the address in the line with which a server begins.
func startedAt(line string, err error) (string, error) {
	address, ok := strings.CutPrefix(line, "Starting server ")
	if !ok {
		return "", errors.Join(fmt.Errorf("it printed %q", line), err)
	}
	host, port, err := net.SplitHostPort(strings.TrimSuffix(address, "...\n"))
	return net.JoinHostPort(host, port), err
}

// syncs returns how often the process has flushed files of databases to the disk, 0 if
// it shows no metrics.
func (p *process) syncs() (float64, error) {
	said, err := os.ReadFile(p.log.Name())
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(said), "Metrics: ")
	if !ok {
		return 0, nil
	}
	address, _, _ := strings.Cut(rest, "\n")
	resp, err := http.Get(address)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	_, rest, _ = strings.Cut(string(text), "\nayb_syncs_total ")
	number, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseFloat(number, 64)
}

// stop ends the process at once: what is measured has nothing to lose.
func (p *process) stop() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
	p.log.Close()
}
