package tabular

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"ayb/catalog"
	"ayb/fault"
)

// eachObject reads an object a line. Columns are the keys of all of them, in the order
// in which they come.
func (t *Table) eachObject(b *bufio.Reader, row func(int, []catalog.Value) error) error {
	lines := bufio.NewScanner(b)
	lines.Buffer(make([]byte, 64<<10), maxRecord)
	var values []catalog.Value
	line := 0
	for lines.Scan() {
		line++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		clear(values)
		var err error
		if values, err = t.object(text, values); err != nil {
			if f, ok := err.(*fault.Error); ok {
				return atLine(line, f)
			}
			return atLine(line, fault.Wrap(fault.Invalid, err, "This is no JSON object on a line of its own"))
		}
		if err := row(line, values); err != nil {
			return err
		}
	}
	if lines.Err() == bufio.ErrTooLong {
		return atLine(line+1, fault.New(fault.TooLarge, "The line is longer than %d MiB", maxRecord>>20))
	}
	return lines.Err()
}

func (t *Table) object(text []byte, values []catalog.Value) ([]catalog.Value, error) {
	if !utf8.Valid(text) { // which the decoder would mend, and nobody would know
		return values, fault.New(fault.Invalid, "The line is not valid UTF-8; save the file as UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return values, fault.Wrap(fault.Invalid, err, "This is no JSON object on a line of its own")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return values, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return values, err
		}
		i, err := t.column(key.(string))
		if err != nil {
			return values, err
		}
		for len(values) <= i {
			values = append(values, catalog.NullValue())
		}
		if values[i], err = jsonValue(raw); err != nil {
			return values, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return values, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return values, fault.New(fault.Invalid, "There is more than one JSON object on the line")
	}
	return values, nil
}

// column returns the place of a column, which is new if its name is.
func (t *Table) column(name string) (int, error) {
	folded := strings.ToLower(name)
	i, known := t.index[folded]
	switch {
	case known:
		return i, nil
	case name == "":
		return 0, fault.New(fault.Invalid, "A key is empty, and can't name a column")
	case len(t.Columns) == maxColumns:
		return 0, fault.New(fault.TooLarge, "The objects have more than %d keys in all, and a table can have no more columns", maxColumns)
	}
	t.Named = true
	t.index[folded] = len(t.Columns)
	t.Columns = append(t.Columns, Column{Name: name})
	return len(t.Columns) - 1, nil
}

// jsonValue returns a value of JSON. Arrays and objects stay text of JSON, and so do
// integers that are none in SQL.
func jsonValue(raw []byte) (catalog.Value, error) {
	switch raw[0] {
	case 'n':
		return catalog.NullValue(), nil
	case 't':
		return catalog.IntegerValue(1), nil
	case 'f':
		return catalog.IntegerValue(0), nil
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return catalog.TextValue(s), err
	case '{', '[':
		return catalog.TextValue(string(raw)), nil
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return catalog.IntegerValue(n), nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !bytes.ContainsAny(raw, ".eE") {
		return catalog.TextValue(string(raw)), nil
	}
	return catalog.RealValue(f), nil
}
