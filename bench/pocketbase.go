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

const pocketBaseVersion = "v0.36.8"

// A pocketBase is the example program of PocketBase, out of the box, with a
// collection of the places that everybody may read and add to.
type pocketBase struct {
	program, data string
}

func (pocketBase) name() string { return "PocketBase" }

// newPocketBase builds it, makes the collection, and says what it promises.
func newPocketBase(ctx context.Context, dir string) (peer, error) {
	p, err := makePocketBase(ctx, dir)
	return peer{
		contender: p,
		reads:     "PocketBase " + pocketBaseVersion + " is asked for one record by GET, of a collection that everybody may read, where ayb runs SQL and checks a token",
		writes:    "PocketBase commits with synchronous=NORMAL: what it has acknowledged may be lost with the power, which is not so of ayb",
		memory:    "PocketBase runs no SQL of its users, and so has no walls between them",
	}, err
}

// makePocketBase builds the program and makes the collection.
func makePocketBase(ctx context.Context, dir string) (p pocketBase, err error) {
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
