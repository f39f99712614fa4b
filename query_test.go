package ayb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
	"ayb/hosting"
)

func TestEngine_Query(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)

	t.Run("answers typed values, columns and counts", func(t *testing.T) {
		r := f.MustQuery(bob, "alice/db", "SELECT a, b AS c, NULL FROM t WHERE a >= ? AND b <> :b ORDER BY a", 1, ayb.Named("b", "z"))
		if len(r.Columns) != 3 || r.Columns[0].Decl != "INTEGER" || r.Columns[1].Name != "c" {
			t.Errorf("columns: %+v", r.Columns)
		}
		if len(r.Rows) != 2 || r.Rows[1][0].Int64() != 2 || r.Rows[1][1].String() != "y" || !r.Rows[1][2].IsNull() || r.Wrote {
			t.Errorf("rows: %+v", r)
		}
		w := f.MustQuery(alice, "alice/db", "UPDATE t SET b = 'q' WHERE a = 2")
		if w.Changes != 1 || !w.Wrote || len(w.Columns) != 0 {
			t.Errorf("an update: %+v", w)
		}
	})
	t.Run("who may only read is told so, and recorded", func(t *testing.T) {
		for _, sql := range []string{"INSERT INTO t VALUES (3, 'z')", "DROP TABLE t", "WITH x AS (SELECT 1) DELETE FROM t", "SELECT 1; DELETE FROM t"} {
			_, err := f.Query(ctx, bob, "alice/db", sql)
			if !errors.Is(err, ayb.ErrReadOnly) || fault.Message(err) != "Attempted to write to database while in read-only mode" {
				t.Errorf("%s: %v", sql, err)
			}
		}
		log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{Entity: bob.Entity, Action: "write"}, ayb.Page{})
		must(t, err)
		if len(log.Items) != 4 || log.Items[0].Outcome != "read_only" || log.Items[0].Subject != "alice/db" {
			t.Errorf("recorded: %+v", log.Items)
		}
	})
	t.Run("SQL that nobody may run is refused, and recorded", func(t *testing.T) {
		if _, err := f.Query(ctx, alice, "alice/db", "ATTACH '/etc/passwd' AS x"); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("%v", err)
		}
		log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{Entity: alice.Entity, Action: "query"}, ayb.Page{})
		must(t, err)
		if len(log.Items) != 1 || log.Items[0].Outcome != "denied" {
			t.Errorf("recorded: %+v", log.Items)
		}
	})
	t.Run("SQLite's own words reach the user", func(t *testing.T) {
		_, err := f.Query(ctx, bob, "alice/db", "SELECT * FROM nope")
		if !errors.Is(err, ayb.ErrInvalid) || fault.Message(err) != "no such table: nope" {
			t.Errorf("%v", err)
		}
	})
	t.Run("an argument of an impossible type is invalid", func(t *testing.T) {
		if _, err := f.Query(ctx, bob, "alice/db", "SELECT ?", struct{}{}); !errors.Is(err, ayb.ErrInvalid) {
			t.Errorf("%v", err)
		}
	})
	t.Run("names are found in any case of the entity and of the database", func(t *testing.T) {
		f.MustQuery(bob, "ALICE/DB", "SELECT a FROM t")
	})
	t.Run("an error of the sink comes back as it is", func(t *testing.T) {
		enough := errors.New("enough")
		_, err := f.Stream(ctx, bob, "alice/db", ayb.Statement{SQL: "SELECT a FROM t"}, sinkFunc(func(ayb.Row) error { return enough }))
		if err != enough {
			t.Errorf("%v", err)
		}
	})
	t.Run("a context that has ended passes through", func(t *testing.T) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := f.Query(ended, bob, "alice/db", "SELECT a FROM t"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestEngine_Query_by_anonymous_callers(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	visitor := ayb.Anonymous.From("192.0.2.7")
	try := func(sql string) error {
		_, err := f.Query(ctx, visitor, "alice/db", sql)
		return err
	}
	if err := try("SELECT 1"); !errors.Is(err, ayb.ErrUnauthenticated) || fault.Message(err) != "Log in to query database alice/db" {
		t.Errorf("private: %v", err)
	}
	must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicReadOnly))
	if err := try("SELECT 1"); !errors.Is(err, ayb.ErrUnauthenticated) {
		t.Errorf("public without anonymous queries: %v", err)
	}
	must(t, f.SetAnonymousQueries(ctx, alice, "alice/db", true))
	must(t, try("SELECT a FROM t"))
	if err := try("INSERT INTO t VALUES (1)"); !errors.Is(err, ayb.ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{Action: "write"}, ayb.Page{})
	must(t, err)
	if len(log.Items) != 1 || log.Items[0].Address != "192.0.2.7" || log.Items[0].System || !log.Items[0].Entity.IsZero() {
		t.Errorf("recorded: %+v", log.Items)
	}
}

