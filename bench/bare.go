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
	databases int // that are written to, by homes; 0: one, and it has the places
}

func (bareContender) name() string { return "bare handler" }

func (c bareContender) insert(b []byte, home int) []byte {
	if c.databases == 0 {
		home = 0
	}
	return post(b, "/v1/alice/places/query", c.token, fmt.Appendf(nil, `{"sql":"%s","home":[%d]}`, insert, home))
}

func (c bareContender) start(ctx context.Context, dir string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fill := fillPlaces
	if c.databases > 0 {
		fill = makePlaces
	}
	var files []string
	for i := range max(c.databases, 1) {
		files = append(files, filepath.Join(dir, fmt.Sprintf("places%d.sqlite", i)))
		if err := fillBare(files[i], fill); err != nil {
			return nil, err
		}
	}
	return launch(ctx, dir, nil, program, append([]string{bareCommand}, files...)...)
}

// fillBare makes a database of the bare handler.
func fillBare(file, fill string) error {
	conn, err := sqlite3.Open("file:" + file)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec("PRAGMA journal_mode=WAL; " + fill)
}

// A floorContender is an empty handler of net/http, which reads a request, and
// answers what the others would: what no server of Go can be faster than.
type floorContender struct {
	apiContender
}

func (floorContender) name() string { return "empty handler" }

func (c floorContender) start(ctx context.Context, dir string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return launch(ctx, dir, nil, program, bareCommand)
}

// A bareHandler answers with nothing around it.
type bareHandler struct {
	idle    chan *sqlite3.Stmt // to read, each on a connection of its own
	inserts []*bareInsert      // by home; empty: there is no database
}

// A bareInsert is a prepared INSERT.
type bareInsert struct {
	mu   sync.Mutex
	stmt *sqlite3.Stmt // guarded by mu
}

// bareReaders is how many connections the bare handler has for reading: as many
// as ayb's.
const bareReaders = 8

// serveBare serves databases until the process is killed. Places are looked up in the
// first.
func serveBare(files []string) error {
	h := &bareHandler{idle: make(chan *sqlite3.Stmt, bareReaders)}
	for _, file := range files {
		stmt, err := prepareBare(file+"?_pragma=synchronous(full)", insert)
		if err != nil {
			return err
		}
		h.inserts = append(h.inserts, &bareInsert{stmt: stmt})
	}
	for range min(len(files), 1) * bareReaders {
		stmt, err := prepareBare(files[0]+"?mode=ro", point)
		if err != nil {
			return err
		}
		h.idle <- stmt
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
	var answer []byte
	if id, ok := numberAfter(body, `"args":[`); ok {
		answer, err = h.find(id)
	} else {
		home, _ := numberAfter(body, `"home":[`)
		answer, err = h.add(int(home))
	}
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

// numberAfter returns the number between a mark and a bracket.
func numberAfter(body []byte, mark string) (int64, bool) {
	_, rest, ok := bytes.Cut(body, []byte(mark))
	digits, _, ended := bytes.Cut(rest, []byte("]"))
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, ok && ended && err == nil
}

func (h *bareHandler) find(id int64) ([]byte, error) {
	answer := []byte(`{"fields":["name"],"rows":[`)
	if len(h.inserts) == 0 {
		return fmt.Appendf(answer, `["place number %d"]]}`, id), nil
	}
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

func (h *bareHandler) add(home int) ([]byte, error) {
	answer := []byte(`{"fields":[],"rows":[]}`)
	if len(h.inserts) == 0 {
		return answer, nil
	}
	insert := h.inserts[home%len(h.inserts)]
	insert.mu.Lock()
	defer insert.mu.Unlock()
	return answer, insert.stmt.Exec()
}
