package hostingtest

import (
	"os"
	"path/filepath"
	"testing"

	"ayb/fault"
	"ayb/hosting"
)

func guardChecks() []check {
	return []check{
		{"attach_is_denied_in_every_disguise", attach},
		{"vacuum_into_is_denied", vacuumInto},
		{"pragmas_that_change_the_host_are_denied", hostPragmas},
		{"the_schema_table_cannot_be_written", schemaTable},
		{"extensions_cannot_be_loaded", loadExtension},
		{"temporary_objects_need_a_session", temporaryObjects},
		{"functions_that_no_interrupt_stops_are_denied", uninterruptible},
		{"functions_with_hostile_arguments_end_in_time", hostileArguments},
		{"no_secret_of_the_host_can_be_asked_for", hostSecrets},
	}
}

// bothWays runs a text in both classes and in a session; each must refuse it
// with one of the kinds.
func (d *database) bothWays(sql string, kinds ...fault.Kind) {
	d.t.Helper()
	d.refuse(hosting.Read, sql, append(kinds, fault.ReadOnly)...)
	d.refuse(hosting.Write, sql, kinds...)
	s, err := d.begin(hosting.Write)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	wantKind(d.t, "session: "+short(sql), s.try(sql), kinds...)
}

func attach(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	target := filepath.Join(t.TempDir(), "stolen.db")
	for _, sql := range []string{
		"ATTACH '" + target + "' AS x",
		"ATTACH DATABASE 'file:" + target + "?mode=rwc' AS x",
		"ATTACH '" + target[:5] + "' || '" + target[5:] + "' AS x",
		"ATTACH ':memory:' AS x",
		"ATTACH '' AS x",
		"ATTACH char(47) || 'etc' AS x",
		"ATTACH (SELECT '" + target + "') AS x KEY 'k'",
		"/* harmless */ attach '" + target + "' as main2; ",
		"DETACH main",
		"DETACH DATABASE temp",
	} {
		d.bothWays(sql, fault.Denied)
	}
	wantKind(t, "a parameter", d.try(hosting.Write, "ATTACH ? AS x", target), fault.Denied)
	d.refuse(hosting.Write, "SELECT 1; ATTACH '"+target+"' AS x", fault.Denied)
	d.refuse(hosting.Write, "SELECT * FROM x.sqlite_schema", fault.Invalid)
	absent(t, target)
}

// absent fails the test if there is a file.
func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s has been made", path)
	}
}

func vacuumInto(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	target := filepath.Join(t.TempDir(), "copy.db")
	for _, sql := range []string{
		"VACUUM INTO '" + target + "'",
		"VACUUM main INTO '" + target + "'",
		"VACUUM INTO '" + target[:5] + "' || '" + target[5:] + "'",
		"vacuum /**/ into '" + target + "';",
		"VACUUM INTO ':memory:'",
	} {
		d.refuse(hosting.Write, sql, fault.Denied)
		d.refuse(hosting.Read, sql, fault.Denied, fault.ReadOnly)
	}
	wantKind(t, "a parameter", d.try(hosting.Write, "VACUUM INTO ?", target), fault.Denied)
	absent(t, target)
	d.write("VACUUM")
	d.refuse(hosting.Write, "ATTACH '' AS x", fault.Denied)
}

func hostPragmas(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{
		"PRAGMA journal_mode = OFF", "PRAGMA journal_mode = DELETE", "PRAGMA main.journal_mode = memory", `PRAGMA "journal_mode"('off')`,
		"PRAGMA writable_schema = ON", "PRAGMA synchronous = 0", "PRAGMA temp_store_directory = '/tmp'", "PRAGMA data_store_directory = '/tmp'",
		"PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_autocheckpoint = 0", "PRAGMA mmap_size = 1000000000", "PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA trusted_schema = ON", "PRAGMA max_page_count = 1", "PRAGMA cache_size = 1000000", "PRAGMA cache_spill = 0", "PRAGMA temp_store = MEMORY",
		"PRAGMA hard_heap_limit = 1", "PRAGMA soft_heap_limit = 1", "PRAGMA threads = 8", "PRAGMA busy_timeout = 1000000", "PRAGMA journal_size_limit = 1",
		"PRAGMA read_uncommitted = ON", "PRAGMA secure_delete = ON", "PRAGMA shrink_memory", "PRAGMA schema_version = 7",
		"PRAGMA page_size = 512", "PRAGMA cell_size_check = OFF", "PRAGMA key = 'x'",
	} {
		d.bothWays(sql, fault.Denied)
	}
	d.refuse(hosting.Write, "PRAGMA foreign_keys = OFF", fault.Denied, fault.Invalid)
	d.refuse(hosting.Write, "PRAGMA recursive_triggers = ON", fault.Denied, fault.Invalid)
	d.expect("1", "PRAGMA foreign_keys")
	d.write("INSERT INTO t VALUES (1)")
}

