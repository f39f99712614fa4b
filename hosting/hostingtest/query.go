package hostingtest

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func queryChecks() []check {
	return []check{
		{"values_come_back_as_they_were_bound", valuesComeBack},
		{"values_come_back_as_they_were_stored", valuesAreKept},
		{"a_megabyte_fits_in_one_value", bigValues},
		{"rows_can_be_read_by_type", rowAccessors},
		{"parameters_are_bound_by_position_number_and_name", parameters},
		{"missing_and_extra_parameters_are_invalid", wrongParameters},
		{"columns_keep_their_names_and_types", columns},
		{"columns_are_told_even_without_rows", columnsWithoutRows},
		{"an_empty_text_is_invalid", emptyText},
		{"semicolons_and_comments_around_a_statement_are_fine", semicolons},
		{"a_text_must_be_utf8_whole_and_of_bounded_length", malformedText},
		{"messages_and_codes_are_those_of_sqlite", messages},
		{"nobody_need_want_the_rows", nilSink},
	}
}

// specimens are values at the edges of each kind.
func specimens() []catalog.Value {
	return []catalog.Value{
		catalog.NullValue(),
		catalog.IntegerValue(0), catalog.IntegerValue(1), catalog.IntegerValue(-1),
		catalog.IntegerValue(math.MaxInt64), catalog.IntegerValue(math.MinInt64), catalog.IntegerValue(1<<53 + 1),
		catalog.RealValue(0.5), catalog.RealValue(-1.0), catalog.RealValue(math.MaxFloat64), catalog.RealValue(math.SmallestNonzeroFloat64),
		catalog.RealValue(math.Inf(1)), catalog.RealValue(math.Inf(-1)), catalog.RealValue(1e300),
		catalog.TextValue(""), catalog.TextValue("héllo, 世界 🦆"), catalog.TextValue("it's \"quoted\"; -- no comment"),
		catalog.TextValue("a\x00b"), catalog.TextValue("not \xff\xfe utf8"), catalog.TextValue("123"), catalog.TextValue("line\nline\r\n"),
		catalog.BlobValue(nil), catalog.BlobValue([]byte{0}), catalog.BlobValue([]byte{0xff, 0, 0x80, '\n'}), catalog.BlobValue([]byte("text")),
	}
}

// sameValue fails the test unless both values are the same, bit by bit.
func sameValue(t *testing.T, what string, got, want catalog.Value) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s %.80q, want %s %.80q", what, got.Type(), got.String(), want.Type(), want.String())
	}
}

func valuesComeBack(t *testing.T, s *suite) {
	d := s.database(t, "")
	values := append(specimens(), catalog.RealValue(math.Copysign(0, -1)))
	for i, want := range values {
		for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
			res, err := d.run(t.Context(), class, "SELECT ?, typeof(?1)", want)
			if err != nil {
				t.Fatalf("value %d: %v", i, err)
			}
			sameValue(t, fmt.Sprintf("value %d", i), res.Rows[0][0], want)
			if got := res.Rows[0][1].String(); got != want.Type().String() {
				t.Errorf("value %d: SQLite took a %s for a %s", i, want.Type(), got)
			}
		}
	}
}

func valuesAreKept(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE v (i INTEGER PRIMARY KEY, x)")
	for i, want := range specimens() {
		d.write("INSERT INTO v VALUES (?, ?)", i, want)
	}
	res, err := d.run(t.Context(), hosting.Read, "SELECT x FROM v ORDER BY i")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range specimens() {
		sameValue(t, fmt.Sprintf("value %d", i), res.Rows[i][0], want)
	}
}

func bigValues(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE big (x)")
	whole := catalog.BlobValue(bytes.Repeat([]byte{0, 1, 2, 0xff}, 1<<18))
	res, err := d.run(t.Context(), hosting.Read, "SELECT ?", whole)
	if err != nil {
		t.Fatalf("a blob of 1 MiB: %v", err)
	}
	sameValue(t, "blob", res.Rows[0][0], whole)

	// A row is bounded too and has a header, so a stored value is a little smaller.
	text := catalog.TextValue(strings.Repeat("é", (1<<20-64)/2))
	d.write("INSERT INTO big VALUES (?)", text)
	res, err = d.run(t.Context(), hosting.Read, "SELECT x FROM big")
	if err != nil {
		t.Fatalf("a text of nearly 1 MiB: %v", err)
	}
	sameValue(t, "text", res.Rows[0][0], text)
}

