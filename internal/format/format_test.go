package format_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/format"
)

// write returns a result in the given form.
func write(t testing.TB, mode format.Mode, opts format.Options, columns []string, rows ...[]any) string {
	t.Helper()
	var b strings.Builder
	w := format.New(mode, &b, opts)
	if err := w.Columns(format.Names(columns...)); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Row(values(t, row...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func values(t testing.TB, row ...any) format.Values {
	t.Helper()
	vals := make(format.Values, len(row))
	for i, v := range row {
		var err error
		if vals[i], err = catalog.ValueOf(v); err != nil {
			t.Fatal(err)
		}
	}
	return vals
}

type row = []any

func TestTable(t *testing.T) {
	for _, c := range []struct {
		claim   string
		opts    format.Options
		columns []string
		rows    []row
		want    string
	}{
		{"the last column is not filled up", format.Options{}, []string{"fname", "lname"},
			[]row{{"the first", "the last"}, {"the first2", "the last2"}},
			" fname      | lname \n------------+-----------\n the first  | the last \n the first2 | the last2 \n"},
		{"one column", format.Options{}, []string{"the_count"}, []row{{4}}, " the_count \n-----------\n 4 \n"},
		{"an empty last cell is two spaces", format.Options{}, []string{"a", "b", "c"}, []row{{"xxxxx", nil, ""}},
			" a     | b    | c \n-------+------+---\n xxxxx | NULL |  \n"},
		{"a cell of several lines takes several, an end of line at its end none", format.Options{}, []string{"a", "b", "c"},
			[]row{{"one\ntwo\r\nthree\n", 1, "x\ny"}},
			" a     | b | c \n-------+---+---\n one   | 1 | x \n two   |   | y \n three |   |  \n"},
		{"tabs pass", format.Options{}, []string{"a", "b"}, []row{{"x\ty", 1}}, " a  | b \n----+---\n x\ty | 1 \n"},
		{"width is what the screen shows", format.Options{}, []string{"a", "b"},
			[]row{{"日本", 1}, {"e\u0301", 2}, {"👩‍👩‍👧", 3}},
			" a    | b \n------+---\n 日本 | 1 \n e\u0301    | 2 \n 👩‍👩‍👧   | 3 \n"},
		{"control and direction characters are made visible", format.Options{}, []string{"a\x1b"},
			[]row{{"\x1b[31m\a\r\x7f\u009b\u202eabc\u2066\u2028"}, {"\xff\x00"}},
			" a\\x1b \n" + strings.Repeat("-", 45) + "\n \\x1b[31m\\a\\r\\x7f\\u009b\\u202eabc\\u2066\\u2028 \n \uFFFD\\x00 \n"},
		{"a result without rows writes nothing", format.Options{}, []string{"a"}, nil, ""},
		{"without names", format.Options{NoHeader: true}, []string{"long name", "b"}, []row{{1, 2}, {10, 3}}, " 1  | 2 \n 10 | 3 \n"},
		{"numbers and blobs in the classic form", format.Options{}, []string{"v", "w"},
			[]row{{1.0, 1e21}, {math.Inf(-1), 0.1}, {[]byte("text"), []byte{0, 0xff}}},
			" v    | w \n------+------------------------\n 1    | 1000000000000000000000 \n -inf | 0.1 \n text | X'00FF' \n"},
		{"in color NULL is dim", format.Options{Color: true}, []string{"a", "b"}, []row{{nil, "NULL"}},
			" a    | b \n------+------\n \x1b[2mNULL\x1b[0m | NULL \n"},
		{"blobs as literals, long ones with their size", format.Options{BlobLiterals: true}, []string{"a", "b"},
			[]row{{[]byte("a"), []byte(strings.Repeat("a", 17))}},
			" a     | b \n-------+" + strings.Repeat("-", 51) + "\n X'61' | X'" + strings.Repeat("61", 16) + "'... (17 bytes) \n"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			if got := write(t, format.Table, c.opts, c.columns, c.rows...); got != c.want {
				t.Errorf("got\n%s\n%q\nwant\n%s\n%q", got, got, c.want, c.want)
			}
		})
	}
}

func TestTable_flows_in_the_widths_of_its_first_rows(t *testing.T) {
	rows := make([]row, 10_001)
	for i := range rows {
		rows[i] = row{"ab", i}
	}
	rows[10_000] = row{"abcdef", 1}
	got := write(t, format.Table, format.Options{}, []string{"a", "b"}, rows...)
	if want := " ab | 9999 \n abcdef | 1 \n"; !strings.HasSuffix(got, want) {
		t.Errorf("ends in %q, want %q", got[len(got)-40:], want)
	}
}

func TestTable_keeps_no_more_than_its_bound(t *testing.T) {
	var written counter
	w := format.New(format.Table, &written, format.Options{})
	if err := w.Columns(format.Names("a")); err != nil {
		t.Fatal(err)
	}
	big := values(t, strings.Repeat("x", 1<<20))
	for range 9 {
		if err := w.Row(big); err != nil {
			t.Fatal(err)
		}
	}
	if written < 8<<20 {
		t.Errorf("after 9 MiB %d bytes were written", written)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func TestCSV(t *testing.T) {
	for _, c := range []struct {
		claim   string
		opts    format.Options
		columns []string
		rows    []row
		want    string
	}{
		{"quotes only where needed", format.Options{}, []string{"a b", "c,d", `e"f`},
			[]row{{" x ", "1,2", `say "hi"`}, {"a\nb", "c\rd", "e\tf"}, {nil, "", 1.5}},
			"a b,\"c,d\",\"e\"\"f\"\n x ,\"1,2\",\"say \"\"hi\"\"\"\n\"a\nb\",\"c\rd\",e\tf\nNULL,,1.5\n"},
		{"a lone empty field is quoted", format.Options{}, []string{"a"}, []row{{""}, {nil}}, "a\n\"\"\nNULL\n"},
		{"control characters pass to a file", format.Options{}, []string{"a"}, []row{{"\x1b[2J\xff"}}, "a\n\x1b[2J\uFFFD\n"},
		{"control characters are visible on a terminal", format.Options{Terminal: true}, []string{"a"}, []row{{"\x1b[2J"}, {"é\nf"}}, "a\n\\x1b[2J\n\"é\nf\"\n"},
		{"a result without rows writes nothing", format.Options{}, []string{"a"}, nil, ""},
		{"without names", format.Options{NoHeader: true}, []string{"a"}, []row{{1}}, "1\n"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			if got := write(t, format.CSV, c.opts, c.columns, c.rows...); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	columns := []string{"n", "n", "n_2", "n"}
	rows := []row{
		{nil, int64(math.MaxInt64), 1.0, 1e300},
		{math.Inf(1), -0.5, []byte{0, 255}, "a\"\\\n\x00\x1b\u202e\xffé😀"},
		{1e15, 1e-7, math.Inf(-1), ""},
	}
	want := `{"n":null,"n_3":9223372036854775807,"n_2":1.0,"n_4":1e+300}
{"n":"inf","n_3":-0.5,"n_2":{"blob":"AP8="},"n_4":"a\"\\\n\u0000\u001b\u202e` + "\uFFFD" + `é😀"}
{"n":1e+15,"n_3":1e-07,"n_2":"-inf","n_4":""}
`
	if got := write(t, format.JSONL, format.Options{}, columns, rows...); got != want {
		t.Errorf("lines:\n%s\nwant\n%s", got, want)
	}
	array := "[\n" + strings.ReplaceAll(strings.TrimSuffix(want, "\n"), "\n", ",\n") + "\n]\n"
	if got := write(t, format.JSON, format.Options{}, columns, rows...); got != array {
		t.Errorf("array:\n%s\nwant\n%s", got, array)
	}
	if got := write(t, format.JSON, format.Options{}, columns); got != "[]\n" {
		t.Errorf("no rows: %q", got)
	}
	if got := write(t, format.JSONL, format.Options{}, columns); got != "" {
		t.Errorf("no rows as lines: %q", got)
	}
}

func TestLine(t *testing.T) {
	got := write(t, format.Line, format.Options{}, []string{"id", "a name\n"}, row{1, "x\ny"}, row{nil, "\x1b"})
	want := "      id = 1\na name\\n = x\n           y\n\n      id = NULL\na name\\n = \\x1b\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAuto_chooses_by_the_width_of_the_screen(t *testing.T) {
	columns, r := []string{"a", "b"}, row{"xxx", "yyy"}
	table := write(t, format.Table, format.Options{}, columns, r)
	if got := write(t, format.Auto, format.Options{Width: 11}, columns, r); got != table {
		t.Errorf("11 columns hold the table, got\n%s", got)
	}
	if got := write(t, format.Auto, format.Options{Width: 10}, columns, r); got != "a = xxx\nb = yyy\n" {
		t.Errorf("10 columns don't, got\n%s", got)
	}
	if got := write(t, format.Auto, format.Options{}, columns, r); got != table {
		t.Errorf("without a screen:\n%s", got)
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range format.Modes() {
		if got, err := format.ParseMode(strings.ToUpper(string(m))); got != m || err != nil {
			t.Errorf("%s: %s, %v", m, got, err)
		}
	}
	if _, err := format.ParseMode("xml"); !errors.Is(err, fault.Invalid) {
		t.Errorf("xml: %v", err)
	}
}

// A writer that has gone away ends every mode within the bound of its buffers,
// with the writer's own error.
func TestWriter_a_closed_pipe_ends_it(t *testing.T) {
	for _, mode := range format.Modes() {
		r, w := io.Pipe()
		r.Close()
		out := format.New(mode, w, format.Options{})
		err := out.Columns(format.Names("a"))
		for n := 0; err == nil && n < 100_000; n++ {
			err = out.Row(format.Strings{"some text"})
		}
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[31m", "b\r\nc", []byte("\xff\x00"))
	f.Add("\u202e", "\n", []byte(",\""))
	f.Add("", "", []byte{})
	f.Fuzz(func(t *testing.T, name, text string, blob []byte) {
		columns := []string{name, "x", name}
		rows := []row{{text, blob, nil}, {name, 1, text}}
		for _, opts := range []format.Options{{}, {BlobLiterals: true}, {NoHeader: true}} {
			noCommands(t, write(t, format.Table, opts, columns, rows...))
			noCommands(t, write(t, format.Line, opts, columns, rows...))
		}
		noCommands(t, write(t, format.CSV, format.Options{Terminal: true}, columns, rows...))
		noCommands(t, format.Visible(name))
		for _, mode := range []format.Mode{format.JSON, format.JSONL} {
			got := write(t, mode, format.Options{}, columns, rows...)
			noCommands(t, got)
			dec := json.NewDecoder(strings.NewReader(got))
			for {
				var v any
				if err := dec.Decode(&v); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s: %v in %q", mode, err, got)
				}
			}
		}
		rereads(t, columns, rows)
		rereads(t, []string{name}, []row{{text}, {nil}, {blob}})
	})
}

func noCommands(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("not UTF-8: %q", s)
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("%U in %q", r, s)
		}
	}
}

// rereads fails unless what CSV wrote reads as the same, but for the ends of
// lines, which the reader of the standard library folds.
func rereads(t *testing.T, columns []string, rows []row) {
	t.Helper()
	got, err := csv.NewReader(strings.NewReader(write(t, format.CSV, format.Options{}, columns, rows...))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{make([]string, len(columns))}
	for i, name := range columns {
		want[0][i] = folded(name)
	}
	for _, r := range rows {
		record := make([]string, len(r))
		for i, v := range r {
			val := values(t, v)[0]
			record[i] = folded(val.String())
			if val.Type() == catalog.Blob && utf8.Valid(val.Bytes()) {
				record[i] = folded(string(val.Bytes()))
			}
		}
		want = append(want, record)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("read %q, want %q", got, want)
	}
}

func folded(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r) // a byte that is no UTF-8 becomes U+FFFD
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func Example() {
	w := format.New(format.CSV, os.Stdout, format.Options{})
	w.Columns(format.Names("Database slug", "Type"))
	w.Row(format.Strings{"test.sqlite", "sqlite"})
	w.Row(format.Strings{"a.sqlite", "sqlite"})
	if err := w.End(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Database slug,Type
	// test.sqlite,sqlite
	// a.sqlite,sqlite
}

func BenchmarkWriter(b *testing.B) {
	vals := values(b, 1, "Lisboa", 38.7, nil, []byte("PT"))
	for _, mode := range []format.Mode{format.Table, format.CSV, format.JSONL, format.Line} {
		b.Run(string(mode), func(b *testing.B) {
			w := format.New(mode, io.Discard, format.Options{})
			w.Columns(format.Names("id", "name", "lat", "nothing", "country"))
			b.ReportAllocs()
			for b.Loop() {
				w.Row(vals)
			}
		})
	}
}
