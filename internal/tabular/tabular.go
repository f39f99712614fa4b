// Package tabular reads tables as people keep them in files: CSV, tab-separated
// values, and a JSON object a line. [Scan] reads a file once to find out what its
// columns are and what is wrong with it, and [Read] once more for its rows. Both hold
// one record at a time.
package tabular

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ayb/catalog"
	"ayb/fault"
)

// A Format is a form of table.
type Format string

// The formats.
const (
	CSV   Format = "csv"   // RFC 4180
	TSV   Format = "tsv"   // the same with tabs
	JSONL Format = "jsonl" // an object a line
)

// A Header says whether the first record of CSV has the names of the columns.
type Header string

// The answers. Guess takes a first record for names if none of its fields is empty, a
// number, or the same as another.
const (
	Guess Header = "auto"
	Yes   Header = "yes"
	No    Header = "no"
)

// Options say how to read a file.
type Options struct {
	Format Format
	Header Header
}

// A Column is a column of a file. Its type is INTEGER or REAL if all of its values are
// such numbers, or absent, otherwise TEXT; of JSON with values of several types it is
// empty.
type Column struct{ Name, Type string }

// A Table is what Scan has found out.
type Table struct {
	Columns []Column
	Named   bool // the file names its columns
	Rows    int64
	index   map[string]int
}

// maxRecord bounds a record, in bytes, and maxColumns what is in it.
const (
	maxRecord  = 16 << 20
	maxColumns = 2000
)

// Check refuses formats that there are not. Errors: Invalid.
func (o Options) Check() error {
	switch {
	case !slices.Contains([]Format{CSV, TSV, JSONL}, o.Format):
		return fault.New(fault.Invalid, "There is no format %.100q for a table; there are csv, tsv and jsonl", string(o.Format))
	case !slices.Contains([]Header{"", Guess, Yes, No}, o.Header):
		return fault.New(fault.Invalid, "header must be auto, yes or no")
	}
	return nil
}

// Scan reads a file to its end. Errors: Invalid and TooLarge, with the line; those of r.
func Scan(r io.Reader, opts Options) (*Table, error) {
	t := &Table{index: map[string]int{}}
	var kinds []kinds
	err := t.each(r, opts, func(_ int, values []catalog.Value) error {
		for len(kinds) < len(t.Columns) {
			kinds = append(kinds, 0)
		}
		for i, v := range values {
			kinds[i] |= kindOf(v)
		}
		t.Rows++
		return nil
	})
	for i := range kinds {
		t.Columns[i].Type = kinds[i].decl()
	}
	if err == nil && len(t.Columns) == 0 {
		err = fault.New(fault.Invalid, "There is no table in the file: it has no line with anything on it")
	}
	return t, err
}

// Read reads the file of a Table once more and hands on its rows, with the line on
// which each begins. The values are those of t.Columns, and valid until row returns.
func (t *Table) Read(r io.Reader, opts Options, row func(line int, values []catalog.Value) error) error {
	full := make([]catalog.Value, len(t.Columns))
	return t.each(r, opts, func(line int, values []catalog.Value) error {
		clear(full)
		for i, v := range values {
			if full[i] = v; opts.Format != JSONL {
				full[i] = t.Columns[i].value(v)
			}
		}
		return row(line, full)
	})
}

// value turns a text of CSV into a value of the column's type.
func (c Column) value(v catalog.Value) catalog.Value {
	switch {
	case v.IsNull() || c.Type == "TEXT":
		return v
	case c.Type == "INTEGER":
		n, _ := strconv.ParseInt(v.String(), 10, 64)
		return catalog.IntegerValue(n)
	}
	f, _ := strconv.ParseFloat(v.String(), 64)
	return catalog.RealValue(f)
}

// kinds are the types of value that a column has.
type kinds uint8

const (
	integers kinds = 1 << iota
	reals
	texts    // of JSON
	numerals // of CSV: whatever is no number
)

func (k kinds) decl() string {
	switch {
	case k == integers:
		return "INTEGER"
	case k&(texts|numerals) == 0 && k&reals != 0:
		return "REAL"
	case k&^(texts|numerals) == 0 || k&numerals != 0:
		return "TEXT"
	}
	return ""
}

// kindOf returns what a value is. Texts of CSV count as what they look like.
func kindOf(v catalog.Value) kinds {
	switch v.Type() {
	case catalog.Integer:
		return integers
	case catalog.Real:
		return reals
	case catalog.Text:
		return texts
	case catalog.Blob:
		return numerals
	}
	return 0
}

func (t *Table) each(r io.Reader, opts Options, row func(int, []catalog.Value) error) error {
	b := bufio.NewReaderSize(r, 64<<10)
	if mark, _ := b.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
	}
	if opts.Format == JSONL {
		return t.eachObject(b, row)
	}
	return t.eachRecord(b, opts, row)
}

// A meter is a reader that fails when too much is read for one record, of which a
// quote that is never closed makes one of the whole file.
type meter struct {
	r    io.Reader
	room int
}