func TestEngine_Query_of_an_unwritten_database(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	t.Run("reads as empty and makes no file", func(t *testing.T) {
		f.MustDatabase("alice/empty")
		if rows := f.MustQuery(alice, "alice/empty", "SELECT * FROM sqlite_schema").Rows; len(rows) != 0 {
			t.Errorf("%v", rows)
		}
		if d, err := f.Database(ctx, alice, "alice/empty"); err != nil || d.Written {
			t.Errorf("after a read: %+v, %v", d, err)
		}
	})
	t.Run("can't be written by who may only read", func(t *testing.T) {
		f.MustDatabase("alice/shared")
		f.MustShare(alice, "alice/shared", "bob", ayb.ReadOnly)
		if _, err := f.Query(ctx, bob, "alice/shared", "CREATE TABLE t (a)"); !errors.Is(err, ayb.ErrReadOnly) {
			t.Errorf("%v", err)
		}
		if d, err := f.Database(ctx, alice, "alice/shared"); err != nil || d.Written {
			t.Errorf("after that: %+v, %v", d, err)
		}
	})
	t.Run("is made once by many first writers at once", func(t *testing.T) {
		for i := range 5 {
			ref := fmt.Sprintf("alice/first%d", i)
			f.MustDatabase(ref)
			for _, err := range atOnce(8, func(n int) error {
				_, err := f.Query(ctx, alice, ref, fmt.Sprintf("CREATE TABLE t%d (a)", n))
				return err
			}) {
				must(t, err)
			}
			if n := f.MustQuery(alice, ref, "SELECT count(*) FROM sqlite_schema").Rows[0][0].Int64(); n != 8 {
				t.Errorf("%s has %d tables", ref, n)
			}
		}
	})
	t.Run("is made by a session that writes", func(t *testing.T) {
		f.MustDatabase("alice/session")
		s, err := f.Begin(ctx, alice, "alice/session")
		must(t, err)
		defer s.Close()
		_, err = s.Query(ctx, "BEGIN; CREATE TABLE t (a); COMMIT")
		must(t, err)
		f.MustQuery(alice, "alice/session", "SELECT a FROM t")
	})
}