func schemaTable(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{
		"DELETE FROM sqlite_schema", "UPDATE sqlite_master SET sql = 'CREATE TABLE t (b)'", "INSERT INTO main.sqlite_schema VALUES ('table', 'u', 'u', 0, 'x')",
		"DROP TABLE sqlite_schema", "ALTER TABLE sqlite_schema ADD COLUMN x",
	} {
		d.bothWays(sql, fault.Denied, fault.Invalid)
	}
	d.expect("t", "SELECT name FROM sqlite_schema")
}

func loadExtension(t *testing.T, s *suite) {
	d := s.database(t, "")
	for _, sql := range []string{
		"SELECT load_extension('/lib/libc.so.6')", "SELECT load_extension('x', 'y')", "SELECT readfile('/etc/passwd')", "SELECT writefile('/tmp/x', 'y')",
		"SELECT edit('x')", "SELECT * FROM fsdir('/')", "SELECT fts3_tokenizer('simple')", "SELECT * FROM sqlite_dbpage", "SELECT * FROM dbstat",
		"CREATE VIRTUAL TABLE v USING csv (filename = '/etc/passwd')",
	} {
		d.bothWays(sql, fault.Denied, fault.Invalid)
	}
}

func temporaryObjects(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{
		"CREATE TEMP TABLE x (a)", "CREATE TEMPORARY TABLE t AS SELECT 1", "CREATE TABLE temp.x (a)", "CREATE TEMP VIEW t AS SELECT 1 AS a",
		"CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE TRIGGER temp.r AFTER INSERT ON main.t BEGIN SELECT 1; END",
		"CREATE VIRTUAL TABLE temp.f USING fts5 (a)",
	} {
		d.refuse(hosting.Write, sql, fault.Denied)
		d.refuse(hosting.Read, sql, fault.Denied, fault.ReadOnly)
	}
	d.refuse(hosting.Write, "INSERT INTO t VALUES (1); CREATE TEMP TABLE x (a)", fault.Denied, fault.Invalid)
	d.expect("0|0", "SELECT count(*), (SELECT count(*) FROM sqlite_temp_schema) FROM t")
}

func uninterruptible(t *testing.T, s *suite) {
	d := s.database(t, "")
	for _, sql := range []string{
		`SELECT json_patch('{"a":1}', '{"b":2}')`, `SELECT jsonb_patch('{}', '{}')`, "SELECT decimal_add('1', '2')", "SELECT decimal_mul('3', '4')", "SELECT decimal_sum(1)",
	} {
		err := d.try(hosting.Read, sql)
		if s.opts.Kills {
			if err != nil {
				t.Errorf("%s: %v", sql, err)
			}
			continue
		}
		wantKind(t, sql, err, fault.Denied)
	}
}

// hostileArguments uses functions whose built-in form takes quadratic time and
// asks nobody whether to go on.
func hostileArguments(t *testing.T, s *suite) {
	d := s.database(t, "")
	const zeros = "(SELECT hex(zeroblob(240000)))"
	d.expect("0", "SELECT instr("+zeros+", substr("+zeros+", 1, 240000) || '1')")
	d.expect("480000", "SELECT length(replace("+zeros+", substr("+zeros+", 1, 240000) || '1', ''))")
	d.refuse(hosting.Read, "SELECT "+zeros+" LIKE '%' || "+zeros, fault.TooLarge, fault.Invalid)
	d.refuse(hosting.Read, "SELECT "+zeros+" GLOB '*' || "+zeros, fault.TooLarge, fault.Invalid)
}

func hostSecrets(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{"PRAGMA database_list", "SELECT * FROM pragma_database_list"} {
		res, err := d.run(t.Context(), hosting.Read, sql)
		if err != nil {
			continue // refusing to tell is as good
		}
		for _, row := range res.Rows {
			if name := row[2].String(); filepath.IsAbs(name) {
				t.Errorf("%s tells the path %s", sql, name)
			}
		}
	}
}
