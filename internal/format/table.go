package format

import (
	"bufio"
	"strings"

	"ayb/catalog"
)

// The rows that a table keeps to measure, by number and by bytes.
const (
	measuredRows  = 10_000
	measuredBytes = 8 << 20
)

// cellOverhead is what a kept cell takes besides its text.
const cellOverhead = 24

// A tableWriter keeps rows until it knows the widths, then lets them flow.
type tableWriter struct {
	w      *bufio.Writer
	opts   Options
	auto   bool
	header []cell
	widths []int
	kept   [][]cell
	bytes  int
	flow   func([]cell) // writes a row once the widths are known
}

func (t *tableWriter) Columns(columns []catalog.Column) error {
	t.header = titles(columns)
	t.widths = make([]int, len(columns))
	if !t.opts.NoHeader {
		t.measure(t.header)
	}
	return nil
}

// titles returns the names of columns as cells.
func titles(columns []catalog.Column) []cell {
	cells := make([]cell, len(columns))
	for i, name := range names(columns) {
		cells[i].text = visible(name)
	}
	return cells
}

func (t *tableWriter) Row(row catalog.Row) error {
	cells := make([]cell, row.Len())
	for i := range cells {
		cells[i] = cellOf(row, i, t.opts)
	}
	if t.flow != nil {
		t.flow(cells)
		return t.failure()
	}
	t.measure(cells)
	t.kept = append(t.kept, cells)
	for _, c := range cells {
		t.bytes += len(c.text) + cellOverhead
	}
	if len(t.kept) >= measuredRows || t.bytes >= measuredBytes {
		t.begin()
		return t.failure()
	}
	return nil
}

func (t *tableWriter) End() error {
	if t.flow == nil && len(t.kept) > 0 {
		t.begin()
	}
	return t.w.Flush()
}

// failure returns the error that the output met earlier: a bufio.Writer keeps it.
func (t *tableWriter) failure() error {
	_, err := t.w.Write(nil)
	return err
}

// measure widens the columns to hold a row.
func (t *tableWriter) measure(cells []cell) {
	for i, c := range cells {
		t.widths[i] = max(t.widths[i], widest(c.text))
	}
}

// begin chooses the form, writes what was kept, and from there on all flows.
func (t *tableWriter) begin() {
	if t.auto && t.opts.Width > 0 && t.total() > t.opts.Width {
		t.flow = (&lineWriter{w: t.w, opts: t.opts, names: t.header}).write
	} else {
		t.flow = t.write
		if !t.opts.NoHeader {
			t.write(t.header)
			t.rule()
		}
	}
	for i, row := range t.kept {
		t.flow(row)
		t.kept[i] = nil
	}
	t.kept = nil
}

// total returns how many columns of the screen a row takes.
func (t *tableWriter) total() int {
	n := len(t.widths) - 1
	for _, w := range t.widths {
		n += w + 2
	}
	return n
}

func (t *tableWriter) rule() {
	for i, w := range t.widths {
		if i > 0 {
			t.w.WriteByte('+')
		}
		fill(t.w, '-', w+2)
	}
	t.w.WriteByte('\n')
}

// write writes a row, in as many physical lines as its tallest cell has.
func (t *tableWriter) write(cells []cell) {
	tall := false
	for _, c := range cells {
		tall = tall || strings.Contains(c.text, "\n")
	}
	if !tall {
		t.line(cells)
		return
	}
	split := make([][]string, len(cells))
	height := 1
	for i, c := range cells {
		split[i] = lines(c.text)
		height = max(height, len(split[i]))
	}
	part := make([]cell, len(cells))
	for n := range height {
		for i, c := range cells {
			part[i] = cell{}
			if n < len(split[i]) {
				part[i] = cell{text: split[i][n], null: c.null}
			}
		}
		t.line(part)
	}
}

// line writes one physical line. Every cell is filled up to its column's width
// but the last.
func (t *tableWriter) line(cells []cell) {
	for i, c := range cells {
		if i > 0 {
			t.w.WriteByte('|')
		}
		t.w.WriteByte(' ')
		writeCell(t.w, c, t.opts)
		if i < len(cells)-1 {
			fill(t.w, ' ', t.widths[i]-width(c.text))
		}
		t.w.WriteByte(' ')
	}
	t.w.WriteByte('\n')
}

// writeCell writes a line of a cell, NULL dim if that is asked for.
func writeCell(w *bufio.Writer, c cell, opts Options) {
	if c.null && opts.Color {
		w.WriteString("\x1b[2m" + c.text + "\x1b[0m")
		return
	}
	w.WriteString(c.text)
}

// fill writes n times c.
func fill(w *bufio.Writer, c byte, n int) {
	for range n {
		w.WriteByte(c)
	}
}
