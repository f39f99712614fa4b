package hosting

import (
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/ext/rtree"
)

// extended returns a connection with everything that a tenant's has.
func extended(tb testing.TB) *sqlite3.Conn {
	tb.Helper()
	c := overridden(tb)
	if err := fts5.Register(c); err != nil {
		tb.Fatal(err)
	}
	if err := rtree.Register(c); err != nil {
		tb.Fatal(err)
	}
	return c
}

// column returns the first column of the answer to sql.
func column(tb testing.TB, c *sqlite3.Conn, sql string) []string {
	tb.Helper()
	stmt := prepared(tb, c, sql)
	var rows []string
	for stmt.Step() {
		rows = append(rows, stmt.ColumnText(0))
	}
	if err := stmt.Err(); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	if len(rows) == 0 {
		tb.Fatalf("%s answers nothing", sql)
	}
	return rows
}

// A new SQLite brings new functions, modules and pragmas: somebody must decide
// on each.
func TestVerdicts_decide_on_all_that_SQLite_knows(t *testing.T) {
	c := extended(t)
	for _, table := range []string{"json_each", "json_tree", "jsonb_each", "jsonb_tree"} {
		prepared(t, c, "SELECT * FROM "+table+"('[]')") // these modules appear when they are used
	}
	for _, name := range column(t, c, "SELECT DISTINCT name FROM pragma_function_list") {
		if functionVerdict(name) == functionUnknown {
			t.Errorf("function %s has no verdict", name)
		}
	}
	for _, name := range column(t, c, "SELECT name FROM pragma_module_list") {
		if !moduleVerdict(name).known {
			t.Errorf("module %s has no verdict", name)
		}
	}
	for _, name := range column(t, c, "SELECT name FROM pragma_pragma_list") {
		if pragmaVerdict(name, "", false) == pragmaUnknown || pragmaVerdict(name, "x", true) == pragmaUnknown {
			t.Errorf("pragma %s has no verdict", name)
		}
	}
}

func TestVerdicts_deny_the_unknown(t *testing.T) {
	if v := functionVerdict("new_function"); v != functionUnknown {
		t.Errorf("an unknown function has verdict %d", v)
	}
	if r := moduleVerdict("new_module"); r.creatable {
		t.Error("an unknown module may be created")
	}
	for _, hasArg := range []bool{false, true} {
		if r := pragmaVerdict("new_pragma", "1", hasArg); r != pragmaUnknown {
			t.Errorf("an unknown pragma has rule %d", r)
		}
	}
}

// The functions of ALTER TABLE have the verdict "allowed" because SQLite itself
// keeps everybody else from calling them.
func TestVerdicts_users_cannot_call_what_ALTER_TABLE_calls(t *testing.T) {
	c := extended(t)
	for _, name := range []string{
		"sqlite_add_constraint", "sqlite_drop_column", "sqlite_drop_constraint", "sqlite_fail",
		"sqlite_find_constraint", "sqlite_rename_column", "sqlite_rename_quotefix",
		"sqlite_rename_table", "sqlite_rename_test",
	} {
		if functionVerdict(name) != functionAllowed {
			t.Errorf("%s is not allowed", name)
		}
		for args := range 10 {
			sql := "SELECT " + name + "(" + strings.Trim(strings.Repeat(",1", args), ",") + ")"
			if stmt, _, err := c.Prepare(sql); err == nil {
				stmt.Close()
				t.Errorf("%s can be prepared", sql)
			}
		}
	}
}

