package shell

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// collect returns the units of a text that comes line by line, each with the
// line on which it begins.
func collect(text string) ([]string, error) {
	var c collector
	var all []string
	show := func(u unit) {
		s := fmt.Sprintf("%d:%s", u.line, strings.TrimSpace(u.text))
		if u.rollback {
			s = fmt.Sprintf("%d dropped", u.line)
		}
		all = append(all, s)
	}
	for line := range strings.Lines(text) {
		units, err := c.add(line)
		for _, u := range units {
			show(u)
		}
		if err != nil {
			return all, err
		}
	}
	u, ok, err := c.finish()
	if ok {
		show(u)
	}
	return all, err
}

func TestCollector(t *testing.T) {
	for _, c := range []struct {
		claim, text string
		want        []string
		err         string
	}{
		{"statements end at semicolons", "SELECT 1;\nSELECT\n2; SELECT 3;\n", []string{"1:SELECT 1;", "2:SELECT\n2;", "3:SELECT 3;"}, ""},
		{"the last one needs none", "SELECT 1;\n\nSELECT 2\n", []string{"1:SELECT 1;", "3:SELECT 2"}, ""},
		{"nothing is nothing", "\n ;; \n-- a comment;\n/* and\nanother; */\n", nil, ""},
		{"not in texts, names and comments", "SELECT 'a;\n''b', \";\", `;`, [;] -- ;\n/* ; */;", []string{"1:SELECT 'a;\n''b', \";\", `;`, [;] -- ;\n/* ; */;"}, ""},
		{"a comment before a statement", "-- x;\n/* y\nz */ SELECT 1;", []string{"3:/* y\nz */ SELECT 1;"}, ""},
		{"a trigger ends at its END", "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN\nSELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2;\nEND;\nSELECT 3;",
			[]string{"1:CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN\nSELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2;\nEND;", "4:SELECT 3;"}, ""},
		{"an explained trigger too", "EXPLAIN QUERY PLAN CREATE TRIGGER t BEGIN a; END; SELECT 1", []string{"1:EXPLAIN QUERY PLAN CREATE TRIGGER t BEGIN a; END;", "1:SELECT 1"}, ""},
		{"a trigger at the end needs no semicolon", "CREATE TRIGGER t BEGIN a; END", []string{"1:CREATE TRIGGER t BEGIN a; END"}, ""},
		{"a table called trigger is none", "CREATE TABLE trigger(a); SELECT 1;", []string{"1:CREATE TABLE trigger(a);", "1:SELECT 1;"}, ""},
		{"a transaction is one", "BEGIN;\nINSERT INTO a VALUES (1);\n\nCOMMIT; SELECT 1;", []string{"1:BEGIN;\nINSERT INTO a VALUES (1);\n\nCOMMIT;", "4:SELECT 1;"}, ""},
		{"END ends it as well, without a semicolon too", "begin immediate; SELECT 1; end transaction", []string{"1:begin immediate; SELECT 1; end transaction"}, ""},
		{"savepoints stay in it", "BEGIN; SAVEPOINT a; ROLLBACK TO a; ROLLBACK TRANSACTION TO SAVEPOINT a; RELEASE a; COMMIT;",
			[]string{"1:BEGIN; SAVEPOINT a; ROLLBACK TO a; ROLLBACK TRANSACTION TO SAVEPOINT a; RELEASE a; COMMIT;"}, ""},
		{"ROLLBACK drops it", "BEGIN;\nDELETE FROM a;\nROLLBACK;\nSELECT 1;", []string{"1 dropped", "4:SELECT 1;"}, ""},
		{"a dump is one", "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE a(b);\nCOMMIT;\n", []string{"1:PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE a(b);\nCOMMIT;"}, ""},
		{"an open text", "SELECT 1;\nSELECT 2,\n 'abc\n", []string{"1:SELECT 1;"}, "Line 3: the text that begins here does not end; a quote is missing"},
		{"an open comment", "SELECT 1;\n/*\n", []string{"1:SELECT 1;"}, "Line 2: the comment that begins here does not end"},
		{"an open name", "SELECT \"a;\n", nil, "Line 1: the name that begins here does not end; a quote or bracket is missing"},
		{"an open trigger", "\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;\n", nil, "Line 2: the trigger that begins here does not end; END is missing"},
		{"an open transaction", "SELECT 1;\nBEGIN;\nDELETE FROM a;\n", []string{"1:SELECT 1;"},
			"Line 2: the transaction that begins here does not end, and nothing of it was run; COMMIT is missing"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			got, err := collect(c.text)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if !reflect.DeepEqual(got, c.want) || message != c.err {
				t.Errorf("got  %q, %s\nwant %q, %s", got, message, c.want, c.err)
			}
		})
	}
}

