package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"ayb"
	"ayb/httpapi"
)

// clients is how many connections ask at the same time.
const clients = 32

// httpPoint measures what the whole of the HTTP API (token, permission, bounds,
// JSON) adds to the same prepared query in a bare handler. Both read and answer
// the same JSON and are asked by the same client over real connections, whose
// work counts on both sides.
func httpPoint(ctx context.Context, dir string) (_ []figure, err error) {
	dir = filepath.Join(dir, "http")
	b, err := newBed(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	secret, _, err := b.eng.CreateToken(ctx, ayb.System, "alice", nil)
	if err != nil {
		return nil, err
	}
	bare, err := newBareHandler(dir)
	if err != nil {
		return nil, err
	}
	defer bare.close()
	var sided [2]*asked
	for i, h := range []http.Handler{httpapi.New(b.eng, nil), bare} {
		if sided[i], err = serve(h, secret); err != nil {
			return nil, err
		}
		defer sided[i].close()
	}
	const each = 300
	with, without, ratio, err := sides(
		func() error { return sided[0].ask(each) },
		func() error { return sided[1].ask(each) },
	)
	if err != nil {
		return nil, err
	}
	return []figure{{
		"query by key over HTTP, 32 connections: API / bare handler", ratio, "", 1 / 0.75,
		fmt.Sprintf("%.1f µs and %.1f µs, the client's included", us(with.Seconds()/clients/each), us(without.Seconds()/clients/each)),
	}}, nil
}

// A bareHandler answers the same query with nothing around it.
type bareHandler struct {
	idle  chan *sqlite3.Stmt
	conns []*sqlite3.Conn
}

// newBareHandler opens as many connections as the engine has for reading.
func newBareHandler(dir string) (*bareHandler, error) {
	files, err := filepath.Glob(filepath.Join(dir, "owners/*/*/*/*/*/db"))
	if err != nil || len(files) != 1 {
		return nil, errors.Join(fmt.Errorf("found %d files, want 1", len(files)), err)
	}
	const readers = 8
	h := &bareHandler{idle: make(chan *sqlite3.Stmt, readers)}
	for range readers {
		conn, err := sqlite3.Open("file:" + files[0] + "?mode=ro")
		if err != nil {
			return nil, err
		}
		h.conns = append(h.conns, conn)
		stmt, _, err := conn.Prepare(point)
		if err != nil {
			return nil, err
		}
		h.idle <- stmt
	}
	return h, nil
}

func (h *bareHandler) close() {
	for range h.conns {
		(<-h.idle).Close()
	}
	for _, conn := range h.conns {
		conn.Close()
	}
}

// ServeHTTP answers with the name of the place whose number is in the body.
func (h *bareHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var query struct {
		SQL  string  `json:"sql"`
		Args []int64 `json:"args"`
	}
	if err := json.NewDecoder(r.Body).Decode(&query); err != nil || len(query.Args) != 1 {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	var answer struct {
		Fields []string   `json:"fields"`
		Rows   [][]string `json:"rows"`
	}
	stmt := <-h.idle
	answer.Fields = []string{stmt.ColumnName(0)}
	stmt.BindInt64(1, query.Args[0])
	for stmt.Step() {
		answer.Rows = append(answer.Rows, []string{stmt.ColumnText(0)})
	}
	err := stmt.Reset()
	h.idle <- stmt
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// An asked server answers clients on a real listener.
type asked struct {
	server *http.Server
	client *http.Client
	url    string
	secret string
}

func serve(h http.Handler, secret string) (*asked, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &asked{
		server: &http.Server{Handler: h},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}},
		url:    "http://" + listener.Addr().String() + "/v1/alice/places/query",
		secret: secret,
	}
	go s.server.Serve(listener)
	return s, nil
}

func (s *asked) close() {
	s.client.CloseIdleConnections()
	s.server.Close()
}

// ask makes each of the clients ask a number of times.
func (s *asked) ask(each int) error {
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			id := i * each
			errs[i] = times(each, func() error {
				id++
				return s.askOne(id%places + 1)
			})()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *asked) askOne(id int) error {
	r, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(fmt.Appendf(nil, `{"sql":%q,"args":[%d]}`, point, id)))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.secret)
	r.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if want := fmt.Sprintf(`{"fields":["name"],"rows":[["place number %d"]]}`, id); err == nil && string(bytes.TrimSpace(body)) != want {
		err = fmt.Errorf("answered %s %s, want %s", answer.Status, body, want)
	}
	return err
}
