package shell_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/format"
	"ayb/internal/shell"
)

// A tenant is a real database as the shell sees it.
type tenant struct {
	runner *hosting.InProcess
	db     hosting.DB
	texts  []string // that were sent
}

func (d *tenant) Run(ctx context.Context, st catalog.Statement, sink shell.Sink) (catalog.Summary, error) {
	d.texts = append(d.texts, st.SQL)
	return d.runner.Run(ctx, hosting.Job{DB: d.db, Class: hosting.Write, Statement: st}, sink)
}

// open returns the database in a directory, made if it is not there.
func open(dir string) (*tenant, error) {
	r, err := hosting.NewInProcess(hosting.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	id := catalog.NewID(time.Unix(1_700_000_000, 0), bytes.NewReader(make([]byte, 16)))
	db := hosting.DB{Owner: id, Database: id, Version: id}
	return &tenant{runner: r, db: db}, r.Create(context.Background(), db)
}

func newTenant(t testing.TB) *tenant {
	t.Helper()
	d, err := open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.runner.Close() })
	return d
}

// script runs a script and returns what it printed.
func script(t testing.TB, d shell.Database, cfg shell.Config, sql string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cfg.Database, cfg.Stdout, cfg.Stderr = d, &out, &out
	err := shell.Script(t.Context(), cfg, strings.NewReader(sql))
	return out.String(), err
}

