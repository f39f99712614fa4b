//go:build linux

package worker

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
)

// A stuckSink takes nothing until it is freed.
type stuckSink struct {
	reached func()
	free    <-chan struct{}
}

func (s *stuckSink) Columns([]catalog.Column) error {
	s.reached()
	<-s.free
	return nil
}

func (s *stuckSink) Row(catalog.Row) error { return nil }

// TestRunner_nobody_waits_for_who_takes_no_names has somebody write whose answers have
// columns with names so long that they fill the window, and take none of them.
func TestRunner_nobody_waits_for_who_takes_no_names(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	bad := h.by("attacker")
	job := with(bad.job, `INSERT INTO t VALUES (1) RETURNING zeroblob(3000) AS "`+strings.Repeat("n", window-1500)+`"`)
	free := make(chan struct{})
	var reached, over sync.WaitGroup
	const calls = 40
	reached.Add(calls)
	for range calls {
		over.Go(func() {
			if _, err := bad.Run(context.Background(), job, &stuckSink{sync.OnceFunc(reached.Done), free}); err != nil {
				t.Error(err)
			}
		})
	}
	all := make(chan struct{})
	go func() {
		reached.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(patience):
		t.Error("somebody else's answer is waited for")
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := h.try(ctx, "INSERT INTO t VALUES (2)"); err != nil {
			t.Error(err)
		}
		cancel()
	}
	close(free)
	over.Wait()
}

// TestRunner_answers_of_a_batch_do_not_wait_for_themselves commits writes together that
// answer more than may gather before it is sent.
func TestRunner_answers_of_a_batch_do_not_wait_for_themselves(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	s, err := h.Begin(t.Context(), h.job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), catalog.Statement{SQL: "BEGIN IMMEDIATE"}, nil); err != nil {
		t.Fatal(err)
	}
	sum := h.Stats().QueuedWrites
	const writes = 91
	var over sync.WaitGroup
	for i := range writes {
		name := "a"
		if i == writes-1 {
			name = strings.Repeat("n", 400)
		}
		over.Go(func() {
			if _, err := h.try(t.Context(), `INSERT INTO t VALUES (1) RETURNING zeroblob(3900) AS "`+name+`"`); err != nil {
				t.Error(err)
			}
		})
		if i >= writes-2 {
			eventually(t, "they wait", func() bool { return h.Stats().QueuedWrites-sum >= i+1 })
		}
	}
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if over.Wait(); time.Since(began) > slow*2*time.Second {
		t.Errorf("the last has its answer after %v", time.Since(began))
	}
}
