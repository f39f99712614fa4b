package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// clients is how many connections ask at the same time, if nothing else is said.
const clients = 32

// A load is connections that are kept alive and ask one server as fast as it
// answers. It is the same for every server and does as little as can be done, so
// that what is measured is the server: a request is written whole, and of the
// answer only the status, the length and the body are looked at.
type load struct {
	conns []*asker
}

// dial opens the connections of a load.
func dial(address string, conns int) (*load, error) {
	l := &load{}
	for i := range conns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			l.close()
			return nil, err
		}
		// Each begins somewhere else, and goes through all places in time.
		l.conns = append(l.conns, &asker{conn: conn, buf: make([]byte, 4<<10), home: i, turn: i * (places / conns)})
	}
	return l, nil
}

func (l *load) close() {
	for _, a := range l.conns {
		a.conn.Close()
	}
}

// run lets every connection do one request after another for a time, and
// returns how many were answered in a second.
func (l *load) run(length time.Duration, do func(*asker) error) (rate float64, err error) {
	done, errs := make([]int, len(l.conns)), make([]error, len(l.conns))
	began := time.Now()
	end := began.Add(length)
	var all sync.WaitGroup
	for i, a := range l.conns {
		all.Go(func() {
			for errs[i] == nil && time.Now().Before(end) {
				a.turn++
				errs[i] = do(a)
				done[i]++
			}
		})
	}
	all.Wait()
	total := 0
	for _, n := range done {
		total += n
	}
	return float64(total) / time.Since(began).Seconds(), errors.Join(errs...)
}

// An asker is one connection.
type asker struct {
	conn    net.Conn
	home    int    // which of them it is
	turn    int    // counts its requests
	request []byte // for re-use
	want    []byte // for re-use
	buf     []byte // holds an answer, which must fit
}

// query asks for the name of a place, and makes sure that it is in the answer.
func (a *asker) query(c contender) error {
	id := a.turn%places + 1
	a.request = c.query(a.request[:0], id)
	body, err := a.ask()
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	a.want = append(placeName(a.want[:0], id), '"')
	if !bytes.Contains(body, a.want) {
		return fmt.Errorf("%s answered %q, which has no %s", c.name(), body, a.want)
	}
	return nil
}

// insert adds a place.
func (a *asker) insert(c contender) error {
	a.request = c.insert(a.request[:0], a.home)
	if _, err := a.ask(); err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	return nil
}

var (
	endOfHeader   = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	statusOK      = []byte("HTTP/1.1 200 ")
)

// ask sends the request and returns the body of the answer, valid until the next
// call. An answer that is not a success, or that does not say how long it is, is
// an error.
func (a *asker) ask() ([]byte, error) {
	if _, err := a.conn.Write(a.request); err != nil {
		return nil, err
	}
	for n := 0; ; {
		m, err := a.conn.Read(a.buf[n:])
		if err != nil {
			return nil, err
		}
		n += m
		header, body, ok := bytes.Cut(a.buf[:n], endOfHeader)
		if !ok {
			continue
		}
		_, rest, _ := bytes.Cut(header, contentLength)
		digits, _, _ := bytes.Cut(rest, endOfHeader[:2])
		length, err := strconv.Atoi(string(digits))
		if err != nil || !bytes.HasPrefix(header, statusOK) {
			return nil, fmt.Errorf("the answer is not understood: %q", a.buf[:n])
		}
		if len(body) >= length {
			return body, nil
		}
	}
}
