package shell_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"ayb/catalog"
	"ayb/internal/format"
	"ayb/internal/shell"
)

// childVariable makes the test's own program the session that a test talks to:
// it has the arguments of a child as JSON.
const childVariable = "SHELL_TEST_CHILD"

type childArgs struct {
	Dir, History, Pager string
	Mode                format.Mode
	Color               bool
	Stdout              string // a file, instead of the terminal
}

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(childVariable); ok {
		os.Exit(child(text))
	}
	os.Exit(m.Run())
}

// child runs one session on its terminal.
func child(text string) int {
	var args childArgs
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		panic(err)
	}
	d, err := open(args.Dir)
	if err != nil {
		panic(err)
	}
	cfg := shell.Config{
		Database: slowTyped{d}, Name: "alice/test.sqlite", Mode: args.Mode, History: args.History,
		Pager: args.Pager, Color: args.Color,
	}
	if args.Stdout != "" {
		f, err := os.Create(args.Stdout)
		if err != nil {
			panic(err)
		}
		cfg.Stdout = f
	}
	err = shell.Run(context.Background(), cfg)
	d.runner.Close()
	fmt.Printf("ended: %v\n", err)
	return 0
}

// slowTyped announces each text that it runs, so that a test knows when it may
// interrupt one.
type slowTyped struct{ *tenant }

func (d slowTyped) Run(ctx context.Context, st catalog.Statement, sink shell.Sink) (catalog.Summary, error) {
	if strings.Contains(st.SQL, "RECURSIVE") {
		fmt.Println("running")
	}
	return d.tenant.Run(ctx, st, sink)
}

// A terminal is a session in a pseudo-terminal, and what it has shown.
type terminal struct {
	t     *testing.T
	file  *os.File
	cmd   *exec.Cmd
	mu    sync.Mutex
	shown bytes.Buffer
	seen  int // up to where expect has read
	more  chan struct{}
	ended chan struct{}
}

// start begins a session on a screen of the given size.
func start(t *testing.T, args childArgs, columns, rows uint16, env ...string) *terminal {
	t.Helper()
	if args.Dir == "" {
		args.Dir = t.TempDir()
	}
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "TERM=xterm", childVariable+"="+string(text)), env...)
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, file: file, cmd: cmd, more: make(chan struct{}, 1), ended: make(chan struct{})}
	go term.watch()
	t.Cleanup(term.stop)
	return term
}

