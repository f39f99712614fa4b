package hosting

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

// insert is a job that writes.
func (h *harness) insert(sql string, args ...any) Job {
	h.Helper()
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		h.Fatal(err)
	}
	return Job{DB: h.db, Class: Write, Statement: st}
}

// take posts a text and waits until it is over.
func (h *harness) take(job Job) *Written {
	h.Helper()
	over := make(chan *Written, 1)
	if _, ok := h.Post(context.Background(), job, func(w *Written) { over <- w }); !ok {
		h.Fatalf("%s is not taken", job.Statement.SQL)
	}
	return <-over
}

// occupy keeps the writer busy until it is told to end.
func (h *harness) occupy() (end func()) {
	h.Helper()
	s, err := h.Begin(context.Background(), Job{DB: h.db, Class: Write})
	if err == nil {
		_, err = s.Run(context.Background(), catalog.Statement{SQL: "BEGIN IMMEDIATE"}, nil)
	}
	if err != nil {
		h.Fatal(err)
	}
	return func() {
		if err := s.Close(); err != nil {
			h.Fatal(err)
		}
	}
}

func TestPost(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)")
	t.Run("what came of it is that of Run", func(t *testing.T) {
		w := h.take(h.insert("INSERT INTO t VALUES (7, ?), (8, 'b') RETURNING a, b", "a"))
		defer w.Close()
		var got rows
		if err := errors.Join(w.Err, w.Replay(&got)); err != nil {
			t.Fatal(err)
		}
		if s := w.Summary; !s.Wrote || s.Changes != 2 || s.LastInsertRowID != 8 || s.Rows != 2 || s.Elapsed <= 0 {
			t.Errorf("the summary is %+v", s)
		}
		if len(got.columns) != 2 || len(got.rows) != 2 || got.rows[1][1].String() != "b" || w.Held() == 0 {
			t.Errorf("the rows are %v, of %v", got.rows, got.columns)
		}
	})
	t.Run("a failure is told as by Run", func(t *testing.T) {
		job := h.insert("INSERT INTO t VALUES (9, 'a')")
		failures := h.Stats().Failures
		w := h.take(job)
		w.Close()
		_, err := h.Run(context.Background(), job, nil)
		if err == nil || w.Err == nil || w.Err.Error() != err.Error() || fault.KindOf(w.Err) != fault.KindOf(err) {
			t.Errorf("%v, and by Run %v", w.Err, err)
		}
		if got := h.Stats().Failures - failures; got != 2 {
			t.Errorf("%d failures were counted", got)
		}
	})
	t.Run("nothing is taken but what can be queued at once", func(t *testing.T) {
		empty := newHarness(t, Limits{})
		empty.db.Version = catalog.NewID(empty.now(), empty.random)
		for what, refused := range map[string]struct {
			h    *harness
			edit func(*Job)
		}{
			"a read":                {h, func(j *Job) { j.Statement.SQL = "SELECT 1" }},
			"a job that may not":    {h, func(j *Job) { j.Class = Read }},
			"a first write":         {h, func(j *Job) { j.Unwritten = true }},
			"an unmarked one":       {h, func(j *Job) { j.Unmarked = true }},
			"a text that is none":   {h, func(j *Job) { j.Statement.SQL = "INSERT INTO t VALUES ('\xff')" }},
			"one without a handle":  {empty, func(*Job) {}},
			"one that is elsewhere": {h, func(j *Job) { j.DB = empty.db }},
		} {
			job := refused.h.insert("INSERT INTO t VALUES (1, 1)")
			refused.edit(&job)
			if refused.h.post(context.Background(), job, func(*Written) {}) {
				t.Errorf("%s is taken", what)
			}
		}
	})
}

