package hosting

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"ayb/catalog"
)

// views returns how many connections keep a view open. Nobody may be reading.
func (h *harness) views() (n int) {
	h.mu.Lock()
	db := h.open[h.db]
	h.mu.Unlock()
	db.readers.mu.Lock()
	defer db.readers.mu.Unlock()
	for _, c := range db.readers.idle {
		if c.viewing && !c.c.GetAutocommit() {
			n++
		}
	}
	return n
}

func TestInProcess_views(t *testing.T) {
	t.Run("the_second_read_leaves_one_open_and_sees_the_next_write", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		for want := range int64(50) {
			for range 3 {
				h.count(want)
			}
			if h.views() != 1 {
				t.Fatalf("%d views are open, want 1", h.views())
			}
			h.must("INSERT INTO t VALUES (1)")
		}
	})
	t.Run("a_table_made_meanwhile_is_there", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		for i := range 10 {
			h.count(0)
			h.count(0)
			h.must(fmt.Sprintf("CREATE TABLE t%d(a)", i))
			if _, err := h.query(Read, fmt.Sprintf("SELECT * FROM t%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("what_a_session_commits_is_seen", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		s, err := h.Begin(context.Background(), Job{DB: h.db, Class: Write})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for want := range int64(10) {
			h.count(want)
			h.count(want)
			for _, sql := range []string{"BEGIN; INSERT INTO t VALUES (1)", "COMMIT"} {
				h.count(want)
				if _, err := s.Run(context.Background(), catalog.Statement{SQL: sql}, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	t.Run("a_failed_text_ends_it", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		h.count(0)
		h.count(0)
		if _, err := h.query(Read, "SELECT abs(-9223372036854775808)"); err == nil {
			t.Fatal("no error")
		}
		if h.views() != 0 {
			t.Error("the view is still open")
		}
		h.count(0)
	})
	t.Run("several_statements_read_in_it", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		for range 5 {
			if _, err := h.query(Read, "BEGIN; SELECT 1; SELECT count(*) FROM t; COMMIT"); err != nil {
				t.Fatal(err)
			}
		}
		if h.views() != 1 {
			t.Errorf("%d views are open, want 1", h.views())
		}
	})
	t.Run("idle_ones_do_not_keep_the_log_from_being_emptied", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		for range 40 {
			h.count(0)
			h.count(0)
			h.must("INSERT INTO t SELECT randomblob(100000) FROM (VALUES (1), (2), (3), (4), (5))")
			h.must("DELETE FROM t")
		}
		info, err := os.Stat(filepath.Join(VersionPath(h.dir, h.db), fileName+"-wal"))
		if err != nil || info.Size() > 3*checkpointPages*pageSize {
			t.Errorf("the log has %d bytes (%v)", info.Size(), err)
		}
	})
	t.Run("a_shared_database_has_none", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		other, err := NewInProcess(Config{Dir: h.dir, Temp: "other", Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		reader := &harness{TB: t, InProcess: other, db: h.db}
		for want := range int64(10) {
			for range 3 {
				reader.count(want)
			}
			h.must("INSERT INTO t VALUES (1)")
		}
		if reader.views() != 0 {
			t.Error("there is a view")
		}
	})
	t.Run("an_acknowledged_write_is_seen_by_everybody", func(t *testing.T) {
		h := newHarness(t, Limits{})
		h.must("CREATE TABLE t(a)")
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for i := range 200 {
					h.must(fmt.Sprintf("INSERT INTO t VALUES (%d)", w))
					for range 2 {
						rows, err := h.query(Read, fmt.Sprintf("SELECT count(*) FROM t WHERE a = %d", w))
						if err != nil || rows[0][0].Int64() != int64(i+1) {
							t.Errorf("%v, %v, want %d", rows, err, i+1)
							return
						}
					}
				}
			})
		}
		all.Wait()
	})
}
