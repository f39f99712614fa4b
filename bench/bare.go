package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/ncruces/go-sqlite3"

	"ayb/httpapi/wire"
)

// bareCommand is the argument with which this program is the bare handler.
const bareCommand = "bare"

// A bareContender is what anybody would write who needs one query answered: a
// handler of net/http, prepared statements of the bare driver on a few
// connections, and nothing around them. It gets the requests that the API gets.
type bareContender struct {
	apiContender
}

func (bareContender) name() string { return "bare handler" }

func (c bareContender) start(ctx context.Context, dir string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "places.sqlite")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := fillBare(file); err != nil {
		return nil, err
	}
	return launch(ctx, dir, nil, program, bareCommand, file)
}

// fillBare makes the database of the bare handler.
func fillBare(file string) error {
	conn, err := sqlite3.Open("file:" + file)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec("PRAGMA journal_mode=WAL; " + fillPlaces)
}

// A bareHandler answers with nothing around it.
type bareHandler struct {
	idle chan *sqlite3.Stmt // to read, each on a connection of its own

	mu     sync.Mutex
	insert *sqlite3.Stmt // guarded by mu
}

// bareReaders is how many connections the bare handler has for reading: as many
// as ayb's.
const bareReaders = 8

// serveBare serves until the process is killed.
func serveBare(file string) error {
	h := &bareHandler{idle: make(chan *sqlite3.Stmt, bareReaders)}
	for range bareReaders {
		stmt, err := prepareBare(file+"?mode=ro", point)
		if err != nil {
			return err
		}
		h.idle <- stmt
	}
	var err error
	if h.insert, err = prepareBare(file+"?_pragma=synchronous(full)", insert); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/alice/places/query", h.serve)
	fmt.Printf("Starting server %s...\n", listener.Addr())
	return http.Serve(listener, mux)
}

func prepareBare(file, sql string) (*sqlite3.Stmt, error) {
	conn, err := sqlite3.Open("file:" + file)
	if err != nil {
		return nil, err
	}
	stmt, _, err := conn.Prepare(sql)
	return stmt, err
}

// serve answers with the name of the place whose number is in the body, or adds
// a place if there is none. It looks for no more than the number.
func (h *bareHandler) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	_, args, _ := bytes.Cut(body, []byte(`"args":[`))
	digits, _, ok := bytes.Cut(args, []byte("]"))
	id, err := strconv.ParseInt(string(digits), 10, 64)
	var answer []byte
	switch {
	case !ok:
		answer, err = h.add()
	case err == nil:
		answer, err = h.find(id)
	}
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

func (h *bareHandler) find(id int64) ([]byte, error) {
	answer := []byte(`{"fields":["name"],"rows":[`)
	stmt := <-h.idle
	defer func() { h.idle <- stmt }()
	if err := stmt.BindInt64(1, id); err != nil {
		return nil, err
	}
	for stmt.Step() {
		answer = wire.AppendString(append(answer, '['), stmt.ColumnRawText(0))
		answer = append(answer, ']')
	}
	return append(answer, "]}"...), stmt.Reset()
}

func (h *bareHandler) add() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return []byte(`{"fields":[],"rows":[]}`), h.insert.Exec()
}