func TestPost_ends_while_it_waits(t *testing.T) {
	const bound = 300 * time.Millisecond
	h := newHarness(t, Limits{QueueTime: bound, SessionWriteTime: time.Hour, QueuedWrites: 2})
	h.must("CREATE TABLE t(a)")
	told := make(chan error, 4)
	done := func(w *Written) {
		w.Close()
		told <- w.Err
	}
	job := h.insert("INSERT INTO t VALUES (1)")
	free := h.occupy()
	t.Run("after limits.queue_time", func(t *testing.T) {
		began := time.Now()
		if !h.post(context.Background(), job, done) {
			t.Fatal("it is not taken")
		}
		if err := <-told; fault.KindOf(err) != fault.Busy || time.Since(began) < bound {
			t.Errorf("after %v it has %v", time.Since(began), err)
		}
		if !h.post(context.Background(), job, done) { // the clock goes on
			t.Fatal("the next is not taken")
		}
		if err := <-told; fault.KindOf(err) != fault.Busy {
			t.Errorf("the next has %v", err)
		}
	})
	t.Run("when it is cancelled", func(t *testing.T) {
		ctx, end := context.WithCancel(context.Background())
		cancel, ok := h.Post(ctx, job, done)
		if !ok {
			t.Fatal("it is not taken")
		}
		end()
		cancel()
		if err := <-told; !errors.Is(err, context.Canceled) {
			t.Errorf("it has %v", err)
		}
		if cancel(); len(told) > 0 {
			t.Error("it is told twice")
		}
	})
	t.Run("when it is cancelled although its context goes on", func(t *testing.T) {
		cancel, ok := h.Post(context.Background(), job, done)
		if !ok {
			t.Fatal("it is not taken")
		}
		cancel()
		if err := <-told; !errors.Is(err, context.Canceled) {
			t.Errorf("it has %v", err)
		}
	})
	t.Run("when there is no room it is not taken", func(t *testing.T) {
		for i := range 3 {
			if ok := h.post(context.Background(), job, done); ok != (i < 2) {
				t.Errorf("of three, the %dth is taken: %v", i+1, ok)
			}
		}
		<-told
		<-told
	})
	if free(); h.Stats().QueuedWrites != 0 {
		t.Errorf("%d wait", h.Stats().QueuedWrites)
	}
	h.count(0)
	if refs := h.open[h.db].refs; refs != 0 {
		t.Errorf("%d are in the database", refs)
	}
}

// TestPost_answers_come_together looks at when the program around is told to pass
// answers on: once for those of one batch, and after the last.
func TestPost_answers_come_together(t *testing.T) {
	var told, passed, together atomic.Int64
	r, err := NewInProcess(Config{Dir: t.TempDir(), Hooks: Hooks{Answered: func() {
		n := told.Load()
		together.Store(max(together.Load(), n-passed.Swap(n)))
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	h := &harness{TB: t, InProcess: r}
	h.db = h.create()
	h.must("CREATE TABLE t(a)")
	free := h.occupy()
	for i := range 20 {
		if !h.post(context.Background(), h.insert("INSERT INTO t VALUES (?)", i), func(w *Written) {
			if w.Err != nil {
				t.Error(w.Err)
			}
			w.Close()
			told.Add(1)
		}) {
			t.Fatal("it is not taken")
		}
	}
	free()
	resume, err := h.Release(context.Background(), h.db) // waits for all of them
	if err != nil {
		t.Fatal(err)
	}
	if told.Load() != 20 {
		t.Errorf("the database is released when %d are over", told.Load())
	}
	resume()
	h.count(20)
	if passed.Load() != 20 || together.Load() < 2 {
		t.Errorf("%d were passed on, at most %d of them together", passed.Load(), together.Load())
	}
}

// TestPost_closes_databases_for_others writes to many databases with room for few: the
// goroutine that answers one is that which has to end before it can be closed.
func TestPost_closes_databases_for_others(t *testing.T) {
	h := newHarness(t, Limits{OpenMemory: 1})
	for i := range 8 {
		h.db = h.create()
		h.must("CREATE TABLE t(a)")
		for j := range 3 { // the handle may go at any time
			job := h.insert(fmt.Sprintf("INSERT INTO t VALUES (%d)", j))
			over := make(chan error, 1)
			if h.post(context.Background(), job, func(w *Written) {
				w.Close()
				over <- w.Err
			}) {
				if err := <-over; err != nil {
					t.Fatal(i, err)
				}
			} else {
				h.must(job.Statement.SQL)
			}
		}
		h.count(3)
	}
	if h.Stats().Evictions == 0 {
		t.Error("none was closed")
	}
}
