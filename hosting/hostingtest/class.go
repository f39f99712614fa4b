package hostingtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

func classChecks() []check {
	return []check{
		{"class_read_refuses_every_write", readRefusesWrites},
		{"class_read_allows_every_read", readAllowsReads},
		{"a_class_does_not_rub_off_on_the_same_text", classesAlternate},
		{"what_only_reads_runs_beside_a_long_write", readsBesideWrite},
		{"readers_do_not_wait_for_each_other", readsBesideReads},
	}
}

func readRefusesWrites(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a UNIQUE); CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT a FROM t; INSERT INTO t VALUES (1)")
	before := d.read("SELECT * FROM sqlite_schema")
	for _, sql := range []string{
		"INSERT INTO t VALUES (2)",
		"INSERT INTO t VALUES (2) RETURNING a",
		"WITH x(a) AS (SELECT 2) INSERT INTO t SELECT a FROM x",
		"REPLACE INTO t VALUES (1)",
		"UPDATE t SET a = 2 WHERE 0",
		"DELETE FROM t",
		"CREATE TABLE u (a)",
		"CREATE TABLE u AS SELECT 1",
		"CREATE VIEW w AS SELECT 1",
		"CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
		"CREATE VIRTUAL TABLE f USING fts5 (a)",
		"DROP TABLE t",
		"DROP INDEX i",
		"ALTER TABLE t RENAME TO u",
		"PRAGMA user_version = 5",
		"VACUUM",
		"REINDEX",
		"ANALYZE",
		"SELECT 1; INSERT INTO t VALUES (2)",
		"BEGIN; INSERT INTO t VALUES (2); COMMIT",
		"/* only a comment */ -- and one more\n INSERT INTO t VALUES (2)",
	} {
		err := d.try(hosting.Read, sql)
		wantKind(t, sql, err, fault.ReadOnly)
		if got := fault.Message(err); got != "Attempted to write to database while in read-only mode" {
			t.Errorf("%s: message %q", sql, got)
		}
	}
	d.refuse(hosting.Read, "CREATE TEMP TABLE x (a)", fault.Denied, fault.ReadOnly)
	d.expect("1", "SELECT group_concat(a) FROM t")
	d.expect(before, "SELECT * FROM sqlite_schema")
	d.expect("0", "PRAGMA user_version")
}

func readAllowsReads(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	d.expect("1", "WITH x AS (SELECT a FROM t) SELECT * FROM x")
	d.expect("1\n2", "VALUES (1), (2)")
	d.expect("2", "SELECT 1; SELECT 2")
	if d.read("EXPLAIN QUERY PLAN SELECT a FROM t") == "" || d.read("EXPLAIN SELECT a FROM t") == "" {
		t.Error("EXPLAIN answers nothing")
	}
	if d.read("EXPLAIN INSERT INTO t VALUES (2)") == "" {
		t.Error("EXPLAIN INSERT answers nothing")
	}
	d.expect("1", "SELECT group_concat(a) FROM t")
}

// classesAlternate sends the same texts in both classes by turns, so that what
// is remembered of a text in one class would show in the other.
func classesAlternate(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for i := range 3 {
		d.refuse(hosting.Read, "INSERT INTO t VALUES (1)", fault.ReadOnly)
		d.write("INSERT INTO t VALUES (1)")
		d.refuse(hosting.Read, "INSERT INTO t VALUES (1)", fault.ReadOnly)
		for _, class := range []hosting.Class{hosting.Write, hosting.Read} {
			res, err := d.run(t.Context(), class, "SELECT count(*), ? FROM t", i)
			if want := fmt.Sprintf("%d|%d", i+1, i); err != nil || lines(res) != want {
				t.Errorf("got %q, error %v, want %q", lines(res), err, want)
			}
			wantKind(t, "no parameter the second time", d.try(class, "SELECT count(*), ? FROM t"), fault.Invalid)
		}
	}
}

// longWrite starts a write that ends when stop is called, and returns when
// other writes have to wait for it.
func longWrite(d *database) (stop func(), done <-chan error) {
	ctx, stop := context.WithCancel(d.t.Context())
	done = background(func() error {
		_, err := d.run(ctx, hosting.Write, endlessWrite)
		return err
	})
	eventually(d.t, "a long write holds the writer", func() bool {
		ctx, cancel := context.WithTimeout(d.t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := d.run(ctx, hosting.Write, "DELETE FROM t WHERE 0")
		return err != nil
	})
	return stop, done
}

func readsBesideWrite(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	stop, done := longWrite(d)
	for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
		for _, sql := range []string{"SELECT a FROM t", "SELECT 0; SELECT a FROM t"} {
			res, err := d.run(t.Context(), class, sql)
			if err != nil || lines(res) != "1" {
				t.Errorf("%s: got %q, error %v", sql, lines(res), err)
			}
		}
	}
	select {
	case err := <-done:
		t.Errorf("the long write ended by itself: %v", err)
	default:
	}
	stop()
	wantIs(t, "the long write", await(t, "the long write", done), context.Canceled)
	d.write("INSERT INTO t VALUES (2)")
	d.expect("1,2", "SELECT group_concat(a) FROM t")
}

func readsBesideReads(t *testing.T, s *suite) {
	d := s.database(t, "")
	free := stick(d)
	d.expect("2", "SELECT 2")
	free()
}
