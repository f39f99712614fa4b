package behavior

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"ayb"
	"ayb/fault"
)

// queries says what running SQL does.
func queries() []behavior {
	return []behavior{
		{name: "the last statement that answers is answered", check: func(w *world) {
			alice := w.database()
			got := w.query(alice, "SELECT 1 AS one; SELECT 2 AS two; CREATE TABLE t (a)")
			if len(got.Columns) != 1 || got.Columns[0].Name != "two" || got.Rows[0][0].Int64() != 2 {
				w.Errorf("got %+v", got)
			}
		}},
		{name: "a text without an answer has no columns and no rows", check: func(w *world) {
			alice := w.database()
			for _, sql := range []string{"CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"} {
				if got := w.query(alice, sql); len(got.Columns) != 0 || len(got.Rows) != 0 || got.Summary.Rows != 0 {
					w.Errorf("%q: got %+v", sql, got)
				}
			}
		}},
		{name: "a text without a statement is invalid", check: func(w *world) {
			alice := w.database()
			for _, sql := range []string{"", " ", ";", "-- nothing", "/*", "SELECT '\xff'"} {
				_, err := alice.Query(w.Context(), "alice/db", sql)
				w.refused(err, fault.Invalid, "")
			}
		}},
		{name: "the summary counts", check: func(w *world) {
			alice := w.database("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
			got := w.query(alice, "INSERT INTO t(a) VALUES (1), (2), (3) RETURNING id")
			if got.Summary.Rows != 3 || got.Changes != 3 || got.LastInsertRowID != 3 || got.Elapsed < 0 || got.Elapsed > wait {
				w.Errorf("got %+v", got.Summary)
			}
			if got = w.query(alice, "UPDATE t SET a = 0 WHERE id < 3"); got.Changes != 2 || got.Summary.Rows != 0 {
				w.Errorf("got %+v", got.Summary)
			}
		}},
		{name: "a rowid of 64 bits is told exactly", check: func(w *world) {
			alice := w.database("CREATE TABLE t (id INTEGER PRIMARY KEY)")
			if got := w.query(alice, "INSERT INTO t VALUES (9007199254740993)").LastInsertRowID; got != 9007199254740993 {
				w.Errorf("got %d", got)
			}
		}},
		{name: "a text of several statements is applied whole or not at all", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a UNIQUE)")
			_, err := alice.Query(w.Context(), "alice/db", "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)")
			w.refused(err, fault.Invalid, "UNIQUE constraint failed: t.a")
			if rows := w.query(alice, "SELECT * FROM t").Rows; len(rows) != 0 {
				w.Errorf("left behind %v", rows)
			}
		}},
		{name: "errors of SQL are SQLite's own", check: sqlErrors},
		{name: "a failure of SQL tells its code and its place", check: failuresOfSQL},
		{name: "a stream tells whether it may have written", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a)")
			for sql, want := range map[string]bool{"SELECT 1": false, "DELETE FROM t": true, "DELETE FROM t; SELECT 1": true} {
				if sum, err := alice.Stream(w.Context(), "alice/db", ayb.Statement{SQL: sql}, nil); err != nil || sum.Wrote != want {
					w.Errorf("%s: %+v, %v", sql, sum, err)
				}
			}
		}},
		{name: "a reader can't write", check: func(w *world) {
			w.database("CREATE TABLE t (a)")
			bob := w.as("bob")
			w.must(w.engine.Share(w.Context(), ayb.System, "alice/db", "bob", ayb.ReadOnly))
			w.query(bob, "SELECT * FROM t")
			_, err := bob.Query(w.Context(), "alice/db", "INSERT INTO t VALUES (1)")
			w.refused(err, fault.ReadOnly, "Attempted to write to database while in read-only mode")
		}},
		{name: "SQL that nobody may run is refused", check: func(w *world) {
			alice := w.database()
			_, err := alice.Query(w.Context(), "alice/db", "ATTACH 'x' AS x")
			w.refused(err, fault.Denied, "")
		}},
		{name: "a result that is too large is refused", check: func(w *world) {
			alice := w.database()
			_, err := alice.Query(w.Context(), "alice/db", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20) SELECT zeroblob(100000) FROM n")
			w.refused(err, fault.TooLarge, "")
		}},
		{name: "SQL that is too long is refused", check: func(w *world) {
			alice := w.database()
			_, err := alice.Query(w.Context(), "alice/db", "SELECT '"+strings.Repeat("x", 1<<20)+"'")
			w.refused(err, fault.TooLarge, "")
		}},
		{name: "a query that takes too long is ended", check: func(w *world) {
			alice := w.database()
			_, err := alice.Query(w.Context(), "alice/db", endless)
			w.refused(err, fault.TimedOut, "")
		}, cfg: func(cfg *ayb.Config) { cfg.Limits.QueryTime = 100 * time.Millisecond }},
		{name: "a context's deadline ends the query", check: func(w *world) {
			alice := w.database()
			ctx, cancel := context.WithTimeout(w.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := alice.Query(ctx, "alice/db", endless); !errors.Is(err, context.DeadlineExceeded) {
				w.Errorf("got %v", err)
			}
			if event := w.awaitEnd(); event.Err == nil {
				w.Errorf("ended with %+v", event)
			}
		}},
		{name: "a context that has ended begins nothing", check: func(w *world) {
			alice := w.database()
			ctx, cancel := context.WithCancel(w.Context())
			cancel()
			if _, err := alice.Query(ctx, "alice/db", "CREATE TABLE t (a)"); !errors.Is(err, context.Canceled) {
				w.Errorf("got %v", err)
			}
			w.query(alice, "CREATE TABLE t (a)")
		}},
		{name: "many callers write and read at once", check: manyCallers},
		{name: "an engine that is closed is unavailable", check: func(w *world) {
			alice := w.database()
			w.must(w.engine.Close())
			_, err := alice.Query(w.Context(), "alice/db", "SELECT 1")
			w.refused(err, fault.Unavailable, "The server is shutting down; send the request again in a moment")
		}},
	}
}

