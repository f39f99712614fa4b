package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ayb/httpapi/wire"
)

// boundedServer serves a handler on so many connections, and returns its address.
func boundedServer(t *testing.T, most int, handler http.HandlerFunc) (*connections, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newConnections(listener, most, 0, slog.New(slog.DiscardHandler))
	server := &http.Server{Handler: handler, ConnState: c.note, ReadHeaderTimeout: headerTime, IdleTimeout: patience}
	go server.Serve(c)
	t.Cleanup(func() { server.Close() })
	return c, listener.Addr().String()
}

// A caller is a client with one connection.
type caller struct {
	net.Conn
	in *bufio.Reader
}

func callServer(t *testing.T, address string) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return &caller{conn, bufio.NewReader(conn)}
}

// ask sends a request and returns the status and the body of the answer.
func (c *caller) ask() (int, string, error) {
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n") // if it fails, so does what follows
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func TestConnections_idle_ones_make_room(t *testing.T) {
	const most = makeRoom + 8
	c, address := boundedServer(t, most, func(w http.ResponseWriter, r *http.Request) {})
	var all []*caller
	for i := range most {
		client := callServer(t, address)
		if all = append(all, client); i%2 == 0 { // the others have never sent anything
			if status, _, err := client.ask(); status != 200 || err != nil {
				t.Fatalf("connection %d: %d, %v", i, status, err)
			}
		}
	}
	last := all[0]
	last.ask() // it was idle for longest, and is not any more
	for deadline := time.Now().Add(patience); c.stats().open < most; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", c.stats())
		}
	}
	if status, _, err := callServer(t, address).ask(); status != 200 || err != nil {
		t.Errorf("one more: %d, %v", status, err)
	}
	if s := c.stats(); s.evicted != makeRoom || s.refused != 0 || s.open > most {
		t.Errorf("%+v", s)
	}
	if status, _, err := last.ask(); status != 200 || err != nil {
		t.Errorf("the one that was used last: %d, %v", status, err)
	}
	for i, client := range all[1:makeRoom] {
		if status, _, err := client.ask(); err == nil {
			t.Errorf("connection %d was idle for long, and is answered %d", i+1, status)
		}
	}
}

func TestConnections_that_are_too_many_are_told_so(t *testing.T) {
	const most = 4
	begun, release := make(chan struct{}), make(chan struct{})
	c, address := boundedServer(t, most, func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-release
	})
	answers := make(chan int, most)
	for range most {
		client := callServer(t, address)
		go func() {
			status, _, _ := client.ask()
			answers <- status
		}()
		<-begun
	}
	status, body, err := callServer(t, address).ask()
	var e wire.Error
	if err != nil || status != http.StatusServiceUnavailable || json.Unmarshal([]byte(body), &e) != nil || e.Type != wire.Other || e.Kind != "busy" || !strings.Contains(e.Message, "limits.connections") {
		t.Errorf("one more is answered %d %s, %v", status, body, err)
	}
	if s := c.stats(); s.refused != 1 || s.evicted != 0 || s.open != most {
		t.Errorf("%+v", s)
	}
	close(release)
	for range most {
		if status := <-answers; status != 200 {
			t.Errorf("one that was at work is answered %d", status)
		}
	}
	go func() { <-begun }()
	if status, _, err := callServer(t, address).ask(); status != 200 || err != nil {
		t.Errorf("afterwards: %d, %v", status, err)
	}
}

// TestConnections_what_was_begun_is_answered has more clients than there may be
// connections, all of which make room all the time.
func TestConnections_what_was_begun_is_answered(t *testing.T) {
	var handled, answered, lost atomic.Int64
	c, address := boundedServer(t, 3, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Error("a request was cancelled")
		default:
		}
		handled.Add(1)
	})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 20 {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				conn.SetDeadline(time.Now().Add(patience))
				client := &caller{conn, bufio.NewReader(conn)}
				for range 10 {
					status, _, err := client.ask()
					if status == 200 {
						answered.Add(1)
					}
					if err != nil {
						lost.Add(1)
						break
					}
				}
				conn.Close()
			}
		})
	}
	clients.Wait()
	s := c.stats()
	t.Logf("%d requests were handled, %d connections lost; %+v", handled.Load(), lost.Load(), s)
	if handled.Load() != answered.Load() || handled.Load() == 0 || s.evicted == 0 {
		t.Errorf("%d requests were handled, %d answered", handled.Load(), answered.Load())
	}
}

func TestConnections_fit_into_what_the_system_allows(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, test := range []struct{ most, files, want int }{{100, 0, 100}, {100, 1024, 100}, {10_000, 1024, 768}} {
		if c := newConnections(nil, test.most, test.files, logger); c.most != test.want {
			t.Errorf("%+v: %d", test, c.most)
		}
	}
	if n := strings.Count(log.String(), "limits.connections"); n == 0 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log says %s", &log)
	}
}

func TestServer_ends_idle_connections(t *testing.T) {
	p := startServer(t, t.TempDir(), "AYB__LIMITS__IDLE_TIME=1s")
	client := callServer(t, strings.TrimPrefix(p.url, "http://"))
	if _, _, err := client.ask(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := client.in.ReadByte(); err != io.EOF || time.Since(began) > patience/2 {
		t.Errorf("it ends with %v after %v", err, time.Since(began))
	}
}
