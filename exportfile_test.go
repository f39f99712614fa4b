package ayb_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/ext/rtree"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
)

// manyThings makes one of everything that a schema can hold, and values that are
// easily lost.
const manyThings = `
	CREATE TABLE "a ""table"""(id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, r REAL, b BLOB, d, g AS (id * 2) STORED, v AS (t || '!'));
	CREATE TABLE child(id INTEGER REFERENCES "a ""table"""(id) ON DELETE CASCADE, n CHECK (n > 0), PRIMARY KEY (id, n)) WITHOUT ROWID;
	CREATE TABLE 'quoted'(x) -- with a comment at its end
	;
	INSERT INTO "a ""table"""(id, t, r, b, d) VALUES (1, 'it''s
two lines', 0.1, X'00ff', NULL), (2, char(13, 10) || 'x' || char(0) || 'y', 9e999, zeroblob(3), -9223372036854775808),
		(7, '', 1e15, CAST('text' AS BLOB), 3.0), (9, 'ünï', -1.7976931348623157e308, X'', 5e-324);
	DELETE FROM "a ""table""" WHERE id = 9;
	INSERT INTO child VALUES (1, 1), (1, 2), (2, 1);
	INSERT INTO quoted VALUES ('x');
	CREATE VIRTUAL TABLE words USING fts5(title, body, tokenize = 'porter');
	INSERT INTO words VALUES ('one', 'running shoes'), ('two', 'it''s "quoted"');
	CREATE VIRTUAL TABLE places USING rtree(id, x0, x1);
	INSERT INTO places VALUES (1, 0.5, 1.5);
	CREATE INDEX by_t ON "a ""table"""(t) WHERE t <> '';
	CREATE VIEW seen AS SELECT id, t FROM "a ""table""";
	CREATE TRIGGER more AFTER INSERT ON quoted BEGIN INSERT INTO quoted SELECT 'from ' || new.x WHERE new.x NOT LIKE 'from%'; END;
	CREATE TRIGGER seeing INSTEAD OF INSERT ON seen BEGIN SELECT 1; END;
	ANALYZE;
	PRAGMA user_version = 7; PRAGMA application_id = 252006673;`

// content returns what a reader of a database made with manyThings sees.
func content(t *testing.T, query func(sql string) [][]string) (all [][][]string) {
	t.Helper()
	for _, sql := range []string{
		`SELECT *, typeof(t), typeof(r), typeof(b), typeof(d), hex(t), hex(b), printf('%!.20g', r) FROM "a ""table""" ORDER BY 1`,
		"SELECT * FROM child ORDER BY 1, 2", "SELECT * FROM quoted ORDER BY 1", "SELECT title FROM words WHERE words MATCH 'run'",
		"SELECT * FROM places WHERE x0 > 0", "SELECT * FROM seen ORDER BY 1", "SELECT * FROM sqlite_sequence", "SELECT * FROM sqlite_stat1 ORDER BY 1, 2",
		"SELECT type, name, tbl_name, replace(sql, 'IF NOT EXISTS ', '') FROM sqlite_schema ORDER BY name", "PRAGMA user_version", "PRAGMA application_id",
		"PRAGMA foreign_key_check", "PRAGMA integrity_check",
	} {
		all = append(all, query(sql))
	}
	return all
}

// openFile returns a way to query a SQLite file with nothing of ours in between.
func openFile(t *testing.T, path string) (*sql.DB, func(sql string) [][]string) {
	t.Helper()
	db, err := driver.Open("file:"+path, func(c *sqlite3.Conn) error { return errors.Join(fts5.Register(c), rtree.Register(c)) })
	must(t, err)
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return db, func(text string) [][]string {
		t.Helper()
		rows, err := db.Query(text)
		must(t, err)
		defer rows.Close()
		names, err := rows.Columns()
		must(t, err)
		var all [][]string
		for rows.Next() {
			row, into := make([]sql.NullString, len(names)), make([]any, len(names))
			for i := range row {
				into[i] = &row[i]
			}
			must(t, rows.Scan(into...))
			texts := make([]string, len(names))
			for i, v := range row {
				if texts[i] = v.String; !v.Valid {
					texts[i] = "NULL"
				}
			}
			all = append(all, texts)
		}
		must(t, rows.Err())
		return all
	}
}

// exported saves a database as a file and returns its path.
func exported(t *testing.T, f *aybtest.Fixture, p ayb.Principal, ref string, format ayb.ExportFormat) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exported")
	file, err := os.Create(path)
	must(t, err)
	must(t, errors.Join(f.Export(ctx, p, ref, format, file), file.Close()))
	return path
}