func TestScript_answers_as_the_older_command_line(t *testing.T) {
	got, err := script(t, newTenant(t), shell.Config{}, "CREATE TABLE a(x, y); INSERT INTO a\nVALUES (1, NULL), ('two', 2.5);\nSELECT * FROM a; SELECT * FROM a WHERE x = 3")
	want := "\nRows: 0\n\nRows: 0\n x   | y \n-----+------\n 1   | NULL \n two | 2.5 \n\nRows: 2\n\nRows: 0\n"
	if got != want || err != nil {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestScript_says_how_many_rows_elsewhere(t *testing.T) {
	var summary strings.Builder
	got, err := script(t, newTenant(t), shell.Config{Mode: format.CSV, Summary: &summary}, "SELECT 1 AS a; SELECT 2 AS b WHERE 0; SELECT 3 AS c")
	if got != "a\n1\nc\n3\n" || summary.String() != "Rows: 1\nRows: 0\nRows: 1\n" || err != nil {
		t.Errorf("%v\n%s\n%s", err, got, summary.String())
	}
}

func TestScript_modes(t *testing.T) {
	const sql = "SELECT 1 AS a, x'00ff' AS b; SELECT 2 AS c WHERE 0;"
	for mode, want := range map[format.Mode]string{
		format.CSV:   "a,b\n1,X'00FF'\n\nRows: 1\n\nRows: 0\n",
		format.JSON:  "[\n{\"a\":1,\"b\":{\"blob\":\"AP8=\"}}\n]\n[]\n",
		format.JSONL: "{\"a\":1,\"b\":{\"blob\":\"AP8=\"}}\n",
		format.Line:  "a = 1\nb = X'00FF'\n\nRows: 1\n\nRows: 0\n",
	} {
		if got, err := script(t, newTenant(t), shell.Config{Mode: mode}, sql); got != want || err != nil {
			t.Errorf("%s: %v\n%s\nwant\n%s", mode, err, got, want)
		}
	}
}

func TestScript_stops_at_the_first_error(t *testing.T) {
	for _, c := range []struct {
		claim, sql, message string
		kind                fault.Kind
		ran                 int
	}{
		{"with the line of its statement", "SELECT 1;\n\n-- x\nSELECT * FROM\nnope;\nSELECT 2;", "Line 4: no such table: nope", fault.Invalid, 2},
		{"with the line of its token", "SELECT 1;\nSELECT\n 1 2\n FORM x;", `Line 3: near "2": syntax error`, fault.Invalid, 2},
		{"without its end", "SELECT 1; SELECT 1,\n", "Line 1: incomplete input", fault.Invalid, 2},
		{"with an open text nothing of it is sent", "SELECT 1;\nINSERT INTO a VALUES ('x);\nSELECT 2;\n", "Line 2: the text that begins here does not end; a quote is missing", fault.Invalid, 1},
		{"in a command", "SELECT 1;\n.moed csv\nSELECT 2;\n", "Line 2: There is no command .moed; did you mean .mode? .help lists the commands", fault.Invalid, 1},
		{"in a transaction with the line of the token", "BEGIN;\nCREATE TABLE t(a);\nINSERT INTO t VALUSE (1);\nCOMMIT;\n", `Line 3: near "VALUSE": syntax error`, fault.Invalid, 1},
		{"in a transaction with the lines of all of it", "SELECT 1;\nBEGIN;\nCREATE TABLE t(a);\nINSERT INTO nope VALUES (1);\nCOMMIT;\n", "Lines 2 to 5: no such table: nope", fault.Invalid, 2},
	} {
		t.Run(c.claim, func(t *testing.T) {
			d := newTenant(t)
			_, err := script(t, d, shell.Config{}, c.sql)
			if fault.Message(err) != c.message || !errors.Is(err, c.kind) || len(d.texts) != c.ran {
				t.Errorf("%d texts ran: %v", len(d.texts), err)
			}
		})
	}
}

func TestScript_runs_a_dump(t *testing.T) {
	d := newTenant(t)
	got, err := script(t, d, shell.Config{Mode: format.CSV}, `PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE child(p REFERENCES parent(id));
INSERT INTO child VALUES(1);
CREATE TABLE parent(id INTEGER PRIMARY KEY);
INSERT INTO parent VALUES(1);
CREATE TRIGGER tr AFTER INSERT ON parent BEGIN
  INSERT INTO child VALUES (new.id);
END;
COMMIT;
INSERT INTO parent VALUES (2);
SELECT count(*) AS n FROM child;
`)
	if want := "\nRows: 0\n\nRows: 0\nn\n2\n\nRows: 1\n"; got != want || err != nil {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestScript_what_is_rolled_back_was_never_sent(t *testing.T) {
	d := newTenant(t)
	if _, err := script(t, d, shell.Config{}, "CREATE TABLE a(b); BEGIN; INSERT INTO a VALUES (1); ROLLBACK; SELECT 1;"); err != nil {
		t.Fatal(err)
	}
	if len(d.texts) != 2 {
		t.Errorf("sent %q", d.texts)
	}
}

func TestScript_commands(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a file.sql")
	if err := os.WriteFile(file, []byte("\uFEFFCREATE TABLE a(b);\r\nINSERT INTO a VALUES (:v);\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	csv := filepath.Join(dir, "out.csv")
	got, err := script(t, newTenant(t), shell.Config{Parameters: []catalog.Arg{catalog.Named("v", 7)}}, fmt.Sprintf(`.read '%s'
.tables
.schema a
CREATE INDEX by_b ON a(b);
.indexes
.mode csv
.headers off
.once %s
SELECT b, 'x,y' FROM a;
SELECT b FROM a;
.param set :v 'it''s'
SELECT $v, @v;
.param list
.param unset v
.quit
SELECT 'not reached';
`, file, csv))
	want := "\nRows: 0\n\nRows: 0\na\nCREATE TABLE a(b);\n\nRows: 0\nby_b\n\nRows: 1\n7\n\nRows: 1\nit's,it's\n\nRows: 1\n Name | Type | Value \n------+------+-------\n :v   | text | it's \n"
	if got != want || err != nil {
		t.Errorf("%v\n%s", err, got)
	}
	if written, err := os.ReadFile(csv); string(written) != "7,\"x,y\"\n" || err != nil {
		t.Errorf("the file holds %q, %v", written, err)
	}
}

func TestScript_schema_leaves_out_what_a_table_made_for_itself(t *testing.T) {
	got, err := script(t, newTenant(t), shell.Config{Mode: format.JSON}, `CREATE VIRTUAL TABLE f USING fts5(x);
CREATE TABLE a(b UNIQUE);
CREATE TRIGGER t AFTER INSERT ON a BEGIN
  SELECT 1;
END;
.schema
.tables F
.indexes a
`)
	want := "CREATE TABLE a(b UNIQUE);\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\nEND;\nCREATE VIRTUAL TABLE f USING fts5(x);\nf\nsqlite_autoindex_a_1\n"
	if got != want || err != nil {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestScript_errors_of_files_and_commands(t *testing.T) {
	dir := t.TempDir()
	loop := filepath.Join(dir, "loop.sql")
	bad := filepath.Join(dir, "bad.sql")
	for path, sql := range map[string]string{loop: ".read " + loop, bad: "SELECT 1;\nSELEC 2;"} {
		if err := os.WriteFile(path, []byte(sql), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		".read " + dir:            "Can't read " + dir + ": it is a directory",
		".read " + dir + "/nope":  "Can't read " + dir + "/nope: no such file or directory",
		".output " + dir:          "Can't write to " + dir + ": is a directory",
		".read " + bad:            bad + `: Line 2: near "SELEC": syntax error`,
		".read":                   "Usage: .read FILE",
		".mode xml":               `There is no format "xml"; there are table, csv, json, jsonl, line, auto`,
		".headers maybe":          "Usage: .headers on|off",
		".param set x":            "Usage: .param set NAME VALUE | unset NAME | list | clear",
		".param unset x":          "No parameter x is set; .param list shows those that are",
		".output | rm -r":         ".output writes to a file; pipe the output of a program that runs the query instead",
		".import a b":             "There is no command .import; .help lists the commands",
		"  .\x1b[2J":              `There is no command .\x1b[2j; .help lists the commands`,
		".once":                   "Usage: .once FILE",
		".param set a-b 1":        `A parameter can't be called "a-b": a name has letters, digits and underscores`,
		".parm list":              "There is no command .parm; did you mean .param? .help lists the commands",
		".timer on\n.headers off": "",
	} {
		_, err := script(t, newTenant(t), shell.Config{}, line)
		if want != "" {
			want = "Line 1: " + want
		}
		if message := ""; err == nil && message != want || err != nil && fault.Message(err) != want {
			t.Errorf("%s: %v\nwant %s", line, err, want)
		}
	}
	if _, err := script(t, newTenant(t), shell.Config{}, ".read "+loop); !strings.HasSuffix(fault.Message(err), "16 deep, which is too much") {
		t.Errorf("a file that reads itself: %v", err)
	}
}

func TestScript_says_that_the_disk_is_full(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("needs " + full)
	}
	_, err := script(t, newTenant(t), shell.Config{Mode: format.CSV}, "SELECT 1;\n.output "+full+"\nSELECT 2;\n")
	if fault.Message(err) != "Line 3: The output can't be written: no space left on device" || !errors.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestScript_a_cancelled_context_ends_it_as_it_is(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	watch := cancelOn{t: newTenant(t), text: "RECURSIVE", cancel: cancel}
	err := shell.Script(ctx, shell.Config{Database: watch, Stdout: &out}, strings.NewReader("SELECT 1;\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n;\nSELECT 2;"))
	if !errors.Is(err, context.Canceled) || strings.Contains(out.String(), "2 \n") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// cancelOn cancels when a text is sent.
type cancelOn struct {
	t      *tenant
	text   string
	cancel func()
}

func (c cancelOn) Run(ctx context.Context, st catalog.Statement, sink shell.Sink) (catalog.Summary, error) {
	if strings.Contains(st.SQL, c.text) {
		c.cancel()
	}
	return c.t.Run(ctx, st, sink)
}

// A reader of the output that goes away ends the query that is running.
func TestScript_a_closed_output_ends_it(t *testing.T) {
	d := newTenant(t)
	err := shell.Script(t.Context(), shell.Config{Database: d, Mode: format.CSV, Stdout: &short{room: 1 << 10}},
		strings.NewReader("SELECT value FROM generate_series(1, 100000000);\nSELECT 2;"))
	if !errors.Is(err, errGone) || len(d.texts) != 1 {
		t.Errorf("%v after %d texts", err, len(d.texts))
	}
}

var errGone = errors.New("the reader is gone")

type short struct{ room int }

func (s *short) Write(p []byte) (int, error) {
	if s.room -= len(p); s.room < 0 {
		return 0, errGone
	}
	return len(p), nil
}

func ExampleScript() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.runner.Close()
	err = shell.Script(context.Background(), shell.Config{Database: db, Mode: format.JSONL}, strings.NewReader(`
CREATE TABLE place(name, population);
INSERT INTO place VALUES ('Lisboa', 545796), ('Porto', 231800);
SELECT name FROM place
 WHERE population > 500000;
SELECT nme FROM place;`))
	fmt.Println(fault.Message(err))
	// Output:
	// {"name":"Lisboa"}
	// Line 6: no such column: nme
}

func ExampleRun() {
	db, err := open("data")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.runner.Close()
	if err := shell.Run(context.Background(), shell.Config{
		Database: db, Name: "alice/test.sqlite", History: ".history", Pager: shell.DefaultPager(os.LookupEnv), Color: true,
	}); err != nil {
		fmt.Println(err)
	}
}
