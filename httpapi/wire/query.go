package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"ayb/catalog"
	"ayb/fault"
)

// A Query is the body of a query that is sent as JSON. The values of Args have
// the forms of [AppendValues]; true and false are 1 and 0.
type Query struct {
	SQL  string
	Args []catalog.Arg
}

// ParseQuery reads {"sql":"...","args":[...]}; args may be left out, and be an
// object for named parameters. Errors: [fault.Invalid].
func ParseQuery(text []byte) (Query, error) {
	if q, ok := quickQuery(text); ok {
		return q, nil
	}
	return parseQuery(text)
}

// parseQuery reads any query. Its errors tell what is wrong.
func parseQuery(text []byte) (q Query, err error) {
	if !json.Valid(text) {
		var discard json.RawMessage
		return q, fault.New(fault.Invalid, "Json deserialize error: %v", json.Unmarshal(text, &discard))
	}
	if w := (walker{text}); w.next() != '{' {
		return q, fault.New(fault.Invalid, "The body must be a JSON object")
	}
	w := walker{text}
	err = w.members(func(key, value []byte) error {
		switch string(key) {
		case `"sql"`:
			if value[0] != '"' {
				return fault.New(fault.Invalid, "The field sql must be a string")
			}
			q.SQL, err = unquote(value)
			return err
		case `"args"`:
			q.Args, err = parseArgs(value)
			return err
		}
		return fault.New(fault.Invalid, "A query has no field %.40s, only sql and args", key)
	})
	return q, err
}

// parseArgs reads the arguments of a query from valid JSON.
func parseArgs(text []byte) (args []catalog.Arg, err error) {
	w := walker{text}
	switch w.next() {
	case 'n':
		return nil, nil
	case '[':
		return args, w.elements(func(value []byte) error {
			v, err := parseValue(value)
			args = append(args, catalog.Arg{Value: v})
			return err
		})
	case '{':
		return args, w.members(func(key, value []byte) error {
			name, err := unquote(key)
			if err != nil {
				return err
			}
			v, err := parseValue(value)
			args = append(args, catalog.Arg{Name: strings.TrimLeft(name, ":@$"), Value: v})
			return err
		})
	}
	return nil, fault.New(fault.Invalid, "The arguments of a query are an array or, if they are named, an object")
}

// A walker goes through JSON that is known to be valid.
type walker struct{ rest []byte }

// next skips white space and returns the byte behind it.
func (w *walker) next() byte {
	for isSpace(w.rest[0]) {
		w.rest = w.rest[1:]
	}
	return w.rest[0]
}

// isSpace reports whether a byte is white space in JSON.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// members calls do for each member of the object at the start, with the key in
// its quotes.
func (w *walker) members(do func(key, value []byte) error) error {
	return w.each('}', func() error {
		key := w.value()
		w.next() // the colon
		w.rest = w.rest[1:]
		w.next()
		return do(key, w.value())
	})
}

// elements calls do for each element of the array at the start.
func (w *walker) elements(do func(value []byte) error) error {
	return w.each(']', func() error { return do(w.value()) })
}

// each calls do at the start of each item of the object or array at the start.
func (w *walker) each(end byte, do func() error) error {
	w.next()
	w.rest = w.rest[1:]
	for w.next() != end {
		if err := do(); err != nil {
			return err
		}
		if w.next() == ',' {
			w.rest = w.rest[1:]
		}
	}
	w.rest = w.rest[1:]
	return nil
}

// value takes the value at the start, whole.
func (w *walker) value() []byte {
	switch w.rest[0] {
	case '"':
		return w.take(stringEnd(w.rest))
	case '{', '[':
		return w.take(nestedEnd(w.rest))
	}
	for i, c := range w.rest {
		if c == ',' || c == ']' || c == '}' || isSpace(c) {
			return w.take(i)
		}
	}
	return w.take(len(w.rest))
}

// stringEnd returns the length of the string at the start, quotes included.
func stringEnd(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// nestedEnd returns the length of the object or array at the start.
func nestedEnd(text []byte) int {
	for i, depth := 0, 0; ; i++ {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

func (w *walker) take(n int) []byte {
	taken := w.rest[:n]
	w.rest = w.rest[n:]
	return taken
}

// unquote returns the text of a JSON string that is known to be valid.
func unquote(s []byte) (text string, err error) {
	if inside := s[1 : len(s)-1]; bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return string(inside), nil
	}
	return text, json.Unmarshal(s, &text)
}
