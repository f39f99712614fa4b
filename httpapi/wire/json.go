package wire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Encode returns v as compact JSON. Unlike json.Marshal it leaves <, > and & as
// they are.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// escapes says how each byte below 0x80 is written in a JSON string: 0 as it is,
// 'u' as a \u00XX, anything else behind a backslash.
var escapes = func() (table [utf8.RuneSelf]byte) {
	for c := range byte(' ') {
		table[c] = 'u'
	}
	table['"'], table['\\'] = '"', '\\'
	table['\b'], table['\f'], table['\n'], table['\r'], table['\t'] = 'b', 'f', 'n', 'r', 't'
	return table
}()

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are not valid UTF-8 become
// U+FFFD, one for each.
func AppendString[S string | []byte](b []byte, s S) []byte {
	return append(appendEscaped(append(b, '"'), s), '"')
}

// appendEscaped appends the inside of a JSON string.
func appendEscaped[S string | []byte](b []byte, s S) []byte {
	plain := 0 // from here on nothing needed an escape
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if escapes[c] == 0 {
				i++
				continue
			}
			b = append(b, s[plain:i]...)
			if e := escapes[c]; e == 'u' {
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				b = append(b, '\\', e)
			}
			i++
			plain = i
			continue
		}
		r, size := decodeRune(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[plain:i]...), `\ufffd`...)
			plain = i + 1
		}
		i += size
	}
	return append(b, s[plain:]...)
}

// decodeRune is utf8.DecodeRune for both kinds of text.
func decodeRune[S string | []byte](s S) (rune, int) {
	// The longest encoding has four bytes, so the conversion copies no more.
	return utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
}
