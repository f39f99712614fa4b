package format

import (
	"bufio"
	"bytes"
	"unicode/utf8"

	"ayb/catalog"
)

// A csvWriter writes a record a row. The names come with the first row, since a
// result without rows writes nothing.
type csvWriter struct {
	w       *bufio.Writer
	opts    Options
	header  Strings
	started bool
	buf     []byte
}

func (c *csvWriter) Columns(columns []catalog.Column) error {
	c.header = names(columns)
	return nil
}

func (c *csvWriter) Row(row catalog.Row) error {
	if !c.started {
		c.started = true
		if !c.opts.NoHeader {
			if err := c.record(c.header); err != nil {
				return err
			}
		}
	}
	if err := c.record(row); err != nil || !c.opts.Unbuffered {
		return err
	}
	return c.w.Flush()
}

func (c *csvWriter) End() error { return c.w.Flush() }

func (c *csvWriter) record(row catalog.Row) error {
	for i := range row.Len() {
		if i > 0 {
			c.w.WriteByte(',')
		}
		c.buf = appendClassic(c.buf[:0], row, i)
		switch {
		case c.opts.Terminal && !plain(string(c.buf)):
			c.buf = append(c.buf[:0], visible(string(c.buf))...)
		case !utf8.Valid(c.buf):
			c.buf = []byte(string([]rune(string(c.buf)))) // each bad byte is U+FFFD
		}
		c.field(row.Len() == 1)
	}
	return c.w.WriteByte('\n')
}

// field writes the buffer as a field. An empty one that is alone in its record
// is quoted, or it would be an empty line, which readers skip.
func (c *csvWriter) field(alone bool) {
	if !bytes.ContainsAny(c.buf, ",\"\r\n") && (len(c.buf) > 0 || !alone) {
		c.w.Write(c.buf)
		return
	}
	c.w.WriteByte('"')
	c.w.Write(bytes.ReplaceAll(c.buf, []byte{'"'}, []byte(`""`)))
	c.w.WriteByte('"')
}
