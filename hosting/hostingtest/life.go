package hostingtest

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

func lifeChecks() []check {
	return []check{
		{"what_was_written_is_there_after_a_restart", restart},
		{"close_ends_what_is_running", closeEnds},
		{"close_does_not_wait_for_resume", closeReleased},
		{"after_close_everything_is_unavailable", afterClose},
		{"after_close_nothing_is_left", closeLeavesNothing},
		{"counters_and_gauges_move", statsMove},
		{"many_databases_live_in_little_memory", eviction},
		{"an_idle_runner_has_no_goroutine_for_each_database", idle},
	}
}

// generation returns the generation of the database.
func generation(d *database) hosting.Generation {
	d.t.Helper()
	gen, err := d.Copy(d.t.Context(), d.job.DB, hosting.CopyPages, io.Discard)
	if err != nil {
		d.t.Fatalf("Copy: %v", err)
	}
	return gen
}

func restart(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for i := range 3 {
		d.write("INSERT INTO t VALUES (?)", i)
		before := generation(d)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = d.on(s.hostAt(t, d.dir, hosting.Limits{}))
		d.expect(fmt.Sprint(i+1), "SELECT count(*) FROM t")
		if after := generation(d); after.Incarnation == before.Incarnation {
			t.Error("the incarnation outlived the Runner")
		}
	}
}

func closeEnds(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	read := background(func() error { return d.try(hosting.Read, endlessRead) })
	se := d.session(hosting.Write)
	inSession := background(func() error { return se.try(endlessRead) })
	_, write := longWrite(d)
	queued := background(func() error { return d.try(hosting.Write, "INSERT INTO t VALUES (2)") })

	if err := await(t, "Close", background(d.Close)); err != nil {
		t.Errorf("Close: %v", err)
	}
	wantKind(t, "a read", await(t, "a read", read), fault.Unavailable)
	// On a busy machine its process may have been ended before, for the text of another.
	wantKind(t, "a session", await(t, "a session", inSession), fault.Unavailable, fault.Conflict, fault.NotApplied)
	wantKind(t, "a write", await(t, "a write", write), fault.Unavailable)
	wantKind(t, "a queued write", await(t, "a queued write", queued), fault.Unavailable)

	again := d.on(s.hostAt(t, d.dir, hosting.Limits{}))
	again.expect("0", "SELECT count(*) FROM t")
}

func closeReleased(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	resume := d.release()
	waiting := background(func() error { return d.try(hosting.Read, "SELECT 1") })
	if err := await(t, "Close", background(d.Close)); err != nil {
		t.Errorf("Close: %v", err)
	}
	wantKind(t, "a job that waits for resume", await(t, "a job", waiting), fault.Unavailable)
	resume()
}

func afterClose(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	d.refuse(hosting.Read, "SELECT 1", fault.Unavailable)
	d.refuse(hosting.Write, "INSERT INTO t VALUES (1)", fault.Unavailable)
	_, err := d.begin(hosting.Read)
	wantKind(t, "Begin", err, fault.Unavailable)
	wantKind(t, "Create", d.Create(t.Context(), newDB()), fault.Unavailable)
	_, err = d.Copy(t.Context(), d.job.DB, hosting.CopyPages, io.Discard)
	wantKind(t, "Copy", err, fault.Unavailable)
	wantKind(t, "Check", d.Check(t.Context(), d.job.DB, hosting.QuickCheck), fault.Unavailable)
	_, err = d.Release(t.Context(), d.job.DB)
	wantKind(t, "Release", err, fault.Unavailable)
	wantKind(t, "a session", se.try("SELECT 1"), fault.Unavailable, fault.Conflict)
	if err := se.Close(); err != nil {
		t.Errorf("closing a session: %v", err)
	}
	d.Stats()
}

