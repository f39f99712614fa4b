package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	besideWriters = 8
	besideTurns   = 6
	besideWindow  = 2 * time.Second
)

// readersBeside measures reads of a database at half the rate that it can answer,
// while writers write to it as fast as they can, and while nobody does. The time of a
// read counts from when it was due.
func readersBeside(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "beside")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	for _, mode := range []string{"in-process", "process"} {
		api, err := newAPIContender(ctx, program, mode, dir)
		if err != nil {
			return nil, err
		}
		f, err := besideWriter(ctx, dir, api)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}

func besideWriter(ctx context.Context, dir string, api apiContender) (figure, error) {
	sided, err := sidesOf(ctx, dir, clients, api)
	if err != nil {
		return figure{}, err
	}
	defer closeAll(sided)
	s := sided[0]
	writing, err := dial(s.address, besideWriters)
	if err != nil {
		return figure{}, err
	}
	defer writing.close()
	most, err := s.load.run(besideWindow, func(a *asker) error { return a.query(api) })
	if err != nil {
		return figure{}, err
	}
	var quiet, beside []time.Duration
	written := 0.0
	for range besideTurns {
		took, err := s.load.paced(besideWindow, most/2, func(a *asker) error { return a.query(api) })
		if err != nil {
			return figure{}, err
		}
		quiet = append(quiet, took...)
		var all sync.WaitGroup
		var rate float64
		var failed error
		all.Go(func() {
			rate, failed = writing.run(besideWindow, func(a *asker) error { return a.insert(api) })
		})
		took, err = s.load.paced(besideWindow, most/2, func(a *asker) error { return a.query(api) })
		if all.Wait(); errors.Join(err, failed) != nil {
			return figure{}, errors.Join(err, failed)
		}
		beside = append(beside, took...)
		written += rate / besideTurns
	}
	return figure{
		what:  "p99 of reads beside a writer / alone, " + api.name(),
		value: float64(quantile(beside, 0.99)) / float64(quantile(quiet, 0.99)), atMost: 3,
		note: fmt.Sprintf("%s ms, alone %s ms (p50, p99, p99.9) at %.0f reads a second, half of the most; %.0f writes a second", quantiles(beside), quantiles(quiet), most/2, written),
	}, nil
}

// paced has the connections ask at a rate in all, each in its turn, and returns how
// long each request took from when it was due.
func (l *load) paced(length time.Duration, rate float64, do func(*asker) error) ([]time.Duration, error) {
	took, errs := make([][]time.Duration, len(l.conns)), make([]error, len(l.conns))
	var turn atomic.Int64
	began := time.Now()
	var all sync.WaitGroup
	for i, a := range l.conns {
		all.Go(func() {
			for errs[i] == nil {
				due := began.Add(time.Duration(float64(turn.Add(1)-1) / rate * float64(time.Second)))
				if due.Sub(began) > length {
					return
				}
				time.Sleep(time.Until(due))
				a.turn++
				errs[i] = do(a)
				took[i] = append(took[i], time.Since(due))
			}
		})
	}
	all.Wait()
	return slices.Concat(took...), errors.Join(errs...)
}
