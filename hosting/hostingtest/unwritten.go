package hostingtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ayb/fault"
	"ayb/hosting"
)

func unwrittenChecks() []check {
	return []check{
		{"reads_see_an_empty_database", unwrittenReads},
		{"writes_are_sent_back_before_anything_happens", unwrittenWrites},
		{"a_session_reads_emptiness_and_sends_writes_back", unwrittenSession},
		{"create_makes_the_file_once", createTwice},
		{"the_mark_does_not_hide_a_file_that_is_there", unwrittenButThere},
		{"a_missing_file_is_a_fault", missingFile},
		{"files_are_for_nobody_else", permissions},
	}
}

func unwritten(s *suite, t *testing.T) *database {
	d := s.host(t, hosting.Limits{}).unmade()
	d.job.Unwritten = true
	return d
}

// nothing fails the test if there is a regular file under the directory.
func (h *host) nothing(when string) {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			h.t.Errorf("%s there is a file: %s", when, path)
		}
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
}

func unwrittenReads(t *testing.T, s *suite) {
	d := unwritten(s, t)
	for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
		res, err := d.run(t.Context(), class, "SELECT count(*), ? FROM sqlite_schema", 7)
		if err != nil || lines(res) != "0|7" {
			t.Errorf("got %q, error %v", lines(res), err)
		}
		wantFault(t, "a table", d.try(class, "SELECT * FROM t"), fault.Invalid, 1, "no such table: t")
	}
	d.refuse(hosting.Read, "CREATE TABLE t (a)", fault.ReadOnly)
	d.nothing("after reading")
}

func unwrittenWrites(t *testing.T, s *suite) {
	d := unwritten(s, t)
	for _, sql := range []string{
		"CREATE TABLE t (a)", "CREATE TABLE t (a); INSERT INTO t VALUES (1)", "BEGIN; CREATE TABLE t (a); COMMIT",
		"SELECT 1; CREATE TABLE t (a)", "PRAGMA foreign_keys=OFF; CREATE TABLE t (a)",
	} {
		err := d.try(hosting.Write, sql)
		wantIs(t, sql, err, hosting.ErrUnwritten)
	}
	d.nothing("after a write that was sent back")
	if err := d.Create(t.Context(), d.job.DB); err != nil {
		t.Fatal(err)
	}
	d.job.Unwritten = false
	d.expect("0", "SELECT count(*) FROM sqlite_schema")
	d.write("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	d.expect("1", "SELECT a FROM t")
}

func unwrittenSession(t *testing.T, s *suite) {
	d := unwritten(s, t)
	se := d.session(hosting.Write)
	se.expect("0", "SELECT count(*) FROM sqlite_schema")
	wantIs(t, "a write", se.try("CREATE TABLE t (a)"), hosting.ErrUnwritten)
	d.nothing("after a session")
	if err := se.Close(); err != nil {
		t.Error(err)
	}
}

func createTwice(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{}).unmade()
	err := together(8, func(int) error { return d.Create(t.Context(), d.job.DB) })
	if err != nil {
		t.Fatal(err)
	}
	d.write("CREATE TABLE t (a)")
	if err := d.Create(t.Context(), d.job.DB); err != nil {
		t.Fatal(err)
	}
	d.expect("1", "SELECT count(*) FROM sqlite_schema")
}

func unwrittenButThere(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	d.job.Unwritten = true
	d.expect("1", "SELECT a FROM t")
}

func missingFile(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{}).unmade()
	for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
		d.refuse(class, "SELECT 1", fault.Unavailable)
		d.refuse(class, "CREATE TABLE t (a)", fault.Unavailable, fault.ReadOnly)
		se, err := d.begin(class)
		if err == nil { // then the session finds out when it opens the file
			err = se.try("SELECT count(*) FROM sqlite_schema")
		}
		wantKind(t, "a session", err, fault.Unavailable)
	}
	wantKind(t, "Check", d.Check(t.Context(), d.job.DB, hosting.QuickCheck), fault.Unavailable)
	d.nothing("after looking for a missing file")
}

func permissions(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	d.expect("0", "SELECT count(*) FROM t")
	err := filepath.WalkDir(hosting.OwnerPath(d.dir, d.job.Owner), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