func rowAccessors(t *testing.T, s *suite) {
	d := s.database(t, "")
	var rows int
	sink := rowFunc(func(r catalog.Row) error {
		rows++
		if r.Len() != 5 || r.Int64(0) != 7 || r.Float64(1) != 0.5 || string(r.Bytes(2)) != "text" || string(r.Bytes(3)) != "\x01" {
			t.Errorf("got %v", catalog.Values(r))
		}
		if r.Int64(2) != 0 || r.Float64(0) != 0 || r.Bytes(0) != nil || r.Bytes(4) != nil {
			t.Error("an accessor of the wrong type does not answer zero")
		}
		for i, want := range []catalog.ValueType{catalog.Integer, catalog.Real, catalog.Text, catalog.Blob, catalog.Null} {
			if r.Type(i) != want {
				t.Errorf("column %d: got %s, want %s", i, r.Type(i), want)
			}
		}
		return nil
	})
	if _, err := d.runTo(t.Context(), sink, hosting.Read, "SELECT 7, 0.5, 'text', x'01', NULL"); err != nil || rows != 1 {
		t.Errorf("%d rows, error %v", rows, err)
	}
}

func parameters(t *testing.T, s *suite) {
	d := s.database(t, "")
	d.expect("1|2", "SELECT ?, ?", 1, 2)
	d.expect("2|1|2", "SELECT ?2, ?1, ?2", 1, 2)
	d.expect("5|5|5", "SELECT :a, @a, $a", catalog.Named("a", 5))
	d.expect("6|5", "SELECT :b, :a", catalog.Named("a", 5), catalog.Named("b", 6))
	d.expect("x|1", "SELECT ?, :n", "x", catalog.Named("n", 1))
	d.expect("?|:a", "SELECT '?', ':a' -- ?, :b")
}

func wrongParameters(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, c := range []struct {
		sql  string
		args []any
	}{
		{"SELECT ?", nil},
		{"SELECT ?, ?", []any{1}},
		{"SELECT ?2", []any{1}},
		{"SELECT :a", nil},
		{"SELECT :a, :b", []any{catalog.Named("a", 1)}},
		{"SELECT 1", []any{1}},
		{"SELECT ?", []any{1, 2}},
		{"SELECT :a", []any{catalog.Named("a", 1), catalog.Named("b", 2)}},
		{"INSERT INTO t VALUES (?)", nil},
		{"INSERT INTO t VALUES (1)", []any{1}},
	} {
		wantKind(t, fmt.Sprint(c.sql, c.args), d.try(hosting.Write, c.sql, c.args...), fault.Invalid)
	}
	d.expect("0", "SELECT count(*) FROM t")
}

func columns(t *testing.T, s *suite) {
	d := s.database(t, `CREATE TABLE t (a INTEGER, b VARCHAR(10) NOT NULL, c, "two words" DOUBLE PRECISION)`)
	for _, c := range []struct {
		sql  string
		want []catalog.Column
	}{
		{`SELECT * FROM t`, []catalog.Column{{Name: "a", Decl: "INTEGER"}, {Name: "b", Decl: "VARCHAR(10)"}, {Name: "c"}, {Name: "two words", Decl: "DOUBLE PRECISION"}}},
		{`SELECT 1 AS x, 2 AS x, 3 AS ""`, []catalog.Column{{Name: "x"}, {Name: "x"}, {Name: ""}}},
		{`SELECT a AS z, a+1 FROM t`, []catalog.Column{{Name: "z", Decl: "INTEGER"}, {Name: "a+1"}}},
	} {
		res, err := d.run(t.Context(), hosting.Read, c.sql)
		if err != nil {
			t.Fatalf("%s: %v", c.sql, err)
		}
		if !reflect.DeepEqual(res.Columns, c.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.sql, res.Columns, c.want)
		}
	}
}

