package ayb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
)

func TestEngine_ImportTable(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
	load := func(table, format, text string) (int64, error) {
		return f.ImportTable(ctx, alice, "alice/db", strings.NewReader(text), ayb.TableImport{Table: table, Format: format})
	}
	for _, c := range []struct{ claim, format, text, schema, rows string }{
		{"types are those of all values", "csv", "id,score,name,zip,big\n1,1.5,a,01234,9223372036854775808\n2,,b,1,2\n",
			`CREATE TABLE "%s"("id" INTEGER, "score" REAL, "name" TEXT, "zip" TEXT, "big" TEXT)`, "1|1.5|a|01234|9223372036854775808;2|NULL|b|1|2"},
		{"a mark, line ends of Windows, quoted line ends and quotes", "csv", "\xef\xbb\xbfa,b\r\n1,\"x\ny\"\r\n2,\"say \"\"hi\"\"\"\r\n",
			`CREATE TABLE "%s"("a" INTEGER, "b" TEXT)`, "1|x\ny;2|say \"hi\""},
		{"numbers in the first line are no names", "csv", "1,x\n2,y", `CREATE TABLE "%s"("c1" INTEGER, "c2" TEXT)`, "1|x;2|y"},
		{"tabs", "tsv", "a\tb\n1\t2,5 \"inch\"\n", `CREATE TABLE "%s"("a" INTEGER, "b" TEXT)`, "1|2,5 \"inch\""},
		{"objects with other keys", "jsonl", "{\"a\":1,\"b\":\"x\"}\n\n{\"c\":[1, 2],\"a\":2.5}\n{\"b\":7,\"a\":null,\"c\":true}\n",
			`CREATE TABLE "%s"("a" REAL, "b", "c")`, "1|x|NULL;2.5|NULL|[1, 2];NULL|7|1"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			table := strings.ReplaceAll(c.claim, " ", "_")
			if _, err := load(table, c.format, c.text); err != nil {
				t.Fatal(err)
			}
			schema := f.MustQuery(alice, "alice/db", "SELECT sql FROM sqlite_schema WHERE name = ?", table).Rows[0][0].String()
			if want := fmt.Sprintf(c.schema, table); schema != want {
				t.Errorf("%s, want %s", schema, want)
			}
			if got := rowsOf(f, alice, "SELECT * FROM \""+table+"\""); got != c.rows {
				t.Errorf("%q, want %q", got, c.rows)
			}
		})
	}
	t.Run("rows are added to a table by the names of its columns", func(t *testing.T) {
		f.MustQuery(alice, "alice/db", "CREATE TABLE place(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, zip TEXT DEFAULT 'none')")
		n, err := load("PLACE", "csv", "Name,ID\nLisboa,7\nPorto,9\n")
		if err != nil || n != 2 {
			t.Fatal(n, err)
		}
		if got := rowsOf(f, alice, "SELECT * FROM place"); got != "7|Lisboa|none;9|Porto|none" {
			t.Error(got)
		}
	})
	t.Run("an error names the line, and nothing is kept", func(t *testing.T) {
		var many strings.Builder
		many.WriteString("id,name\n")
		for i := range 1000 {
			fmt.Fprintf(&many, "%d,\"n%d\n\"\n", 100+i, i%900)
		}
		f.MustQuery(alice, "alice/db", "CREATE TABLE strict(n INTEGER) STRICT")
		for _, c := range []struct{ table, format, text, want string }{
			{"place", "csv", many.String(), "Line 1802: UNIQUE constraint failed: place.name"},
			{"place", "csv", "name,nope\nx,1\n", "The table place has no column"},
			{"place", "csv", "1,2\n", "The file has 2 columns without names, and the table place has 3"},
			{"new", "csv", "a,b\n1,2\n3\n", "Line 3: The record has another number of fields"},
			{"new", "csv", "a,b\n1,\"2\n3\n", "Line 2: The record can't be read"},
			{"new", "csv", "a,a\n\xff,1\n", "Line 2: A field is not valid UTF-8"},
			{"new", "jsonl", "{\"a\":1}\n{\"a\":1} {}\n", "Line 2: There is more than one JSON object"},
			{"strict", "csv", "n\n" + strings.Repeat("7\n", 2000) + "seven\n", "Line 2002: cannot store TEXT value in INTEGER column strict.n"},
			{"new", "jsonl", "{\"a\":1}\n{\"a\":\"\xff\"}\n", "Line 2: The line is not valid UTF-8"},
			{"new", "jsonl", "{\"a\":1}\n{\"a\":" + strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000) + "}\n", "Line 2: This is no JSON object"},
			{"new", "jsonl", "{\"a\":1}\n{\"a\":[1}\n", "Line 2: This is no JSON object"},
			{"new", "csv", strings.Repeat("1,", 100_000), "Line 1: There are 100001 columns, and a table can have 2000"},
			{"new", "csv", strings.Repeat("a,", 100_000), "Line 1: There are 100001 columns, and a table can have 2000"},
			{"new", "csv", "a\n1\n\"" + strings.Repeat("x\n", 9<<20), "The record behind that of line 2 is longer than 16 MiB"},
			{"new", "csv", "a\n1\n" + strings.Repeat("x", 17<<20), "The record behind that of line 2 is longer than 16 MiB"},
			{"new", "csv", "a\n1\n" + strings.Repeat("x", 2<<20), "Line 3: "},
			{"new", "csv", "a\n1\n2,\n", "Line 3: The record has another number of fields"},
			{"new", "jsonl", "{\"a\":1}\n[1]\n", "Line 2: This is no JSON object"},
			{"new", "csv", "", "There is no table in the file"},
			{"new", "xlsx", "", "There is no format"},
			{"", "csv", "a\n1", "Name the table"},
		} {
			_, err := load(c.table, c.format, c.text)
			if !errors.Is(err, ayb.ErrInvalid) && !errors.Is(err, ayb.ErrTooLarge) || !strings.HasPrefix(fault.Message(err), c.want) {
				t.Errorf("%.20q: %v, want %s", c.text, err, c.want)
			}
		}
		if got := rowsOf(f, alice, "SELECT count(*), (SELECT count(*) FROM sqlite_schema WHERE name = 'new'), (SELECT count(*) FROM strict) FROM place"); got != "2|0|0" {
			t.Error(got)
		}
	})
	t.Run("who may only read is told so", func(t *testing.T) {
		_, err := f.ImportTable(ctx, bob, "alice/db", strings.NewReader("a\n1"), ayb.TableImport{Table: "t", Format: "csv"})
		if !errors.Is(err, ayb.ErrReadOnly) {
			t.Error(err)
		}
	})
}

