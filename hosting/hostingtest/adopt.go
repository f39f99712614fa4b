package hostingtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	fts5ext "github.com/ncruces/go-sqlite3/ext/fts5"
	rtreeext "github.com/ncruces/go-sqlite3/ext/rtree"

	"ayb/fault"
	"ayb/hosting"
)

func adoptChecks() []check {
	return []check{
		{"an_upload_becomes_a_database", adoptFile},
		{"a_text_becomes_a_database", adoptText},
		{"what_no_tenant_may_have_is_refused", adoptHostile},
		{"what_is_no_sound_file_is_refused", adoptDamaged},
		{"a_text_that_is_wrong_is_refused_with_its_line", adoptWrongText},
		{"an_upload_is_held_to_the_quota", adoptQuota},
		{"an_upload_is_held_to_its_time_and_ends_with_its_caller", adoptTime},
	}
}

// upload puts content where an upload belongs.
func (d *database) upload(content []byte, format hosting.UploadFormat) hosting.Upload {
	d.t.Helper()
	up := hosting.Upload{ID: newID(), Format: format}
	path := hosting.UploadPath(d.dir, d.job.Owner, up.ID)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return up
}

func (d *database) adopt(content []byte, format hosting.UploadFormat) error {
	d.t.Helper()
	return d.Adopt(d.t.Context(), hosting.Job{DB: d.job.DB}, d.upload(content, format))
}

