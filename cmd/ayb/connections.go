package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// connections is a listener that bounds how many connections there are. When one
// comes that is too many, those make room on which no request is under way and none
// was for the longest time: a client has to expect that of a connection that it
// leaves idle. If all are at work, the new one is told so and closed.
type connections struct {
	net.Listener
	most   int
	logger *slog.Logger

	evicted, refused atomic.Uint64
	refusing         chan struct{} // has an element for each that is being told

	mu     sync.Mutex
	open   map[*clientConn]struct{}
	idle   []candidate // room for looking
	warned time.Time   // when it was last said that there are too many
}

// A clientConn is a connection of a client. It begins idle: until the header of a request is
// there, nothing is under way on it.
type clientConn struct {
	*net.TCPConn
	over *connections

	mu      sync.Mutex
	idle    time.Time // since when; zero: it is not
	leaving bool      // it makes room for another
}

const (
	// makeRoom is how many idle connections are closed at once, so that not every
	// connection of a flood looks for one.
	makeRoom = 32

	// refusedAtOnce is how many clients are told at once that there is no room.
	refusedAtOnce = 128

	// spareFiles is what of the descriptors of the process is not for connections.
	spareFiles = 4 // a quarter

	warnEvery = time.Minute
)

// newConnections bounds the connections of a listener to most, and to what the
// system lets this process have.
func newConnections(listener net.Listener, most, files int, logger *slog.Logger) *connections {
	if fit := files - files/spareFiles; files > 0 && most > fit {
		logger.Warn("the system allows fewer open files than limits.connections needs; raise it (ulimit -n, LimitNOFILE), or lower the setting",
			"files", files, "limits.connections", most, "connections", fit)
		most = fit
	}
	return &connections{Listener: listener, most: most, logger: logger, open: map[*clientConn]struct{}{}, refusing: make(chan struct{}, refusedAtOnce)}
}

// Accept waits for a connection for which there is room.
func (c *connections) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		n := &clientConn{TCPConn: conn.(*net.TCPConn), over: c, idle: time.Now()}
		if c.admit(n) {
			return n, nil
		}
		c.refused.Add(1)
		c.refuse(n)
	}
}

// admit reports whether there is room for a connection, which has it then until it is
// closed.
func (c *connections) admit(n *clientConn) bool {
	c.mu.Lock()
	if len(c.open) < c.most {
		c.open[n] = struct{}{}
		c.mu.Unlock()
		return true
	}
	if now := time.Now(); now.Sub(c.warned) >= warnEvery {
		c.warned = now
		c.logger.Warn("there are as many connections as limits.connections allows; idle ones make room, and if there are none, new ones are refused", "connections", c.most)
	}
	idle := c.longestIdle()
	for _, other := range idle {
		delete(c.open, other)
	}
	if len(idle) > 0 {
		c.open[n] = struct{}{}
	}
	c.mu.Unlock()
	c.evicted.Add(uint64(len(idle)))
	return len(idle) > 0
}

// longestIdle tells those connections to end that were idle for the longest time.
// The caller holds c.mu.
func (c *connections) longestIdle() (longest []*clientConn) {
	idle := c.idle[:0]
	for n := range c.open {
		if since := n.idleSince(); !since.IsZero() {
			idle = append(idle, candidate{n, since})
		}
	}
	slices.SortFunc(idle, func(a, b candidate) int { return a.since.Compare(b.since) })
	c.idle = idle
	for _, n := range idle[:min(makeRoom, len(idle))] {
		if n.leave() {
			longest = append(longest, n.clientConn)
		}
	}
	clear(idle)
	return longest
}

// A candidate is a connection that was idle when somebody looked.
type candidate struct {
	*clientConn
	since time.Time
}

func (n *clientConn) idleSince() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.idle
}

// leave ends the connection, unless a request has come meanwhile. One that is just
// coming is answered first: nobody would know what has become of it.
func (n *clientConn) leave() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.idle.IsZero() {
		return false
	}
	n.leaving = true
	n.SetReadDeadline(time.Unix(1, 0)) // the server, which waits for a request, closes it then
	return true
}

// note is told by the server how its connections change.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	n, ok := conn.(*clientConn)
	if !ok || state != http.StateActive && state != http.StateIdle {
		return
	}
	n.mu.Lock()
	leaving := n.leaving
	if n.idle = (time.Time{}); state == http.StateIdle {
		n.idle = time.Now()
	} else if leaving {
		n.SetReadDeadline(time.Time{})
	}
	n.mu.Unlock()
	if leaving && state == http.StateIdle {
		n.Close()
	}
}

// Close closes the connection and gives its place to another.
func (n *clientConn) Close() error {
	n.over.mu.Lock()
	delete(n.over.open, n)
	n.over.mu.Unlock()
	return n.TCPConn.Close()
}

// tooMany is the whole answer to a connection that is refused.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 126\r\n\r\n" +
	`{"type":"Other","kind":"busy","message":"This server has as many connections as limits.connections allows; try again shortly"}`

// refuse tells the client that there is no room, without keeping others waiting for
// that.
func (c *connections) refuse(n *clientConn) {
	select {
	case c.refusing <- struct{}{}:
	default: // there is not even time to say so
		n.Close()
		return
	}
	go func() {
		defer func() { <-c.refusing }()
		defer n.Close()
		n.SetDeadline(time.Now().Add(time.Second))
		if _, err := n.Write([]byte(tooMany)); err != nil || n.CloseWrite() != nil {
			return
		}
		// What the client is sending is taken, or the system would tell it of a broken
		// connection in place of the answer.
		io.Copy(io.Discard, io.LimitReader(n.TCPConn, headerBytes))
	}()
}

// connectionStats count connections.
type connectionStats struct {
	open, most       int
	evicted, refused uint64
}

func (c *connections) stats() connectionStats {
	c.mu.Lock()
	open := len(c.open)
	c.mu.Unlock()
	return connectionStats{open: open, most: c.most, evicted: c.evicted.Load(), refused: c.refused.Load()}
}
