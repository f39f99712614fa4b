package behavior

import (
	"bytes"
	"math"
	"strings"

	"ayb"
	"ayb/fault"
)

// values says what happens to values on their way in and out.
func values() []behavior {
	return []behavior{
		{name: "every value comes back as it went in", check: roundTrips},
		{name: "NULL, an empty text and an empty blob are three things", check: emptyValues},
		{name: "NaN is NULL", check: func(w *world) {
			alice := w.database()
			if got := w.query(alice, "SELECT ?", math.NaN()).Rows[0][0]; !got.IsNull() {
				w.Errorf("NaN became %v", got)
			}
		}},
		{name: "a text that is not UTF-8 can be read", check: func(w *world) {
			alice := w.database()
			row := w.query(alice, "SELECT CAST(x'61ff62' AS TEXT) AS t, hex(CAST(x'61ff62' AS TEXT)) AS h").Rows[0]
			if got := strings.ToValidUTF8(row[0].String(), "\ufffd"); row[0].Type() != ayb.Text || got != "a\ufffdb" || row[1].String() != "61FF62" {
				w.Errorf("got %v", row)
			}
		}},
		{name: "a text of a megabyte is whole", check: func(w *world) {
			alice := w.database()
			text := strings.Repeat("\"\\\n\x00é", 100_000)
			if got := w.query(alice, "SELECT ?", text).Rows[0][0]; got != ayb.Value(must(ayb.NewStatement("", text)).Args[0].Value) {
				w.Errorf("got %d bytes, want %d", got.Size(), len(text))
			}
		}},
		{name: "columns have names, which may repeat, and declared types", check: columnNames},
		{name: "arguments have places", check: func(w *world) {
			alice := w.database()
			if got := w.query(alice, "SELECT ?2 || ?1", "a", "b").Rows[0][0].String(); got != "ba" {
				w.Errorf("got %s", got)
			}
		}},
		{name: "arguments have names", check: func(w *world) {
			alice := w.database()
			row := w.query(alice, "SELECT :x, @y, $z, :x", ayb.Named("x", 1), ayb.Named("y", "two"), ayb.Named("z", nil)).Rows[0]
			if row[0].Int64() != 1 || row[1].String() != "two" || !row[2].IsNull() || row[3] != row[0] {
				w.Errorf("got %v", row)
			}
		}},
		{name: "arguments that are too few, too many, unknown or of no type are refused", check: badArguments},
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func roundTrips(w *world) {
	alice := w.database("CREATE TABLE kept (v)")
	for _, in := range []any{
		nil, int64(0), int64(-1), int64(1<<53 - 1), int64(1 << 53), int64(1<<53 + 1), int64(-1<<53 - 1), int64(math.MaxInt64), int64(math.MinInt64),
		0.0, math.Copysign(0, -1), 1.0, 0.1, -1e-7, 1e21, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, math.Inf(1), math.Inf(-1),
		"", "text", "quo\"te's", "back\\slash", "line\nline\r\n\t", "nul\x00nul", "\x01\x1f\x7f", "é€😀", "\u2028\u2029\ufeff", "\ufffd", "<>&", "12", "1.0", "null",
		[]byte{}, []byte{0}, []byte{0xff, 0x00, 0xc3}, []byte("text"), bytes.Repeat([]byte{0, 0xff, '"'}, 30_000),
	} {
		want := must(ayb.NewStatement("", in)).Args[0].Value
		w.query(alice, "DELETE FROM kept")
		w.query(alice, "INSERT INTO kept VALUES (?)", in)
		row := w.query(alice, "SELECT v, typeof(v) FROM kept WHERE v IS ?", in).Rows
		if len(row) != 1 {
			w.Errorf("%v: can't be found by itself", want)
			continue
		}
		if got := row[0][0]; got != want || row[0][1].String() != want.Type().String() {
			w.Errorf("%v (%v) became %v (%v)", want, want.Type(), got, got.Type())
		}
	}
}

func emptyValues(w *world) {
	alice := w.database()
	row := w.query(alice, "SELECT ?, ?, ?, typeof(?1), typeof(?2), typeof(?3)", nil, "", []byte{}).Rows[0]
	if !row[0].IsNull() || row[1].Type() != ayb.Text || row[2].Type() != ayb.Blob ||
		row[3].String() != "null" || row[4].String() != "text" || row[5].String() != "blob" {
		w.Errorf("got %v", row)
	}
}

func columnNames(w *world) {
	alice := w.database("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20), \"odd \"\"name\" x)")
	got := w.query(alice, `SELECT id, name, "odd ""name", name, 1+1 AS sum FROM t`)
	want := []ayb.Column{{Name: "id", Decl: "INTEGER"}, {Name: "name", Decl: "VARCHAR(20)"}, {Name: `odd "name`, Decl: "x"}, {Name: "name", Decl: "VARCHAR(20)"}, {Name: "sum"}}
	if len(got.Columns) != len(want) || got.Rows == nil || len(got.Rows) != 0 {
		w.Fatalf("got %v", got)
	}
	for i, column := range got.Columns {
		if column != want[i] {
			w.Errorf("column %d: got %+v, want %+v", i, column, want[i])
		}
	}
}

func badArguments(w *world) {
	alice := w.database()
	for _, args := range [][]any{{}, {1, 2}, {ayb.Named("nope", 1)}, {struct{}{}}, {uint64(math.MaxUint64)}} {
		_, err := alice.Query(w.Context(), "alice/db", "SELECT ?", args...)
		w.refused(err, fault.Invalid, "")
	}
}
