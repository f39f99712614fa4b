package hostingtest

import (
	"bytes"
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
		{"a_session_may_read_and_writers_are_sent_back", unwrittenSession},
		{"writes_that_are_not_noted_are_sent_back_before_anything_happens", unmarkedWrites},
		{"create_makes_the_file_once", createTwice},
		{"the_mark_does_not_hide_a_file_that_is_there", unwrittenButThere},
		{"a_missing_file_is_a_fault", missingFile},
		{"files_are_for_nobody_else", permissions},
	}
}

// unwritten returns a database without a file whose jobs say so.
func (s *suite) unwritten(t *testing.T) *database {
	t.Helper()
	d := s.host(t, hosting.Limits{}).unmade()
	d.job.Unwritten = true
	return d
}

// nothing fails the test if there is a regular file under the directory.
func (h *host) nothing(when string) {
	h.t.Helper()
	for _, file := range files(h.t, h.dir) {
		h.t.Errorf("%s there is a file: %s", when, file)
	}
}

func unwrittenReads(t *testing.T, s *suite) {
	d := s.unwritten(t)
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
	d := s.unwritten(t)
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
	d := s.unwritten(t)
	_, err := d.begin(hosting.Write)
	wantIs(t, "a session that may write", err, hosting.ErrUnwritten)
	se := d.session(hosting.Read)
	se.expect("0", "SELECT count(*) FROM sqlite_schema")
	wantKind(t, "a write", se.try("CREATE TABLE t (a)"), fault.ReadOnly)
	d.nothing("after a session")

	if err := d.Create(t.Context(), d.job.DB); err != nil {
		t.Fatal(err)
	}
	d.write("CREATE TABLE t (a)")
	se.expect("1", "SELECT count(*) FROM sqlite_schema")
	d.session(hosting.Write).exec("INSERT INTO t VALUES (1)")
	se.expect("1", "SELECT a FROM t")
}

func unmarkedWrites(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	d.job.Unmarked = true
	for _, sql := range []string{
		"INSERT INTO t VALUES (2)", "DELETE FROM t WHERE a > 5", "SELECT 1; DELETE FROM t", "BEGIN; DELETE FROM t; COMMIT", "VACUUM",
		"WITH x AS (SELECT 1) DELETE FROM t", "PRAGMA user_version = 5", "PRAGMA foreign_keys=OFF; DELETE FROM t", "EXPLAIN SELECT 1; DROP TABLE t",
	} {
		wantIs(t, sql, d.try(hosting.Write, sql), hosting.ErrUnmarked)
	}
	d.expect("1", "SELECT a FROM t")
	d.expect("0", "PRAGMA user_version")
	d.refuse(hosting.Read, "DELETE FROM t", fault.ReadOnly)
	wantFault(t, "no SQL", d.try(hosting.Write, "SELEC 1"), fault.Invalid, 1, `near "SELEC": syntax error`)

	d.job.Unmarked = false
	d.write("INSERT INTO t VALUES (2)")
	d.expect("1\n2", "SELECT a FROM t")
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
		err := d.try(class, "SELECT 1")
		wantKind(t, "a read", err, fault.Unavailable)
		wantIs(t, "a read", err, hosting.ErrMissing)
		d.refuse(class, "CREATE TABLE t (a)", fault.Unavailable, fault.ReadOnly)
		se, err := d.begin(class)
		if err == nil { // then the session finds out when it opens the file
			err = se.try("SELECT count(*) FROM sqlite_schema")
		}
		wantIs(t, "a session", err, hosting.ErrMissing)
	}
	wantIs(t, "Check", d.Check(t.Context(), d.job.DB, hosting.QuickCheck), hosting.ErrMissing)
	for name, method := range copyMethods {
		var b bytes.Buffer
		_, err := d.Copy(t.Context(), d.job.DB, method, &b)
		wantIs(t, "Copy "+name, err, hosting.ErrMissing)
		if b.Len() != 0 {
			t.Errorf("Copy %s wrote %d bytes of a missing database", name, b.Len())
		}
	}
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
