package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// A Sink takes what a query answers. Columns is called at most once, before the
// first Row, and not at all if the text answers nothing. The slice may be kept
// and must not be changed; the Row is valid until the method returns. An error
// ends the query.
type Sink interface {
	Columns([]catalog.Column) error
	Row(catalog.Row) error
}

// Stream runs SQL as [Client.Query] does, but hands the rows to sink as they
// arrive, so that a result of any size takes little memory; rows of a text that
// writes follow its commit. Each row has at most Config.MaxRowBytes. An error from
// sink ends the query and is returned as it is; a write that was committed by then
// stays. The sink may be nil. An answer that is cut short is an error, never a
// short result.
//
// Where it differs from the engine: bytes of a text that are not valid UTF-8
// become U+FFFD in a result, and are refused in an argument; arguments have all
// names or none; a server that is older than this client may not tell
// Summary.Wrote. A server of the existing ayb knows no
// streams and no arguments: of it every value is a text, the result is bounded by
// Config.MaxResultBytes, and of the summary only Rows is known.
func (c *Client) Stream(ctx context.Context, ref string, st catalog.Statement, sink Sink) (sum catalog.Summary, err error) {
	if sink == nil {
		sink = nobody{}
	}
	q, resp, err := c.startQuery(ctx, ref, st, wire.ContentTypeStream)
	if err != nil {
		return sum, err
	}
	defer func() { q.end(err) }()
	switch media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media {
	case wire.ContentTypeStream:
		return q.readStream(resp, sink)
	case "application/json":
		return q.readClassic(resp, sink)
	}
	q.done = true
	return sum, c.strange(q.request, resp, "")
}

// nobody wants the rows.
type nobody struct{}

// Columns does nothing.
func (nobody) Columns([]catalog.Column) error { return nil }

// Row does nothing.
func (nobody) Row(catalog.Row) error { return nil }

// readStream reads a streamed answer to its last line.
func (q *runningQuery) readStream(resp *http.Response, sink Sink) (sum catalog.Summary, err error) {
	lines := lineReader{r: q.readers.Get().(*bufio.Reader), max: q.cfg.MaxRowBytes}
	lines.r.Reset(resp.Body)
	defer func() {
		lines.r.Reset(nil)
		q.readers.Put(lines.r)
	}()
	line, err := q.line(&lines)
	if err != nil {
		return sum, err
	}
	columns, err := wire.ParseColumns(line)
	if err != nil {
		return q.lastLine(resp, line, &lines, -1)
	}
	if len(columns) > 0 {
		if err := sink.Columns(columns); err != nil {
			return sum, err
		}
	}
	var row wire.Row
	for rows := int64(0); ; rows++ {
		if line, err = q.line(&lines); err != nil {
			return sum, err
		}
		if line[0] != '[' {
			return q.lastLine(resp, line, &lines, rows)
		}
		if row.Parse(line) != nil || row.Len() != len(columns) {
			return sum, q.strange(q.request, resp, "")
		}
		if err := sink.Row(&row); err != nil {
			return sum, err
		}
	}
}

// line reads a line of a stream.
func (q *runningQuery) line(lines *lineReader) ([]byte, error) {
	line, err := lines.next()
	switch {
	case errors.Is(err, errLongLine):
		return nil, fault.New(fault.TooLarge, "A row is larger than this client takes (%d bytes); ask for less", q.cfg.MaxRowBytes)
	case err != nil:
		return nil, q.broken(q.ctx, q.limited, q.request, err)
	}
	return line, nil
}

