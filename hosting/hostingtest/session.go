package hostingtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func sessionChecks() []check {
	return []check{
		{"a_transaction_may_span_several_calls", sessionTransaction},
		{"others_see_nothing_before_the_commit", sessionIsolation},
		{"closing_rolls_back", sessionClose},
		{"savepoints_nest", sessionSavepoints},
		{"without_a_transaction_each_statement_stands_alone", sessionAutocommit},
		{"rows_come_as_they_are_read", sessionStreams},
		{"a_text_that_fails_leaves_the_transaction_open", sessionFailure},
		{"a_text_past_its_bound_ends_the_transaction", sessionTimeout},
		{"class_read_refuses_writes", sessionReadOnly},
		{"temporary_tables_end_with_the_session", sessionTemporary},
		{"state_ends_with_the_session", sessionState},
		{"writers_take_turns", sessionWriters},
		{"a_stale_read_cannot_become_a_write", sessionStale},
		{"an_error_of_the_sink_leaves_the_session_open", sessionSinkError},
		{"closing_ends_what_is_running", sessionCloseRunning},
	}
}

// state fails the test unless the session is in a transaction as wanted.
func (s *session) state(inTransaction bool) {
	s.database.t.Helper()
	if got := s.InTransaction(); got != inTransaction {
		s.database.t.Errorf("in a transaction: %v, want %v", got, inTransaction)
	}
}

func sessionTransaction(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	se.state(false)
	se.exec("BEGIN")
	se.state(true)
	res, err := se.run(t.Context(), "INSERT INTO t VALUES (?), (?)", 1, 2)
	if err != nil || res.Changes != 2 || res.LastInsertRowID != 2 || !res.Wrote {
		t.Errorf("got %+v, error %v", res.Summary, err)
	}
	se.expect("1,2", "SELECT group_concat(a) FROM t")
	se.exec("COMMIT")
	se.state(false)
	d.expect("1,2", "SELECT group_concat(a) FROM t")
	se.exec("BEGIN; INSERT INTO t VALUES (3); COMMIT; BEGIN; INSERT INTO t VALUES (4)")
	se.state(true)
	se.exec("ROLLBACK")
	d.expect("1,2,3", "SELECT group_concat(a) FROM t")
	wantKind(t, "COMMIT outside", se.try("COMMIT"), fault.Invalid)
}

func sessionIsolation(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	writer, reader := d.session(hosting.Write), d.session(hosting.Read)
	reader.exec("BEGIN")
	reader.expect("1", "SELECT group_concat(a) FROM t")
	writer.exec("BEGIN", "INSERT INTO t VALUES (2)")
	writer.expect("1,2", "SELECT group_concat(a) FROM t")
	d.expect("1", "SELECT group_concat(a) FROM t")
	writer.exec("COMMIT")
	d.expect("1,2", "SELECT group_concat(a) FROM t")
	reader.expect("1", "SELECT group_concat(a) FROM t")
	reader.exec("COMMIT")
	reader.expect("1,2", "SELECT group_concat(a) FROM t")
}

func sessionClose(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	se.exec("BEGIN", "INSERT INTO t VALUES (1)")
	for range 2 {
		if err := se.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	wantKind(t, "after Close", se.try("SELECT 1"), fault.Conflict)
	se.state(false)
	d.write("INSERT INTO t VALUES (2)")
	d.expect("2", "SELECT group_concat(a) FROM t")
	if n := d.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions are open", n)
	}
}

func sessionSavepoints(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	se.exec("SAVEPOINT a", "INSERT INTO t VALUES (1)", "SAVEPOINT b", "INSERT INTO t VALUES (2)", "ROLLBACK TO b", "INSERT INTO t VALUES (3)")
	se.state(true)
	se.exec("RELEASE a")
	se.state(false)
	d.expect("1,3", "SELECT group_concat(a) FROM t")
}

func sessionAutocommit(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a UNIQUE)")
	se := d.session(hosting.Write)
	se.exec("INSERT INTO t VALUES (1)")
	d.expect("1", "SELECT group_concat(a) FROM t")
	wantKind(t, "a text", se.try("INSERT INTO t VALUES (2); INSERT INTO t VALUES (1); INSERT INTO t VALUES (3)"), fault.Invalid)
	d.expect("1,2", "SELECT group_concat(a) FROM t")
	se.state(false)
}