func columnsWithoutRows(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{"SELECT a FROM t", "DELETE FROM t RETURNING a", "INSERT INTO t SELECT 1 WHERE 0 RETURNING a"} {
		if res := d.write(sql); len(res.Columns) != 1 || res.Columns[0].Name != "a" || len(res.Rows) != 0 {
			t.Errorf("%s: got %+v", sql, res)
		}
	}
	if res := d.write("INSERT INTO t VALUES (1)"); res.Columns != nil {
		t.Errorf("an INSERT answers columns: %v", res.Columns)
	}
}

func emptyText(t *testing.T, s *suite) {
	d := s.database(t, "")
	for _, sql := range []string{"", " \n\t", ";", ";;", "-- a comment", "/* a comment */", "/* never closed", " ; -- a comment\n;"} {
		d.refuse(hosting.Read, sql, fault.Invalid)
		d.refuse(hosting.Write, sql, fault.Invalid)
	}
}

func semicolons(t *testing.T, s *suite) {
	d := s.database(t, "")
	for _, sql := range []string{
		"SELECT 1;", ";SELECT 1", ";;\n;SELECT 1;;", "SELECT 1; -- done", "-- first\nSELECT 1", "/* a; b */ SELECT /* ; */ 1 ; /* c */ ;",
		"\ufeffSELECT 1",
	} {
		d.expect("1", sql)
	}
}

func malformedText(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	d.refuse(hosting.Read, "SELECT 1 -- "+strings.Repeat("x", 2<<20), fault.TooLarge)
	d.refuse(hosting.Read, "SELECT '\xff'", fault.Invalid)
	d.refuse(hosting.Write, "INSERT INTO t VALUES (1)\x00garbage", fault.Invalid)
	for _, sql := range []string{"SELECT (", "INSERT INTO t VALUES (1", "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;"} {
		wantFault(t, sql, d.try(hosting.Write, sql), fault.Invalid, 1, "incomplete input")
	}
	d.refuse(hosting.Write, "INSERT INTO t VALUES (1); SELECT (", fault.Invalid)
	d.expect("0", "SELECT count(*) FROM t")
}

func messages(t *testing.T, s *suite) {
	d := s.database(t, `
		CREATE TABLE t (k INTEGER PRIMARY KEY, a UNIQUE, b NOT NULL DEFAULT 0, c CONSTRAINT positive CHECK (c > 0));
		INSERT INTO t (k, a) VALUES (1, 1)`)
	for _, c := range []struct {
		sql     string
		code    int
		message string
	}{
		{"SELECT * FROM nope", 1, "no such table: nope"},
		{"SELECT nope FROM t", 1, "no such column: nope"},
		{"SELEC 1", 1, `near "SELEC": syntax error`},
		{"SELECT nope(1)", 1, "no such function: nope"},
		{"CREATE TABLE t (a)", 1, "table t already exists"},
		{"INSERT INTO t (a) VALUES (1)", 2067, "UNIQUE constraint failed: t.a"},
		{"INSERT INTO t (k) VALUES (1)", 1555, "UNIQUE constraint failed: t.k"},
		{"INSERT INTO t (b) VALUES (NULL)", 1299, "NOT NULL constraint failed: t.b"},
		{"INSERT INTO t (c) VALUES (0)", 275, "CHECK constraint failed: positive"},
		{"SELECT abs(-9223372036854775807 - 1)", 1, "integer overflow"},
	} {
		wantFault(t, c.sql, d.try(hosting.Write, c.sql), fault.Invalid, c.code, c.message)
	}
}

func nilSink(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for _, sql := range []string{"SELECT 1 UNION SELECT 2", "INSERT INTO t VALUES (1), (2) RETURNING a", "SELECT 0; SELECT a FROM t"} {
		sum, err := d.runTo(t.Context(), nil, hosting.Write, sql)
		if err != nil || sum.Rows != 2 {
			t.Errorf("%s: %d rows, error %v", sql, sum.Rows, err)
		}
	}
}
