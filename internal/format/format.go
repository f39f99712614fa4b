// Package format writes the rows of a query, or of a list, for people and for
// programs: as a table, as CSV, as JSON.
//
// A [Writer] takes rows as they come. CSV, JSON and lines flow through in flat
// memory. A table has to know its widths first: it keeps up to 10,000 rows or
// 8 MiB, measures those, and lets the rest flow in the same widths, where a cell
// that is wider pushes its row out of line.
//
// What goes to a terminal cannot harm it: see [Options.Terminal].
package format

import (
	"bufio"
	"io"
	"strings"

	"ayb/catalog"
	"ayb/fault"
)

// A Mode is a form of output.
type Mode string

// The modes.
const (
	// Table is for people: columns side by side, a rule below their names.
	// Control characters in it are made visible.
	Table Mode = "table"
	// Line is for people too: one "name = value" a line, an empty line between
	// rows. Control characters are made visible.
	Line Mode = "line"
	// Auto is Table if its first rows fit into Options.Width, else Line.
	Auto Mode = "auto"
	// CSV has a line of names and a line a row, quoted where RFC 4180 asks for
	// it. NULL is written NULL.
	CSV Mode = "csv"
	// JSON is one array with an object a row, each on a line of its own.
	JSON Mode = "json"
	// JSONL is an object a row, a row a line.
	JSONL Mode = "jsonl"
)

// Modes returns all modes, the most usual first.
func Modes() []Mode { return []Mode{Table, CSV, JSON, JSONL, Line, Auto} }

// ParseMode returns the mode of that name, in any case. Errors: [fault.Invalid].
func ParseMode(name string) (Mode, error) {
	var names []string
	for _, m := range Modes() {
		if strings.EqualFold(name, string(m)) {
			return m, nil
		}
		names = append(names, string(m))
	}
	return "", fault.New(fault.Invalid, "There is no format %q; there are %s", name, strings.Join(names, ", "))
}

// ForPeople reports whether a count of rows may follow the output; a program
// that reads one of the other modes expects nothing else.
func (m Mode) ForPeople() bool { return m != JSON && m != JSONL }

// Options say how to write. The zero value is what a file or a pipe gets.
type Options struct {
	// NoHeader leaves out the names of the columns (Table, CSV).
	NoHeader bool
	// Terminal says that a terminal reads the output, so that control
	// characters are made visible in CSV as well. Table, Line and JSON never
	// have any but line ends, and a table the tabs of its cells.
	Terminal bool
	// Color shows NULL dim (Table, Line), to tell it from a text.
	Color bool
	// BlobLiterals writes every blob as X'..', shortened with its size if it is
	// long (Table, Line). Otherwise a blob that is UTF-8 shows as its text.
	BlobLiterals bool
	// Unbuffered hands each row to the underlying writer at once (CSV, JSON, JSONL),
	// for one that has a buffer of its own.
	Unbuffered bool
	// Width is how many columns there are on the screen, for Auto; 0 for no end.
	Width int
}

// A Writer writes one result. Call Columns once, then Row for each row, then
// End. After a failure leave End out: what was written then shows that it is
// unfinished, as JSON without its closing bracket does. A result of no rows
// writes nothing, in JSON an empty array.
//
// Errors are those of the underlying writer, as they are. A Writer is for one
// goroutine.
type Writer interface {
	Columns([]catalog.Column) error
	Row(catalog.Row) error
	End() error
}

// New returns a Writer of the given mode. It buffers, unless Options say otherwise;
// End flushes.
func New(mode Mode, w io.Writer, opts Options) Writer {
	out := bufio.NewWriterSize(w, 32<<10)
	switch mode {
	case CSV:
		return &csvWriter{w: out, opts: opts}
	case JSON:
		return &jsonWriter{w: out, soon: opts.Unbuffered, array: true}
	case JSONL:
		return &jsonWriter{w: out, soon: opts.Unbuffered}
	case Line:
		return &lineWriter{w: out, opts: opts}
	case Auto:
		return &tableWriter{w: out, opts: opts, auto: true}
	}
	return &tableWriter{w: out, opts: opts}
}

// names returns the names of columns.
func names(columns []catalog.Column) []string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Name
	}
	return all
}
