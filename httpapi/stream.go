package httpapi

import (
	"sync"
	"time"

	"ayb"
	"ayb/catalog"
	"ayb/httpapi/wire"
)

// flushAfter is how long a row waits at most for others to be sent with.
const flushAfter = 100 * time.Millisecond

var contentStream = []string{wire.ContentTypeStream}

// A stream is a Sink that sends rows as they come, several at a time. What goes
// wrong before anything was sent is answered with an error as everywhere, later
// with an error as the last line.
type stream struct {
	x *exchange

	// mu is held by the query's goroutine and by the timer that sends rows for
	// which no others come.
	mu      sync.Mutex
	buf     []byte
	timer   *time.Timer
	waiting bool // the timer runs
	ended   bool
	begun   bool // the answer has been begun
	columns bool
	squeeze *squeezer // nil: the answer is sent as it is
	err     error     // of sending
}

// stream runs a query and answers with a stream.
func (x *exchange) stream(ctx *queryContext, ref string, st ayb.Statement) (any, error) {
	s := &stream{x: x, buf: x.pieces.get()}
	defer s.release()
	sum, err := x.eng.Stream(ctx, x.caller, ref, st, s)
	return s.end(sum, ending(ctx, err))
}

// Columns takes the description of the columns.
func (s *stream) Columns(columns []catalog.Column) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.columns = true
	s.buf = wire.AppendColumns(s.buf, columns)
	return s.err
}

// Row takes a row.
func (s *stream) Row(row catalog.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.buf = wire.AppendValues(s.buf, row)
	switch {
	case len(s.buf) >= pieceBytes:
		s.flush()
	case !s.waiting:
		s.wait()
	}
	return s.err
}

// wait sees to it that what is in the buffer is sent before long.
func (s *stream) wait() {
	s.waiting = true
	if s.timer != nil {
		s.timer.Reset(flushAfter)
		return
	}
	s.timer = time.AfterFunc(flushAfter, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting = false
		if !s.ended && len(s.buf) > 0 {
			s.flush()
		}
	})
}

// flush sends what is in the buffer. The caller holds mu.
func (s *stream) flush() {
	if s.err != nil {
		return
	}
	s.begin()
	if s.squeeze == nil {
		_, s.err = s.x.Write(s.buf)
	} else if _, s.err = s.squeeze.Write(s.buf); s.err == nil {
		s.err = s.squeeze.Flush()
	}
	if s.err == nil {
		s.err = s.x.control.Flush()
	}
	if s.buf = s.buf[:0]; cap(s.buf) > 4*pieceBytes {
		s.buf = s.x.pieces.get() // a large row has been and gone
	}
}

// begin sends the headers, once.
func (s *stream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	if !s.ended || len(s.buf) > compressAbove {
		s.squeeze = s.x.squeezer()
	}
	s.x.status = s.x.route.status
	s.x.w.Header()["Content-Type"] = contentStream
	s.x.w.WriteHeader(s.x.status)
}

// end sends the last line and what is left.
func (s *stream) end(sum ayb.Summary, err error) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	switch {
	case s.err != nil:
		s.x.abandon(s.err)
	case err != nil && !s.begun:
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
	s.flush()
	if s.err == nil && s.squeeze != nil {
		s.err = s.squeeze.Close()
	}
	if s.err != nil {
		s.x.abandon(s.err)
	}
	s.x.finish()
	return delivered{}, nil
}

// release gives back what the stream has used, however it ended. Afterwards the
// timer does nothing any more.
func (s *stream) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.squeeze != nil {
		s.x.squeezers.put(s.squeeze)
		s.squeeze = nil
	}
	s.x.pieces.put(s.buf)
	s.buf = nil
}
