package hostingtest

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

func releaseChecks() []check {
	return []check{
		{"release_waits_for_what_is_running", releaseWaits},
		{"release_closes_every_descriptor", releaseCloses},
		{"jobs_wait_for_resume_and_go_on", releaseHolds},
		{"release_ends_sessions", releaseEndsSessions},
		{"a_cancelled_release_lets_jobs_go_on", releaseCancelled},
		{"files_can_be_replaced_meanwhile", releaseReplace},
		{"files_can_be_removed_meanwhile", releaseRemove},
		{"a_database_that_was_never_used_can_be_released", releaseUnused},
		{"releases_take_turns", releaseTwice},
	}
}

// release releases the database, which must succeed.
func (d *database) release() (resume func()) {
	d.t.Helper()
	resume, err := d.Release(d.t.Context(), d.job.DB)
	if err != nil {
		d.t.Fatalf("Release: %v", err)
	}
	return resume
}

func releaseWaits(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, read := range []bool{true, false} {
		var free func()
		if read {
			free = stick(d)
		} else {
			stop, done := longWrite(d)
			free = func() {
				stop()
				wantIs(t, "the long write", await(t, "the long write", done), context.Canceled)
			}
		}
		released := make(chan func(), 1)
		go func() {
			resume, err := d.Release(t.Context(), d.job.DB)
			if err != nil {
				t.Errorf("Release: %v", err)
				resume = func() {}
			}
			released <- resume
		}()
		select {
		case <-released:
			t.Fatal("Release did not wait")
		case <-time.After(50 * time.Millisecond):
		}
		free()
		await(t, "Release", released)()
		d.write("INSERT INTO t VALUES (1)")
	}
	d.expect("2", "SELECT count(*) FROM t")
}

// descriptors lists this process's open files under dir. Files that another
// process holds open, and all files where /proc is missing, are not seen.
func descriptors(dir string) (open []string) {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && strings.HasPrefix(path, dir) {
			open = append(open, path)
		}
	}
	return open
}

func releaseCloses(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	d.expect("0", "SELECT count(*) FROM t")
	d.session(hosting.Write).exec("CREATE TEMP TABLE x (a)", "BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)")
	d.sibling("CREATE TABLE other (a)")
	resume := d.release()
	if open := descriptors(hosting.DatabasePath(d.dir, d.job.Owner, d.job.Database)); len(open) != 0 {
		t.Errorf("still open: %v", open)
	}
	for _, file := range files(t, filepath.Dir(d.file())) {
		if info, err := os.Stat(file); err == nil && strings.HasSuffix(file, "-wal") && info.Size() != 0 {
			t.Errorf("%s has %d bytes that are not in the database", file, info.Size())
		}
	}
	resume()
	resume()
	d.expect("0", "SELECT count(*) FROM t")
}

func releaseHolds(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	resume := d.release()
	waiting := []<-chan error{
		background(func() error { return d.try(hosting.Write, "INSERT INTO t VALUES (1)") }),
		background(func() error { return d.try(hosting.Read, "SELECT 1") }),
		background(func() error {
			se, err := d.begin(hosting.Write)
			if err == nil {
				err = se.try("INSERT INTO t VALUES (2)")
			}
			return err
		}),
		background(func() error { return d.Check(t.Context(), d.job.DB, hosting.QuickCheck) }),
	}
	time.Sleep(50 * time.Millisecond)
	for i, w := range waiting {
		select {
		case err := <-w:
			t.Errorf("job %d did not wait: %v", i, err)
		default:
		}
	}
	resume()
	for i, w := range waiting {
		if err := await(t, "a waiting job", w); err != nil {
			t.Errorf("job %d: %v", i, err)
		}
	}
	d.expect("1,2", "SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY a)")

	d = s.host(t, hosting.Limits{QueueTime: 100 * time.Millisecond}).database("CREATE TABLE t (a)")
	resume = d.release()
	d.refuse(hosting.Write, "INSERT INTO t VALUES (1)", fault.Busy)
	d.refuse(hosting.Read, "SELECT 1", fault.Busy)
	d.sibling("CREATE TABLE t (a)").expect("0", "SELECT count(*) FROM t")
	resume()
	d.expect("0", "SELECT count(*) FROM t")
}

func releaseEndsSessions(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	se.exec("BEGIN", "INSERT INTO t VALUES (1)")
	idle := d.session(hosting.Read)
	start := time.Now()
	d.release()()
	if took := time.Since(start); took > overdue {
		t.Errorf("Release took %v: it waited for a session instead of ending it", took)
	}
	wantKind(t, "a session in a transaction", se.try("COMMIT"), fault.Conflict)
	wantKind(t, "an idle session", idle.try("SELECT 1"), fault.Conflict)
	se.state(false)
	d.expect("0", "SELECT count(*) FROM t")
	d.session(hosting.Write).exec("INSERT INTO t VALUES (2)")
}

func releaseCancelled(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	free := stick(d)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Release(ctx, d.job.DB)
	wantIs(t, "Release", err, context.DeadlineExceeded)
	d.write("INSERT INTO t VALUES (1)")
	d.expect("1", "SELECT a FROM t")
	free()
	d.release()()
	d.expect("1", "SELECT a FROM t")
}

func releaseReplace(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	old, _ := d.image(hosting.CopyPages)
	before := generation(d)
	d.write("INSERT INTO t VALUES (2)")
	d.expect("1,2", "SELECT group_concat(a) FROM t")

	resume := d.release()
	for _, file := range files(t, filepath.Dir(d.file())) {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
	d.place(old)
	resume()
	d.expect("1", "SELECT group_concat(a) FROM t")
	d.write("INSERT INTO t VALUES (3)")
	d.expect("1,3", "SELECT group_concat(a) FROM t")
	if after := generation(d); after.Incarnation == before.Incarnation {
		t.Error("the incarnation outlived the file")
	}

	moved := *d
	moved.job.Version = newID()
	resume = d.release()
	from, to := filepath.Dir(d.file()), filepath.Dir(moved.file())
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	resume()
	moved.expect("1,3", "SELECT group_concat(a) FROM t")
	d.refuse(hosting.Read, "SELECT * FROM t", fault.Unavailable, fault.Conflict)
}

func releaseRemove(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	d.expect("0", "SELECT count(*) FROM t")
	resume := d.release()
	if err := os.RemoveAll(filepath.Dir(d.file())); err != nil {
		t.Fatal(err)
	}
	resume()
	err := d.try(hosting.Read, "SELECT 1")
	wantKind(t, "a read", err, fault.Unavailable)
	d.refuse(hosting.Write, "CREATE TABLE u (a)", fault.Unavailable)
	if err := d.Create(t.Context(), d.job.DB); err != nil {
		t.Fatal(err)
	}
	d.expect("0", "SELECT count(*) FROM sqlite_schema")
}

func releaseUnused(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	d := h.unmade()
	d.release()()
	d.nothing("after Release")
	d.job.Unwritten = true
	d.expect("1", "SELECT 1")
	d.release()()
}

func releaseTwice(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	inside := 0
	err := together(4, func(int) error {
		for range 10 {
			resume, err := d.Release(t.Context(), d.job.DB)
			if err != nil {
				return err
			}
			if inside++; inside != 1 { // a data race, too, if two are inside
				t.Error("two hold the same database")
			}
			runtime.Gosched()
			inside--
			resume()
			if err := d.try(hosting.Write, "INSERT INTO t VALUES (1)"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	d.expect("40", "SELECT count(*) FROM t")
}
