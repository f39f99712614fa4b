package format

import (
	"ayb/catalog"
)

// Names returns columns with these names, for lists that no query answers.
func Names(names ...string) []catalog.Column {
	columns := make([]catalog.Column, len(names))
	for i, name := range names {
		columns[i].Name = name
	}
	return columns
}

// Strings is a row of texts.
type Strings []string

var _ catalog.Row = Strings(nil)

// Len returns how many there are.
func (r Strings) Len() int { return len(r) }

// Type returns Text.
func (r Strings) Type(int) catalog.ValueType { return catalog.Text }

// Int64 returns 0.
func (r Strings) Int64(int) int64 { return 0 }

// Float64 returns 0.
func (r Strings) Float64(int) float64 { return 0 }

// Bytes returns the text.
func (r Strings) Bytes(i int) []byte { return []byte(r[i]) }

// Value returns the text.
func (r Strings) Value(i int) catalog.Value { return catalog.TextValue(r[i]) }

// Values is a row that was kept.
type Values []catalog.Value

var _ catalog.Row = Values(nil)

// Len returns how many values there are.
func (r Values) Len() int { return len(r) }

// Type returns the type of a value.
func (r Values) Type(i int) catalog.ValueType { return r[i].Type() }

// Int64 returns an integer, else 0.
func (r Values) Int64(i int) int64 {
	if r[i].Type() != catalog.Integer {
		return 0
	}
	return r[i].Int64()
}

// Float64 returns a real, else 0.
func (r Values) Float64(i int) float64 {
	if r[i].Type() != catalog.Real {
		return 0
	}
	return r[i].Float64()
}

// Bytes returns a copy of the bytes of a text or a blob, else nil.
func (r Values) Bytes(i int) []byte { return r[i].Bytes() }

// Value returns the value.
func (r Values) Value(i int) catalog.Value { return r[i] }
