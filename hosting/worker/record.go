package worker

import (
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"ayb/catalog"
)

// The answer to a query is a stream of records, cut into frames anywhere: a tag,
// four bytes of length, and a body. The columns come first and once.
const (
	tagColumns = 'C'
	tagRow     = 'R'

	recordHeader = 5
)

// beginRecord appends the header of a record; endRecord fills in its length.
func beginRecord(b []byte, tag byte) []byte { return append(b, tag, 0, 0, 0, 0) }

func endRecord(b []byte, start int) {
	binary.LittleEndian.PutUint32(b[start+1:], uint32(len(b)-start-recordHeader))
}

func appendColumns(b []byte, columns []catalog.Column) []byte {
	start := len(b)
	b = beginRecord(b, tagColumns)
	b = binary.AppendUvarint(b, uint64(len(columns)))
	for _, c := range columns {
		b = appendString(b, c.Name)
		b = appendString(b, c.Decl)
	}
	endRecord(b, start)
	return b
}

func appendRow(b []byte, row catalog.Row) []byte {
	start := len(b)
	b = beginRecord(b, tagRow)
	for i := range row.Len() {
		typ := row.Type(i)
		b = append(b, byte(typ))
		switch typ {
		case catalog.Integer:
			b = binary.LittleEndian.AppendUint64(b, uint64(row.Int64(i)))
		case catalog.Real:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(row.Float64(i)))
		case catalog.Text, catalog.Blob:
			b = appendString(b, row.Bytes(i))
		}
	}
	endRecord(b, start)
	return b
}

// decodeColumns reads the body of a record of columns.
func decodeColumns(body []byte, most int) ([]catalog.Column, bool) {
	d := decoder{b: body}
	columns := make([]catalog.Column, d.count(uint64(most)))
	for i := range columns {
		columns[i] = catalog.Column{Name: d.string(), Decl: d.string()}
	}
	return columns, d.end()
}

// A remoteRow is a row that has come from a worker. Its texts and blobs lie in
// the record.
type remoteRow struct{ cells []cell }

type cell struct {
	typ   catalog.ValueType
	num   uint64
	bytes []byte
}

// decode reads the body of a row of n values. Texts and blobs are as long as
// they say and may hold any bytes, as they may in a database.
func (r *remoteRow) decode(body []byte, n int) (ok bool) {
	r.cells = slices.Grow(r.cells[:0], n)[:n]
	for i := range r.cells {
		if len(body) == 0 {
			return false
		}
		c := cell{typ: catalog.ValueType(body[0])}
		body = body[1:]
		switch c.typ {
		case catalog.Null:
		case catalog.Integer, catalog.Real:
			if len(body) < 8 {
				return false
			}
			c.num = binary.LittleEndian.Uint64(body)
			if c.typ == catalog.Real && math.IsNaN(math.Float64frombits(c.num)) {
				return false // SQLite has none
			}
			body = body[8:]
		case catalog.Text, catalog.Blob:
			size, prefix := binary.Uvarint(body)
			if prefix <= 0 || size > uint64(len(body)-prefix) {
				return false
			}
			end := prefix + int(size)
			c.bytes, body = body[prefix:end:end], body[end:]
		default:
			return false
		}
		r.cells[i] = c
	}
	return len(body) == 0
}

func (r *remoteRow) Len() int                     { return len(r.cells) }
func (r *remoteRow) Type(i int) catalog.ValueType { return r.cells[i].typ }
func (r *remoteRow) Bytes(i int) []byte           { return r.cells[i].bytes }

func (r *remoteRow) Int64(i int) int64 {
	if c := &r.cells[i]; c.typ == catalog.Integer {
		return int64(c.num)
	}
	return 0
}

func (r *remoteRow) Float64(i int) float64 {
	if c := &r.cells[i]; c.typ == catalog.Real {
		return math.Float64frombits(c.num)
	}
	return 0
}

func (r *remoteRow) Value(i int) catalog.Value {
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

func isText(s string) bool { return utf8.ValidString(s) }
