package ayb_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
)

// A schemaMaker makes databases at random.
type schemaMaker struct {
	*rand.Rand
	f     *aybtest.Fixture
	alice ayb.Principal
	ref   string
	names int
}

// name returns a name that nobody has yet, in quotes.
func (m *schemaMaker) name() string {
	m.names++
	odd := []string{"", "plain", `with "quotes"`, "it's", "; DROP TABLE x; --", "two\nlines", "Ünïcode ☃", "select", "[x]", "`y`", "/* no comment", "a.b", "\t", "%s%n"}
	name := odd[m.IntN(len(odd))] + fmt.Sprint(m.names)
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func (m *schemaMaker) run(sql string, args ...any) {
	m.f.MustQuery(m.alice, m.ref, sql, args...)
}

// value returns an expression and what it is of.
func (m *schemaMaker) value() (expression string, arg any) {
	random := make([]byte, m.IntN(40))
	for i := range random {
		random[i] = byte(m.Uint32())
	}
	switch m.IntN(9) {
	case 0:
		return "?", nil
	case 1:
		return "?", m.Int64N(10)
	case 2:
		return "?", int64(m.Uint64())
	case 3:
		return "?", []float64{0, math.Copysign(0, -1), 1, 1e15, 1e16, -1e300, math.Inf(1), math.Inf(-1), 5e-324, math.MaxFloat64, 0.1, 123456789.123456789}[m.IntN(12)]
	case 4:
		return "?", math.Float64frombits(m.Uint64() &^ (1 << 52)) // no NaN, which SQLite has not
	case 5:
		return "?", random
	case 6: // mostly not UTF-8, often with a NUL
		return "CAST(? AS TEXT)", random
	case 7:
		return "?", []string{"", "NULL", "'", "''", "it's", "a;b", "--", "\r\n", "\n", "x\x00y", "☃", "X'00'", "\\", "1e5", " 7"}[m.IntN(15)]
	}
	return "?", strings.Repeat("long ", m.IntN(2000))
}

// table makes a table with rows.
func (m *schemaMaker) table() (name string, columns []string) {
	name = m.name()
	types := []string{"", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "VARCHAR(3)", "ANYTHING WHATEVER"}
	var defs, insert []string
	tail := ""
	key := m.name()
	switch m.IntN(5) {
	case 0:
		defs = append(defs, key+" INTEGER PRIMARY KEY AUTOINCREMENT")
	case 1:
		defs, tail = append(defs, key+" INTEGER PRIMARY KEY DESC"), " WITHOUT ROWID"
	case 2:
		defs = append(defs, key+" INTEGER PRIMARY KEY")
	case 3:
		defs, types, tail = append(defs, key+" INTEGER PRIMARY KEY"), []string{"ANY"}, " STRICT"
	case 4:
		defs = append(defs, key+" UNIQUE")
	}
	for range 1 + m.IntN(4) {
		column := m.name()
		columns, insert = append(columns, column), append(insert, column)
		def := column + " " + types[m.IntN(len(types))]
		switch m.IntN(4) {
		case 0:
			def += " DEFAULT 'it''s; --'"
		case 1:
			def += " COLLATE NOCASE"
		}
		defs = append(defs, def)
	}
	if m.IntN(2) == 0 {
		def := m.name() + " " + types[0] + " AS (length(" + columns[0] + "))"
		if m.IntN(2) == 0 {
			def += " STORED"
		}
		defs = append(defs[:1], append([]string{def}, defs[1:]...)...)
	}
	m.run("CREATE TABLE " + name + "(" + strings.Join(defs, ", ") + ")" + tail)
	for row := range m.IntN(20) {
		values, args := []string{"?"}, []any{int64(row*7 - 20)}
		for range insert {
			value, arg := m.value()
			values, args = append(values, value), append(args, arg)
		}
		m.run("INSERT INTO "+name+"("+key+","+strings.Join(insert, ",")+") VALUES ("+strings.Join(values, ",")+")", args...)
	}
	if m.IntN(3) == 0 {
		m.run("DELETE FROM " + name + " WHERE " + key + " > 50")
	}
	return name, columns
}

// make makes a database.
func (m *schemaMaker) make(ref string) {
	m.ref, m.names = ref, 0
	m.f.MustDatabase(ref)
	for range 1 + m.IntN(6) {
		switch m.IntN(6) {
		case 0:
			name := m.name()
			m.run("CREATE VIRTUAL TABLE " + name + " USING fts5(title, body)")
			m.run("INSERT INTO "+name+" VALUES (?, ?)", "it's", "a duck\r\n")
		case 1:
			name := m.name()
			m.run("CREATE VIRTUAL TABLE " + name + " USING rtree(id, x0, x1)")
			m.run("INSERT INTO " + name + " VALUES (1, 0.5, 1.5), (2, -3, 9)")
		default:
			table, columns := m.table()
			if m.IntN(2) == 0 {
				m.run("CREATE INDEX " + m.name() + " ON " + table + "(" + columns[0] + ", length(" + columns[0] + ")) WHERE " + columns[0] + " IS NOT 'x;'")
			}
			view := m.name()
			if m.IntN(2) == 0 {
				m.run("CREATE VIEW " + view + " AS SELECT " + columns[0] + " AS \"the column\" FROM " + table + " -- and a comment")
				m.run("CREATE TRIGGER " + m.name() + " INSTEAD OF INSERT ON " + view + " BEGIN SELECT ';'; END")
			}
			if m.IntN(2) == 0 {
				m.run("CREATE TRIGGER " + m.name() + " AFTER INSERT ON " + table + " BEGIN DELETE FROM " + table + "; END")
			}
		}
	}
	if m.IntN(2) == 0 {
		m.run("ANALYZE")
	}
	m.run(fmt.Sprintf("PRAGMA user_version = %d", m.IntN(3)))
}

// TestEngine_Export_can_be_imported_for_ever makes databases at random, and takes
// them round and round: the text of SQL, an import of it, and the text of that. The
// shell of SQLite, if there is one, reads the text, and its own is imported.
func TestEngine_Export_can_be_imported_for_ever(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	f := aybtest.New(t, nil)
	m := &schemaMaker{Rand: rand.New(rand.NewPCG(seed, 0)), f: f, alice: f.MustEntity("alice")}
	dump := func(ref string) string {
		var text bytes.Buffer
		must(t, f.Export(ctx, m.alice, ref, ayb.ExportSQL, &text))
		return text.String()
	}
	shell, _ := exec.LookPath("sqlite3")
	for n := range 12 {
		ref := fmt.Sprintf("alice/round%d", n)
		m.make(ref)
		want := dump(ref)
		for again := range 3 {
			next := fmt.Sprintf("%s-%d", ref, again)
			_, err := f.Import(ctx, m.alice, next, strings.NewReader(dump(ref)), &ayb.ImportOptions{Format: ayb.ExportSQL})
			if err != nil {
				t.Fatalf("seed %d, database %d, round %d: %v\n%.20000s", seed, n, again, err, dump(ref))
			}
			ref = next
			got := dump(ref)
			if again == 0 && sameLines(got, want) {
				want = got // the tables of virtual ones come with them, and so before others
			}
			if got != want {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Fatalf("seed %d, database %d, round %d: got ... %.300q\nwant ... %.300q", seed, n, again, got[max(0, i-100):], want[max(0, i-100):])
			}
		}
		if shell == "" {
			continue
		}
		read := exec.Command(shell, "-batch", "-bail", filepath.Join(t.TempDir(), "shell"))
		read.Stdin = strings.NewReader(want + "\n.dump\nPRAGMA integrity_check;\n")
		answer, err := read.CombinedOutput()
		if err != nil || !strings.HasSuffix(string(answer), "COMMIT;\nok\n") {
			t.Fatalf("seed %d, database %d, by the shell: %v\n%s\nof\n%s", seed, n, err, answer, want)
		}
		var written bytes.Buffer
		write := exec.Command(shell, "-batch", exported(t, f, m.alice, ref, ayb.ExportSQLite), ".dump")
		write.Stdout = &written
		must(t, write.Run())
		_, err = f.Import(ctx, m.alice, ref+"-shell", &written, &ayb.ImportOptions{Format: ayb.ExportSQL})
		must(t, err)
		// Its text ends values at a NUL, and lacks the user's version.
		if got := dump(ref + "-shell"); !sameLines(statementsOf(got), statementsOf(want)) {
			t.Fatalf("seed %d, database %d, from the shell\n%s\nwant\n%s", seed, n, got, want)
		}
	}
	if shell == "" {
		t.Log("there is no sqlite3 on this machine to read the texts")
	}
}

// sameLines reports whether two texts have the same lines, in whatever order.
func sameLines(a, b string) bool {
	first, second := strings.Split(a, "\n"), strings.Split(b, "\n")
	slices.Sort(first)
	slices.Sort(second)
	return slices.Equal(first, second)
}

// statementsOf returns the lines of a text that make something.
func statementsOf(text string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return !strings.HasPrefix(line, "CREATE ") }), "\n")
}