func sessionStreams(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	rows := 0
	st := catalog.Statement{SQL: endlessRows}
	_, err := se.Session.Run(t.Context(), st, rowFunc(func(catalog.Row) error {
		if rows++; rows == 500 {
			return errSink
		}
		return nil
	}))
	if err != errSink || rows != 500 {
		t.Errorf("%d rows, error %v", rows, err)
	}
	se.expect("1|2", "SELECT 0; SELECT 1, 2")
	se.expect("5", "INSERT INTO t VALUES (5) RETURNING a")
}

func sessionFailure(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a UNIQUE)")
	se := d.session(hosting.Write)
	se.exec("BEGIN", "INSERT INTO t VALUES (1)")
	wantFault(t, "a constraint", se.try("INSERT INTO t VALUES (1)"), fault.Invalid, 2067, "UNIQUE constraint failed: t.a")
	wantFault(t, "no table", se.try("SELECT * FROM nope"), fault.Invalid, 1, "no such table: nope")
	wantKind(t, "a missing parameter", se.try("SELECT ?"), fault.Invalid)
	wantKind(t, "an empty text", se.try(""), fault.Invalid)
	se.state(true)
	se.exec("INSERT INTO t VALUES (2)", "COMMIT")
	d.expect("1,2", "SELECT group_concat(a) FROM t")
	se.exec("BEGIN", "INSERT INTO t VALUES (3)")
	wantKind(t, "OR ROLLBACK", se.try("INSERT OR ROLLBACK INTO t VALUES (1)"), fault.Invalid)
	se.state(false)
	d.expect("1,2", "SELECT group_concat(a) FROM t")
}

func sessionTimeout(t *testing.T, s *suite) {
	const bound = 150 * time.Millisecond
	d := s.host(t, hosting.Limits{QueryTime: bound}).database("CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	for _, sql := range []string{endlessRead, endlessWrite} {
		se.exec("BEGIN", "INSERT INTO t VALUES (1)")
		timed(t, sql, bound, func() error { return se.try(sql) })
		se.state(false)
		d.write("INSERT INTO t VALUES (2)")
	}
	se.exec("BEGIN", "INSERT INTO t VALUES (3)")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := se.run(ctx, endlessWrite)
	wantIs(t, "a write past the caller's deadline", err, context.DeadlineExceeded)
	se.state(false)
	d.expect("2,2", "SELECT group_concat(a) FROM t")
	se.exec("INSERT INTO t VALUES (4)")
}

func sessionReadOnly(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Read)
	if err := se.try("PRAGMA query_only = OFF"); err != nil {
		wantKind(t, "query_only", err, fault.Denied)
	}
	for _, sql := range []string{"INSERT INTO t VALUES (1)", "CREATE TABLE u (a)", "BEGIN; INSERT INTO t VALUES (1)", "VACUUM", "PRAGMA user_version = 1"} {
		err := se.try(sql)
		wantKind(t, sql, err, fault.ReadOnly)
		if got := fault.Message(err); got != "Attempted to write to database while in read-only mode" {
			t.Errorf("%s: message %q", sql, got)
		}
	}
	se.expect("0", "SELECT count(*) FROM t")
	d.expect("1|0|0", "SELECT (SELECT count(*) FROM sqlite_schema), count(*), (SELECT user_version FROM pragma_user_version) FROM t")
}

func sessionTemporary(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	se := d.session(hosting.Write)
	se.exec("CREATE TEMP TABLE x (a)", "INSERT INTO x SELECT a + 1 FROM t", "CREATE TEMP VIEW v AS SELECT * FROM x", "CREATE INDEX temp.i ON x (a)")
	se.expect("2", "SELECT * FROM v")
	d.refuse(hosting.Read, "SELECT * FROM x", fault.Invalid)
	other := d.session(hosting.Write)
	wantKind(t, "from another session", other.try("SELECT * FROM x"), fault.Invalid)
	if err := se.Close(); err != nil {
		t.Error(err)
	}
	for range 4 { // one of them may get the connection back, if connections are used again
		wantKind(t, "from a later session", d.session(hosting.Write).try("SELECT * FROM x"), fault.Invalid)
	}
	d.expect("1", "SELECT count(*) FROM sqlite_schema")
}

