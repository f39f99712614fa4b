package hosting

import (
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
)

func TestSkipBlank(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" \t\r\n\f;;", ""},
		{"select 1", "select 1"},
		{" \vselect 1", "select 1"},
		{"\vselect 1", "\vselect 1"},
		{"\xEF\xBB\xBF select 1", "select 1"},
		{"-- a\nselect 1", "select 1"},
		{"-- a", ""},
		{"/* a */;/**/ select 1", "select 1"},
		{"/*/ select 1", ""},
		{"/*/*/select 1", "select 1"},
		{"/* a", ""},
		{"/*", "/*"},
		{"/*\x00 */", "/*\x00 */"},
		{"- - a", "- - a"},
		{" \x00select 1", ""},
		{"-- \x00\nselect 1", ""},
	} {
		if got := skipBlank(c.text); got != c.want {
			t.Errorf("skipBlank(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestFirstWord(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"; /* x */ sElEct 1", "SELECT"},
		{"vacuum", "VACUUM"},
		{"pragma\x00", "PRAGMA"},
		{"current_timestamp", "CURRENT_TIMESTAMP"},
		{"(select 1)", ""},
		{`"select" 1`, ""},
		{"select1", ""},
		{"sélect", ""},
		{strings.Repeat("a", 1000), ""},
	} {
		if got := firstWord(c.text); got != c.want {
			t.Errorf("firstWord(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { firstWord(" pragma foreign_keys") }); n != 0 {
		t.Errorf("firstWord allocates %v times", n)
	}
}

func TestStatementEnd(t *testing.T) {
	for _, c := range []string{
		"select 1;|select 2",
		";; select 1;|;",
		"select ';', \";\", `;`, [;], 'it''s;';|select 2",
		"select 1 -- ;\n + 1;| -- ;",
		"select 1 /* ; */;|",
		"select /* ;",
		"select $a::b(;), @c, :d, #e;|select 2",
		"select ';",
		"select 1;|\x00select 2",
		"select 1\x00;select 2",
		"create trigger t after insert on u begin select 1; update u set a = case when 1 then 2 end; end;|select 1;",
		"explain query plan create /* */ temp trigger t after insert on u begin select 1; end;|select 1;",
		"create temporary trigger \"end\" after insert on u begin select 1; END ;|end;",
		"create temp table t(a);|select 1;",
		"create trigger t after insert on u begin select 1; end",
		"begin;|end;",
	} {
		text := strings.Replace(c, "|", "", 1)
		want := len(text)
		if i := strings.Index(c, "|"); i >= 0 {
			want = i
		}
		if got := statementEnd(text); got != want {
			t.Errorf("statementEnd(%q) = %d, want %d", text, got, want)
		}
	}
}

// statements are texts around which the fuzzer looks for others.
func statements() []string {
	return []string{
		"select 1; select 2",
		"select ';', \";\", `;`, [;], x'00', 'it''s;' as [a]; values (1), ('')",
		"-- one;\nselect 1 /* ; */ -- ;\n + 1;; /* two */ ; select /*",
		"select $a::b(;), @c, :d, ?1, ?; select 1 -- ;",
		"create table t(a, b); create index i on t(a); drop table t",
		"create trigger r after insert on u begin select 1; update u set a = case when 1 then 2 end; end; select 1",
		"explain query plan create temp trigger if not exists r instead of delete on v for each row when old.a begin insert into u values (';', new.a); end; select 1",
		"create trigger main.r before update of a, b on u begin select 1; delete from u where a = old.a; select * from u as [end]; end;; select 2",
		"explain select 1; pragma foreign_keys=off; begin; insert into u values (1, 2); commit",
		"\xEF\xBB\xBFselect 1;\v select 2; \vselect 3",
		"select 1;\x00select 2; select '\x00';",
		"with recursive c(x) as (values (1) union all select x + 1 from c where x < 5) select 1e3, 0xff, 1_000, .5, x -> '$' ->> '$' from c;",
		"select count(*) filter (where a) over (order by a) from u window w as (partition by b); select 1 window",
		"attach ':memory:' as x; vacuum; vacuum into 'y'; detach x; alter table u rename to w; reindex; analyze;",
		"select 1 <> 2 || '--' | ~1 % 3 << 4 != 5 == 6 - -7;savepoint [a;]; release `a;`; rollback to \"a;\"",
	}
}

// FuzzStatementEnd holds statementEnd to its promise, and skipBlank to "what is
// left is empty exactly if there is no statement", on any text.
func FuzzStatementEnd(f *testing.F) {
	for _, s := range statements() {
		f.Add(s)
	}
	c := fuzzConn(f)
	f.Fuzz(func(t *testing.T, text string) { checkStatementEnds(t, c, text) })
}

// TestStatementEnd_random does the same on texts put together from the tokens of
// statements, most of which a fuzzer of bytes would not find.
func TestStatementEnd_random(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	c := fuzzConn(t)
	sources := statements()
	for range 3_000 {
		var b strings.Builder
		for range 1 + rnd.Intn(4) {
			tokens := strings.SplitAfter(sources[rnd.Intn(len(sources))], " ")
			switch rnd.Intn(3) {
			case 0: // whole
			case 1: // without one token
				i := rnd.Intn(len(tokens))
				tokens = append(tokens[:i], tokens[i+1:]...)
			case 2: // with another's token in it
				other := strings.SplitAfter(sources[rnd.Intn(len(sources))], " ")
				tokens[rnd.Intn(len(tokens))] = other[rnd.Intn(len(other))]
			}
			b.WriteString(strings.Join(tokens, ""))
			b.WriteString([]string{";", " ; ", "", "\n", "--;\n", "/*;*/"}[rnd.Intn(6)])
		}
		checkStatementEnds(t, c, b.String())
	}
}

// checkStatementEnds prepares text whole, and as statementEnd cuts it.
func checkStatementEnds(t *testing.T, c *sqlite3.Conn, text string) {
	t.Helper()
	for rest := text; rest != ""; {
		end := statementEnd(rest)
		if end <= 0 || end > len(rest) {
			t.Fatalf("statementEnd(%q) = %d", rest, end)
		}
		whole, tail, wholeErr := prepareOnce(c, rest)
		piece, pieceTail, pieceErr := prepareOnce(c, rest[:end])
		if (wholeErr == nil) != (pieceErr == nil) {
			t.Fatalf("%q: whole %v, piece %q %v", rest, wholeErr, rest[:end], pieceErr)
		}
		if wholeErr != nil {
			return
		}
		if blank := skipBlank(rest) == ""; blank != !whole {
			t.Fatalf("skipBlank(%q) is empty: %v, SQLite finds a statement: %v", rest, blank, whole)
		}
		if whole != piece {
			t.Fatalf("%q: a statement in the whole: %v, in the piece %q: %v", rest, whole, rest[:end], piece)
		}
		if !whole {
			return
		}
		if len(rest)-len(tail) != end-len(pieceTail) {
			t.Fatalf("%q: the whole ends at %d, the piece at %d", rest, len(rest)-len(tail), end-len(pieceTail))
		}
		if skipBlank(pieceTail) != "" {
			t.Fatalf("%q: the piece %q holds more than one statement", rest, rest[:end])
		}
		rest = rest[end:]
	}
}

// fuzzConn returns a connection to an empty database with the objects that
// statements names. PRAGMA, which acts while it is prepared, does nothing on it.
func fuzzConn(tb testing.TB) *sqlite3.Conn {
	tb.Helper()
	c, err := sqlite3.Open(":memory:")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	if err := c.Exec("create table u(a, b); create table t(a, b); create view v as select a, b from u"); err != nil {
		tb.Fatal(err)
	}
	err = c.SetAuthorizer(func(action sqlite3.AuthorizerActionCode, _, _, _, _ string) sqlite3.AuthorizerReturnCode {
		if action == sqlite3.AUTH_PRAGMA {
			return sqlite3.AUTH_IGNORE
		}
		return sqlite3.AUTH_OK
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// prepareOnce prepares the first statement of text, tells whether there is one
// and what follows it, and closes it.
func prepareOnce(c *sqlite3.Conn, text string) (found bool, tail string, err error) {
	stmt, tail, err := c.Prepare(text)
	if stmt == nil {
		return false, "", err
	}
	return true, tail, stmt.Close()
}
