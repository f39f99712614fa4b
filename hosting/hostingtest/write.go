package hostingtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func writeChecks() []check {
	return []check{
		{"changes_and_the_last_rowid_are_told", summaries},
		{"rows_of_returning_are_answered", returning},
		{"a_statement_that_fails_midway_leaves_nothing", failedStatement},
		{"double_quoted_strings_are_accepted", doubleQuotes},
		{"foreign_keys_are_on", foreignKeys},
		{"a_deferred_foreign_key_fails_at_the_end_and_leaves_nothing", deferredForeignKeys},
		{"or_rollback_and_raise_rollback_leave_nothing", rollbackConflicts},
		{"bad_neighbours_cost_nobody_a_write", badNeighbours},
		{"concurrent_increments_all_count", increments},
		{"an_acknowledged_write_is_seen_by_the_next_read", readYourWrites},
		{"the_schema_may_change_between_queries", schemaChanges},
	}
}

func summaries(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE log (x);
		CREATE TABLE t (k INTEGER PRIMARY KEY, a);
		CREATE TRIGGER copy AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a), (new.a); END`)
	for _, c := range []struct {
		sql                  string
		rows, changes, rowid int64
		wrote                bool
	}{
		{"INSERT INTO t VALUES (10, 'a'), (11, 'b')", 0, 2, 11, true},
		{"INSERT INTO t (a) VALUES ('c') RETURNING k, a", 1, 1, 12, true},
		{"UPDATE t SET a = a || '!' WHERE k > 10", 0, 2, 0, true},
		{"DELETE FROM t WHERE k = 99", 0, 0, 0, true},
		{"SELECT * FROM t", 3, 0, 0, false},
		{"CREATE TABLE u (a)", 0, 0, 0, true},
		{"SELECT 1", 1, 0, 0, false},
		{"INSERT INTO u VALUES (1), (2); UPDATE u SET a = 3; DELETE FROM u WHERE rowid = 1", 0, 5, 2, true},
		{"DELETE FROM t", 0, 3, 0, true},
	} {
		sum := d.write(c.sql).Summary
		want := catalog.Summary{Rows: c.rows, Changes: c.changes, LastInsertRowID: c.rowid, Wrote: c.wrote, Elapsed: sum.Elapsed}
		if sum != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.sql, sum, want)
		}
		if sum.Elapsed <= 0 || sum.Elapsed > patience {
			t.Errorf("%s: took %v", c.sql, sum.Elapsed)
		}
	}
}

func returning(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT)")
	for _, c := range []struct{ sql, want string }{
		{"INSERT INTO t (a) VALUES ('x'), ('y') RETURNING k, a, length(a)", "1|x|1\n2|y|1"},
		{"UPDATE t SET a = upper(a) RETURNING a", "X\nY"},
		{"INSERT INTO t VALUES (2, 'z') ON CONFLICT DO UPDATE SET a = excluded.a RETURNING k, a", "2|z"},
		{"DELETE FROM t WHERE k = 1 RETURNING *", "1|X"},
	} {
		if got := lines(d.write(c.sql)); got != c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.sql, got, c.want)
		}
	}
	d.expect("2|z", "SELECT * FROM t")
}

func failedStatement(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a UNIQUE)")
	wantFault(t, "insert", d.try(hosting.Write, "INSERT INTO t VALUES (1), (2), (1)"), fault.Invalid, 2067, "UNIQUE constraint failed: t.a")
	d.expect("0", "SELECT count(*) FROM t")
	d.write("INSERT INTO t VALUES (1)")
	d.refuse(hosting.Write, "INSERT OR FAIL INTO t VALUES (2), (1), (3)", fault.Invalid)
	d.expect("1", "SELECT group_concat(a) FROM t")
}

func doubleQuotes(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE d (name TEXT DEFAULT "SQLite", score INTEGER)`)
	d.write(`INSERT INTO d (name, score) VALUES ("PostgreSQL", 10), ("MySQL", 9)`)
	d.write(`UPDATE d SET score = 11 WHERE name = "PostgreSQL"`)
	d.expect("PostgreSQL|11", `SELECT name, score FROM d WHERE name LIKE "Post%"`)
}

const parentAndChild = `CREATE TABLE parent (id INTEGER PRIMARY KEY);
	CREATE TABLE child (p REFERENCES parent (id));
	CREATE TABLE late (p REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
	INSERT INTO parent VALUES (1)`

func foreignKeys(t *testing.T, s *suite) {
	d := s.database(t, parentAndChild)
	d.expect("1", "PRAGMA foreign_keys")
	d.write("INSERT INTO child VALUES (1)")
	const failed = "FOREIGN KEY constraint failed"
	wantFault(t, "orphan", d.try(hosting.Write, "INSERT INTO child VALUES (2)"), fault.Invalid, 787, failed)
	wantFault(t, "parent of a child", d.try(hosting.Write, "DELETE FROM parent"), fault.Invalid, 787, failed)
	d.expect("1", "SELECT group_concat(p) FROM child")
}

func deferredForeignKeys(t *testing.T, s *suite) {
	d := s.database(t, parentAndChild)
	for _, sql := range []string{
		"INSERT INTO late VALUES (2)",
		"INSERT INTO parent VALUES (5); INSERT INTO late VALUES (2)",
		"INSERT INTO late VALUES (2) RETURNING p",
	} {
		res, err := d.run(t.Context(), hosting.Write, sql)
		wantKind(t, sql, err, fault.Invalid)
		if len(res.Rows) != 0 {
			t.Errorf("%s: rows of a write that failed", sql)
		}
	}
	d.write("INSERT INTO late VALUES (3); INSERT INTO parent VALUES (3)")
	d.expect("1,3|3", "SELECT (SELECT group_concat(id) FROM parent), group_concat(p) FROM late")
}

