package tabular_test

import (
	"bytes"
	"testing"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/tabular"
)

// FuzzScan sees to it that no file does harm, and that what was accepted once is read
// the same the second time, with values of the types that were promised.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\xef\xbb\xbf\"x\n\",1.5\r\n", "{\"a\":1,\"A\":[{}]}\n", "1\t\t-0\n", "a\n\"", "{\"\":1}", "0x1p3,1_0,+1,1e400,.5,-,--\n"} {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(5))
	}
	f.Fuzz(func(t *testing.T, file []byte, how byte) {
		opts := tabular.Options{
			Format: []tabular.Format{tabular.CSV, tabular.TSV, tabular.JSONL}[how%3],
			Header: []tabular.Header{tabular.Guess, tabular.Yes, tabular.No}[how/3%3],
		}
		table, err := tabular.Scan(bytes.NewReader(file), opts)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.TooLarge {
				t.Fatalf("%v: %v", kind, err)
			}
			return
		}
		rows := int64(0)
		err = table.Read(bytes.NewReader(file), opts, func(line int, values []catalog.Value) error {
			rows++
			if line < 1 || len(values) != len(table.Columns) {
				t.Fatalf("line %d has %d values of %d", line, len(values), len(table.Columns))
			}
			for i, v := range values {
				switch c := table.Columns[i]; {
				case v.IsNull():
				case c.Type == "INTEGER" && v.Type() != catalog.Integer, c.Type == "TEXT" && v.Type() != catalog.Text,
					c.Type == "REAL" && v.Type() != catalog.Real && v.Type() != catalog.Integer:
					t.Fatalf("a %v in column %+v", v.Type(), c)
				}
			}
			return nil
		})
		if err != nil || rows != table.Rows {
			t.Fatalf("%d rows, then %d: %v", table.Rows, rows, err)
		}
	})
}
