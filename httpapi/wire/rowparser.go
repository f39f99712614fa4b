package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"ayb/catalog"
)

// A rowParser reads one line. Rows are the bulk of what a client reads, so it
// goes through the line once and makes nothing on the way.
type rowParser struct {
	rest []byte
	row  *Row
}

func (p *rowParser) parse() error {
	if p.next() != '[' {
		return errRow
	}
	p.skip()
	if p.next() == ']' {
		p.skip()
		return p.end()
	}
	for {
		if err := p.value(); err != nil {
			return err
		}
		c := p.next()
		p.skip()
		switch c {
		case ',':
		case ']':
			return p.end()
		default:
			return errRow
		}
	}
}

// next returns the byte behind white space, 0 at the end.
func (p *rowParser) next() byte {
	for i, c := range p.rest {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			p.rest = p.rest[i:]
			return c
		}
	}
	p.rest = nil
	return 0
}

// skip passes over the byte that next has returned.
func (p *rowParser) skip() {
	if len(p.rest) > 0 {
		p.rest = p.rest[1:]
	}
}

// end reports what is left behind the row, which must be nothing.
func (p *rowParser) end() error {
	if p.next(); len(p.rest) > 0 {
		return errRow
	}
	return nil
}

func (p *rowParser) add(c cell) error {
	p.row.cells = append(p.row.cells, c)
	return nil
}

// value reads one value.
func (p *rowParser) value() error {
	switch p.next() {
	case 'n':
		return p.word("null", cell{})
	case 't':
		return p.word("true", cell{typ: catalog.Integer, num: 1})
	case 'f':
		return p.word("false", cell{typ: catalog.Integer})
	case '"':
		text, err := p.string()
		if err != nil {
			return err
		}
		return p.add(cell{typ: catalog.Text, bytes: text})
	case '{':
		return p.tagged()
	}
	return p.number()
}

// word reads a word that stands for a value.
func (p *rowParser) word(word string, c cell) error {
	if len(p.rest) < len(word) || string(p.rest[:len(word)]) != word {
		return errRow
	}
	p.rest = p.rest[len(word):]
	return p.add(c)
}

// tagged reads a value that is an object with one key.
func (p *rowParser) tagged() error {
	p.skip()
	tag, err := p.quoted()
	if err != nil {
		return err
	}
	if p.next() != ':' {
		return errRow
	}
	p.skip()
	text, err := p.quoted()
	if err != nil {
		return err
	}
	if p.next() != '}' {
		return errRow
	}
	p.skip()
	switch string(tag) {
	case "int":
		return p.integer(text)
	case "real":
		return p.real(text)
	case "blob":
		return p.blob(text)
	}
	return errValue
}

func (p *rowParser) quoted() ([]byte, error) {
	if p.next() != '"' {
		return nil, errRow
	}
	return p.string()
}

func (p *rowParser) blob(text []byte) (err error) {
	start := len(p.row.text)
	if p.row.text, err = base64.StdEncoding.AppendDecode(p.row.text, text); err != nil {
		return errValue
	}
	end := len(p.row.text)
	return p.add(cell{typ: catalog.Blob, bytes: p.row.text[start:end:end]})
}

// number reads a number: an integer unless it has a point or an exponent.
func (p *rowParser) number() error {
	end, isReal := 0, false
	for end < len(p.rest) && numberByte[p.rest[end]] != 0 {
		isReal = isReal || numberByte[p.rest[end]] == 'r'
		end++
	}
	text := p.rest[:end]
	if !isNumber(text) {
		return errRow
	}
	p.rest = p.rest[end:]
	if isReal {
		return p.real(text)
	}
	return p.integer(text)
}

// numberByte says which bytes are part of a number, and, by 'r', which make it a
// real.
var numberByte = [256]byte{
	'0': 'd', '1': 'd', '2': 'd', '3': 'd', '4': 'd', '5': 'd', '6': 'd', '7': 'd', '8': 'd', '9': 'd',
	'-': 'd', '+': 'd', '.': 'r', 'e': 'r', 'E': 'r',
}

// isNumber reports whether text is a number as JSON writes it.
func isNumber(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	whole := digits(text)
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	if text = text[whole:]; len(text) > 0 && text[0] == '.' {
		fraction := digits(text[1:])
		if fraction == 0 {
			return false
		}
		text = text[1+fraction:]
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		if text = text[1:]; len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		exponent := digits(text)
		return exponent > 0 && exponent == len(text)
	}
	return len(text) == 0
}

// digits returns how many digits text begins with.
func digits(text []byte) (n int) {
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}

func (p *rowParser) integer(text []byte) error {
	i, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return errValue
	}
	return p.add(cell{typ: catalog.Integer, num: uint64(i)})
}

func (p *rowParser) real(text []byte) error {
	var f float64
	switch string(text) {
	case "inf":
		f = math.Inf(1)
	case "-inf":
		f = math.Inf(-1)
	default:
		var err error
		if f, err = strconv.ParseFloat(string(text), 64); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return errValue
		}
	}
	return p.add(cell{typ: catalog.Real, num: math.Float64bits(f)})
}

// string reads the string at the start: a part of the line if it has no escapes.
func (p *rowParser) string() ([]byte, error) {
	ascii := true
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			text := p.rest[1:i:i]
			p.rest = p.rest[i+1:]
			if !ascii && !utf8.Valid(text) {
				return nil, errRow
			}
			return text, nil
		case c == '\\':
			return p.escaped(i)
		case c < ' ':
			return nil, errRow
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, errRow
}

// escaped reads a string of which the first plain bytes, its quote included, need
// nothing done.
func (p *rowParser) escaped(plain int) ([]byte, error) {
	start := len(p.row.text)
	p.row.text = append(p.row.text, p.rest[1:plain]...)
	p.rest = p.rest[plain:]
	for len(p.rest) > 0 {
		switch c := p.rest[0]; {
		case c == '"':
			p.rest = p.rest[1:]
			end := len(p.row.text)
			text := p.row.text[start:end:end]
			if !utf8.Valid(text) {
				return nil, errRow
			}
			return text, nil
		case c == '\\':
			if err := p.escape(); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, errRow
		default:
			n := 1
			for n < len(p.rest) && p.rest[n] >= ' ' && p.rest[n] != '"' && p.rest[n] != '\\' {
				n++
			}
			p.row.text = append(p.row.text, p.rest[:n]...)
			p.rest = p.rest[n:]
		}
	}
	return nil, errRow
}

// escape reads an escape.
func (p *rowParser) escape() error {
	if len(p.rest) < 2 {
		return errRow
	}
	c := p.rest[1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return p.codePoint()
	default:
		return errRow
	}
	p.row.text = append(p.row.text, c)
	p.rest = p.rest[2:]
	return nil
}

// codePoint reads \uXXXX, or two of them that are one character. Half a pair
// becomes U+FFFD, as with encoding/json.
func (p *rowParser) codePoint() error {
	r, ok := unit(p.rest)
	if !ok {
		return errRow
	}
	p.rest = p.rest[6:]
	if utf16.IsSurrogate(r) {
		low, ok := unit(p.rest)
		if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
			p.rest = p.rest[6:]
		}
	}
	p.row.text = utf8.AppendRune(p.row.text, r)
	return nil
}

// unit returns the number in the \uXXXX at the start of text.
func unit(text []byte) (r rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