// foreign makes a SQLite file with nothing of ours in between.
func foreign(t *testing.T, sql ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign")
	for _, text := range sql {
		c, err := sqlite3.Open("file:" + path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []func(*sqlite3.Conn) error{fts5ext.Register, rtreeext.Register} {
			if err := f(c); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Config(sqlite3.DBCONFIG_DEFENSIVE, false); err != nil {
			t.Fatal(err)
		}
		if err := c.Exec(text); err != nil {
			t.Fatalf("%s: %v", short(text), err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

const usual = `CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE DEFAULT (abs(-1)), g AS (a || '!'));
	CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT a FROM t JOIN f;
	CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO f VALUES (new.a); END;
	CREATE VIRTUAL TABLE f USING fts5 (x); CREATE VIRTUAL TABLE r USING rtree (id, a, b);
	INSERT INTO t (a) VALUES ('one duck'), ('two'); INSERT INTO r VALUES (1, 2, 3); ANALYZE; PRAGMA user_version = 3;`

const usualContent = "SELECT id, a, g, (SELECT count(*) FROM f WHERE f MATCH 'duck'), (SELECT b FROM r) FROM t"

func adoptFile(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	for name, setUp := range map[string]string{
		"plain": "PRAGMA page_size = 4096;", "with small pages": "PRAGMA page_size = 512;", "with large pages": "PRAGMA page_size = 65536;",
		"with a log": "PRAGMA journal_mode = WAL;", "compacting itself": "PRAGMA auto_vacuum = FULL;",
	} {
		d := h.unmade()
		if err := d.adopt(foreign(t, setUp+usual), hosting.UploadSQLite); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := "1|one duck|one duck!|1|3.0\n2|two|two!|1|3.0"
		if got := strings.TrimSpace(d.read(usualContent)); !strings.Contains(got, "one duck!") {
			t.Errorf("%s: %q, want like %q", name, got, want)
		}
		if err := d.Check(t.Context(), d.job.DB, hosting.IntegrityCheck); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d.write("INSERT INTO t (a) VALUES ('three')")
		head, err := os.ReadFile(d.file())
		if err != nil || binary.BigEndian.Uint16(head[16:]) != 4096 || head[18] != 2 {
			t.Errorf("%s: the file has not the form of all others: % x, %v", name, head[:32], err)
		}
		wantKind(t, name+": adopting once more", d.adopt(foreign(t, usual), hosting.UploadSQLite), fault.Conflict)
	}
	for _, file := range files(t, h.dir) {
		if strings.Contains(strings.TrimPrefix(file, h.dir), "/tmp/") {
			t.Errorf("%s was left behind", file)
		}
	}
}

func adoptText(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	d := h.unmade()
	text := `PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
/* the shell's form */ PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','f','f',0,'CREATE VIRTUAL TABLE f USING fts5 (x, tokenize=''porter'')');
CREATE TABLE IF NOT EXISTS 'f_content'(id INTEGER PRIMARY KEY, c0);
INSERT INTO f_content VALUES(1,'ducks; swim');
CREATE TABLE IF NOT EXISTS 'f_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
INSERT INTO f_docsize VALUES(1,X'02');
CREATE TABLE t(a); INSERT INTO t VALUES('a;b'),("c");
CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END;
PRAGMA writable_schema=OFF;
COMMIT;
`
	// The index of the words is not in the text, so the check finds it wanting.
	wantKind(t, "half a virtual table", d.adopt([]byte(text), hosting.UploadSQL), fault.Invalid)
	if _, err := os.Stat(d.file()); err == nil {
		t.Error("a file was made")
	}
	if err := d.adopt([]byte("BEGIN; CREATE TABLE t(a); INSERT INTO t VALUES('a;b'),(\"c\"); COMMIT; -- the end"), hosting.UploadSQL); err != nil {
		t.Fatal(err)
	}
	d.expect("a;b\nc", "SELECT a FROM t")

	// As the shell dumps a database that was compacted.
	d = h.unmade()
	compacted := `CREATE TABLE IF NOT EXISTS "r_rowid"(rowid INTEGER PRIMARY KEY,nodeno); INSERT INTO r_rowid VALUES(1,1);
CREATE TABLE IF NOT EXISTS "r_node"(nodeno INTEGER PRIMARY KEY,data);
INSERT INTO r_node VALUES(1,X'00000001` + "0000000000000001" + "3f0000003fc00000" + strings.Repeat("00", 1228) + `');
CREATE TABLE IF NOT EXISTS "r_parent"(nodeno INTEGER PRIMARY KEY,parentnode);
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','r','r',0,'CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)');
PRAGMA writable_schema=OFF;`
	if err := d.adopt([]byte(compacted), hosting.UploadSQL); err != nil {
		t.Fatal(err)
	}
	d.expect("1|0.5|1.5", "SELECT * FROM r WHERE x0 > 0")
}

func adoptHostile(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	for name, sql := range map[string]string{
		"a view that loads an extension":     "CREATE VIEW v AS SELECT sqlite_source_id()",
		"a trigger that reads a file":        "CREATE TABLE t (a); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT sqlite_source_id(); END",
		"a default that loads":               "CREATE TABLE t (a, b DEFAULT (sqlite_source_id()))",
		"a kind of object that is none":      "CREATE TABLE t (a); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET type = 'thing'",
		"another module":                     "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, 'CREATE VIRTUAL TABLE x USING dbstat')",
		"a module that reads files":          "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, 'CREATE VIRTUAL TABLE x USING csv(filename=''/etc/passwd'')')",
		"a temporary one of a schema":        "CREATE TABLE t (a); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TEMP TABLE t (a)'",
		"SQL that is not what made it":       "CREATE TABLE t (a); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'SELECT 1'",
		"a table that only SQLite makes":     "CREATE TABLE t (a); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET name = 'sqlite_x', tbl_name = 'sqlite_x', sql = 'CREATE TABLE sqlite_x (a)'",
		"statistics that are something else": "CREATE TABLE t (a); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET name = 'sqlite_stat1', tbl_name = 'sqlite_stat1', sql = 'CREATE TABLE sqlite_stat1 (a)'",
	} {
		d := h.unmade()
		err := d.adopt(foreign(t, sql), hosting.UploadSQLite)
		wantKind(t, name, err, fault.Denied, fault.Invalid)
		if _, err := os.Stat(d.file()); err == nil {
			t.Errorf("%s: a file was made", name)
		}
	}
}

func adoptDamaged(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	good := foreign(t, usual)
	changed := func(at int, b ...byte) []byte {
		bad := bytes.Clone(good)
		copy(bad[at:], b)
		return bad
	}
	for name, c := range map[string]struct {
		content []byte
		kind    fault.Kind
	}{
		"nothing":              {nil, fault.Invalid},
		"a text":               {[]byte("CREATE TABLE t(a);"), fault.Invalid},
		"random bytes":         {bytes.Repeat([]byte{7, 0xa5, 3}, 4000), fault.Invalid},
		"a head alone":         {good[:100], fault.Invalid},
		"cut in a page":        {good[:len(good)-100], fault.Invalid},
		"cut between pages":    {good[:len(good)-4096], fault.Invalid},
		"a page of nonsense":   {changed(4096, bytes.Repeat([]byte{0xff}, 4096)...), fault.Invalid},
		"a size of 1 TB":       {changed(28, 0x10, 0, 0, 0), fault.Invalid},
		"pages of 3 bytes":     {changed(16, 0, 3), fault.Invalid},
		"a later version":      {changed(18, 3, 3), fault.Invalid},
		"pages with a reserve": {changed(20, 8), fault.Unsupported},
		"UTF-16":               {foreign(t, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a)"), fault.Unsupported},
	} {
		d := h.unmade()
		wantKind(t, name, d.adopt(c.content, hosting.UploadSQLite), c.kind)
		if _, err := os.Stat(d.file()); err == nil {
			t.Errorf("%s: a file was made", name)
		}
	}
}

func adoptWrongText(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{})
	for _, c := range []struct {
		text, line string
		kind       fault.Kind
	}{
		{"CREATE TABLE t(a);\n\n-- and\nINSERT INTO nothing VALUES (1);\n", "Line 4: ", fault.Invalid},
		{"CREATE TABLE t(a);\nATTACH 'x' AS y;", "Line 2: ", fault.Denied},
		{"PRAGMA journal_mode=WAL;", "Line 1: ", fault.Denied},
		{"SELECT 'open", "Line 1: ", fault.Invalid},
		{"SELECT 1;\x00SELECT 2;", "Line 1: ", fault.Invalid},
		{"CREATE TABLE t(a UNIQUE);\nINSERT INTO t VALUES(1);INSERT OR ROLLBACK INTO t VALUES(1);", "Line 2: ", fault.Invalid},
		{"CREATE TABLE t(a);\nROLLBACK; -- due to errors", "Line 2: ", fault.Invalid},
		{"INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','x','x',0,'CREATE VIRTUAL TABLE x USING dbstat');", "Line 1: ", fault.Denied},
		{"CREATE VIEW v AS SELECT sqlite_source_id();", "", fault.Denied},
	} {
		d := h.unmade()
		err := d.adopt([]byte(c.text), hosting.UploadSQL)
		wantKind(t, c.text, err, c.kind)
		if !strings.HasPrefix(fault.Message(err), c.line) {
			t.Errorf("%q: %q, want it to begin with %q", c.text, fault.Message(err), c.line)
		}
	}
}

func adoptQuota(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{}).unmade()
	content := foreign(t, "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))")
	for _, quota := range []hosting.Quota{{DatabaseBytes: 50_000}, {OwnerBytes: 50_000}} {
		err := d.Adopt(t.Context(), hosting.Job{DB: d.job.DB, Quota: quota}, d.upload(content, hosting.UploadSQLite))
		wantKind(t, "more than the quota", err, fault.TooLarge)
	}
}

func adoptTime(t *testing.T, s *suite) {
	const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;"
	h := s.host(t, hosting.Limits{MaintenanceTime: 200 * time.Millisecond})
	d := h.unmade()
	began := time.Now()
	err := d.adopt([]byte("CREATE TABLE t (a);\n"+endless), hosting.UploadSQL)
	wantKind(t, "an endless text", err, fault.TimedOut)
	if !strings.Contains(fault.Message(err), "limits.maintenance_time (200ms)") {
		t.Errorf("%q does not name the bound", fault.Message(err))
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	// The bound is that of all texts and steps together.
	began = time.Now()
	err = d.adopt([]byte(strings.Repeat("SELECT count(*) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT * FROM c);", 2000)), hosting.UploadSQL)
	wantKind(t, "many texts", err, fault.TimedOut)

	h = s.host(t, hosting.Limits{})
	d = h.unmade()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began = time.Now()
	err = d.Adopt(ctx, hosting.Job{DB: d.job.DB}, d.upload([]byte(endless), hosting.UploadSQL))
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Errorf("%v after %v, and its caller had gone", err, took)
	}
	if err := d.adopt([]byte("CREATE TABLE t (a);"), hosting.UploadSQL); err != nil {
		t.Errorf("the next upload: %v", err)
	}
}
