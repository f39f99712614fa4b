package storetest

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// A relay passes TCP connections on to a server, and can be stopped, so that to
// its clients the server is gone: connections break and new ones are refused.
type relay struct {
	server string
	listen string // where it listens, the same after each start

	mu       sync.Mutex
	listener net.Listener // nil: stopped
	open     map[net.Conn]bool
	running  sync.WaitGroup
}

// newRelay starts a relay for the length of a test.
func newRelay(t testing.TB, host string, port uint16) *relay {
	t.Helper()
	r := &relay{
		server: net.JoinHostPort(host, strconv.Itoa(int(port))),
		listen: "127.0.0.1:0",
		open:   map[net.Conn]bool{},
	}
	r.start(t)
	t.Cleanup(r.stop)
	return r
}

func (r *relay) address() string { return r.listen }

func (r *relay) start(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", r.listen)
	must(t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener, r.listen = listener, listener.Addr().String()
	r.running.Go(func() { r.accept(listener) })
}

// stop returns when no connection is left.
func (r *relay) stop() {
	r.mu.Lock()
	if r.listener != nil {
		r.listener.Close()
		r.listener = nil
	}
	for conn := range r.open {
		conn.Close()
	}
	r.mu.Unlock()
	r.running.Wait()
}

func (r *relay) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			client.Close()
			continue
		}
		if !r.track(listener, client, server) {
			return
		}
		r.running.Go(func() { r.pass(client, server) })
		r.running.Go(func() { r.pass(server, client) })
	}
}

// track notes the connections so that stop finds them, unless stop came first.
func (r *relay) track(listener net.Listener, conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range conns {
		if r.listener != listener {
			conn.Close()
			continue
		}
		r.open[conn] = true
	}
	return r.listener == listener
}

// pass copies one direction, and ends both when it ends.
func (r *relay) pass(from, to net.Conn) {
	_, _ = io.Copy(to, from) // an error is an end like any other
	from.Close()
	to.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, from)
}
