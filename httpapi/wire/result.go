package wire

import (
	"strconv"
	"unicode/utf8"

	"ayb/catalog"
)

// A QueryResult is the classic answer to a query: every value a string or null.
// The server writes it with [AppendFields] and [AppendRow]; a client reads it
// into this.
type QueryResult struct {
	Fields []string    `json:"fields"`
	Rows   [][]*string `json:"rows"`
}

// EndOfRows ends what [AppendFields] begins.
const EndOfRows = `]}`

// AppendFields begins a classic answer: everything before the first row.
func AppendFields(b []byte, columns []catalog.Column) []byte {
	b = append(b, `{"fields":[`...)
	for i, c := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, c.Name)
	}
	return append(b, `],"rows":[`...)
}

// AppendRow appends a row of the classic answer, without the comma between rows.
// Integers and reals are decimal strings; a blob is the text it holds if that is
// valid UTF-8, and else a literal of SQL, X'..'.
func AppendRow(b []byte, row catalog.Row) []byte {
	b = append(b, '[')
	for i := range row.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendClassic(b, row, i)
	}
	return append(b, ']')
}

func appendClassic(b []byte, row catalog.Row, i int) []byte {
	switch row.Type(i) {
	case catalog.Integer:
		return append(strconv.AppendInt(append(b, '"'), row.Int64(i), 10), '"')
	case catalog.Real:
		return append(catalog.AppendReal(append(b, '"'), row.Float64(i)), '"')
	case catalog.Text:
		return AppendString(b, row.Bytes(i))
	case catalog.Blob:
		blob := row.Bytes(i)
		if utf8.Valid(blob) {
			return AppendString(b, blob)
		}
		return append(catalog.AppendBlobLiteral(append(b, '"'), blob), '"')
	}
	return append(b, "null"...)
}
