package hostingtest

import (
	"strings"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

func textChecks() []check {
	return []check{
		{"several_statements_are_applied_whole_or_not_at_all", atomicText},
		{"the_last_result_set_is_the_answer", lastResultSet},
		{"an_outermost_transaction_is_accepted", outermostTransaction},
		{"other_transaction_statements_are_invalid", strayTransactions},
		{"savepoints_are_allowed", savepoints},
		{"vacuum_and_state_must_be_alone", mustBeAlone},
		{"foreign_keys_can_be_switched_off_for_one_text", foreignKeysOff},
		{"a_dump_can_be_loaded", dump},
		{"bodies_of_triggers_are_part_of_their_statement", triggerBodies},
		{"many_statements_take_linear_time", manyStatements},
		{"later_statements_see_what_earlier_ones_made", statementsBuildOnEachOther},
	}
}

func atomicText(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")
	for name, third := range map[string]string{
		"constraint":  "INSERT INTO t VALUES (1)",
		"syntax":      "INSERT INTO",
		"no table":    "INSERT INTO nope VALUES (1)",
		"run time":    "SELECT abs(-9223372036854775807 - 1)",
		"denied":      "ATTACH ':memory:' AS m",
		"not allowed": "PRAGMA journal_mode = DELETE",
	} {
		sql := "INSERT INTO t VALUES (2); CREATE TABLE u (a); " + third + "; INSERT INTO t VALUES (4); INSERT INTO t VALUES (5)"
		res, err := d.run(t.Context(), hosting.Write, sql)
		wantKind(t, name, err, fault.Invalid, fault.Denied)
		if len(res.Rows) != 0 {
			t.Errorf("%s: a text that failed answers rows", name)
		}
	}
	d.expect("1|1", "SELECT group_concat(a), (SELECT count(*) FROM sqlite_schema WHERE type = 'table') FROM t")
	d.write("INSERT INTO t VALUES (2); CREATE TABLE u (a); INSERT INTO u VALUES (3)")
	d.expect("1,2|3", "SELECT group_concat(t.a), u.a FROM t, u")
}

func lastResultSet(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, c := range []struct{ sql, column, want string }{
		{"SELECT 1 AS a; SELECT 2 AS b", "b", "2"},
		{"SELECT 1 AS a; INSERT INTO t VALUES (7); SELECT a AS b FROM t", "b", "7"},
		{"INSERT INTO t VALUES (8) RETURNING a AS x; INSERT INTO t VALUES (9) RETURNING a AS y", "y", "9"},
		{"SELECT 1 AS a; SELECT 2 AS b WHERE 0", "b", ""},
	} {
		res := d.write(c.sql)
		if len(res.Columns) != 1 || res.Columns[0].Name != c.column || lines(res) != c.want {
			t.Errorf("%s: got %+v", c.sql, res)
		}
		if res.Summary.Rows != int64(len(res.Rows)) {
			t.Errorf("%s: %d rows told, %d answered", c.sql, res.Summary.Rows, len(res.Rows))
		}
	}
}

func outermostTransaction(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a UNIQUE)")
	for _, sql := range []string{
		"BEGIN; INSERT INTO t VALUES (1); COMMIT",
		"BEGIN IMMEDIATE; INSERT INTO t VALUES (2); END TRANSACTION;",
		"-- a comment\nBEGIN TRANSACTION; INSERT INTO t VALUES (3); INSERT INTO t VALUES (4); COMMIT; -- done",
		";begin exclusive;INSERT INTO t VALUES (5);end;",
	} {
		d.write(sql)
	}
	d.refuse(hosting.Write, "BEGIN; INSERT INTO t VALUES (6); INSERT INTO t VALUES (1); COMMIT", fault.Invalid)
	d.expect("1,2,3,4,5", "SELECT group_concat(a) FROM t")
	d.expect("1", "BEGIN; SELECT count(*) FROM t; SELECT 1; COMMIT")
	d.write("INSERT INTO t VALUES (7)")
}