func TestEngine_Export(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	bob := f.MustEntity("bob")
	f.MustDatabase("alice/db", manyThings)
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)

	path := exported(t, f, bob, "alice/db", ayb.ExportSQLite)
	_, query := openFile(t, path)
	want := content(t, query)

	t.Run("a SQLite file is whole in itself and in no mode that needs others beside it", func(t *testing.T) {
		if got := query("PRAGMA journal_mode"); got[0][0] != "delete" {
			t.Errorf("journal mode %v", got)
		}
		if got := query(`SELECT count(*) FROM "a ""table"""`); got[0][0] != "3" {
			t.Errorf("%v rows", got)
		}
	})
	t.Run("a text of SQL makes the same database anew", func(t *testing.T) {
		text, err := os.ReadFile(exported(t, f, bob, "alice/db", ayb.ExportSQL))
		must(t, err)
		path := filepath.Join(t.TempDir(), "again")
		db, query := openFile(t, path)
		if _, err := db.Exec(string(text)); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		db.Close() // what was written by way of the schema is seen by the next who opens it
		_, query = openFile(t, path)
		if got := content(t, query); !reflect.DeepEqual(got, want) {
			t.Errorf("made anew\n%q\nwas\n%q\nby\n%s", got, want, text)
		}
	})
	t.Run("a database that was never written is an empty one", func(t *testing.T) {
		f.MustDatabase("alice/new")
		_, query := openFile(t, exported(t, f, alice, "alice/new", ayb.ExportSQLite))
		if got := query("SELECT count(*) FROM sqlite_schema"); got[0][0] != "0" {
			t.Errorf("%v", got)
		}
		f.MustDatabase("alice/newer")
		text, err := os.ReadFile(exported(t, f, alice, "alice/newer", ayb.ExportSQL))
		must(t, err)
		if string(text) != "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n" {
			t.Errorf("%q", text)
		}
	})
	t.Run("an error of the writer comes back as it is", func(t *testing.T) {
		full := errors.New("full")
		for _, format := range []ayb.ExportFormat{ayb.ExportSQLite, ayb.ExportSQL} {
			if err := f.Export(ctx, alice, "alice/db", format, iotest.TruncateWriter(errorWriter{full}, 1<<30)); !errors.Is(err, full) {
				t.Errorf("%v: %v", format, err)
			}
		}
	})
	t.Run("one caller has no more than their share", func(t *testing.T) {
		hold := make(chan struct{})
		began := make(chan struct{}, 4)
		done := make(chan error, 4)
		for range 4 {
			go func() { done <- f.Export(ctx, alice, "alice/db", ayb.ExportSQLite, &held{began: began, hold: hold}) }()
		}
		for range 4 {
			select {
			case <-began:
			case err := <-done:
				t.Fatalf("ended at once: %v", err)
			}
		}
		if err := f.Export(ctx, alice, "alice/db", ayb.ExportSQLite, io.Discard); !errors.Is(err, ayb.ErrBusy) {
			t.Errorf("a fifth: %v", err)
		}
		must(t, f.Export(ctx, bob, "alice/db", ayb.ExportSQLite, io.Discard))
		close(hold)
		for range 4 {
			must(t, <-done)
		}
	})
	t.Run("nothing is left behind", func(t *testing.T) {
		for _, dir := range []string{"tmp", "incoming"} {
			left, _ := filepath.Glob(filepath.Join(f.DataPath(), "owners", "*", "*", dir, "*"))
			if len(left) > 0 {
				t.Errorf("%v", left)
			}
		}
	})
	t.Run("each is recorded", func(t *testing.T) {
		log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{Entity: bob.Entity, Action: "export"}, ayb.Page{})
		must(t, err)
		if len(log.Items) != 3 || log.Items[0].Outcome != "ok" || log.Items[0].Subject != "alice/db" {
			t.Errorf("%+v", log.Items)
		}
	})
}

func TestEngine_Export_ends_with_a_slow_reader(t *testing.T) {
	limits := ayb.Limits{}
	limits.StreamTime = 50 * time.Millisecond
	f := aybtest.New(t, &ayb.Config{Limits: limits})
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t(a); INSERT INTO t SELECT randomblob(500000)")
	for _, format := range []ayb.ExportFormat{ayb.ExportSQLite, ayb.ExportSQL} {
		err := f.Export(ctx, alice, "alice/db", format, slowWriter{})
		if !errors.Is(err, ayb.ErrTimedOut) || !strings.Contains(fault.Message(err), "limits.stream_time") {
			t.Errorf("%v: %v", format, err)
		}
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.Export(short, alice, "alice/db", ayb.ExportSQLite, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A slowWriter takes longer over each piece than an export may take.
type slowWriter struct{}

func (slowWriter) Write(p []byte) (int, error) {
	<-time.After(60 * time.Millisecond)
	return len(p), nil
}

type errorWriter struct{ err error }

func (w errorWriter) Write([]byte) (int, error) { return 0, w.err }

// A held writer says that it was called, and waits.
type held struct {
	began, hold chan struct{}
	once        bool
}

func (h *held) Write(p []byte) (int, error) {
	if !h.once {
		h.once = true
		h.began <- struct{}{}
		<-h.hold
	}
	return len(p), nil
}
