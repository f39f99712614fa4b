package hosting

import (
	"context"
	"fmt"
	"testing"

	"ayb/catalog"
	"ayb/fault"
)

// settings returns what a connection's pragmas say.
func settings(t *testing.T, c *conn) string {
	t.Helper()
	var out string
	for _, name := range []string{
		"analysis_limit", "automatic_index", "busy_timeout", "cache_size", "cache_spill", "case_sensitive_like", "cell_size_check", "checkpoint_fullfsync",
		"count_changes", "defer_foreign_keys", "foreign_keys", "fullfsync", "ignore_check_constraints", "journal_size_limit", "legacy_alter_table", "locking_mode", "mmap_size",
		"query_only", "read_uncommitted", "recursive_triggers", "reverse_unordered_selects", "secure_delete", "synchronous", "temp_store", "threads", "trusted_schema", "wal_autocheckpoint", "writable_schema",
	} {
		stmt, _, err := c.c.Prepare("PRAGMA " + name)
		if err != nil {
			t.Fatal(err)
		}
		if stmt != nil && stmt.Step() {
			out += name + "=" + stmt.ColumnText(0) + " "
		}
		stmt.Close()
	}
	return out
}

// SQLite carries out most pragmas while it compiles them, so that a text which is
// refused, explained or rolled back may have changed a connection that others use
// next.
func TestGuard_no_text_changes_a_shared_connection(t *testing.T) {
	h := newHarness(t, Limits{Readers: 1})
	h.must("CREATE TABLE t(a)")
	db, err := h.enter(context.Background(), h.db)
	if err != nil {
		t.Fatal(err)
	}
	defer h.leave(db)
	h.must("SELECT 1")
	h.must("INSERT INTO t VALUES (1)")
	reader, writer := db.readers.idle[0], db.writer.conn
	before := [2]string{settings(t, reader), settings(t, writer)}
	for _, pragma := range []string{
		"synchronous", "foreign_keys", "busy_timeout", "cache_size", "automatic_index", "journal_size_limit", "temp_store", "wal_autocheckpoint", "query_only",
		"recursive_triggers", "ignore_check_constraints", "defer_foreign_keys", "case_sensitive_like", "writable_schema", "trusted_schema", "locking_mode", "mmap_size", "secure_delete",
	} {
		for _, form := range []string{
			"PRAGMA %s=''", "PRAGMA %s('')", "PRAGMA %s=0", "PRAGMA main.%s=''", "EXPLAIN PRAGMA %s=''", "EXPLAIN QUERY PLAN PRAGMA %s=''", "/* x */ EXPLAIN PRAGMA %s=''",
			"SELECT * FROM pragma_%s", "SELECT * FROM pragma_%s('')",
		} {
			sql := fmt.Sprintf(form, pragma)
			for _, class := range []Class{Read, Write} {
				for _, text := range []string{sql, sql + "; INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1); " + sql, "SELECT 1; " + sql, sql + "; SELECT nope FROM t"} {
					_, _ = h.query(class, text)
					if db.writer.conn != writer || db.readers.idle[0] != reader {
						t.Fatalf("%s cost a connection", text)
					}
					if after := [2]string{settings(t, reader), settings(t, writer)}; after != before {
						t.Fatalf("%s changed the connection:\n%s\n%s", text, before, after)
					}
				}
			}
		}
	}
}

func TestGuard_explained_commit_is_no_commit(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	for _, sql := range []string{"BEGIN; INSERT INTO t VALUES (1); EXPLAIN COMMIT", "EXPLAIN BEGIN; INSERT INTO t VALUES (1); COMMIT"} {
		if _, err := h.query(Write, sql); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", sql, err)
		}
	}
	h.count(0)
}

func TestGuard_explain_is_up_to_date(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	const sql = "EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = 1"
	before := h.must(sql)
	h.must("CREATE INDEX i ON t(a)")
	if after := h.must(sql); after[0][3] == before[0][3] {
		t.Errorf("still %v", after[0][3])
	}
}

func TestGuard_writes_in_disguise_take_their_turn(t *testing.T) {
	h := newHarness(t, Limits{})
	s, err := h.Begin(context.Background(), Job{DB: h.db, Class: Write})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Run(context.Background(), catalog.Statement{SQL: "SELECT * FROM pragma_optimize(-1)"}, nil); fault.KindOf(err) != fault.Denied {
		t.Errorf("pragma_optimize: %v", err)
	}
}

// A write that answers rows has done its work when the first one comes. Ending it
// there must not keep it.
func TestSession_write_that_is_ended_between_its_rows_is_not_kept(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	s, err := h.Begin(context.Background(), Job{DB: h.db, Class: Write})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const sql = "INSERT INTO t VALUES (1), (2), (3) RETURNING a"
	if _, err := s.Run(ctx, catalog.Statement{SQL: sql}, canceler(cancel)); err != context.Canceled {
		t.Errorf("%v, want that it was canceled", err)
	}
	h.count(0)
	if sum, err := s.Run(context.Background(), catalog.Statement{SQL: sql}, nil); err != nil || sum.Changes != 3 {
		t.Errorf("%+v, %v", sum, err)
	}
	h.count(3)
}

type canceler context.CancelFunc

func (canceler) Columns([]catalog.Column) error { return nil }
func (c canceler) Row(catalog.Row) error        { c(); return nil }