func TestCollector_bounds_what_waits(t *testing.T) {
	var c collector
	line := strings.Repeat("x", 1<<20) + "\n"
	for range 17 {
		if _, err := c.add(line); err != nil {
			if c.pending() {
				t.Error("it is still there")
			}
			return
		}
	}
	t.Error("17 MiB were taken")
}

// Whatever the input, no letter is lost or moved: the units of a text are its
// statements, in order.
func FuzzCollector(f *testing.F) {
	f.Add("SELECT 1; CREATE TRIGGER a BEGIN b; END; -- c\n'x;\n';")
	f.Add("BEGIN; /* ; */ COMMIT;;\nPRAGMA foreign_keys=OFF; [;")
	f.Fuzz(func(t *testing.T, text string) {
		var c collector
		rest := text
		for line := range strings.Lines(text) {
			units, err := c.add(line)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range units {
				i := strings.Index(rest, u.text)
				if i < 0 {
					t.Fatalf("%q is not in %q", u.text, rest)
				}
				for _, skipped := range tokens(rest[:i]) {
					if skipped.kind != semicolon {
						t.Fatalf("%q was skipped before %q", skipped.text, u.text)
					}
				}
				rest = rest[i+len(u.text):]
			}
		}
	})
}

func TestOneLine(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT 1,\n\t 2;\n":        "SELECT 1, 2;",
		"SELECT 1; -- one":          "SELECT 1; -- one",
		"SELECT 1 -- one\n, 2":      "",
		"SELECT 'a\nb'":             "",
		"SELECT /* a */\r\n'a''b';": "SELECT /* a */ 'a''b';",
	} {
		if got, ok := oneLine(sql); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", sql, got, ok)
		}
	}
}

func TestParameters(t *testing.T) {
	var p parameters
	for _, nv := range [][2]string{{":b", "2"}, {"a", "it's"}, {"$b", "-1.5e2"}, {"@n", "null"}, {"t", "'12'"}, {"q", "'it''s'"}, {"x", "X'00ff'"}, {"inf", "inf"}} {
		arg, err := ParseParameter(nv[0], nv[1])
		if err != nil {
			t.Fatal(err)
		}
		p.set(arg)
	}
	var got []string
	for _, arg := range p {
		got = append(got, arg.Name+" "+arg.Value.Type().String()+" "+arg.Value.String())
	}
	want := []string{"a text it's", "b real -150", "inf text inf", "n null NULL", "q text it's", "t text 12", "x blob X'00FF'"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	used := p.used("SELECT :b, @a, $b, ':n', ?1, :unknown -- :x")
	if len(used) != 2 || used[0].Name != "b" || used[1].Name != "a" {
		t.Errorf("used: %v", used)
	}
	if !p.unset("b") || p.unset("b") {
		t.Error("unset")
	}
	if _, err := ParseParameter("a b", "1"); err == nil {
		t.Error("a name with a blank was taken")
	}
}

func TestExcerpt(t *testing.T) {
	for _, c := range []struct {
		sql, message string
		width        int
		want         string
	}{
		{"SELECT *\n  FORM\tplace;", `near "FORM": syntax error`, 80, "    FORM place;\n    ^\n"},
		{"SELECT 日本 x y;", `near "y": syntax error`, 80, "  SELECT 日本 x y;\n                ^\n"},
		{"SELECT 1, 2, 3, 4, 5, 6, 7, 8 FORM place WHERE name = 'abcdef';", `near "FORM": syntax error`, 20, "  ...7, 8 FORM ...\n          ^\n"},
		{"SELECT x x x", `near "x": syntax error`, 80, ""},
		{"SELECT", "incomplete input", 80, ""},
	} {
		at, ok := place(c.sql, c.message)
		got := ""
		if ok {
			got = excerpt(c.sql, at, c.width)
		}
		if got != c.want {
			t.Errorf("%s in %d columns: got\n%s\nwant\n%s", c.sql, c.width, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	for given, want := range map[string]string{".tabels": ".tables", ".table": ".tables", ".sch": ".schema", ".exti": ".exit", ".frobnicate": "", ".q": ""} {
		var names []string
		for _, c := range commands() {
			names = append(names, c.name)
		}
		if got := nearest(given, names); got != want {
			t.Errorf("%s: %q, want %q", given, got, want)
		}
	}
}
