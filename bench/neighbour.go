package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"ayb/internal/sched"
)

// How a neighbour is measured: windows without and with attackers take turns.
const (
	neighbourRate   = 200 // requests a second
	neighbourWrites = 5   // every so many requests one is a write
	neighbourConns  = 64  // at most so many requests wait at once
	neighbourWindow = 5 * time.Second
	neighbourTurns  = 6
	settleTime      = 1500 * time.Millisecond // after a change of weather
)

// neighbourBounds are the bounds of the server: those of the attacks' own tests,
// so that one attack follows another, and none holds its place for long.
var neighbourBounds = []string{
	"AYB__LIMITS__QUERY_TIME=1s", "AYB__LIMITS__MAINTENANCE_TIME=1s", "AYB__LIMITS__STREAM_TIME=1500ms", "AYB__LIMITS__QUEUE_TIME=1s",
	"AYB__LIMITS__CONNECTION_MEMORY=24 MiB", "AYB__LIMITS__RESULT_BYTES=4 MiB", "AYB__LIMITS__TEMP_BYTES=8 MiB", "AYB__LIMITS__WAL_BYTES=8 MiB",
	"AYB__LIMITS__DATABASE_BYTES=24 MiB",
}

// neighbours measures what attacks do to somebody else on the same server: the
// time that requests of a tenant take, who sends them at a fixed rate, while
// other tenants carry out the corpus of attacks, against the same while they
// don't. The time counts from when a request was due, whatever became of those
// before it.
func neighbours(ctx context.Context, dir string) (_ []figure, err error) {
	dir = filepath.Join(dir, "neighbour")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	api, err := newAPIContender(ctx, program, "process", dir)
	if err != nil {
		return nil, err
	}
	if err := admitAttackers(ctx, api.data); err != nil {
		return nil, err
	}
	server, err := startServer(ctx, program, dir, api.data, append(neighbourBounds, "AYB__ISOLATION__MODE=process")...)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	attackers, err := startAttackers(ctx, server.address, api.data)
	if err != nil {
		return nil, err
	}
	defer attackers.stop()
	// Whoever asks stands for somebody on a machine with nothing else to do.
	if err := sched.First(); err != nil {
		log.Print("the asker competes with what it measures: ", err)
	}
	n, err := newNeighbour(server.address, api)
	if err != nil {
		return nil, err
	}
	defer n.close()
	var quiet, attacked weather
	if err := n.ask(settleTime, &weather{}); err != nil { // to warm up
		return nil, err
	}
	for range neighbourTurns {
		if err := errors.Join(attackers.tell("stop"), n.ask(settleTime, &weather{}), n.ask(neighbourWindow, &quiet)); err != nil {
			return nil, err
		}
		if err := errors.Join(attackers.tell("go"), n.ask(settleTime, &weather{}), n.ask(neighbourWindow, &attacked)); err != nil {
			return nil, err
		}
	}
	if err := attackers.tell("stop"); err != nil {
		return nil, err
	}
	return neighbourFigures(&quiet, &attacked, attackers.done), nil
}

// A weather is the times of what was asked in it.
type weather struct {
	reads, writes []time.Duration // until the answer, from when the request was due
	own           []time.Duration // of it, until the request was sent: whoever asks was late
}

func neighbourFigures(quiet, attacked *weather, attacks string) (figures []figure) {
	for _, k := range []struct {
		what    string
		a, q    []time.Duration
		atMost  float64
		through string
	}{
		{what: "reads and writes", a: slices.Concat(attacked.reads, attacked.writes), q: slices.Concat(quiet.reads, quiet.writes), atMost: 3, through: "; " + attacks},
		{what: "reads", a: attacked.reads, q: quiet.reads},
		{what: "writes", a: attacked.writes, q: quiet.writes},
		{what: "lateness of the asker itself", a: attacked.own, q: quiet.own},
	} {
		figures = append(figures, figure{
			what: "p99 of a neighbour during the attacks / quiet, " + k.what, value: float64(quantile(k.a, 0.99)) / float64(quantile(k.q, 0.99)), atMost: k.atMost,
			note: fmt.Sprintf("%s ms, quiet %s ms (p50, p99, p99.9; %d and %d requests)%s", quantiles(k.a), quantiles(k.q), len(k.a), len(k.q), k.through),
		})
	}
	return figures
}

// quantile returns the value below which a share of the values is. It sorts them.
func quantile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(share*float64(len(values))), len(values)-1)]
}

func quantiles(values []time.Duration) string {
	ms := func(share float64) float64 { return quantile(values, share).Seconds() * 1e3 }
	return fmt.Sprintf("%.2f, %.2f, %.2f", ms(0.5), ms(0.99), ms(0.999))
}

// A neighbour sends requests at a fixed rate.
type neighbour struct {
	api   apiContender
	free  chan *asker
	conns []*asker
	sent  int
}

func newNeighbour(address string, api apiContender) (*neighbour, error) {
	n := &neighbour{api: api, free: make(chan *asker, neighbourConns)}
	for i := range neighbourConns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			n.close()
			return nil, err
		}
		a := &asker{conn: conn, buf: make([]byte, 4<<10), turn: i * (places / neighbourConns)}
		n.conns = append(n.conns, a)
		n.free <- a
	}
	return n, nil
}

func (n *neighbour) close() {
	for _, a := range n.conns {
		a.conn.Close()
	}
}

// ask sends requests for a time, and waits for the last answer. All must succeed.
func (n *neighbour) ask(length time.Duration, into *weather) error {
	// The collector of whoever asks is not what is measured.
	runtime.GC()
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	began := time.Now()
	for i := range int(length.Seconds() * neighbourRate) {
		due := began.Add(time.Duration(i) * time.Second / neighbourRate)
		time.Sleep(time.Until(due))
		a := <-n.free
		n.sent++
		write := n.sent%neighbourWrites == 0
		all.Go(func() {
			sent := time.Now()
			do := a.query
			if write {
				do = a.insert
			}
			a.turn++
			err := do(n.api)
			took := time.Since(due)
			n.free <- a
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			into.own = append(into.own, sent.Sub(due))
			if write {
				into.writes = append(into.writes, took)
			} else {
				into.reads = append(into.reads, took)
			}
		})
	}
	all.Wait()
	return failed
}