func sessionState(t *testing.T, s *suite) {
	d := s.database(t, parentAndChild)
	se := d.session(hosting.Write)
	se.exec("PRAGMA foreign_keys = OFF")
	se.expect("0", "PRAGMA foreign_keys")
	se.exec("INSERT INTO child VALUES (77)")
	d.refuse(hosting.Write, "INSERT INTO child VALUES (78)", fault.Invalid)
	if err := se.Close(); err != nil {
		t.Error(err)
	}
	for range 4 {
		d.session(hosting.Write).expect("1", "PRAGMA foreign_keys")
	}
	d.expect("1", "PRAGMA foreign_keys")
	d.expect("77", "SELECT group_concat(p) FROM child")
}

func sessionWriters(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	first, second := d.session(hosting.Write), d.session(hosting.Write)
	first.exec("BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)")
	session := background(func() error { return second.try("BEGIN IMMEDIATE; INSERT INTO t SELECT max(a) + 10 FROM t") })
	plain := background(func() error { return d.try(hosting.Write, "INSERT INTO t SELECT max(a) + 100 FROM t") })
	select {
	case err := <-session:
		t.Fatalf("a second writer did not wait: %v", err)
	case err := <-plain:
		t.Fatalf("a plain writer did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	first.exec("INSERT INTO t VALUES (2)", "COMMIT")
	if err := await(t, "the second session", session); err != nil {
		t.Fatal(err)
	}
	second.exec("COMMIT")
	if err := await(t, "a plain write", plain); err != nil {
		t.Fatal(err)
	}
	if got := d.read("SELECT group_concat(a) FROM t"); got != "1,2,12,112" && got != "1,2,102,112" {
		t.Errorf("writers did not take turns: %s", got)
	}
}

func sessionStale(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	se := d.session(hosting.Write)
	se.exec("BEGIN")
	se.expect("1", "SELECT group_concat(a) FROM t")
	d.write("INSERT INTO t VALUES (2)")
	start := time.Now()
	wantKind(t, "a write on a stale snapshot", se.try("INSERT INTO t VALUES (3)"), fault.Busy, fault.Conflict)
	if took := time.Since(start); took > overdue {
		t.Errorf("it took %v to say so", took)
	}
	if se.InTransaction() {
		se.exec("ROLLBACK")
	}
	se.exec("BEGIN", "INSERT INTO t VALUES (4)", "COMMIT")
	d.expect("1,2,4", "SELECT group_concat(a) FROM t")
}

func sessionSinkError(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	se.exec("BEGIN")
	for _, sql := range []string{"INSERT INTO t VALUES (1), (2) RETURNING a", endlessRows} {
		f := failAt(1)
		if _, err := se.Session.Run(t.Context(), catalog.Statement{SQL: sql}, &f); err != errSink {
			t.Errorf("%s: error %v", sql, err)
		}
		se.state(true)
	}
	se.exec("INSERT INTO t VALUES (3)", "COMMIT")
	if got := d.read("SELECT count(*) FROM t WHERE a = 3"); got != "1" {
		t.Errorf("got %s", got)
	}
}

func sessionCloseRunning(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for i, sql := range []string{endlessRead, endlessWrite} {
		se := d.session(hosting.Write)
		se.exec("BEGIN", fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		running := background(func() error { return se.try(sql) })
		select {
		case err := <-running:
			t.Fatalf("%s: ended by itself: %v", sql, err)
		case <-time.After(30 * time.Millisecond):
		}
		closed := background(se.Close)
		if err := await(t, "Close", closed); err != nil {
			t.Errorf("Close: %v", err)
		}
		wantKind(t, sql, await(t, sql, running), fault.Conflict)
		d.write("DELETE FROM t WHERE 0")
		d.expect("0", "SELECT count(*) FROM t")
	}
}