// Read reads.
func (m *meter) Read(p []byte) (int, error) {
	if m.room <= 0 {
		return 0, errLong
	}
	n, err := m.r.Read(p)
	m.room -= n
	return n, err
}

var errLong = errors.New("a record is too long")

func (t *Table) eachRecord(b *bufio.Reader, opts Options, row func(int, []catalog.Value) error) error {
	m := &meter{r: b}
	r := csv.NewReader(m)
	r.ReuseRecord = true
	if opts.Format == TSV {
		r.Comma, r.LazyQuotes = '\t', true
	}
	first, line := true, 0
	var values []catalog.Value
	for {
		m.room = maxRecord
		record, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return badRecord(err, line)
		}
		line, _ = r.FieldPos(0)
		if bad := slices.IndexFunc(record, func(f string) bool { return !utf8.ValidString(f) }); bad >= 0 {
			return atLine(line, fault.New(fault.Invalid, "A field is not valid UTF-8; save the file as UTF-8"))
		}
		if first {
			first = false
			if isHeader(record, opts.Header) {
				if err := t.name(line, record); err != nil {
					return err
				}
				continue
			}
			if err := t.number(line, len(record)); err != nil {
				return err
			}
		}
		values = values[:0]
		for i, field := range record {
			values = append(values, t.field(i, field))
		}
		if err := row(line, values); err != nil {
			return err
		}
	}
}

// field returns a field as it is counted by Scan, and as a text for Read, which knows
// the type of its column.
func (t *Table) field(i int, field string) catalog.Value {
	if field == "" {
		return catalog.NullValue()
	}
	if t.Columns[i].Type != "" {
		return catalog.TextValue(field)
	}
	if n, err := strconv.ParseInt(field, 10, 64); err == nil && strconv.FormatInt(n, 10) == field {
		return catalog.IntegerValue(n)
	}
	if isReal(field) {
		f, _ := strconv.ParseFloat(field, 64)
		return catalog.RealValue(f)
	}
	return numeral
}

// numeral stands for every text in a column of CSV. It makes a column of texts even
// where the others are numbers, which are then kept as they are written.
var numeral = catalog.BlobValue(nil)

// isReal reports whether a text is a number with a point or an exponent. What has
// more digits than a number of floating point keeps, or begins with a needless zero,
// is more likely the name of something.
func isReal(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f-f == 0 && digits != "" && len(digits) <= 20 && strings.Trim(digits, "0123456789.eE+-") == "" &&
		strings.ContainsAny(digits, ".eE") && digits[0] != '+' && !(len(digits) > 1 && digits[0] == '0' && digits[1] != '.' && digits[1] != 'e' && digits[1] != 'E')
}

func isHeader(record []string, header Header) bool {
	if header == Yes || header == No {
		return header == Yes
	}
	seen := map[string]bool{}
	for _, field := range record {
		name := strings.ToLower(field)
		if _, err := strconv.ParseFloat(field, 64); err == nil || strings.TrimSpace(field) == "" || seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// name takes the names of the columns from the first record.
func (t *Table) name(line int, record []string) error {
	if len(t.Columns) > 0 {
		return nil // the second time
	}
	t.Named = true
	if len(record) > maxColumns {
		return tooWide(line, len(record))
	}
	for _, field := range record {
		name := strings.Clone(strings.TrimSpace(field))
		if _, twice := t.index[strings.ToLower(name)]; twice || name == "" {
			return atLine(line, fault.New(fault.Invalid, "The name %.100q of a column is empty or comes twice; give each a name of its own, or say that there are none (header=no)", name))
		}
		t.index[strings.ToLower(name)] = len(t.Columns)
		t.Columns = append(t.Columns, Column{Name: name})
	}
	return nil
}

// number gives columns names that have none.
func (t *Table) number(line, n int) error {
	if len(t.Columns) > 0 {
		return nil // the second time
	}
	if n > maxColumns {
		return tooWide(line, n)
	}
	for i := range n {
		t.Columns = append(t.Columns, Column{Name: "c" + strconv.Itoa(i+1)})
	}
	return nil
}

func tooWide(line, n int) error {
	return atLine(line, fault.New(fault.TooLarge, "There are %d columns, and a table can have %d", n, maxColumns))
}

// badRecord words what is wrong with the record that follows the one on a line.
func badRecord(err error, line int) error {
	bad, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errLong) && line == 0:
		return fault.New(fault.TooLarge, "The first record is longer than %d MiB; is a quote not closed?", maxRecord>>20)
	case errors.Is(err, errLong):
		return fault.New(fault.TooLarge, "The record behind that of line %d is longer than %d MiB; is a quote not closed?", line, maxRecord>>20)
	case !ok:
		return err
	case errors.Is(err, csv.ErrFieldCount):
		return atLine(bad.Line, fault.New(fault.Invalid, "The record has another number of fields than the first one"))
	}
	return atLine(bad.StartLine, fault.New(fault.Invalid, "The record can't be read: %v", bad.Err))
}

func atLine(line int, f *fault.Error) error {
	f.Message = "Line " + strconv.Itoa(line) + ": " + f.Message
	return f
}