// Everything that these statements ask the authorizer for must be allowed.
func TestVerdicts_allow_what_SQLite_asks_for_itself(t *testing.T) {
	c := extended(t)
	err := c.SetAuthorizer(func(action sqlite3.AuthorizerActionCode, arg, sub, _, _ string) sqlite3.AuthorizerReturnCode {
		switch action {
		case sqlite3.AUTH_FUNCTION:
			if functionVerdict(sub) != functionAllowed {
				t.Errorf("function %s is asked for and not allowed", sub)
			}
		case sqlite3.AUTH_PRAGMA:
			if pragmaVerdict(arg, sub, sub != "") != pragmaRead {
				t.Errorf("PRAGMA %s(%s) is asked for and not allowed", arg, sub)
			}
		case sqlite3.AUTH_CREATE_VTABLE:
			if !moduleVerdict(sub).creatable {
				t.Errorf("module %s is asked for and not allowed", sub)
			}
		}
		return sqlite3.AUTH_OK
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"CREATE TABLE t(a PRIMARY KEY, b CHECK(b > 0), c)", "INSERT INTO t VALUES (1, 2, 3)",
		"CREATE VIEW v AS SELECT a FROM t", "CREATE INDEX i ON t(b)",
		"CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET c = 1; END",
		"ALTER TABLE t RENAME TO u", "ALTER TABLE u RENAME COLUMN c TO d", "ALTER TABLE u ADD COLUMN e DEFAULT 5",
		"ALTER TABLE u DROP COLUMN e", "ALTER TABLE u ADD CONSTRAINT x CHECK (a > 0)", "ALTER TABLE u DROP CONSTRAINT x",
		"ALTER TABLE u ALTER COLUMN d SET NOT NULL", "ALTER TABLE u ALTER COLUMN d DROP NOT NULL",
		"ANALYZE", "REINDEX", "VACUUM",
		"CREATE VIRTUAL TABLE f USING fts5(x)", "INSERT INTO f VALUES ('a b')", "SELECT bm25(f) FROM f WHERE f MATCH 'a'",
		"INSERT INTO f(f) VALUES ('optimize')", "CREATE VIRTUAL TABLE w USING fts5vocab(f, row)", "SELECT * FROM w",
		"CREATE VIRTUAL TABLE g USING rtree(i, a, b)", "INSERT INTO g VALUES (1, 2, 3)", "SELECT * FROM g WHERE a < 5",
		"CREATE VIRTUAL TABLE h USING rtree_i32(i, a, b)", "DROP TABLE f", "DROP TABLE g",
		"SELECT * FROM pragma_table_info('u')", "PRAGMA integrity_check(5)",
	} {
		if err := c.Exec(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestPragmaVerdict(t *testing.T) {
	for _, c := range []struct {
		pragma string // name, or name=argument
		want   pragmaRule
	}{
		{"table_info=t", pragmaRead},
		{"TABLE_XINFO=a table; with any name", pragmaRead},
		{"table_list", pragmaRead},
		{"foreign_key_check", pragmaRead},
		{"quick_check=100", pragmaRead},
		{"user_version", pragmaRead},
		{"user_version=7", pragmaWrite},
		{"user_version=-0x7f", pragmaWrite},
		{"user_version=", pragmaDenied},
		{"user_version=1;2", pragmaDenied},
		{"user_version=x", pragmaDenied},
		{"optimize", pragmaWrite},
		{"optimize=0xfffe", pragmaWrite},
		{"incremental_vacuum=10", pragmaWrite},
		{"foreign_keys", pragmaRead},
		{"foreign_keys=OFF", pragmaState},
		{"foreign_keys=1", pragmaState},
		{"foreign_keys=", pragmaDenied},
		{"foreign_keys=perhaps", pragmaDenied},
		{"case_sensitive_like=on", pragmaState},
		{"query_only=on", pragmaState},
		{"journal_mode", pragmaRead},
		{"journal_mode=off", pragmaDenied},
		{"synchronous=0", pragmaDenied},
		{"max_page_count=1", pragmaDenied},
		{"writable_schema=1", pragmaDenied},
		{"trusted_schema=1", pragmaDenied},
		{"mmap_size=1", pragmaDenied},
		{"temp_store=2", pragmaDenied},
		{"schema_version=1", pragmaDenied},
		{"data_version=1", pragmaDenied},
		{"database_list", pragmaDenied},
		{"compile_options", pragmaDenied},
		{"wal_checkpoint", pragmaDenied},
		{"wal_checkpoint=truncate", pragmaDenied},
		{"hard_heap_limit", pragmaDenied},
		{"temp_store_directory=/tmp", pragmaDenied},
		{"no_such", pragmaUnknown},
	} {
		name, arg, hasArg := strings.Cut(c.pragma, "=")
		if got := pragmaVerdict(name, arg, hasArg); got != c.want {
			t.Errorf("PRAGMA %s: rule %d, want %d", c.pragma, got, c.want)
		}
	}
}