// lastLine reads the line that ends a stream: a summary of the rows before it, -1
// if there was no line before it, or an error.
func (q *runningQuery) lastLine(resp *http.Response, line []byte, lines *lineReader, rows int64) (catalog.Summary, error) {
	var last struct {
		Rows            *int64
		Changes         int64
		LastInsertRowID wire.Value `json:"last_insert_rowid"`
		Seconds         float64
		Wrote           bool
		Error           *wire.Error
	}
	err := json.Unmarshal(line, &last)
	switch {
	case err == nil && last.Error != nil && last.Error.Type != "":
		q.finish(lines)
		return catalog.Summary{}, newFault(*last.Error, response(resp))
	case err != nil || last.Rows == nil || *last.Rows != rows:
		return catalog.Summary{}, q.strange(q.request, resp, "")
	}
	q.finish(lines)
	return catalog.Summary{
		Rows: rows, Changes: last.Changes, LastInsertRowID: last.LastInsertRowID.Int64(),
		Wrote: last.Wrote, Elapsed: time.Duration(last.Seconds * float64(time.Second)),
	}, nil
}

// finishTime is how long the end of an answer is waited for that is complete.
const finishTime = 100 * time.Millisecond

// finish notes that the server has ended the query, and reads on to the end of
// the answer, so that the connection can be used again.
func (q *runningQuery) finish(lines *lineReader) {
	q.done = true
	late := time.AfterFunc(finishTime, func() { q.cancel(nil) })
	defer late.Stop()
	lines.r.Peek(1)
}

// readClassic hands on a classic answer, which is that of a server that knows no
// streams.
func (q *runningQuery) readClassic(resp *http.Response, sink Sink) (sum catalog.Summary, err error) {
	text, err := q.readAll(resp)
	if err != nil {
		return sum, err
	}
	result, err := q.classic(q.request, resp, text)
	if err != nil {
		return sum, err
	}
	if len(result.Fields) > 0 {
		columns := make([]catalog.Column, len(result.Fields))
		for i, name := range result.Fields {
			columns[i].Name = name
		}
		if err := sink.Columns(columns); err != nil {
			return sum, err
		}
	}
	for _, row := range result.Rows {
		sum.Rows++
		if err := sink.Row(textRow(row)); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// A textRow is a row of a classic answer.
type textRow []*string

// Len returns the number of values.
func (r textRow) Len() int { return len(r) }

// Type returns Text or Null.
func (r textRow) Type(i int) catalog.ValueType {
	if r[i] == nil {
		return catalog.Null
	}
	return catalog.Text
}

// Int64 returns 0: there are no integers.
func (r textRow) Int64(int) int64 { return 0 }

// Float64 returns 0: there are no reals.
func (r textRow) Float64(int) float64 { return 0 }

// Bytes returns the text.
func (r textRow) Bytes(i int) []byte {
	if r[i] == nil {
		return nil
	}
	return []byte(*r[i])
}

// Value returns the text to keep.
func (r textRow) Value(i int) catalog.Value {
	if r[i] == nil {
		return catalog.NullValue()
	}
	return catalog.TextValue(*r[i])
}

const (
	lineBuffer   = 64 << 10
	keepLongLine = 1 << 20 // a longer line's memory is not kept for the next
)

func newReaders() *sync.Pool {
	return &sync.Pool{New: func() any { return bufio.NewReaderSize(nil, lineBuffer) }}
}

var errLongLine = errors.New("a line is too long")

// A lineReader reads lines of at most max bytes.
type lineReader struct {
	r    *bufio.Reader
	long []byte // of a line that does not fit into r's buffer
	max  int
}

// next returns a line with its end, at least a byte; it is valid until the next
// call. Errors: errLongLine, io.ErrUnexpectedEOF, those of the reader.
func (l *lineReader) next() ([]byte, error) {
	if l.long = l.long[:0]; cap(l.long) > keepLongLine {
		l.long = nil
	}
	for {
		part, err := l.r.ReadSlice('\n')
		if len(l.long)+len(part) > l.max {
			return nil, errLongLine
		}
		switch {
		case err == nil && len(l.long) == 0:
			return part, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		l.long = append(l.long, part...)
		if err == nil {
			return l.long, nil
		}
	}
}
