package hostingtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func modelChecks() []check {
	return []check{
		{"random_operations_agree_with_a_model", randomOperations},
	}
}

// randomOperations lets many workers write to many databases, each to keys of
// its own, while others copy, check, vacuum and release the databases. What a
// worker reads must be what it wrote.
func randomOperations(t *testing.T, s *suite) {
	const databases, workers, steps = 4, 4, 80
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := s.host(t, hosting.Limits{OpenMemory: 3 << 20, QueueTime: patience, Readers: 3})
	var tenants []*database
	for range databases {
		tenants = append(tenants, h.database("CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT NOT NULL); CREATE INDEX i ON kv (v)"))
	}
	stop := make(chan struct{})
	troubles := background(func() error {
		return together(databases, func(i int) error {
			return trouble(tenants[i], rand.New(rand.NewPCG(seed, uint64(i))), stop)
		})
	})
	err := together(databases*workers, func(i int) error {
		w := &worker{
			db:   tenants[i%databases],
			rand: rand.New(rand.NewPCG(seed, uint64(100+i))),
			low:  int64(i) * 1000,
			want: map[int64]string{},
		}
		for n := range steps {
			if err := w.step(); err != nil {
				return fmt.Errorf("worker %d, step %d: %w", i, n, err)
			}
		}
		return w.compare()
	})
	close(stop)
	if err := errors.Join(err, await(t, "the troubles", troubles)); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	for _, d := range tenants {
		if err := d.Check(t.Context(), d.job.DB, hosting.IntegrityCheck); err != nil {
			t.Error(err)
		}
	}
}

// trouble does to a database what operators and machines do.
func trouble(d *database, random *rand.Rand, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		var err error
		switch random.IntN(4) {
		case 0:
			var b bytes.Buffer
			_, err = d.Copy(d.t.Context(), d.job.DB, hosting.CopyMethod(random.IntN(2)), &b)
		case 1:
			err = d.Check(d.t.Context(), d.job.DB, hosting.QuickCheck)
		case 2:
			var resume func()
			if resume, err = d.Release(d.t.Context(), d.job.DB); err == nil {
				resume()
			}
		case 3:
			err = d.try(hosting.Write, []string{"VACUUM", "ANALYZE", "REINDEX"}[random.IntN(3)])
		}
		if err != nil {
			return fmt.Errorf("trouble: %w", err)
		}
		time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
	}
}

// A worker writes to keys of its own and remembers what should be there.
type worker struct {
	db   *database
	rand *rand.Rand
	low  int64
	want map[int64]string
}

func (w *worker) step() error {
	key, value := w.low+w.rand.Int64N(20), fmt.Sprintf("%x", w.rand.Uint64())
	const put = "INSERT INTO kv VALUES (?1, ?2) ON CONFLICT DO UPDATE SET v = excluded.v"
	switch w.rand.IntN(10) {
	default:
		if err := w.db.try(hosting.Write, put, key, value); err != nil {
			return err
		}
		w.want[key] = value
	case 0:
		if err := w.db.try(hosting.Write, "DELETE FROM kv WHERE k = ?", key); err != nil {
			return err
		}
		delete(w.want, key)
	case 1:
		return w.compare()
	case 2:
		err := w.db.try(hosting.Write, fmt.Sprintf("UPDATE kv SET v = 'no' WHERE k = %d; INSERT INTO kv VALUES (%[1]d, NULL)", key))
		if fault.KindOf(err) != fault.Invalid {
			return fmt.Errorf("a text that must fail: %w", err)
		}
	case 3:
		return w.impatient(put, key, value)
	case 4:
		return w.session(put, key, value)
	case 5:
		sql := fmt.Sprintf("DELETE FROM kv WHERE k = %d; INSERT INTO kv VALUES (%[1]d, '%[2]s'); SELECT v FROM kv WHERE k = %[1]d", key, value)
		res, err := w.db.run(w.db.t.Context(), hosting.Write, sql)
		if err != nil || lines(res) != value {
			return fmt.Errorf("a text of three: %q, %w", lines(res), err)
		}
		w.want[key] = value
	}
	return nil
}

// impatient writes and may change its mind at any moment: either the write was
// made, or it is certain that it was not.
func (w *worker) impatient(put string, key int64, value string) error {
	ctx, cancel := context.WithTimeout(w.db.t.Context(), time.Duration(w.rand.IntN(2000))*time.Microsecond)
	defer cancel()
	_, err := w.db.run(ctx, hosting.Write, put, key, value)
	switch {
	case err == nil:
		w.want[key] = value
	case !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("an impatient write: %w", err)
	}
	return nil
}

// session writes in a transaction that may be rolled back by its user, or by a
// release of the database.
func (w *worker) session(put string, key int64, value string) error {
	se, err := w.db.begin(hosting.Write)
	if err != nil {
		return err
	}
	defer se.Close()
	commit := w.rand.IntN(3) > 0
	err = se.try("BEGIN IMMEDIATE")
	if err == nil {
		err = se.try(put, key, value)
	}
	if err == nil && commit {
		err = se.try("COMMIT")
	}
	switch {
	case err != nil && fault.KindOf(err) != fault.Conflict:
		return fmt.Errorf("a session: %w", err)
	case err == nil && commit:
		w.want[key] = value
	}
	return nil
}

// compare reads all keys of the worker.
func (w *worker) compare() error {
	got := map[int64]string{}
	_, err := w.db.runTo(w.db.t.Context(), rowFunc(func(r catalog.Row) error {
		got[r.Int64(0)] = string(r.Bytes(1))
		return nil
	}), hosting.Read, "SELECT k, v FROM kv WHERE k BETWEEN ? AND ?", w.low, w.low+999)
	if err != nil {
		return err
	}
	for key, value := range w.want {
		if got[key] != value {
			return fmt.Errorf("key %d is %q, want %q", key, got[key], value)
		}
	}
	if len(got) != len(w.want) {
		return fmt.Errorf("there are %d keys, want %d", len(got), len(w.want))
	}
	return nil
}
