package hostingtest

import (
	"testing"

	"ayb/fault"
	"ayb/hosting"
)

func extensionChecks() []check {
	return []check{
		{"fts5_searches_in_both_classes", fullText},
		{"fts5_tables_can_be_kept_by_triggers", fullTextTriggers},
		{"fts5_shadow_tables_are_read_only", shadowTables},
		{"rtree_searches_in_both_classes", rtree},
		{"json_functions_work", jsonFunctions},
		{"common_functions_work", commonFunctions},
		{"vacuum_works_alone", vacuum},
		{"reindex_analyze_and_optimize_work", maintenance},
		{"pragmas_that_only_look_are_allowed", pragmas},
	}
}

func fullText(t *testing.T, s *suite) {
	d := s.database(t, "CREATE VIRTUAL TABLE f USING fts5 (title, body, tokenize = 'porter')")
	d.write("INSERT INTO f VALUES ('Ducks', 'A duck swims'), ('Cats', 'A cat sleeps'), ('Both', 'ducks and cats and ducks')")
	for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
		for _, c := range []struct{ sql, want string }{
			{"SELECT title FROM f WHERE f MATCH 'duck' ORDER BY title", "Both\nDucks"},
			{"SELECT title FROM f WHERE f MATCH 'body: cat NOT duck'", "Cats"},
			{"SELECT highlight(f, 1, '[', ']') FROM f WHERE f MATCH 'sleep'", "A cat [sleeps]"},
			{"SELECT snippet(f, 1, '<', '>', '..', 2) FROM f WHERE f MATCH 'swim'", "..duck <swims>"},
			{"SELECT bm25(f) < 0 FROM f WHERE f MATCH 'duck'", "1\n1"},
			{"SELECT title FROM f('cat') ORDER BY rank, title LIMIT 1", "Cats"},
		} {
			res, err := d.run(t.Context(), class, c.sql)
			if err != nil || lines(res) != c.want {
				t.Errorf("%s: got %q, error %v, want %q", c.sql, lines(res), err, c.want)
			}
		}
	}
	d.write("UPDATE f SET body = 'A duck dives' WHERE title = 'Ducks'")
	d.write("DELETE FROM f WHERE title = 'Both'")
	d.write("INSERT INTO f (f) VALUES ('optimize')")
	d.write("INSERT INTO f (f) VALUES ('integrity-check')")
	d.expect("Ducks", "SELECT title FROM f WHERE f MATCH 'dive OR swim'")
	d.write("CREATE VIRTUAL TABLE words USING fts5vocab (f, 'row')")
	d.expect("1", "SELECT doc FROM words WHERE term = 'cat'")
	d.write("DROP TABLE words; DROP TABLE f")
	d.expect("0", "SELECT count(*) FROM sqlite_schema")
}

