//go:build linux

package stress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb"
	"ayb/client"
)

// patience is how long a test waits for something that is about to happen.
const patience = 60 * time.Second

// program builds the server once for all tests, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ayb-stress-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "ayb")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/ayb").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A site is a data path with accounts, and the server on it.
type site struct {
	t      testing.TB
	dir    string
	env    []string
	tokens map[string]string // by account

	transport http.Transport // of all clients

	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	err     error         // with which it did
	url     string
	metrics string
}

// newSite makes accounts.
func newSite(t testing.TB, accounts []string, env ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), env: env, tokens: map[string]string{}}
	s.transport.MaxIdleConnsPerHost = 100
	eng, err := ayb.Open(t.Context(), ayb.Config{DataPath: s.data()})
	must(t, err)
	for _, name := range accounts {
		_, err := eng.CreateEntity(t.Context(), ayb.System, name, nil)
		must(t, err)
		s.tokens[name], _, err = eng.CreateToken(t.Context(), ayb.System, name, nil)
		must(t, err)
	}
	must(t, eng.Close())
	t.Cleanup(s.kill)
	return s
}

func (s *site) data() string { return filepath.Join(s.dir, "data") }

// start runs the server, and returns when it accepts connections.
func (s *site) start() {
	s.t.Helper()
	path, err := program()
	must(s.t, err)
	cmd := exec.Command(path, "server")
	cmd.Dir = s.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "AYB__HOST=127.0.0.1", "AYB__PORT=0", "AYB__METRICS__LISTEN=127.0.0.1:0", "AYB__DATA_PATH=" + s.data()}, s.env...)
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(s.t, err)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	must(s.t, err)
	must(s.t, cmd.Start())
	must(s.t, log.Close())
	s.cmd, s.ended, s.url, s.metrics = cmd, make(chan struct{}), "", ""
	lines := bufio.NewReader(out)
	impatient := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer impatient.Stop()
	for s.url == "" || s.metrics == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			cmd.Wait()
			s.t.Fatalf("the server did not start: %v\n%s", err, s.log())
		}
		if address, ok := strings.CutPrefix(line, "Starting server "); ok {
			s.url = "http://" + strings.TrimSuffix(strings.TrimSpace(address), "...")
		} else if address, ok := strings.CutPrefix(line, "Metrics: "); ok {
			s.metrics = strings.TrimSpace(address)
		}
	}
	ended := s.ended
	go func() {
		io.Copy(io.Discard, lines)
		s.err = cmd.Wait()
		close(ended)
	}()
}

// kill ends the server at once, if it runs.
func (s *site) kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// stop has the server end by itself.
func (s *site) stop() {
	s.t.Helper()
	must(s.t, s.cmd.Process.Signal(os.Interrupt))
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatalf("the server does not end\n%s", s.log())
	}
	if s.err != nil {
		s.t.Errorf("the server ended with %v\n%s", s.err, s.log())
	}
	s.cmd = nil
}

// log returns the end of what the server has logged.
func (s *site) log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text[max(0, len(text)-8<<10):])
}

// client returns a client of an account that does not try again.
func (s *site) client(account string) *client.Client {
	s.t.Helper()
	c, err := client.New(client.Config{URL: s.url, Token: s.tokens[account], Retries: -1, Timeout: patience, HTTP: &http.Client{Transport: &s.transport}})
	must(s.t, err)
	return c
}

// workers returns the processes that the server has started.
func (s *site) workers() (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.cmd.Process.Pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread that has ended has no children
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// scrape returns the metrics without labels, and those with labels added up by name.
func (s *site) scrape(ctx context.Context) (map[string]float64, error) {
	text, err := s.page(ctx, s.metrics)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if at := strings.IndexByte(line, '{'); at >= 0 {
			name, value = line[:at], strings.TrimSpace(line[strings.LastIndexByte(line, '}')+1:])
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q", line)
		}
		values[name] += number
	}
	return values, nil
}

// collect has the server collect its garbage.
func (s *site) collect(ctx context.Context) error {
	_, err := s.page(ctx, strings.Replace(s.metrics, "/metrics", "/debug/pprof/heap?gc=1", 1))
	return err
}

func (s *site) page(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return string(text), err
}
