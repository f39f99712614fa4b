package dump

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"ayb/catalog"
)

// quoteName returns a name as SQL has it, whatever is in it.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func appendRow(b []byte, row catalog.Row) []byte {
	for i := range row.Len() {
		sep := byte(',')
		if i == 0 {
			sep = '('
		}
		b = appendValue(append(b, sep), row, i)
	}
	return append(b, ')')
}

// appendValue appends a value as a literal that is read back as the same value, of
// the same type.
func appendValue(b []byte, row catalog.Row, i int) []byte {
	switch row.Type(i) {
	case catalog.Integer:
		return strconv.AppendInt(b, row.Int64(i), 10)
	case catalog.Real:
		return appendReal(b, row.Float64(i))
	case catalog.Text:
		return appendText(b, row.Bytes(i))
	case catalog.Blob:
		return appendBlob(b, row.Bytes(i))
	}
	return append(b, "NULL"...)
}

func appendReal(b []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(b, "1e999"...)
	case math.IsInf(f, -1):
		return append(b, "-1e999"...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...) // or it would be an integer
	}
	return b
}

// appendText appends a text in quotes. SQLite ends a statement at a byte of value
// 0, and the shell drops a carriage return at the end of a line: a text with such a
// byte, or one that is not UTF-8, is written by its bytes.
func appendText(b, text []byte) []byte {
	if bytes.ContainsAny(text, "\x00\r") || !utf8.Valid(text) {
		return append(appendBlob(append(b, "CAST("...), text), " AS TEXT)"...)
	}
	b = append(b, '\'')
	for {
		i := bytes.IndexByte(text, '\'')
		if i < 0 {
			break
		}
		b = append(append(b, text[:i]...), "''"...)
		text = text[i+1:]
	}
	return append(append(b, text...), '\'')
}

func appendBlob(b, blob []byte) []byte {
	b = append(b, "X'"...)
	return append(hex.AppendEncode(b, blob), '\'')
}
