package hosting

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
)

// openConn returns a connection to an empty database in memory.
func openConn(tb testing.TB) *sqlite3.Conn {
	tb.Helper()
	c, err := sqlite3.Open(":memory:")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// overridden returns a connection whose functions are overridden.
func overridden(tb testing.TB) *sqlite3.Conn {
	tb.Helper()
	c := openConn(tb)
	if err := overrideFunctions(c); err != nil {
		tb.Fatal(err)
	}
	return c
}

// prepared returns a statement that is closed with the test.
func prepared(tb testing.TB, c *sqlite3.Conn, sql string) *sqlite3.Stmt {
	tb.Helper()
	stmt, _, err := c.Prepare(sql)
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	tb.Cleanup(func() { stmt.Close() })
	return stmt
}

// bind binds v in one of the ways that typ chooses: as text, blob, NULL,
// integer, real or a blob of zeros.
func bind(stmt *sqlite3.Stmt, param int, typ byte, v []byte) error {
	switch typ % 6 {
	case 0:
		return stmt.BindText(param, string(v))
	case 1:
		return stmt.BindBlob(param, append([]byte{}, v...))
	case 2:
		return stmt.BindNull(param)
	case 3:
		var n int64
		for _, b := range v {
			n = n<<3 ^ int64(int8(b))
		}
		return stmt.BindInt64(param, n)
	case 4:
		var f float64
		for _, b := range v {
			f = f*1.7 + float64(int8(b))
		}
		return stmt.BindFloat(param, f)
	}
	return stmt.BindZeroBlob(param, int64(len(v)))
}

// rowOf steps stmt once and returns the row, or the error, as text.
func rowOf(stmt *sqlite3.Stmt) string {
	defer stmt.Reset()
	var b strings.Builder
	if stmt.Step() {
		for i := range stmt.ColumnCount() {
			fmt.Fprintf(&b, "%s|", stmt.ColumnText(i))
		}
	}
	if err := stmt.Err(); err != nil {
		return err.Error()
	}
	return b.String()
}

// overriddenCalls asks for value, type and bytes of all that is overridden, and
// for its arguments again afterwards, as a function may change them.
const overriddenCalls = `WITH v(x, y, z) AS MATERIALIZED (VALUES (?1, ?2, ?3)),
	r(i, s, t, l, r, u, x, y, z) AS MATERIALIZED (
		SELECT instr(x, y), replace(x, y, z), trim(x, y), ltrim(x, y), rtrim(x, y), unhex(x, y), x, y, z FROM v)
	SELECT typeof(i), i, typeof(s), hex(s), length(s), typeof(t), hex(t), typeof(l), hex(l), typeof(r), hex(r), typeof(u), hex(u),
		typeof(x), hex(x), typeof(y), hex(y), typeof(z), hex(z),
		typeof(replace(?1, ?2, ?3)), hex(trim(?1, ?2)), instr(?1, ?2), typeof(?1), typeof(?2), typeof(?3),
		instr(a, b), typeof(replace(a, b, c)), hex(replace(a, b, c)), hex(trim(a, b)), hex(unhex(a, b)), typeof(a), typeof(b), typeof(c)
	FROM r, (SELECT ?1 AS a, ?2 AS b, ?3 AS c)`

// unistrCall stands apart because it fails where the others do not.
const unistrCall = `SELECT typeof(unistr(?1)), hex(unistr(?1)), length(unistr(?1)), typeof(?1)`

// FuzzOverrides compares the overrides with the built-ins.
func FuzzOverrides(f *testing.F) {
	for _, s := range []struct {
		types   byte
		x, y, z string
	}{
		{0, "hello world", "o", "0"},
		{0, "aaa", "aa", "bbbb"},
		{0, "aaa", "", "b"},
		{0, "", "", ""},
		{0, "naïve ☃ \U0001F600", "☃", "\x00"},
		{0, "a\x00b\x00c", "\x00", "x"},
		{0, "a\x00bb", "bb\x00", "\xff"},
		{0, "\xc3\xa9\xc3", "\xc3", "\xa9\xa9"},
		{0, "\xa9\xa9\xc3\xa9", "\xa9", ""},
		{0, "\xc3\x80\x80\xc3\x80", "\x80\xc3\xc3\x80", ""},
		{0, "\xc3\x80\x80\xc3\x80", "\xc3\x80\x80\xc3", ""},
		{0, "\xf0\x9f\x98\x80\xf0\x9f", "\xf0\x9f", "\x98"},
		{1, "blob", "b", "c"}, {7, "blob", "ob", "c"}, {6, "blob", "ob", "c"}, {43, "blo\x80b", "o\x80", "c"},
		{2, "x", "y", "z"}, {12, "x", "y", "z"}, {72, "x", "y", "z"}, {72, "x", "", "z"}, {12, "x", "", "z"},
		{3, "12121", "2", "3"}, {21, "12121", "2", "3"}, {4, "12121", "2", "3"}, {27, "12121", "0", "3"},
		{3, "12121", "", "3"}, {4, "12121", "\x00", "3"}, {1, "12121", "", "3"}, {5, "12121", "\x00", "3"}, {35, "12121", "12", "3"}, {30, "abc", "ab", ""}, {130, "abc", "ab", "x"},
		{0, strings.Repeat("ab", 40) + "c" + strings.Repeat("ab", 40), strings.Repeat("ab", 20) + "c", "-"},
		{0, strings.Repeat("a", 100), strings.Repeat("a", 40), strings.Repeat("b", 50)},
		{0, strings.Repeat("é", 100), strings.Repeat("é", 33), "e"},
	} {
		f.Add(s.types, []byte(s.x), []byte(s.y), []byte(s.z))
	}
	for _, x := range []string{`\\\0041\+01F600\u00e9\U0001F600`, "\\0041\x00\\0042", `a\`, `\004`, `\U0000d800\Uffffffff\0000x`} {
		f.Add(byte(0), []byte(x), []byte("0"), []byte(nil))
	}
	for _, y := range []string{"-", "é -", "\xff\xc0\x80", "\xc0\x80\x00", "\xfe\xbf\xbf"} {
		f.Add(byte(0), []byte("41-42 -\xff4é3\xc1\x814\x00\x00"), []byte(y), []byte(nil))
		f.Add(byte(0), []byte("41"+y+"42"), []byte(y), []byte(nil))
	}
	builtin := prepared(f, openConn(f), overriddenCalls)
	override := prepared(f, overridden(f), overriddenCalls)
	builtinUnistr, overrideUnistr := prepared(f, openConn(f), unistrCall), prepared(f, overridden(f), unistrCall)
	f.Fuzz(func(t *testing.T, types byte, x, y, z []byte) {
		var rows [2]string
		for i, stmt := range []*sqlite3.Stmt{builtin, override} {
			for param, v := range [][]byte{x, y, z} {
				typ := [3]byte{types, types / 6, types / 36}[param]
				if err := bind(stmt, param+1, typ, v); err != nil {
					t.Fatal(err)
				}
			}
			rows[i] = rowOf(stmt)
		}
		for i, stmt := range []*sqlite3.Stmt{builtinUnistr, overrideUnistr} {
			if err := bind(stmt, 1, types, x); err != nil {
				t.Fatal(err)
			}
			rows[i] += rowOf(stmt)
		}
		if rows[0] != rows[1] {
			t.Fatalf("types %d, x %q, y %q, z %q:\nSQLite %s\nours   %s", types, x, y, z, rows[0], rows[1])
		}
	})
}

// TestOverrides_random compares the same on values that repeat themselves, which
// a fuzzer hardly finds: long needles in long haystacks over two or three letters.
func TestOverrides_random(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	alphabets := []string{"ab", "a\x80", "é\xc3\x80", "ab\x00", "\xc3\xa9\xf0\x9f"}
	text := func(alphabet string, max int) []byte {
		unit := make([]byte, 1+rnd.Intn(12))
		for i := range unit {
			unit[i] = alphabet[rnd.Intn(len(alphabet))]
		}
		b := bytes.Repeat(unit, 1+rnd.Intn(1+max/len(unit)))
		if rnd.Intn(2) == 0 {
			b[rnd.Intn(len(b))] = alphabet[0]
		}
		return b
	}
	builtin := prepared(t, openConn(t), overriddenCalls)
	override := prepared(t, overridden(t), overriddenCalls)
	for range 2_000 {
		alphabet := alphabets[rnd.Intn(len(alphabets))]
		x, y, z := text(alphabet, 300), text(alphabet, 90), text(alphabet, 20)
		if at := rnd.Intn(len(x)); rnd.Intn(2) == 0 {
			y = x[at : at+rnd.Intn(len(x)-at+1)]
		}
		var rows [2]string
		for i, stmt := range []*sqlite3.Stmt{builtin, override} {
			for param, v := range [][]byte{x, y, z} {
				if err := bind(stmt, param+1, byte(0), v); err != nil {
					t.Fatal(err)
				}
			}
			rows[i] = rowOf(stmt)
		}
		if rows[0] != rows[1] {
			t.Fatalf("x %q, y %q, z %q:\nSQLite %s\nours   %s", x, y, z, rows[0], rows[1])
		}
	}
}

// The built-ins take minutes for each of these.
func TestOverrides_take_linear_time(t *testing.T) {
	const size = 1 << 20
	c := overridden(t)
	c.Limit(sqlite3.LIMIT_LENGTH, size)
	long := strings.Repeat("a", size)
	var list strings.Builder // many characters, the last of which is 豈
	for r := rune(0x100); list.Len() < size-3; r++ {
		if r < 0xD800 || r > 0xF900 {
			list.WriteRune(r)
		}
	}
	many := list.String()[:size-3] + "豈"
	for _, call := range []struct {
		sql  string
		args []string
	}{
		{"instr(?1, ?2)", []string{long, long[:size/2] + "b"}},
		{"instr(?1, ?2)", []string{long, "b" + long[:size/2]}},
		{"instr(?1, ?2)", []string{long, long[:size/4] + "b" + long[:size/4]}},
		{"instr(?1, ?2)", []string{strings.Repeat("ab"+long[:14], size/16), strings.Repeat("ab"+long[:14], size/32) + "b"}},
		{"replace(?1, ?2, 'x')", []string{long, long[:size/2] + "b"}},
		{"replace(?1, 'aa', 'b')", []string{long}},
		{"trim(?1, ?2)", []string{strings.Repeat("豈", size/3), many}},
		{"ltrim(?1, ?2)", []string{strings.Repeat("豈", size/3) + "b", many}},
		{"rtrim(?1, ?2)", []string{"b" + strings.Repeat("豈", size/3), many}},
		{"rtrim(?1, ?2)", []string{"\xc3" + strings.Repeat("\x80", size-1), "\x80"}},
		{"unhex(?1, ?2)", []string{strings.Repeat("豈", size/3), many}},
		{"unistr(?1)", []string{strings.Repeat(`\0041`, size/5)}},
	} {
		stmt := prepared(t, c, "SELECT length("+call.sql+")")
		for i, arg := range call.args {
			if err := stmt.BindText(i+1, arg); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		stmt.Step()
		if err := stmt.Err(); err != nil {
			t.Errorf("%s: %v", call.sql, err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s takes %v", call.sql, took)
		}
	}
}

func TestOverrides_replace_refuses_what_is_too_long_before_it_builds_it(t *testing.T) {
	c := overridden(t)
	c.Limit(sqlite3.LIMIT_LENGTH, 1000)
	for sql, want := range map[string]bool{
		"SELECT length(replace(?1, 'a', ?1))":                  false, // 1,000,000 bytes
		"SELECT length(replace(?1, 'a', 'bb'))":                false,
		"SELECT length(replace(substr(?1, 501), 'a', 'bb'))":   true,
		"SELECT length(replace(substr(?1, 500), 'a', 'bb'))":   false,
		"SELECT length(replace(replace(?1, 'a', ''), '', ?1))": true,
	} {
		stmt := prepared(t, c, sql)
		if err := stmt.BindText(1, strings.Repeat("a", 1000)); err != nil {
			t.Fatal(err)
		}
		stmt.Step()
		if err := stmt.Err(); (err == nil) != want || err != nil && !errors.Is(err, sqlite3.TOOBIG) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestOverrides_may_stand_in_schemas(t *testing.T) {
	c := overridden(t)
	for _, sql := range []string{
		"CREATE TABLE t(a, b AS (replace(a, 'x', 'y')) STORED, CHECK (instr(a, ' ') = 0))",
		"CREATE INDEX i ON t(trim(a, 'z'))",
		"CREATE VIEW v AS SELECT instr(a, 'x') AS p, unistr(a), unhex(a, 'x') FROM t WHERE rtrim(a, 'z') = ltrim(a, 'z')",
		"CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = replace(a, 'q', 'p'); END",
		"INSERT INTO t(a) VALUES ('axq')",
		"SELECT * FROM v",
	} {
		if err := c.Exec(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	stmt := prepared(t, c, "SELECT a, b, p FROM t, v")
	if got, want := rowOf(stmt), "axp|ayp|2|"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestFunctions_refused_are_refused_in_schemas looks at every function that the
// guard refuses: SQLite does not ask the guard about all that a schema calls.
func TestFunctions_refused_are_refused_in_schemas(t *testing.T) {
	h := newHarness(t, Limits{})
	seen := 0
	for _, row := range h.must("SELECT name, max(flags & 0x80000), narg FROM pragma_function_list GROUP BY name, narg") {
		name := row[0].String()
		if functionVerdict(strings.ToLower(name)) == functionAllowed {
			continue
		}
		seen++
		if row[1].Int64() == 0 { // SQLITE_DIRECTONLY
			t.Errorf("%s with %s arguments may stand in a schema", name, row[2])
		}
	}
	if seen < 30 {
		t.Errorf("only %d functions are refused: the test tests nothing", seen)
	}
	h.must("CREATE TABLE t(a, b DEFAULT (json_patch('{}', '{}')))")
	if _, err := h.query(Write, "INSERT INTO t(a) VALUES (1)"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a default that calls json_patch: %v", err)
	}
}
