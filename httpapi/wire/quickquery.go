package wire

import (
	"unicode/utf8"

	"ayb/catalog"
)

// quickQuery reads a query as programs mostly send it: with nothing escaped, and
// with short integers and texts as positional arguments. It reports false on
// anything else, be it right or wrong. A query by key is answered so quickly that
// reading it twice, to see that it is JSON and to take it apart, would show.
func quickQuery(text []byte) (q Query, ok bool) {
	c := cursor{text: text}
	if !c.skip('{') {
		return q, false
	}
	for sql, args := false, false; ; {
		key, ok := c.plain()
		if !ok || !c.skip(':') {
			return q, false
		}
		switch {
		case string(key) == "sql" && !sql:
			text, ok := c.plain()
			if !ok {
				return q, false
			}
			q.SQL, sql = string(text), true
		case string(key) == "args" && !args:
			if q.Args, args = c.args(); !args {
				return q, false
			}
		default:
			return q, false
		}
		if c.skip('}') {
			return q, c.end()
		}
		if !c.skip(',') {
			return q, false
		}
	}
}

// A cursor goes through text that may be JSON.
type cursor struct {
	text []byte
	at   int
}

func (c *cursor) space() {
	for c.at < len(c.text) && isSpace(c.text[c.at]) {
		c.at++
	}
}

// end reports whether nothing but white space is left.
func (c *cursor) end() bool {
	c.space()
	return c.at == len(c.text)
}

// skip goes past a byte and white space in front of it, if that is what is next.
func (c *cursor) skip(b byte) bool {
	c.space()
	if c.at == len(c.text) || c.text[c.at] != b {
		return false
	}
	c.at++
	return true
}

// plain takes a string, and reports false if it is none or has an escape in it.
func (c *cursor) plain() ([]byte, bool) {
	if !c.skip('"') {
		return nil, false
	}
	for start := c.at; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; {
		case b == '"':
			inside := c.text[start:c.at]
			c.at++
			return inside, utf8.Valid(inside)
		case b < ' ' || b == '\\':
			return nil, false
		}
	}
	return nil, false
}

// args takes an array of integers and strings that is not empty.
func (c *cursor) args() (args []catalog.Arg, ok bool) {
	if !c.skip('[') {
		return nil, false
	}
	for {
		v, ok := c.value()
		if !ok {
			return nil, false
		}
		args = append(args, catalog.Arg{Value: v})
		if c.skip(']') {
			return args, true
		}
		if !c.skip(',') {
			return nil, false
		}
	}
}

func (c *cursor) value() (catalog.Value, bool) {
	if c.space(); c.at < len(c.text) && c.text[c.at] == '"' {
		text, ok := c.plain()
		return catalog.TextValue(string(text)), ok
	}
	return c.integer()
}

// integer takes an integer of at most 18 digits, which cannot overflow.
func (c *cursor) integer() (v catalog.Value, ok bool) {
	negative := c.skip('-')
	start, n := c.at, int64(0)
	for ; c.at < len(c.text) && '0' <= c.text[c.at] && c.text[c.at] <= '9'; c.at++ {
		n = 10*n + int64(c.text[c.at]-'0')
	}
	digits := c.at - start
	if digits == 0 || digits > 18 || digits > 1 && c.text[start] == '0' {
		return v, false
	}
	if negative {
		n = -n
	}
	return catalog.IntegerValue(n), true // a point or an exponent is no comma, and found there
}
