//go:build linux

package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// TestRunner_callers_do_not_notice_that_workers_are_retired retires workers as
// often as they can be, while eight goroutines make calls of every kind and the
// databases are released. Only sessions may end by that, because of the release.
func TestRunner_callers_do_not_notice_that_workers_are_retired(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := newHarness(t, Config{Limits: hosting.Limits{OpenMemory: 1, QueueTime: patience, QueryTime: patience}}, "create", "CREATE TABLE t (a)")
	tenants := []*harness{h, h.owner().create(), h.owner().create(), h.owner().create()}
	for _, other := range tenants[1:] {
		other.must("CREATE TABLE t (a)")
	}
	stop := make(chan struct{})
	var beside sync.WaitGroup
	var retired int
	beside.Go(func() {
		for during(stop, 0) {
			for _, w := range h.allWorkers() {
				if _, ok := w.seat.retire(false); ok {
					retired++
				}
			}
		}
	})
	for _, h := range tenants {
		beside.Go(func() {
			for during(stop, 3*time.Millisecond) {
				resume, err := h.Release(t.Context(), h.job.DB)
				if err != nil {
					t.Errorf("a release: %v", err)
					continue
				}
				resume()
			}
		})
	}
	var written [4]atomic.Int64
	together(8, func(i int) {
		c := caller{tenants[i%4], rand.New(rand.NewPCG(seed, uint64(i))), &written[i%4]}
		for n := range 100 {
			if err := c.step(); err != nil {
				t.Errorf("goroutine %d, step %d: %v", i, n, err)
				return
			}
		}
	})
	close(stop)
	beside.Wait()
	for i, h := range tenants {
		h.expect(written[i].Load(), "SELECT count(*) FROM t")
	}
	if t.Logf("%d workers were retired", retired); retired < 10 {
		t.Error("the test tests nothing")
	}
}

// during waits for a moment and reports whether stop is still open.
func during(stop <-chan struct{}, moment time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(moment):
		return true
	}
}

// A caller makes calls of every kind.
type caller struct {
	*harness
	random  *rand.Rand
	written *atomic.Int64 // rows that must be there
}

func (c *caller) step() (err error) {
	ctx := context.Background()
	switch c.random.IntN(12) {
	case 0:
		_, err = c.try(ctx, "SELECT count(*) FROM t")
	case 1:
		_, err = c.visitor("v").try(ctx, "SELECT count(*) FROM t")
	case 2:
		_, err = c.Copy(ctx, c.job.DB, hosting.CopyPages, io.Discard)
	case 6:
		_, err = c.CopyTo(ctx, c.job.DB, hosting.CopyVacuum, hosting.ImageID(newID()))
	case 3:
		err = c.Check(ctx, c.job.DB, hosting.QuickCheck)
	case 4:
		err = c.Create(ctx, c.job.DB)
	case 5:
		if _, err = c.try(ctx, "INSERT INTO t VALUES (1)"); err == nil {
			c.written.Add(1)
		}
	default:
		err = c.session(ctx)
	}
	return err
}

// session writes in a transaction, which somebody may close at any moment.
func (c *caller) session(ctx context.Context) error {
	s, err := c.Begin(ctx, c.job)
	if err != nil {
		if fault.KindOf(err) == fault.Conflict {
			err = nil // the release came first
		}
		return err
	}
	var closer sync.WaitGroup
	defer closer.Wait()
	defer s.Close()
	if after := time.Duration(c.random.IntN(4000)) * time.Microsecond; c.random.IntN(2) == 0 {
		closer.Go(func() {
			time.Sleep(after)
			s.Close()
		})
	}
	for _, sql := range []string{"BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)", "COMMIT"} {
		if _, err := s.Run(ctx, catalog.Statement{SQL: sql}, nil); err != nil {
			if fault.KindOf(err) == fault.Conflict {
				err = nil
			}
			return err
		}
	}
	c.written.Add(1)
	return nil
}

// TestSession_keeps_its_worker_while_a_text_is_under_way holds that a worker does
// not count as idle when a session has ended whose last text has not.
func TestSession_keeps_its_worker_while_a_text_is_under_way(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	s, err := h.Begin(t.Context(), h.job)
	if err != nil {
		t.Fatal(err)
	}
	reached, open, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	many := with(h.job, strings.Replace(endless, "count(*)", "x, hex(zeroblob(100))", 1)+" LIMIT 20000").Statement
	go func() {
		_, err := s.Run(t.Context(), many, &slowSink{reached, open})
		done <- err
	}()
	<-reached
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	seat := h.seatOf(seatKey{h.job.Owner, false})
	for range 100 { // the session gives its place back soon after
		if _, ok := seat.retire(false); ok {
			t.Error("the worker was retired")
		}
		time.Sleep(time.Millisecond)
	}
	close(open)
	if err := <-done; !errors.Is(err, fault.Conflict) {
		t.Errorf("the text of the session got %v, want that it is closed", err)
	}
	eventually(t, "the worker is idle", func() bool {
		_, ok := seat.retire(false)
		return ok
	})
}

// A text whose rows are refused notices that with its next row, which may take
// long to compute; until then its transaction must not be ended with it.
func TestSession_keeps_its_transaction_when_the_next_row_is_slow(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	s, err := h.Begin(t.Context(), h.job)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(sql string, sink hosting.Sink) error {
		_, err := s.Run(t.Context(), with(h.job, sql).Statement, sink)
		return err
	}
	if err := run("BEGIN", nil); err != nil {
		t.Fatal(err)
	}
	// Rows are sent after a while at the latest, and each takes longer than that.
	slowly := fmt.Sprintf("SELECT (WITH RECURSIVE c(x) AS (SELECT n.column1 UNION ALL SELECT x+1 FROM c LIMIT %d) SELECT count(*) FROM c) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS n", 150_000/slow)
	enough := errors.New("enough")
	if err := run(slowly, refusing{enough}); err != enough {
		t.Fatalf("the text ended with %v", err)
	}
	if err := run("INSERT INTO t VALUES (1); COMMIT", nil); err != nil {
		t.Errorf("the transaction did not go on: %v", err)
	}
}

// A refusing sink wants no row.
type refusing struct{ reason error }

func (refusing) Columns([]catalog.Column) error { return nil }
func (r refusing) Row(catalog.Row) error        { return r.reason }