func strayTransactions(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{
		"BEGIN", "COMMIT", "ROLLBACK", "END", "BEGIN IMMEDIATE",
		"INSERT INTO t VALUES (1); COMMIT",
		"INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)",
		"INSERT INTO t VALUES (1); ROLLBACK; INSERT INTO t VALUES (2)",
		"BEGIN; INSERT INTO t VALUES (1)",
		"BEGIN; INSERT INTO t VALUES (1); ROLLBACK",
		"BEGIN; INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)",
		"BEGIN; INSERT INTO t VALUES (1); BEGIN; COMMIT; COMMIT",
		"INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2); COMMIT",
		"BEGIN; COMMIT; BEGIN; INSERT INTO t VALUES (1); COMMIT",
	} {
		err := d.try(hosting.Write, sql)
		wantKind(t, sql, err, fault.Invalid)
		if !strings.Contains(fault.Message(err), "session") {
			t.Errorf("%s: the message does not point to sessions: %s", sql, fault.Message(err))
		}
		d.refuse(hosting.Read, sql, fault.Invalid, fault.ReadOnly)
		d.expect("0", "SELECT count(*) FROM t")
	}
	d.write("INSERT INTO t VALUES (1)")
	d.expect("1", "SELECT count(*) FROM t")
}

func savepoints(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	d.write(`SAVEPOINT a; INSERT INTO t VALUES (1);
		SAVEPOINT b; INSERT INTO t VALUES (2); ROLLBACK TO b; INSERT INTO t VALUES (3); RELEASE b;
		RELEASE a; INSERT INTO t VALUES (4)`)
	d.expect("1,3,4", "SELECT group_concat(a) FROM t")
	d.write("BEGIN; SAVEPOINT a; DELETE FROM t; ROLLBACK TRANSACTION TO SAVEPOINT a; RELEASE SAVEPOINT a; COMMIT")
	d.expect("1,3,4", "SELECT group_concat(a) FROM t")
	d.refuse(hosting.Write, "INSERT INTO t VALUES (5); RELEASE nope", fault.Invalid)
	d.refuse(hosting.Write, "INSERT INTO t VALUES (5); ROLLBACK TO nope", fault.Invalid)
	d.refuse(hosting.Write, "SAVEPOINT a; INSERT INTO t VALUES (5); RELEASE a; RELEASE a; INSERT INTO t VALUES (6)", fault.Invalid)
	d.expect("1,3,4", "SELECT group_concat(a) FROM t")
	d.write("INSERT INTO t VALUES (7)")
}

func mustBeAlone(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{
		"INSERT INTO t VALUES (1); VACUUM",
		"VACUUM; INSERT INTO t VALUES (1)",
		"INSERT INTO t VALUES (1); PRAGMA foreign_keys = OFF; INSERT INTO t VALUES (2)",
		"INSERT INTO t VALUES (1); PRAGMA recursive_triggers = ON",
	} {
		err := d.try(hosting.Write, sql)
		wantKind(t, sql, err, fault.Invalid, fault.Denied)
		if !strings.Contains(fault.Message(err), "alone") && !strings.Contains(fault.Message(err), "session") {
			t.Errorf("%s: the message does not say what to do: %s", sql, fault.Message(err))
		}
		d.expect("0", "SELECT count(*) FROM t")
	}
}