func TestEngine_Query_bounds(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.ResultBytes = 100_000
	cfg.Limits.DatabaseBytes = 1 << 20
	f := aybtest.New(t, &cfg)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	const series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "

	t.Run("a result that is too large names the stream, and the stream has no such bound", func(t *testing.T) {
		_, err := f.Query(ctx, alice, "alice/db", series+"SELECT i FROM n")
		if !errors.Is(err, ayb.ErrTooLarge) || !strings.Contains(fault.Message(err), "stream") {
			t.Errorf("%v", err)
		}
		sum, err := f.Stream(ctx, alice, "alice/db", ayb.Statement{SQL: series + "SELECT i FROM n"}, nil)
		if err != nil || sum.Rows != 10000 {
			t.Errorf("stream: %+v, %v", sum, err)
		}
	})
	t.Run("rows of a write that are too large are refused, or the error says that it was applied", func(t *testing.T) {
		for _, rows := range []int{1000, 3000, 10000, 20000} {
			text := strings.Replace(series, "10000", fmt.Sprint(rows), 1) + "INSERT INTO t SELECT i FROM n RETURNING a"
			_, err := f.Query(ctx, alice, "alice/db", text)
			n := f.MustQuery(alice, "alice/db", "SELECT count(*) FROM t").Rows[0][0].Int64()
			applied := err == nil || strings.Contains(fault.Message(err), "was applied")
			if applied != (n == int64(rows)) || err != nil && !errors.Is(err, ayb.ErrTooLarge) {
				t.Errorf("%d rows: %v, and %d are there", rows, err, n)
			}
			f.MustQuery(alice, "alice/db", "DELETE FROM t")
		}
	})
	t.Run("a database does not grow beyond its quota", func(t *testing.T) {
		_, err := f.Query(ctx, alice, "alice/db", "INSERT INTO t VALUES (zeroblob(900000)), (zeroblob(900000))")
		if !errors.Is(err, ayb.ErrTooLarge) {
			t.Errorf("%v", err)
		}
		f.MustQuery(alice, "alice/db", "INSERT INTO t VALUES (1)")
	})
	t.Run("a query that overstays is ended", func(t *testing.T) {
		cfg := ayb.Config{}
		cfg.Limits.QueryTime = 300 * time.Millisecond
		f := aybtest.New(t, &cfg)
		alice := f.MustEntity("alice")
		f.MustDatabase("alice/db")
		_, err := f.Query(ctx, alice, "alice/db", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
		if !errors.Is(err, ayb.ErrTimedOut) {
			t.Errorf("%v", err)
		}
	})
}

func TestObserver_Query_is_told_of_every_query(t *testing.T) {
	var events []ayb.QueryEvent
	f := aybtest.New(t, &ayb.Config{Observer: ayb.Observer{Query: func(e ayb.QueryEvent) { events = append(events, e) }}})
	alice := f.MustEntity("alice")
	db := f.MustDatabase("alice/db")
	f.MustQuery(alice, "alice/db", "CREATE TABLE t (a)")
	_, err := f.Query(ctx, alice, "alice/db", "nonsense")
	s, begun := f.Begin(ctx, alice, "alice/db")
	must(t, begun)
	defer s.Close()
	_, ran := s.Query(ctx, "SELECT a FROM t")
	must(t, ran)
	if len(events) != 3 || !events[0].Summary.Wrote || events[0].Database.ID != db.ID || events[0].Principal != alice || events[1].Err == nil || !errors.Is(err, events[1].Err) || events[2].Err != nil {
		t.Errorf("events: %+v", events)
	}
}

// TestEngine_Stream_costs_few_allocations bounds what principal, permission,
// audit and dispatch allocate, with a Runner that does nothing.
func TestEngine_Stream_costs_few_allocations(t *testing.T) {
	inner, err := hosting.NewInProcess(hosting.Config{Dir: t.TempDir()})
	must(t, err)
	defer inner.Close()
	f := aybtest.New(t, &ayb.Config{Runner: idle{inner}})
	alice := f.MustEntity("alice")
	f.MustEntity("bob")
	f.MustDatabase("alice/db")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
	bob, err := f.Entity(ctx, ayb.System, "bob")
	must(t, err)
	_, reader := f.MustToken(f.Owner(bob), nil)
	st := ayb.Statement{SQL: "SELECT 1"}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := f.Stream(ctx, reader, "alice/db", st, nil); err != nil {
			t.Fatal(err)
		}
	}); n > 10 {
		t.Errorf("%v allocations a query", n)
	}
}

// idle is a Runner whose queries do nothing.
type idle struct{ hosting.Runner }

// Run returns at once.
func (idle) Run(context.Context, hosting.Job, hosting.Sink) (ayb.Summary, error) {
	return ayb.Summary{}, nil
}