func closeLeavesNothing(t *testing.T, s *suite) {
	before := runtime.NumGoroutine()
	d := s.database(t, "CREATE TABLE t (a)")
	err := together(8, func(i int) error {
		if err := d.try(hosting.Write, "INSERT INTO t VALUES (?)", i); err != nil {
			return err
		}
		return d.try(hosting.Read, "SELECT count(*) FROM t")
	})
	if err != nil {
		t.Fatal(err)
	}
	d.session(hosting.Write).exec("BEGIN", "INSERT INTO t VALUES (9)")
	d.image(hosting.CopyVacuum)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if open := descriptors(d.dir); len(open) != 0 {
		t.Errorf("still open: %v", open)
	}
	eventually(t, "goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
	for _, file := range files(t, d.dir) {
		if filepath.Base(file) != "db" {
			t.Errorf("left behind: %s", file)
		}
	}
}

func statsMove(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{QueryTime: 500 * time.Millisecond}) // of which Create needs a part, on a machine that is busy
	start := h.Stats()
	d := h.database("CREATE TABLE t (a)")
	d.write("INSERT INTO t VALUES (1)")
	d.expect("1", "SELECT a FROM t")
	d.expect("1", "SELECT a FROM t")
	d.refuse(hosting.Read, "SELECT * FROM nope", fault.Invalid)
	d.refuse(hosting.Read, endlessRead, fault.TimedOut)
	se := d.session(hosting.Write)
	now := h.Stats()
	for name, moved := range map[string]bool{
		"reads":      now.Reads >= start.Reads+1,
		"writes":     now.Writes == start.Writes+2,
		"failures":   now.Failures == start.Failures+2,
		"interrupts": now.Interrupts == start.Interrupts+1,
		"commits":    now.Commits >= start.Commits+2,
		"syncs":      now.Syncs >= start.Syncs+2,
		"batches":    now.Batches.Counts[0] >= start.Batches.Counts[0]+2 && now.Batches.Writes >= start.Batches.Writes+2,
		"compiled":   now.StatementMisses >= start.StatementMisses+4,
		"prepared":   now.StatementHits == start.StatementHits+1,
		"queues":     now.QueuedReads == 0 && now.QueuedWrites == 0,
		"databases":  now.Databases == 1,
		"conns":      now.Connections >= 2,
		"sessions":   now.Sessions == 1,
		"memory":     now.Memory > 0,
	} {
		if !moved {
			t.Errorf("%s: %+v, before %+v", name, now, start)
		}
	}
	if err := se.Close(); err != nil {
		t.Error(err)
	}
	d.release()()
	if now := h.Stats(); now.Sessions != 0 || now.Databases != 0 || now.Connections != 0 {
		t.Errorf("after Release: %+v", now)
	}
}

// eviction uses more databases than fit into memory at once.
func eviction(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{OpenMemory: 4 << 20})
	var databases []*database
	for range 24 {
		databases = append(databases, h.database("CREATE TABLE t (a); INSERT INTO t VALUES (0)"))
	}
	stuck := stick(databases[0])
	err := together(4, func(i int) error {
		for n := range 2 * len(databases) {
			d := databases[(n*7+i*11)%len(databases)]
			if err := d.try(hosting.Write, "UPDATE t SET a = a + 1"); err != nil {
				return err
			}
			if err := d.try(hosting.Read, "SELECT a FROM t"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stuck()
	for _, d := range databases {
		d.expect("8", "SELECT a FROM t")
	}
	stats := h.Stats()
	if stats.Evictions == 0 || stats.Databases >= len(databases) || stats.Memory > 8<<20 {
		t.Errorf("nothing was closed: %+v", stats)
	}
}

func idle(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	h.database("CREATE TABLE t (a)").expect("0", "SELECT count(*) FROM t")
	one := runtime.NumGoroutine()
	for range 30 {
		h.database("CREATE TABLE t (a)").expect("0", "SELECT count(*) FROM t")
	}
	eventually(t, "goroutines of idle databases are gone", func() bool { return runtime.NumGoroutine() <= one+5 })
}