func sqlErrors(w *world) {
	alice := w.database("CREATE TABLE t (a NOT NULL CHECK (a > 0))")
	for sql, message := range map[string]string{
		"SELECT * FROM nope":              "no such table: nope",
		"SELECT nope FROM t":              "no such column: nope",
		"SELEC 1":                         `near "SELEC": syntax error`,
		"INSERT INTO t VALUES (NULL)":     "NOT NULL constraint failed: t.a",
		"INSERT INTO t VALUES (-1)":       "CHECK constraint failed: a > 0",
		"SELECT 'é\"<>' FROM \"no\ttab\"": "no such table: no\ttab",
	} {
		_, err := alice.Query(w.Context(), "alice/db", sql)
		w.refused(err, fault.Invalid, message)
	}
}

func manyCallers(w *world) {
	const callers, each = 16, 20
	alice := w.database("CREATE TABLE t (caller, n)")
	var group sync.WaitGroup
	failures := make(chan error, callers)
	for caller := range callers {
		group.Go(func() {
			for n := range each {
				_, err := alice.Query(w.Context(), "alice/db", "INSERT INTO t VALUES (?, ?)", caller, n)
				var got *ayb.Result
				if err == nil {
					got, err = alice.Query(w.Context(), "alice/db", "SELECT count(*) FROM t WHERE caller = ?", caller)
				}
				if err == nil && got.Rows[0][0].Int64() != int64(n+1) {
					err = fmt.Errorf("caller %d sees %v of %d rows", caller, got.Rows[0][0], n+1)
				}
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		w.Error(err)
	}
	if got := w.query(alice, "SELECT count(*) FROM t").Rows[0][0].Int64(); got != callers*each {
		w.Errorf("%d rows, want %d", got, callers*each)
	}
}

// failuresOfSQL looks at what an error says beside its sentence.
func failuresOfSQL(w *world) {
	alice := w.database(
		"CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES (1)",
		"CREATE TABLE u (b REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED)",
	)
	for _, c := range []struct {
		sql             string
		code, statement int
	}{
		{"SELECT nope", 1, 0},
		{"INSERT INTO t VALUES (1)", 2067, 0},
		{"INSERT INTO t VALUES (2); INSERT INTO t VALUES (1); INSERT INTO t VALUES (3)", 2067, 2},
		{"BEGIN; INSERT INTO t VALUES (2); INSERT INTO t VALUES (1); COMMIT", 2067, 3},
		{"SELECT 1; SELECT 2; SELECT nope", 1, 3},
		{"SELECT 1; SELECT abs(-9223372036854775807 - 1); SELECT 2", 1, 2},
		{"BEGIN; SELECT 1; SELECT abs(-9223372036854775807 - 1); COMMIT", 1, 3},
		{"BEGIN; COMMIT", 0, -1},
		{"SELECT 1; ATTACH 'x' AS x; SELECT 2", 0, 2},
		{"INSERT INTO u VALUES (7); SELECT 1", 787, 0}, // found at the end of the text
	} {
		_, err := alice.Query(w.Context(), "alice/db", c.sql)
		var f *fault.Error
		if c.statement < 0 {
			w.must(err)
		} else if !errors.As(err, &f) || f.Code != c.code || f.Statement != c.statement {
			w.Errorf("%s: %#v, want code %d of statement %d", c.sql, f, c.code, c.statement)
		}
	}
}
