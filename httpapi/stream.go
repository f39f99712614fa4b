package httpapi

import (
	"errors"
	"sync/atomic"
	"time"

	"ayb"
	"ayb/catalog"
	"ayb/httpapi/wire"
)

var contentStream = []string{wire.ContentTypeStream}

// firstLines is the size, in bytes, of the first piece of a stream: who reads it can
// begin while the next is made. The first piece of a file is a whole one: until it is
// sent, what goes wrong is answered with an error, and nothing in a file could say so.
const firstLines = 2 << 10

// A stream is a Sink that sends rows as they come. What goes wrong before anything
// was sent is answered with an error as everywhere, later with an error as the last
// line.
type stream struct {
	*flow
	columns bool
	stopped atomic.Bool
}

// stream runs a query and answers with a stream.
func (x *exchange) stream(ctx *queryContext, ref string, st ayb.Statement) (any, error) {
	s := &stream{flow: x.newFlow(func() { x.w.Header()["Content-Type"] = contentStream })}
	s.first = firstLines
	defer s.release()
	sum, err := x.eng.Stream(ctx, x.caller, ref, st, s)
	return s.complete(sum, ending(ctx, err))
}

// Columns takes the description of the columns.
func (s *stream) Columns(columns []catalog.Column) error {
	s.columns = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = wire.AppendColumns(s.buf, columns) // they are sent with the first row, or after it has failed
	return s.err
}

// Row takes a row.
func (s *stream) Row(row catalog.Row) error {
	if s.stopped.Load() {
		return errStopped
	}
	return s.add(func(b []byte) []byte { return wire.AppendValues(b, row) })
}

var errStopped = errors.New("httpapi: the client was too slow, and others waited")

// Stop makes a stream end whose client takes no rows, while others wait for what
// they are read from. The client sees that its connection broke.
func (s *stream) Stop() {
	s.stopped.Store(true)
	s.x.control.SetWriteDeadline(time.Unix(1, 0))
}

// complete sends the last line and what is left.
func (s *stream) complete(sum ayb.Summary, err error) (any, error) {
	s.mu.Lock()
	switch {
	case s.err != nil, s.x.gone(err):
		s.mu.Unlock()
		s.fail(err)
	case err != nil && !s.begun:
		s.mu.Unlock()
		return nil, err
	case err != nil:
		s.x.err = err
		_, e := envelope(err)
		if s.buf, err = wire.AppendError(s.buf, e); err != nil {
			panic(err) // strings always encode
		}
	default:
		if !s.columns {
			s.buf = wire.AppendColumns(s.buf, nil)
		}
		s.buf = wire.AppendSummary(s.buf, sum)
	}
	s.mu.Unlock()
	s.end()
	return delivered{}, nil
}
