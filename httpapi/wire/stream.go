package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"

	"ayb/catalog"
)

// ContentTypeStream is the media type of a streamed answer: one JSON text per
// line. The first line is an object with the columns, each further line an array
// with the values of one row, and the last line again an object: a [Summary], or
// an [Error] under the key error.
const ContentTypeStream = "application/x-ndjson"

// safeInteger is the largest integer that every reader of JSON keeps exactly.
const safeInteger = 1<<53 - 1

// Columns is the first line of a streamed answer, for a client to read.
type Columns struct {
	Columns []Column `json:"columns"`
}

// A Column describes a column of a streamed answer.
type Column struct {
	Name string `json:"name"`
	Decl string `json:"decl"` // declared type; empty for an expression
}

// A Summary is the last line of a streamed answer, for a client to read: the
// error, or how much was done.
type Summary struct {
	Rows            int64   `json:"rows"`
	Changes         int64   `json:"changes"`
	LastInsertRowID Value   `json:"last_insert_rowid"`
	Seconds         float64 `json:"seconds"`
	Wrote           bool    `json:"wrote"`
	Error           *Error  `json:"error"`
}

// AppendColumns appends the first line of a streamed answer.
func AppendColumns(b []byte, columns []catalog.Column) []byte {
	b = append(b, `{"columns":[`...)
	for i, c := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(append(b, `{"name":`...), c.Name)
		b = append(AppendString(append(b, `,"decl":`...), c.Decl), '}')
	}
	return append(b, "]}\n"...)
}

// AppendValues appends a row of a streamed answer, its line end included.
//
// An integer is a number up to 2^53-1, and {"int":"..."} beyond, where readers
// would round it. A real is a number with a point or an exponent, so that 1.0
// can be told from 1; infinities are {"real":"inf"} and {"real":"-inf"}. A blob
// is {"blob":"..."} in base64.
func AppendValues(b []byte, row catalog.Row) []byte {
	b = append(b, '[')
	for i := range row.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		switch row.Type(i) {
		case catalog.Integer:
			b = appendInteger(b, row.Int64(i))
		case catalog.Real:
			b = appendReal(b, row.Float64(i))
		case catalog.Text:
			b = AppendString(b, row.Bytes(i))
		case catalog.Blob:
			b = append(b, `{"blob":"`...)
			b = append(base64.StdEncoding.AppendEncode(b, row.Bytes(i)), `"}`...)
		default:
			b = append(b, "null"...)
		}
	}
	return append(b, "]\n"...)
}

func appendInteger(b []byte, i int64) []byte {
	if -safeInteger <= i && i <= safeInteger {
		return strconv.AppendInt(b, i, 10)
	}
	b = append(b, `{"int":"`...)
	return append(strconv.AppendInt(b, i, 10), `"}`...)
}

func appendReal(b []byte, f float64) []byte {
	if math.IsInf(f, 0) {
		b = append(b, `{"real":"`...)
		return append(catalog.AppendReal(b, f), `"}`...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	for _, c := range b[start:] {
		if c == '.' || c == 'e' {
			return b
		}
	}
	return append(b, ".0"...)
}

// AppendSummary appends the last line of a streamed answer that succeeded.
func AppendSummary(b []byte, s catalog.Summary) []byte {
	b = strconv.AppendInt(append(b, `{"rows":`...), s.Rows, 10)
	b = strconv.AppendInt(append(b, `,"changes":`...), s.Changes, 10)
	b = appendInteger(append(b, `,"last_insert_rowid":`...), s.LastInsertRowID)
	b = append(b, `,"seconds":`...)
	b = strconv.AppendFloat(b, s.Elapsed.Round(time.Microsecond).Seconds(), 'f', -1, 64)
	b = strconv.AppendBool(append(b, `,"wrote":`...), s.Wrote)
	return append(b, "}\n"...)
}

// AppendError appends the last line of a streamed answer that failed. Errors:
// none that an Error can cause.
func AppendError(b []byte, e Error) ([]byte, error) {
	text, err := Encode(struct {
		Error Error `json:"error"`
	}{e})
	return append(append(b, text...), '\n'), err
}