func rollbackConflicts(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE t (a UNIQUE);
		CREATE TABLE cursed (a);
		CREATE TRIGGER curse AFTER INSERT ON cursed BEGIN SELECT raise(ROLLBACK, 'cursed, I say'); END;
		INSERT INTO t VALUES (1)`)
	unique := d.try(hosting.Write, "INSERT OR ROLLBACK INTO t VALUES (2), (1)")
	wantFault(t, "alone", unique, fault.Invalid, 2067, "UNIQUE constraint failed: t.a")
	d.refuse(hosting.Write, "INSERT INTO t VALUES (2); INSERT OR ROLLBACK INTO t VALUES (1); INSERT INTO t VALUES (3)", fault.Invalid)
	wantFault(t, "raise", d.try(hosting.Write, "INSERT INTO cursed VALUES (1)"), fault.Invalid, 1811, "cursed, I say")
	d.refuse(hosting.Write, "INSERT INTO t VALUES (2); INSERT INTO cursed VALUES (1); INSERT INTO t VALUES (3)", fault.Invalid)
	d.expect("1|0", "SELECT group_concat(a), (SELECT count(*) FROM cursed) FROM t")
}

// badNeighbours mixes writes that succeed with writes whose failure ends the
// transaction they happen to share.
func badNeighbours(t *testing.T, s *suite) {
	d := s.database(t, parentAndChild+`;
		CREATE TABLE t (a);
		CREATE TABLE u (a UNIQUE CHECK (a <> 'check'));
		CREATE TRIGGER curse BEFORE INSERT ON u WHEN new.a = 'raise' BEGIN SELECT raise(ROLLBACK, 'no'); END;
		INSERT INTO u VALUES ('taken')`)
	bad := []string{
		"INSERT OR ROLLBACK INTO u VALUES ('x'), ('taken')",
		"INSERT INTO u VALUES ('raise')",
		"INSERT INTO late VALUES (77)",
		"INSERT INTO u VALUES ('fine'), ('check')",
		"INSERT INTO u VALUES ('first'); INSERT INTO u VALUES ('second'); SELECT * FROM nope",
	}
	const good, writes = 8, 40
	err := together(good+4, func(i int) error {
		for n := range writes {
			switch {
			case i < good:
				if err := d.try(hosting.Write, "INSERT INTO t VALUES (?)", i*writes+n); err != nil {
					return fmt.Errorf("a good write: %w", err)
				}
			case i == good && n%10 == 0:
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				_, err := d.run(ctx, hosting.Write, endlessWrite)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) {
					return fmt.Errorf("an endless write: %w", err)
				}
			default:
				sql := bad[(i+n)%len(bad)]
				if err := d.try(hosting.Write, sql); fault.KindOf(err) != fault.Invalid {
					return fmt.Errorf("%s: %w", sql, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.expect(fmt.Sprintf("%d|%d", good*writes, good*writes), "SELECT count(*), count(DISTINCT a) FROM t")
	d.expect("taken|0", "SELECT group_concat(a), (SELECT count(*) FROM late) FROM u")
}

func increments(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE n (n); INSERT INTO n VALUES (0)")
	seen := make([]atomic.Bool, 1+16*50)
	err := together(16, func(int) error {
		for range 50 {
			res, err := d.run(t.Context(), hosting.Write, "UPDATE n SET n = n + 1 RETURNING n")
			if err != nil {
				return err
			}
			if res.Changes != 1 || seen[res.Rows[0][0].Int64()].Swap(true) {
				return fmt.Errorf("got %+v, which somebody else got too", res)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.expect("800", "SELECT n FROM n")
}

func readYourWrites(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE n (who INTEGER PRIMARY KEY, n); INSERT INTO n VALUES (0,0),(1,0),(2,0),(3,0)")
	err := together(4, func(i int) error {
		for n := 1; n <= 250; n++ {
			if err := d.try(hosting.Write, "UPDATE n SET n = ? WHERE who = ?", n, i); err != nil {
				return err
			}
			class := hosting.Class(n % 2)
			res, err := d.run(t.Context(), class, "SELECT n FROM n WHERE who = ?", i)
			if err != nil {
				return err
			}
			if got := res.Rows[0][0].Int64(); got != int64(n) {
				return fmt.Errorf("wrote %d and read %d", n, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func schemaChanges(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	se := d.session(hosting.Read) // which has its statements prepared, and changes nothing itself
	for i := range 3 {
		d.expect("1"+strings.Repeat("|NULL", i), "SELECT * FROM t")
		se.expect("1"+strings.Repeat("|NULL", i), "SELECT * FROM t")
		if res := d.write("INSERT INTO t (a) VALUES (2) RETURNING *"); len(res.Rows) != 1 || len(res.Rows[0]) != i+1 {
			t.Fatalf("after %d new columns: %+v", i, res)
		}
		d.write("DELETE FROM t WHERE a = 2")
		d.write(fmt.Sprintf("ALTER TABLE t ADD COLUMN c%d", i))
	}
	d.write("DROP TABLE t")
	d.refuse(hosting.Read, "SELECT * FROM t", fault.Invalid)
	d.write("CREATE TABLE t (z); INSERT INTO t VALUES ('new')")
	d.expect("new", "SELECT * FROM t")
}
