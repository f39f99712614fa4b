package wire

import (
	"encoding/json"
	"math"

	"ayb/catalog"
	"ayb/fault"
)

// A Row is a row of a streamed answer, for a client to read. Its zero value is
// ready and is meant to be parsed into again and again: it keeps what memory it
// has. It is a [catalog.Row] until the next Parse, as long as the line that was
// parsed is not changed. It is for one goroutine.
type Row struct {
	cells []cell
	text  []byte // what texts with escapes and blobs hold
}

// A cell is one value of a row.
type cell struct {
	typ   catalog.ValueType
	num   uint64 // the integer, or the bits of the real
	bytes []byte // of the text or the blob: a part of the line, or of Row.text
}

// keepRow is how many bytes of memory are kept from one row for the next.
const keepRow = 1 << 20

var errRow = fault.New(fault.Invalid, "A row of a stream is a JSON array of values")

// Parse reads a line that [AppendValues] has written, with or without its line
// end. After an error the row is empty. Errors: [fault.Invalid].
func (r *Row) Parse(line []byte) error {
	if r.cells, r.text = r.cells[:0], r.text[:0]; cap(r.text) > keepRow {
		r.text = nil
	}
	p := rowParser{rest: line, row: r}
	if err := p.parse(); err != nil {
		r.cells = r.cells[:0]
		return err
	}
	return nil
}

// Len returns the number of values.
func (r *Row) Len() int { return len(r.cells) }

// Type returns the storage class of value i.
func (r *Row) Type(i int) catalog.ValueType { return r.cells[i].typ }

// Int64 returns value i if it is an integer, else 0.
func (r *Row) Int64(i int) int64 {
	if c := &r.cells[i]; c.typ == catalog.Integer {
		return int64(c.num)
	}
	return 0
}

// Float64 returns value i if it is a real, else 0.
func (r *Row) Float64(i int) float64 {
	if c := &r.cells[i]; c.typ == catalog.Real {
		return math.Float64frombits(c.num)
	}
	return 0
}

// Bytes returns the bytes of value i if it is a text or a blob, else nil. They
// are not to be changed.
func (r *Row) Bytes(i int) []byte { return r.cells[i].bytes }

// Value returns a copy of value i to keep.
func (r *Row) Value(i int) catalog.Value {
	switch c := &r.cells[i]; c.typ {
	case catalog.Integer:
		return catalog.IntegerValue(int64(c.num))
	case catalog.Real:
		return catalog.RealValue(math.Float64frombits(c.num))
	case catalog.Text:
		return catalog.TextValue(string(c.bytes))
	case catalog.Blob:
		return catalog.BlobValue(c.bytes)
	}
	return catalog.NullValue()
}

// ParseColumns reads the first line of a streamed answer. Errors:
// [fault.Invalid].
func ParseColumns(line []byte) ([]catalog.Column, error) {
	var first struct{ Columns *[]Column }
	if err := json.Unmarshal(line, &first); err != nil || first.Columns == nil {
		return nil, fault.New(fault.Invalid, "The first line of a stream is an object with columns")
	}
	columns := make([]catalog.Column, len(*first.Columns))
	for i, c := range *first.Columns {
		columns[i] = catalog.Column{Name: c.Name, Decl: c.Decl}
	}
	return columns, nil
}
