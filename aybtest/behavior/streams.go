package behavior

import (
	"context"
	"errors"
	"runtime"

	"ayb"
	"ayb/fault"
)

// A sink takes rows by functions; nil ones take everything.
type sink struct {
	columns func([]ayb.Column) error
	row     func(ayb.Row) error
}

// Columns takes the description of the rows.
func (s sink) Columns(columns []ayb.Column) error {
	if s.columns == nil {
		return nil
	}
	return s.columns(columns)
}

// Row takes a row.
func (s sink) Row(row ayb.Row) error {
	if s.row == nil {
		return nil
	}
	return s.row(row)
}

// streamed is how many rows a long stream has, and streamedMemory how much
// memory, in bytes, it may take on its way, both ends in one process.
const (
	streamed       = 100_000
	streamedMemory = 16 << 20
)

// streams says what happens to results that are read as they come.
func streams() []behavior {
	return []behavior{
		{name: "a stream of 100,000 rows takes little memory", check: longStream, alone: true},
		{name: "columns come first and once, and not at all without an answer", check: func(w *world) {
			alice := w.database()
			var seen []string
			s := sink{columns: func(c []ayb.Column) error { seen = append(seen, c[0].Name); return nil }, row: func(ayb.Row) error { seen = append(seen, "row"); return nil }}
			for _, sql := range []string{"CREATE TABLE t (a)", "SELECT 1 AS one", "SELECT a FROM t"} {
				sum, err := alice.Stream(w.Context(), "alice/db", ayb.Statement{SQL: sql}, s)
				w.must(err)
				seen = append(seen, string(rune('0'+sum.Rows)))
			}
			if want := []string{"0", "one", "row", "1", "a", "0"}; !equal(seen, want) {
				w.Errorf("got %v, want %v", seen, want)
			}
		}},
		{name: "a value that was taken stays when the row has gone", check: func(w *world) {
			alice := w.database()
			var kept []ayb.Value
			_, err := alice.Stream(w.Context(), "alice/db", must(ayb.NewStatement(numbers, 1000)), sink{row: func(row ayb.Row) error {
				kept = append(kept, row.Value(1), row.Value(3))
				return nil
			}})
			w.must(err)
			if len(kept) != 2000 || kept[0].String() != "row 1" || kept[1998].String() != "row 1000" || kept[1].String() != "X'00FF'" {
				w.Errorf("got %d: %v", len(kept), kept[:2])
			}
		}},
		{name: "an error of the sink ends the query and is returned as it is", check: func(w *world) {
			alice := w.database()
			full := errors.New("full")
			rows := 0
			_, err := alice.Stream(w.Context(), "alice/db", must(ayb.NewStatement(numbers, 1<<40)), sink{row: func(ayb.Row) error {
				if rows++; rows == 10 {
					return full
				}
				return nil
			}})
			if err != full || rows != 10 {
				w.Errorf("got %v after %d rows", err, rows)
			}
			if event := w.awaitEnd(); event.Err == nil {
				w.Errorf("ended with %+v", event)
			}
		}},
		{name: "an error of the sink about columns, too", check: func(w *world) {
			alice := w.database()
			full := errors.New("full")
			if _, err := alice.Stream(w.Context(), "alice/db", ayb.Statement{SQL: "SELECT 1"}, sink{columns: func([]ayb.Column) error { return full }}); err != full {
				w.Errorf("got %v", err)
			}
		}},
		{name: "a context that is cancelled ends the query", check: func(w *world) {
			alice := w.database()
			ctx, cancel := context.WithCancel(w.Context())
			defer cancel()
			_, err := alice.Stream(ctx, "alice/db", must(ayb.NewStatement(numbers, 1<<40)), sink{row: func(ayb.Row) error { cancel(); return nil }})
			if !errors.Is(err, context.Canceled) {
				w.Errorf("got %v", err)
			}
			if event := w.awaitEnd(); event.Err == nil {
				w.Errorf("ended with %+v", event)
			}
		}},
		{name: "nobody has to want the rows", check: func(w *world) {
			alice := w.database()
			sum, err := alice.Stream(w.Context(), "alice/db", must(ayb.NewStatement(numbers, 10)), nil)
			if w.must(err); sum.Rows != 10 {
				w.Errorf("got %+v", sum)
			}
		}},
		{name: "what fails after some rows fails", check: func(w *world) {
			alice := w.database()
			rows := 0
			_, err := alice.Stream(w.Context(), "alice/db", ayb.Statement{SQL: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000) SELECT CASE WHEN i = 15000 THEN abs(-9223372036854775807 - 1) ELSE i END FROM n"},
				sink{row: func(ayb.Row) error { rows++; return nil }})
			w.refused(err, fault.Invalid, "integer overflow")
			if rows != 14999 {
				w.Errorf("%d rows before the error", rows)
			}
		}},
		{name: "a text that writes streams what it returns", check: func(w *world) {
			alice := w.database("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
			rows := int64(0)
			sum, err := alice.Stream(w.Context(), "alice/db", must(ayb.NewStatement("INSERT INTO t(a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) SELECT i FROM n RETURNING id", 5000)), sink{row: func(row ayb.Row) error {
				if rows++; row.Int64(0) != rows {
					w.Fatalf("row %d is %d", rows, row.Int64(0))
				}
				return nil
			}})
			if w.must(err); sum.Rows != 5000 || sum.Changes != 5000 || rows != 5000 {
				w.Errorf("got %+v and %d rows", sum, rows)
			}
		}},
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func longStream(w *world) {
	alice := w.database()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rows, most := int64(0), uint64(0)
	sum, err := alice.Stream(w.Context(), "alice/db", must(ayb.NewStatement(numbers, streamed)), sink{row: func(row ayb.Row) error {
		rows++
		if row.Int64(0) != rows || row.Float64(2) != float64(rows)/2 || string(row.Bytes(3)) != "\x00\xff" || row.Type(4) != ayb.Null {
			w.Fatalf("row %d is %v, %v", rows, row.Value(0), row.Value(2))
		}
		if rows%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return nil
	}})
	w.must(err)
	if sum.Rows != streamed || rows != streamed {
		w.Errorf("%d rows, %+v", rows, sum)
	}
	if most > before.HeapAlloc+streamedMemory {
		w.Errorf("%d bytes before, %d on the way", before.HeapAlloc, most)
	}
}
