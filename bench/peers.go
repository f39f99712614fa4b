package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// peers measures the server beside others that people choose. They promise other
// things, which the notes say: what is compared is what a program sees that reads and
// writes one row at a time.
func peers(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "peers")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	api, err := newAPIContender(ctx, program, "process", dir)
	if err != nil {
		return nil, err
	}
	pocket, err := newPocketBase(ctx, filepath.Join(dir, "pocketbase"))
	if err != nil {
		return nil, err
	}
	sided, err := sidesOf(ctx, dir, clients, api, pocket)
	if err != nil {
		return nil, err
	}
	defer closeAll(sided)
	reads, err := race(sided, (*asker).query)
	if err != nil {
		return nil, err
	}
	writes, err := race(sided, (*asker).insert)
	if err != nil {
		return nil, err
	}
	figures = append(reads.figures("record by key, "+api.name()+" / PocketBase", 0), writes.figures("INSERT, "+api.name()+" / PocketBase", 0)...)
	return append(figures, figure{
		what: "memory afterwards, ayb server and its worker / PocketBase", value: treeMemory(sided[0].cmd.Process.Pid) / treeMemory(sided[1].cmd.Process.Pid),
		note: fmt.Sprintf("%.0f MB and %.0f MB; PocketBase %s commits with synchronous=NORMAL, has no SQL for its users and no walls between them", treeMemory(sided[0].cmd.Process.Pid), treeMemory(sided[1].cmd.Process.Pid), pocketBaseVersion),
	}), nil
}

// treeMemory returns the megabytes of a process and its children together.
func treeMemory(pid int) float64 {
	sum := residentOf(pid)
	children, _ := childrenOf(pid)
	for _, child := range children {
		sum += residentOf(child)
	}
	return sum
}

const pocketBaseVersion = "v0.36.8"

// A pocketBase is the example program of PocketBase, out of the box, with a
// collection of the places that everybody may read and add to.
type pocketBase struct {
	program, data string
}

func (pocketBase) name() string { return "PocketBase" }

// newPocketBase builds it and makes the collection.
func newPocketBase(ctx context.Context, dir string) (p pocketBase, err error) {
	p = pocketBase{program: filepath.Join(dir, "base"), data: filepath.Join(dir, "data")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return p, err
	}
	build := exec.CommandContext(ctx, "go", "install", "github.com/pocketbase/pocketbase/examples/base@"+pocketBaseVersion)
	build.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return p, fmt.Errorf("PocketBase was not built: %w: %s", err, out)
	}
	const email, password = "bench@example.com", "benchbench"
	if out, err := p.command(ctx, "superuser", "upsert", email, password).CombinedOutput(); err != nil {
		return p, fmt.Errorf("PocketBase: %w: %s", err, out)
	}
	server, err := p.start(ctx, dir)
	if err != nil {
		return p, err
	}
	err = p.define(ctx, "http://"+server.address, email, password)
	server.stop()
	if err != nil {
		return p, err
	}
	conn, err := sqlite3.Open("file:" + filepath.Join(p.data, "data.db"))
	if err != nil {
		return p, err
	}
	defer conn.Close()
	return p, conn.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO place(id, name, country, lat, lng) SELECT printf('%%015d', i), 'place number ' || i, 'GB', i * 0.0009, i * 0.0018 FROM n`, places))
}

func (p pocketBase) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, p.program, append(args, "--dir", p.data)...)
}

// define makes the collection by PocketBase's own API.
func (p pocketBase) define(ctx context.Context, base, email, password string) error {
	var auth struct{ Token string }
	login := map[string]string{"identity": email, "password": password}
	if err := postJSON(ctx, base+"/api/collections/_superusers/auth-with-password", "", login, &auth); err != nil {
		return err
	}
	field := func(name, typ string) map[string]any { return map[string]any{"name": name, "type": typ} }
	return postJSON(ctx, base+"/api/collections", auth.Token, map[string]any{
		"name": "place", "type": "base", "viewRule": "", "createRule": "",
		"fields": []any{field("name", "text"), field("country", "text"), field("lat", "number"), field("lng", "number")},
	}, &struct{}{})
}

func postJSON(ctx context.Context, url, token string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func (p pocketBase) start(ctx context.Context, dir string) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	s := &process{cmd: p.command(ctx, "serve", "--http", address), address: address, log: log}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startPatience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("PocketBase did not start: %w", err)
		}
	}
}

func (p pocketBase) query(b []byte, id int) []byte {
	return fmt.Appendf(b, "GET /api/collections/place/records/%015d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id)
}

func (p pocketBase) insert(b []byte, _ int) []byte {
	return post(b, "/api/collections/place/records", "", []byte(`{"name":"a new place","country":"GB","lat":51.5,"lng":0.1}`))
}