func rowsOf(f *aybtest.Fixture, p ayb.Principal, sql string) string {
	var rows []string
	for _, row := range f.MustQuery(p, "alice/db", sql).Rows {
		var values []string
		for _, v := range row {
			if v.IsNull() {
				values = append(values, "NULL")
			} else {
				values = append(values, v.String())
			}
		}
		rows = append(rows, strings.Join(values, "|"))
	}
	return strings.Join(rows, ";")
}

func TestEngine_what_moves_much_is_not_held_to_the_time_of_a_session(t *testing.T) {
	const rows = 200_000
	var text strings.Builder
	for n := range rows {
		fmt.Fprintf(&text, "%d,row %d of the table\n", n, n)
	}
	limits := ayb.Limits{}
	limits.SessionTime = 50 * time.Millisecond
	f := aybtest.New(t, &ayb.Config{Limits: limits})
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")
	began := time.Now()
	if n, err := f.ImportTable(ctx, alice, "alice/db", strings.NewReader(text.String()), ayb.TableImport{Table: "t", Format: "csv", Header: "no"}); err != nil || n != rows {
		t.Fatalf("%d rows, %v, after %v", n, err, time.Since(began))
	}
	imported := time.Since(began)
	var dump strings.Builder
	began = time.Now()
	must(t, f.Export(ctx, alice, "alice/db", ayb.ExportSQL, &dump))
	exported := time.Since(began)
	if min(imported, exported) < limits.SessionTime {
		t.Logf("imported in %v, exported in %v, which shows nothing", imported, exported)
	}
	if n := strings.Count(dump.String(), "of the table"); n != rows {
		t.Errorf("%d rows were exported", n)
	}
}

func TestEngine_ImportTable_of_more_than_the_log_holds(t *testing.T) {
	var text strings.Builder
	text.WriteString("id,name\n")
	for n := range 100_000 {
		fmt.Fprintf(&text, "%d,row %d of the table\n", n, n)
	}
	limits := ayb.Limits{}
	limits.WALBytes = 1 << 20
	f := aybtest.New(t, &ayb.Config{Limits: limits})
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")
	load := func(text string) error {
		_, err := f.ImportTable(ctx, alice, "alice/db", strings.NewReader(text), ayb.TableImport{Table: "t", Format: "csv"})
		return err
	}
	err := load(text.String())
	if want := "Nothing was imported: the rows are one transaction, and its log would be larger than limits.wal_bytes (1 MiB). Send them in parts"; !errors.Is(err, ayb.ErrTooLarge) || !strings.HasPrefix(ayb.Message(err), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if got := rowsOf(f, alice, "SELECT count(*) FROM sqlite_schema"); got != "0" {
		t.Errorf("there are %s tables", got)
	}
	must(t, load(text.String()[:20_000]+"\n"))
}
