package format

import (
	"bufio"

	"ayb/catalog"
)

// A lineWriter writes a value a line, its name before it.
type lineWriter struct {
	w     *bufio.Writer
	opts  Options
	names []cell
	width int // of the widest name, once known
	rows  int
}

func (l *lineWriter) Columns(columns []catalog.Column) error {
	l.names = titles(columns)
	return nil
}

func (l *lineWriter) Row(row catalog.Row) error {
	cells := make([]cell, row.Len())
	for i := range cells {
		cells[i] = cellOf(row, i, l.opts)
	}
	l.write(cells)
	_, err := l.w.Write(nil)
	return err
}

func (l *lineWriter) End() error { return l.w.Flush() }

func (l *lineWriter) write(cells []cell) {
	if l.rows++; l.rows == 1 {
		for i, name := range l.names {
			l.names[i].text = Visible(name.text)
			l.width = max(l.width, width(l.names[i].text))
		}
	} else {
		l.w.WriteByte('\n')
	}
	for i, c := range cells {
		name := l.names[i].text
		fill(l.w, ' ', l.width-width(name))
		l.w.WriteString(name)
		l.w.WriteString(" = ")
		for n, part := range lines(c.text) {
			if n > 0 {
				fill(l.w, ' ', l.width+len(" = "))
			}
			writeCell(l.w, cell{text: part, null: c.null}, l.opts)
			l.w.WriteByte('\n')
		}
	}
}
