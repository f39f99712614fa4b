package format

import (
	"bufio"
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"ayb/catalog"
)

// A jsonWriter writes an object a row. NULL is null, an integer a number with
// all its digits (of which some readers keep only the first 53 bits), a real a
// number with a point or an exponent, infinities the strings "inf" and "-inf",
// and a blob {"blob":"base64"}, as in the API.
//
// A name that appears a second time gets _2 behind it, since an object that has
// a key twice keeps only one of them in most readers.
type jsonWriter struct {
	w     *bufio.Writer
	soon  bool // each row is handed on at once
	array bool
	keys  []string // `"name":`
	rows  int
	buf   []byte
}

func (j *jsonWriter) Columns(columns []catalog.Column) error {
	unique := distinct(names(columns))
	j.keys = make([]string, len(unique))
	for i, name := range unique {
		j.keys[i] = string(append(appendString(nil, []byte(name)), ':'))
	}
	return nil
}

func (j *jsonWriter) Row(row catalog.Row) error {
	b := j.buf[:0]
	if j.array {
		if j.rows == 0 {
			b = append(b, '[', '\n')
		} else {
			b = append(b, ',', '\n')
		}
	}
	j.rows++
	b = append(b, '{')
	for i, key := range j.keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(append(b, key...), row, i)
	}
	b = append(b, '}')
	if !j.array {
		b = append(b, '\n')
	}
	j.buf = b
	if _, err := j.w.Write(b); err != nil || !j.soon {
		return err
	}
	return j.w.Flush()
}

func (j *jsonWriter) End() error {
	switch {
	case !j.array:
	case j.rows == 0:
		j.w.WriteString("[]\n")
	default:
		j.w.WriteString("\n]\n")
	}
	return j.w.Flush()
}

// distinct returns the names, those that repeat with _2, _3 and so on.
func distinct(names []string) []string {
	taken := make(map[string]bool, len(names))
	for _, name := range names {
		taken[name] = true
	}
	count := make(map[string]int, len(names))
	unique := make([]string, len(names))
	for i, name := range names {
		unique[i] = name
		for count[name]++; count[name] > 1; count[name]++ {
			unique[i] = name + "_" + strconv.Itoa(count[name])
			if !taken[unique[i]] {
				taken[unique[i]] = true
				break
			}
		}
	}
	return unique
}

func appendJSON(b []byte, row catalog.Row, i int) []byte {
	switch row.Type(i) {
	case catalog.Integer:
		return strconv.AppendInt(b, row.Int64(i), 10)
	case catalog.Real:
		return appendNumber(b, row.Float64(i))
	case catalog.Text:
		return appendString(b, row.Bytes(i))
	case catalog.Blob:
		b = append(b, `{"blob":"`...)
		b = base64.StdEncoding.AppendEncode(b, row.Bytes(i))
		return append(b, `"}`...)
	}
	return append(b, "null"...)
}

// appendNumber appends a real in the shortest form that reads back the same and
// is not mistaken for an integer.
func appendNumber(b []byte, f float64) []byte {
	size := math.Abs(f)
	switch {
	case math.IsInf(f, 0):
		return append(catalog.AppendReal(append(b, '"'), f), '"')
	case f == math.Trunc(f) && size < 1e15:
		return append(strconv.AppendFloat(b, f, 'f', -1, 64), ".0"...)
	case 1e-6 <= size && size < 1e15:
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'e', -1, 64)
}

// appendString appends a JSON string. Beyond what JSON asks for, it escapes
// whatever a terminal would obey.
func appendString(b, s []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for len(s) > 0 {
		r, n := rune(s[0]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(s)
		}
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case r == '\r':
			b = append(b, '\\', 'r')
		case commands(r):
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		case r == utf8.RuneError:
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return append(b, '"')
}