func fullTextTriggers(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT);
		CREATE VIRTUAL TABLE f USING fts5 (body, content = 'doc', content_rowid = 'id');
		CREATE TRIGGER ai AFTER INSERT ON doc BEGIN INSERT INTO f (rowid, body) VALUES (new.id, new.body); END;
		CREATE TRIGGER ad AFTER DELETE ON doc BEGIN INSERT INTO f (f, rowid, body) VALUES ('delete', old.id, old.body); END;
		CREATE TRIGGER au AFTER UPDATE ON doc BEGIN
			INSERT INTO f (f, rowid, body) VALUES ('delete', old.id, old.body);
			INSERT INTO f (rowid, body) VALUES (new.id, new.body);
		END`)
	d.write("INSERT INTO doc (body) VALUES ('red apple'), ('green pear')")
	d.write("UPDATE doc SET body = 'yellow pear' WHERE id = 2")
	d.write("DELETE FROM doc WHERE id = 1")
	d.expect("2|yellow pear", "SELECT rowid, body FROM f WHERE f MATCH 'pear'")
	d.expect("0", "SELECT count(*) FROM f WHERE f MATCH 'apple OR green'")
	if res := d.write("INSERT INTO doc (body) VALUES ('plum') RETURNING id"); lines(res) != "3" || res.Changes != 1 {
		t.Errorf("got %q, %d changes", lines(res), res.Changes)
	}
}

func shadowTables(t *testing.T, s *suite) {
	d := s.database(t, "CREATE VIRTUAL TABLE f USING fts5 (a); INSERT INTO f VALUES ('x')")
	for _, sql := range []string{
		"DELETE FROM f_data", "INSERT INTO f_content VALUES (9, 'y')", "UPDATE f_idx SET pgno = 1", "DROP TABLE f_docsize", "ALTER TABLE f_config RENAME TO g",
		"CREATE TRIGGER r AFTER INSERT ON f_content BEGIN SELECT 1; END",
	} {
		d.refuse(hosting.Write, sql, fault.Denied, fault.Invalid)
	}
	d.write("INSERT INTO f (f) VALUES ('integrity-check')")
	d.expect("1", "SELECT count(*) FROM f WHERE f MATCH 'x'")
}

func rtree(t *testing.T, s *suite) {
	d := s.database(t, "CREATE VIRTUAL TABLE r USING rtree (id, minx, maxx, miny, maxy, +label TEXT)")
	d.write("INSERT INTO r VALUES (1, 0, 1, 0, 1, 'a'), (2, 5, 6, 5, 6, 'b'), (3, 0.5, 9, 0.5, 9, 'c')")
	for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
		res, err := d.run(t.Context(), class, "SELECT label FROM r WHERE minx <= 5.5 AND maxx >= 5.5 ORDER BY id")
		if err != nil || lines(res) != "b\nc" {
			t.Errorf("got %q, error %v", lines(res), err)
		}
	}
	d.write("DELETE FROM r WHERE id = 2")
	d.expect("2", "SELECT count(*) FROM r")
	d.write("CREATE VIRTUAL TABLE ri USING rtree_i32 (id, a, b); INSERT INTO ri VALUES (1, -5, 5)")
	d.expect("1", "SELECT id FROM ri WHERE a < 0")
}

func jsonFunctions(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (j)")
	d.write(`INSERT INTO t VALUES ('{"a": [1, {"b": "x"}], "n": null}')`)
	d.expect(`x|1|["array","null"]|[1,2]`, `SELECT j ->> '$.a[1].b', json_valid(j), (SELECT json_group_array(type) FROM json_each(j)), json_array(1, 2) FROM t`)
	d.expect("5", "SELECT count(*) FROM t, json_tree(j) WHERE key IS NOT NULL")
	d.expect(`{"a":2}`, `SELECT json(jsonb_set('{"a":1}', '$.a', 2))`)
	d.expect(`{"a":1,"b":2}`, `SELECT json_group_object(column1, column2) FROM (VALUES ('a', 1), ('b', 2))`)
}

func commonFunctions(t *testing.T, s *suite) {
	d := s.database(t, "CREATE VIEW v AS SELECT instr('hello', 'l') AS i, replace('hello', 'l', 'L') AS r; CREATE TABLE t (a, g AS (replace(a, 'x', 'y')) STORED, CHECK (instr(a, 'z') = 0))")
	d.expect("3|heLLo", "SELECT * FROM v")
	d.write("INSERT INTO t VALUES ('axb')")
	d.expect("ayb", "SELECT g FROM t")
	d.refuse(hosting.Write, "INSERT INTO t VALUES ('zzz')", fault.Invalid)
	d.expect("2|4|0||6162|2000-01-01", "SELECT instr('añb', 'ñ'), instr(x'00ff10', x'') + instr(x'00ff10', x'10'), instr('a', 'b'), replace('', 'a', 'b'), hex('ab'), date(946684800, 'unixepoch')")
	d.expect("NULL|abc|1", "SELECT instr(NULL, 'a'), replace('abc', '', 'x'), 'ABC' LIKE 'a%'")
	d.expect("3|1\n4|2", "SELECT sqrt(a), row_number() OVER (ORDER BY a) FROM (SELECT column1 AS a FROM (VALUES (9), (16)))")
	d.expect("1\n2\n3", "SELECT value FROM generate_series(1, 3)")
}

func vacuum(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t SELECT zeroblob(1000) FROM ("+endlessRows+" LIMIT 500); DELETE FROM t WHERE rowid > 1")
	before := d.read("SELECT * FROM pragma_page_count")
	d.write("VACUUM")
	if after := d.read("SELECT * FROM pragma_page_count"); len(after) >= len(before) {
		t.Errorf("%s pages before VACUUM, %s after", before, after)
	}
	d.write(" /* tidy */ vacuum main; ")
	d.expect("1", "SELECT count(*) FROM t")
	d.write("INSERT INTO t VALUES (1)")
	if err := d.Check(t.Context(), d.job.DB, hosting.IntegrityCheck); err != nil {
		t.Error(err)
	}
}

func maintenance(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t SELECT x FROM ("+endlessRows+" LIMIT 100)")
	for _, sql := range []string{"REINDEX", "REINDEX t", "REINDEX i", "ANALYZE", "ANALYZE t", "PRAGMA optimize"} {
		d.write(sql)
	}
	d.expect("100 1", "SELECT stat FROM sqlite_stat1 WHERE idx = 'i'")
}

func pragmas(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a TEXT NOT NULL, b REFERENCES p (id)); CREATE INDEX i ON t (a)")
	d.expect("0|a|TEXT|1|NULL|0\n1|b||0|NULL|0", "PRAGMA table_info(t)")
	d.expect("0|a|TEXT|1|NULL|0\n1|b||0|NULL|0", "SELECT * FROM pragma_table_info('t')")
	d.expect("0|0|a", "PRAGMA index_info(i)")
	d.expect("i", "SELECT name FROM pragma_index_list('t')")
	d.expect("p", `SELECT "table" FROM pragma_foreign_key_list('t')`)
	d.expect("", "PRAGMA foreign_key_check")
	d.expect("ok", "PRAGMA quick_check")
	d.expect("ok", "PRAGMA integrity_check(10)")
	d.expect("UTF-8", "PRAGMA encoding")
	d.expect("0", "PRAGMA freelist_count")
	for _, sql := range []string{
		"PRAGMA table_xinfo(t)", "PRAGMA table_list", "PRAGMA index_xinfo(i)", "PRAGMA page_count", "PRAGMA page_size", "PRAGMA schema_version",
		"PRAGMA collation_list", "PRAGMA function_list", "PRAGMA main.table_info('t')", "PRAGMA module_list",
	} {
		if d.read(sql) == "" {
			t.Errorf("%s: no answer", sql)
		}
	}
	d.write("PRAGMA user_version = 5")
	d.write("PRAGMA application_id = 6")
	d.expect("5", "PRAGMA user_version")
	d.expect("6", "PRAGMA application_id")
}