func (s *terminal) watch() {
	defer close(s.ended)
	b := make([]byte, 4096)
	for {
		n, err := s.file.Read(b)
		s.mu.Lock()
		s.shown.Write(b[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *terminal) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.file.Close()
	<-s.ended
}

func (s *terminal) send(keys string) {
	s.t.Helper()
	if _, err := s.file.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// escapes are what a terminal obeys and a reader does not see.
var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r`)

// text returns what was shown since the last expect, as read.
func (s *terminal) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return escapes.ReplaceAllString(s.shown.String()[s.seen:], "")
}

// raw returns all that was shown, as it was sent.
func (s *terminal) raw() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// expect waits until a text is shown, and returns all up to its end.
func (s *terminal) expect(want string) string {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		got := s.text()
		if i := strings.Index(got, want); i >= 0 {
			s.consume(i + len(want))
			return got[:i+len(want)]
		}
		select {
		case <-s.more:
		case <-s.ended:
			if !strings.Contains(s.text(), want) {
				s.t.Fatalf("the session ended before it showed %q:\n%q", want, s.text())
			}
		case <-deadline:
			s.t.Fatalf("not shown: %q; but\n%q", want, got)
		}
	}
}

// shows reports whether a text appears before long.
func (s *terminal) shows(want string) bool {
	deadline := time.After(2 * time.Second)
	for !strings.Contains(s.text(), want) {
		select {
		case <-s.more:
		case <-deadline:
			return false
		}
	}
	return true
}

// consume moves behind n bytes of what a reader sees.
func (s *terminal) consume(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw := s.shown.Bytes()[s.seen:]
	for at := 0; at < len(raw); {
		if m := escapes.FindIndex(raw[at:]); m != nil && m[0] == 0 {
			at += m[1]
		} else if n == 0 {
			s.seen += at
			return
		} else {
			at++
			n--
		}
	}
	s.seen += len(raw)
}

const prompt = "alice/test.sqlite> "

// ask sends a line at the prompt and returns what is shown until the next one.
func (s *terminal) ask(line string) string {
	s.t.Helper()
	s.send(line + "\r")
	return s.expect("\n" + prompt)
}

// wants fails unless a text holds another.
func (s *terminal) wants(got, want string) {
	s.t.Helper()
	if !strings.Contains(got, want) {
		s.t.Errorf("got\n%q\nwithout\n%q", got, want)
	}
}

func (s *terminal) quit() {
	s.t.Helper()
	s.send("\x04")
	s.expect("ended: <nil>")
}

func TestRun_a_statement_of_several_lines(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect("Launching an interactive session for alice/test.sqlite\n")
	s.expect(prompt)
	s.send("CREATE TABLE place (\r")
	s.expect("              ...> ")
	s.send("name, population\r")
	s.expect("              ...> ")
	s.wants(s.ask("); INSERT INTO place VALUES ('Lisboa', NULL);"), "\nRows: 0  Changes: 1  Time: ")
	got := s.ask("SELECT * FROM place;")
	s.wants(got, " name   | population \n--------+------------\n Lisboa | NULL \n\nRows: 1  Time: ")
	s.quit()
}

func TestRun_an_error_shows_its_place_and_goes_on(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.wants(s.ask("SELECT 1 FORM place WHERE;"), "Error: near \"place\": syntax error\n  SELECT 1 FORM place WHERE;\n                ^\n")
	s.wants(s.ask("SELECT * FROM nope;"), "Error: no such table: nope\n")
	s.wants(s.ask(".tabels"), "Error: There is no command .tabels; did you mean .tables?")
	s.wants(s.ask("SELECT 'fine';"), " 'fine' \n--------\n fine \n")
	s.wants(s.ask(`\dt`), "Error: Commands begin with a dot here; .help lists them\n")
	s.quit()
}

func TestRun_CtrlC_cancels_the_statement_and_not_the_session(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	for range 3 {
		s.send("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n;\r")
		s.expect("\nrunning\n")
		s.send("\x03")
		s.expect("cancelled\n" + prompt)
		s.wants(s.ask("SELECT 6*7;"), " 42 \n")
	}
	s.quit()
}

func TestRun_CtrlC_drops_the_rest_of_the_line(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.send("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n; SELECT 'not reached'; SELECT\r")
	s.expect("\nrunning\n")
	s.send("\x03")
	if got := s.expect("\n" + prompt); strings.Contains(got, "not reached") {
		t.Errorf("got %q", got)
	}
	s.quit()
}

func TestRun_CtrlC_at_a_prompt_drops_what_was_typed(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.send("SELECT 'dropped',\r")
	s.expect("...> ")
	s.send("quit\r")
	s.expect("The statement is not finished: a semicolon ends it, Ctrl-C drops it.")
	s.expect("...> ")
	s.send("half a line\x03")
	s.expect("^C")
	s.expect(prompt)
	s.wants(s.ask("SELECT 1 AS kept;"), " kept \n")
	s.send("\x03")
	s.expect(prompt)
	s.send("\x03")
	s.expect("To end the session type .quit or press Ctrl-D.\n" + prompt)
	s.quit()
}

func TestRun_ends(t *testing.T) {
	for _, keys := range []string{"\x04", ".quit\r", ".exit\r", "exit\r", "QUIT;\r"} {
		s := start(t, childArgs{}, 80, 24)
		s.expect(prompt)
		s.send(keys)
		s.expect("ended: <nil>")
	}
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.send("SELECT\r")
	s.expect("...> ")
	s.send("\x04")
	s.expect("The statement that was not finished was not run.\n")
	s.expect("ended: <nil>")
}

func TestRun_history_lasts_from_one_session_to_the_next(t *testing.T) {
	args := childArgs{Dir: t.TempDir(), History: filepath.Join(t.TempDir(), "config", "history")}
	s := start(t, args, 80, 24)
	s.expect(prompt)
	s.send("SELECT 'one',\r")
	s.expect("...> ")
	s.ask("  'two';")
	s.ask(" SELECT 'secret';")
	s.ask("SELECT 'three';")
	s.ask("SELECT 'three';")
	s.quit()

	want := "SELECT 'one', 'two';\nSELECT 'three';\n"
	if got, err := os.ReadFile(args.History); string(got) != want || err != nil {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if info, err := os.Stat(args.History); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	s = start(t, args, 80, 24)
	s.expect(prompt)
	s.send("\x1b[A\x1b[A") // up, up
	s.expect("SELECT 'one', 'two';")
	s.wants(s.ask(""), " one   | two \n")
	s.quit()
}

func TestRun_history_is_bounded_and_private(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var all strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&all, "SELECT %d;\n", i)
	}
	if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, childArgs{History: path}, 80, 24)
	s.expect(prompt)
	s.quit()
	got, err := os.ReadFile(path)
	if err != nil || strings.Count(string(got), "\n") != 1000 || !strings.HasPrefix(string(got), "SELECT 500;\n") {
		t.Errorf("%d lines, %v", strings.Count(string(got), "\n"), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestRun_without_a_place_for_history(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, childArgs{History: filepath.Join(file, "history")}, 80, 24)
	s.expect("Lines are not kept for the next session. Can't use " + file)
	s.expect(prompt)
	s.wants(s.ask("SELECT 1 AS fine;"), " fine \n")
	s.quit()
}

func TestRun_completes(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.ask(`CREATE TABLE place(name, population, "two words");`)
	for _, c := range []struct{ keys, want string }{
		{"sel\t", "select "},
		{"SELECT popu\t", "SELECT population "},
		{"SELECT * FROM pl\t", "SELECT * FROM place "},
		{"SELECT place.na\t", "SELECT place.name "},
		{"SELECT two\t", "SELECT two "},
		{".inde\t", ".indexes "},
		{".mode jsonl\t", ".mode jsonl "},
		{".schema pl\t", ".schema place "},
		{"SELECT 'popu\tx", "SELECT 'popu x"},
	} {
		s.send(c.keys)
		s.expect(prompt + c.want)
		s.send("\x03")
		s.expect("^C")
		s.expect(prompt)
	}
	s.ask("ALTER TABLE place ADD COLUMN founded;")
	s.send("SELECT fou\t")
	s.expect("SELECT founded ")
	s.send("\x03")
	s.expect(prompt)
	s.ask("CREATE TABLE gone(x); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone;")
	s.send("SELECT fou\t")
	s.expect("SELECT founded ")
	s.send("\x03")
	s.expect(prompt)
	s.send("SELECT * FROM bro\t")
	s.expect("SELECT * FROM broken ")
	s.send("\x03")
	s.expect(prompt)
	s.send("SELECT p\t\t")
	got := s.expect("printf(")
	s.wants(got, "place")
	s.send("\x03")
	s.expect(prompt)
	s.quit()
}

func TestRun_a_paste_with_tabs_is_taken_as_it_is(t *testing.T) {
	s := start(t, childArgs{}, 100, 24)
	s.expect(prompt)
	s.send("CREATE TABLE t (\r\tid\tINT\tPRIMARY KEY,\r\tname\tTEXT\tNOT NULL\r);\rINSERT INTO t VALUES (1, 'x');\rSELECT\tid,\tname\tFROM\tt;\r")
	s.expect(" 1  | x \n")
	s.expect(prompt)
	s.wants(s.ask(".schema t"), "id INT PRIMARY KEY,\n name TEXT NOT NULL\n);")
	s.quit()
}

func TestRun_a_paste_of_a_long_line(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.send("SELECT length('" + strings.Repeat("lorem ipsum ", 10000) + "') AS letters;\r")
	s.expect(" letters \n---------\n 120000 \n")
	s.quit()
}

func TestRun_a_line_longer_than_the_screen_is_shown_whole_when_it_is_sent(t *testing.T) {
	s := start(t, childArgs{}, 60, 24)
	s.expect(prompt)
	const line = "SELECT 'a text that is', 'longer than what is left of the screen';"
	s.send(line + "\r")
	s.expect("\n" + prompt + line + "\n")
	s.quit()
}

func TestRun_files(t *testing.T) {
	dir := t.TempDir()
	sql, csv := filepath.Join(dir, "in.sql"), filepath.Join(dir, "out.csv")
	if err := os.WriteFile(sql, []byte("CREATE TABLE a(b);\nINSERT INTO a\nVALUES (1), (NULL);\nSELECT c FROM a;\nDROP TABLE a;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.wants(s.ask(".read "+sql), "Error: "+sql+": Line 4: no such column: c\n")
	s.ask(".mode csv")
	s.ask(".output " + csv)
	s.wants(s.ask("SELECT b FROM a;"), "\n\nRows: 2")
	s.ask(".output")
	s.wants(s.ask("SELECT b + 1 AS more FROM a;"), "more\n2\nNULL\n")
	s.quit()
	if got, err := os.ReadFile(csv); string(got) != "b\n1\nNULL\n" || err != nil {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestRun_parameters(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.ask(".param set n 41")
	s.wants(s.ask("SELECT :n + 1 AS answer;"), " answer \n--------\n 42 \n")
	s.wants(s.ask("SELECT :m;"), "Error: Parameter :m of the query was given no value")
	s.wants(s.ask("SELECT 'unused';"), " unused \n")
	s.quit()
}

func TestRun_a_transaction_is_sent_at_its_COMMIT(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.ask("CREATE TABLE a(b);")
	s.send("BEGIN;\r")
	s.expect("What follows is sent as one transaction at COMMIT; ROLLBACK or Ctrl-C drops it.\n")
	s.expect("...> ")
	s.send("INSERT INTO a VALUES (1);\r")
	s.expect("...> ")
	s.ask("COMMIT;")
	s.send("BEGIN; INSERT INTO a VALUES (2);\r")
	s.expect("...> ")
	s.wants(s.ask("ROLLBACK;"), "Nothing of the transaction was run.\n")
	s.wants(s.ask("SELECT count(*) FROM a;"), " 1 \n")
	s.quit()
}

// pager writes what it gets to a file, between two marks on the screen.
func pager(t *testing.T) (command, file string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "paged")
	script := filepath.Join(dir, "pager")
	text := "#!/bin/sh\necho pager begins\ncat >" + file + "\necho pager ends\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return script, file
}

func TestRun_pages_what_is_larger_than_the_screen(t *testing.T) {
	command, file := pager(t)
	s := start(t, childArgs{Pager: command}, 80, 24)
	s.expect(prompt)
	s.wants(s.ask("SELECT value AS small FROM generate_series(1, 10);"), " 10 \n\nRows: 10")
	s.wants(s.ask("SELECT value AS large FROM generate_series(1, 50000);"), "pager begins\npager ends\n\nRows: 50000")
	if got, err := os.ReadFile(file); !strings.HasPrefix(string(got), " large \n-------\n 1 \n") || strings.Count(string(got), "\n") != 50002 || err != nil {
		t.Errorf("%d lines were paged, %v", strings.Count(string(got), "\n"), err)
	}
	s.ask(".pager off")
	s.wants(s.ask("SELECT value AS large FROM generate_series(1, 100);"), "large \n-------\n 1 \n 2 \n")
	s.quit()
}

func TestRun_the_end_of_the_pager_ends_the_query(t *testing.T) {
	s := start(t, childArgs{Pager: "head -n 3"}, 80, 24)
	s.expect(prompt)
	s.wants(s.ask("SELECT value FROM generate_series(1, 10000000000);"), " value \n-------\n 1 \n")
	s.wants(s.ask("SELECT 1 AS next;"), " next \n")
	s.quit()
}

func TestRun_a_pager_that_is_not_there(t *testing.T) {
	for _, command := range []string{"/nowhere/pager -x", "PAGER_X=1 /nowhere/pager"} {
		s := start(t, childArgs{Pager: command}, 80, 24)
		s.expect(prompt)
		s.wants(s.ask("SELECT value FROM generate_series(1, 100);"), "can't be run; results are not paged any more\n")
		s.wants(s.ask("SELECT value FROM generate_series(1, 100);"), " 100 \n\nRows: 100")
		s.quit()
	}
}

func TestRun_nothing_commands_the_terminal(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	for _, mode := range []string{"table", "csv", "json", "jsonl", "line"} {
		s.ask(".mode " + mode)
		s.ask("SELECT char(27) || '[31mEVIL' || char(7, 155) AS a;")
	}
	s.ask(`CREATE TABLE "a` + `b"(c);`)
	s.ask("SELECT * FROM [x\u009b31m];")
	s.quit()
	if shown := s.raw(); strings.Contains(shown, "\x1b[31m") || strings.Contains(shown, "\a") || strings.Contains(shown, "Error: no such table: x\u009b") {
		t.Errorf("raw: %q", shown)
	}
}

func TestRun_tells_NULL_and_blobs_apart(t *testing.T) {
	s := start(t, childArgs{Color: true}, 120, 24)
	s.expect(prompt)
	s.wants(s.ask("SELECT NULL AS a, 'NULL' AS b, x'4142' AS c, zeroblob(100) AS d;"), " X'4142' | X'00000000000000000000000000000000'... (100 bytes) \n")
	s.ask(".mode table")
	s.send("SELECT NULL AS a, x'41' AS c;\r")
	s.expect(" NULL | X'41' \n")
	s.expect(prompt)
	file := filepath.Join(t.TempDir(), "out")
	s.ask(".once " + file)
	s.ask("SELECT NULL AS a, x'41' AS c;")
	s.quit()
	if got, err := os.ReadFile(file); string(got) != " a    | c \n------+---\n NULL | A \n" || err != nil {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if raw := s.raw(); !strings.Contains(raw, "\x1b[2mNULL\x1b[0m | X'41'") {
		t.Errorf("NULL is not dim: %q", raw)
	}
}

func TestRun_a_narrow_screen(t *testing.T) {
	s := start(t, childArgs{}, 20, 10)
	s.expect("\n> ")
	s.send("SELECT 'a rather long text', 日本\r")
	s.expect("\n. ")
	s.send("FROM (SELECT 2 AS 日本);\r")
	got := s.expect("\n> ")
	s.wants(got, "= a rather long text\n")
	s.send("SELECT x FORM y WHERE z = 'abcdefghijklmnopqrst';\r")
	s.expect("^\n> ")
	s.send("\x04")
	s.expect("ended: <nil>")
}

func TestRun_a_resized_screen(t *testing.T) {
	s := start(t, childArgs{}, 30, 10)
	s.expect("\n> ")
	if err := pty.Setsize(s.file, &pty.Winsize{Cols: 100, Rows: 40}); err != nil {
		t.Fatal(err)
	}
	s.send("SELECT 'a text of more than thirty columns' AS a, 2 AS b;\r")
	got := s.expect("Rows: 1")
	s.wants(got, " a text of more than thirty columns | 2 \n")
	s.quit()
}

func TestRun_a_dumb_terminal(t *testing.T) {
	s := start(t, childArgs{}, 80, 24, "TERM=dumb")
	s.expect(prompt)
	s.send("SELECT\n")
	s.expect("...> ")
	s.send("\x03")
	s.expect("\n" + prompt)
	s.send("SELECT 1 AS one;\n")
	s.expect(" one \n-----\n 1 \n")
	s.expect(prompt)
	s.send("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n;\n")
	s.expect("running\n")
	s.send("\x03")
	s.expect("cancelled\n" + prompt)
	s.send("\x04")
	s.expect("ended: <nil>")
	if raw := s.raw(); strings.Contains(raw, "\x1b") {
		t.Errorf("escapes on a dumb terminal: %q", raw)
	}
}

func TestRun_with_its_output_in_a_file(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	s := start(t, childArgs{Stdout: out}, 80, 24)
	s.expect(prompt)
	s.send("SELECT 1 AS one;\n")
	s.expect("\n" + prompt)
	s.send("\x04")
	s.expect("ended: <nil>")
	want := "Launching an interactive session for alice/test.sqlite\n one \n-----\n 1 \n\nRows: 1\n\n"
	if got, err := os.ReadFile(out); string(got) != want || err != nil {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestRun_the_end_of_the_terminal_ends_a_statement(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	s.send("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n;\r")
	s.expect("\nrunning\n")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.expect("ended: context canceled")
}

// Wherever Ctrl-C falls, the session is there afterwards.
func TestRun_CtrlC_at_any_moment(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	s := start(t, childArgs{Pager: "cat"}, 80, 24)
	s.expect(prompt)
	keys := []string{"SELECT 1;\r", "SELECT\r", "'a", "SELECT value FROM generate_series(1, 3000);\r", ".tables\r", "\t", "BEGIN;\r", "x;\r", "\x1b[A"}
	for range 200 {
		s.send(keys[random.IntN(len(keys))])
		if random.IntN(3) == 0 {
			s.send("\x03")
		}
	}
	for n := range 100 { // whatever was open is closed, and a statement works
		s.send("\x03")
		s.send(fmt.Sprintf("\rSELECT 'alive' || %d;\r", n))
		if s.shows(fmt.Sprintf("alive%d \n", n)) {
			return
		}
	}
	t.Errorf("no statement works any more: %q", s.text())
}

func TestRun_a_signal_ends_it_and_gives_the_terminal_back(t *testing.T) {
	s := start(t, childArgs{}, 80, 24)
	s.expect(prompt)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.expect("ended: context canceled")
	mode, err := unix.IoctlGetTermios(int(s.file.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if mode.Lflag&unix.ECHO == 0 || mode.Lflag&unix.ICANON == 0 {
		t.Error("the terminal was left without echo")
	}
}