func foreignKeysOff(t *testing.T, s *suite) {
	d := s.database(t, parentAndChild)
	d.write("PRAGMA foreign_keys=OFF; INSERT INTO child VALUES (77)")
	d.write("PRAGMA foreign_keys = 0; BEGIN; INSERT INTO child VALUES (78); COMMIT;")
	d.expect("77,78", "SELECT group_concat(p) FROM child")
	wantFault(t, "afterwards", d.try(hosting.Write, "INSERT INTO child VALUES (79)"), fault.Invalid, 787, "FOREIGN KEY constraint failed")
	d.refuse(hosting.Write, "PRAGMA foreign_keys=OFF; INSERT INTO child VALUES (80); SELECT * FROM nope", fault.Invalid)
	d.refuse(hosting.Write, "INSERT INTO child VALUES (81)", fault.Invalid)
	err := together(8, func(i int) error {
		if i%2 == 0 {
			return d.try(hosting.Write, "PRAGMA foreign_keys=OFF; INSERT INTO child VALUES (90)")
		}
		if err := d.try(hosting.Write, "INSERT INTO child VALUES (91)"); fault.KindOf(err) != fault.Invalid {
			return fault.New(fault.Internal, "an orphan slipped in beside a text without foreign keys: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	d.expect("77,78,90,90,90,90", "SELECT group_concat(p) FROM child")
	d.expect("1", "PRAGMA foreign_keys")
}

func dump(t *testing.T, s *suite) {
	d := s.database(t, "")
	d.write(`PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES parent(id));
INSERT INTO child VALUES(1,10);
INSERT INTO child VALUES(2,NULL);
CREATE TABLE IF NOT EXISTS "parent" (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT);
INSERT INTO parent VALUES(10,'semicolons; -- and dashes');
INSERT INTO parent VALUES(11,replace('two\nlines','\n',char(10)));
INSERT INTO parent VALUES(12,X'00ff');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('parent',40);
CREATE INDEX "by note" ON parent(note);
CREATE VIEW notes AS SELECT note FROM parent;
CREATE TRIGGER tidy AFTER DELETE ON parent BEGIN
  DELETE FROM child WHERE p = old.id;
  SELECT 'end;';
END;
COMMIT;
`)
	d.expect("2|3|4", "SELECT (SELECT count(*) FROM child), (SELECT count(*) FROM notes), (SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND type <> 'index')")
	d.expect("two\nlines", "SELECT note FROM parent WHERE id = 11")
	if res := d.write("INSERT INTO parent (note) VALUES ('next')"); res.LastInsertRowID != 41 {
		t.Errorf("the sequence was not loaded: next id is %d", res.LastInsertRowID)
	}
	d.refuse(hosting.Write, "INSERT INTO child VALUES (3, 99)", fault.Invalid)
}

func triggerBodies(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE t (a);
		CREATE TABLE log (x);
		CREATE TRIGGER r AFTER INSERT ON t WHEN new.a > 0 BEGIN
			INSERT INTO log VALUES (CASE WHEN new.a = 1 THEN 'one;' ELSE 'more' END);
			UPDATE log SET x = x || '!' WHERE x LIKE '%;';
		END;
		INSERT INTO t VALUES (1), (2)`)
	d.expect("one;!,more", "SELECT group_concat(x) FROM log")
}

func statementsBuildOnEachOther(t *testing.T, s *suite) {
	d := s.database(t, "")
	res := d.write(`CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); ALTER TABLE t ADD COLUMN b DEFAULT 5;
		CREATE INDEX i ON t (b); UPDATE t SET b = a * 10; SELECT a, b FROM t ORDER BY b DESC`)
	if got := lines(res); got != "2|20\n1|10" {
		t.Errorf("got %q", got)
	}
	if got := lines(d.write("UPDATE t SET b = 0; SELECT changes(), total_changes() >= 2 FROM t LIMIT 1")); got != "2|1" {
		t.Errorf("changes() within a text: %q", got)
	}
}

// manyStatements loads a text near the bound on its length. A Runner that
// copies the rest of the text for each statement would need minutes.
func manyStatements(t *testing.T, s *suite) {
	const n = 20_000
	d := s.database(t, "CREATE TABLE t (a)")
	start := time.Now()
	d.write("BEGIN;" + strings.Repeat("INSERT INTO t VALUES ('some forty bytes of text');", n) + "COMMIT;")
	if took := time.Since(start); took > patience/2 {
		t.Errorf("%d statements took %v", n, took)
	}
	d.expect("20000", "SELECT count(*) FROM t")
}
