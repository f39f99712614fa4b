package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"ayb"
)

// An apiContender is the built program, configured as it is out of the box except
// for where SQL runs, with a token of the owner of the database.
type apiContender struct {
	program string // the file of the program
	mode    string // isolation.mode
	data    string // its data path
	token   string
}

// newAPIContender makes the data path of a server, with an account, its token
// and a database of places.
func newAPIContender(ctx context.Context, program, mode, dir string) (c apiContender, err error) {
	c = apiContender{program: program, mode: mode, data: filepath.Join(dir, "data-"+mode)}
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: c.data})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	b := &bed{eng: eng}
	if err := b.fill(ctx); err != nil {
		return c, err
	}
	c.token, _, err = eng.CreateToken(ctx, ayb.System, "alice", nil)
	return c, err
}

func (c apiContender) name() string { return "ayb server, " + c.mode }

func (c apiContender) start(ctx context.Context, dir string) (*process, error) {
	return startServer(ctx, c.program, dir, c.data, "AYB__ISOLATION__MODE="+c.mode, "AYB__METRICS__LISTEN=127.0.0.1:0")
}

// startServer runs "ayb server" on a port of its choice, with a data path and
// nothing else configured than what is given.
func startServer(ctx context.Context, program, dir, data string, environ ...string) (*process, error) {
	return launch(ctx, dir, append(environ, "AYB__HOST=127.0.0.1", "AYB__PORT=0", "AYB__DATA_PATH="+data), program, "server")
}

const queryPath = "/v1/alice/places/query"

func (c apiContender) query(b []byte, id int) []byte {
	var body [128]byte
	return post(b, queryPath, c.token, append(strconv.AppendInt(append(body[:0], `{"sql":"`+point+`","args":[`...), int64(id), 10), "]}"...))
}

func (c apiContender) insert(b []byte, _ int) []byte {
	return post(b, queryPath, c.token, []byte(`{"sql":"`+insert+`"}`))
}

// httpQueries measures what the whole of the server (token, permission, bounds,
// audit, JSON, log) adds to the same prepared query in a bare handler, and what
// worker processes add to that. All are processes of their own, and so is what
// asks them.
func httpQueries(ctx context.Context, dir string) ([]figure, error) {
	dir = filepath.Join(dir, "http")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	api, err := newAPIContender(ctx, program, "in-process", dir)
	if err != nil {
		return nil, err
	}
	walled, err := newAPIContender(ctx, program, "process", dir)
	if err != nil {
		return nil, err
	}
	bare, err := duel(ctx, dir, api, bareContender{apiContender: api}, 0.80)
	if err != nil {
		return nil, err
	}
	walls, err := duel(ctx, dir, walled, api, 0.75)
	if err != nil {
		return nil, err
	}
	both, err := duel(ctx, dir, walled, bareContender{apiContender: api}, 0.65)
	return slices.Concat(bare, walls, both), err
}

// duel measures how two contenders compare at reading and at writing; the bar is
// for reading.
func duel(ctx context.Context, dir string, a, b contender, bar float64) ([]figure, error) {
	sided, err := sidesOf(ctx, filepath.Join(dir, a.name()+" against "+b.name()), clients, a, b)
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
	who := a.name() + " / " + b.name()
	return append(reads.figures("query by key over HTTP, "+who, bar), writes.figures("durable INSERT over HTTP, "+who, 0)...), nil
}

// sidesOf starts contenders, each with so many connections to it.
func sidesOf(ctx context.Context, dir string, conns int, contenders ...contender) (sided []*side, err error) {
	for _, c := range contenders {
		s, err := newSide(ctx, c, filepath.Join(dir, c.name()), conns)
		if err != nil {
			closeAll(sided)
			return nil, err
		}
		sided = append(sided, s)
	}
	return sided, nil
}

func closeAll(sided []*side) {
	for _, s := range sided {
		s.close()
	}
}

// A side is a contender that runs, and the load on it.
type side struct {
	contender
	*process
	load *load
}

func newSide(ctx context.Context, c contender, dir string, conns int) (*side, error) {
	p, err := c.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	l, err := dial(p.address, conns)
	if err != nil {
		p.stop()
		return nil, err
	}
	return &side{c, p, l}, nil
}

func (s *side) close() {
	s.load.close()
	s.stop()
}

// A raced is what a race of two sides has shown.
type raced struct {
	rates  [2][]float64     // answers a second, by side and round
	ratios []float64        // of the first to the second, by round
	server [2]time.Duration // of processor, by side
	load   [2]time.Duration // the same of the load
	done   [2]float64       // answers
	syncs  [2]float64       // flushes of the disk, as far as the server counts them
}

// The rounds of a race: short, so that what slows the machine down meanwhile
// meets both sides, and many.
const (
	raceRounds = 25
	raceRound  = 300 * time.Millisecond
)

// race lets two sides answer in turns.
func race(sides []*side, do func(*asker, contender) error) (*raced, error) {
	r := &raced{}
	for round := range raceRounds + 1 {
		var rates [2]float64
		for turn := range 2 {
			i := (turn + round) % 2 // each goes first as often
			s := sides[i]
			before, own, began := spentBy(s.cmd.Process.Pid), spent(), time.Now()
			rate, err := s.load.run(raceRound, func(a *asker) error { return do(a, s.contender) })
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first is to warm up
				r.server[i] += spentBy(s.cmd.Process.Pid) - before
				r.load[i] += spent() - own
				r.done[i] += rate * time.Since(began).Seconds()
				r.rates[i] = append(r.rates[i], rate)
			}
			rates[i] = rate
		}
		if round > 0 {
			r.ratios = append(r.ratios, rates[0]/rates[1])
		}
		if round == 0 || round == raceRounds {
			for i, s := range sides {
				syncs, err := s.syncs()
				if err != nil {
					return nil, err
				}
				r.syncs[i] = syncs - r.syncs[i]
			}
		}
	}
	return r, nil
}

// figures are the lines of a race in the table. Rates are what the bar is about;
// processor time tells the same when somebody else uses the machine.
func (r *raced) figures(what string, bar float64) []figure {
	slices.Sort(r.ratios)
	n := len(r.ratios)
	rate := figure{
		what: what + ", rate", value: median(r.ratios), low: r.ratios[n/4], high: r.ratios[3*n/4], atLeast: bar,
		note: fmt.Sprintf("%s and %s a second", spread(r.rates[0], "%.0f"), spread(r.rates[1], "%.0f")),
	}
	for i, who := range []string{"the first", "the second"} {
		if r.syncs[i] > 0 {
			rate.note += fmt.Sprintf("; %s flushes the disk %.3f times for each", who, r.syncs[i]/r.done[i])
		}
	}
	if r.server[0] == 0 || r.server[1] == 0 {
		return []figure{rate}
	}
	var server, all [2]float64 // µs for each answer
	for i := range 2 {
		server[i] = us(r.server[i].Seconds() / r.done[i])
		all[i] = server[i] + us(r.load[i].Seconds()/r.done[i])
	}
	return []figure{rate, {
		what: what + ", per processor time", value: all[1] / all[0],
		note: fmt.Sprintf("%.1f and %.1f µs of the server and its workers, %.1f and %.1f µs of the load", server[0], server[1], all[0]-server[0], all[1]-server[1]),
	}}
}
