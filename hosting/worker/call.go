package worker

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// A call is one request to a worker and its answer, as the Runner sees it. The
// goroutine of whoever asked takes the answer; the worker's receiver puts it
// there.
type call struct {
	ctx     context.Context
	request *request
	sink    hosting.Sink // nil: nobody wants rows
	writer  io.Writer    // of a copy
	limits  *hosting.Limits
	stream  time.Duration // from the request to the last row; 0: no bound
	patient bool          // it is not worth a worker: when its context ends, it is left alone

	// Guarded by the worker's mu from the time the request is sent.
	worker     *worker
	id         uint32
	sent       time.Time
	in         []byte // of the answer, not yet taken
	granted    int64  // bytes of the answer that the worker may have sent, in all
	received   int64
	reply      *reply    // the answer's end
	lost       bool      // the worker has ended
	alone      bool      // and had nothing else to do
	committing bool      // the worker has said that it is about to commit
	committed  bool      // and that it has
	unwanted   time.Time // from when on nobody wants the answer; zero: somebody does
	cancelled  bool      // the worker was told so

	ready chan struct{} // has an element when there is something to look at

	// Of the goroutine that asked.
	spare     []byte
	partial   []byte // a record that has come in part
	reserved  int64  // bytes of it that are charged to the Runner
	columns   []catalog.Column
	row       remoteRow
	rows      int   // handed over
	delivered bool  // something was handed to the sink or writer
	refusal   error // of the sink or writer, or of a bound
	owed      int64 // bytes used up since credit was given
}

// exchange sends the request and takes the answer. It returns when the worker
// has nothing left to do for it, or is lost.
func (c *call) exchange(w *worker, body []byte) {
	c.ready = make(chan struct{}, 1)
	defer c.release()
	if !w.register(c) {
		c.lost = true
		return
	}
	w.request(c.id, body)
	done := c.ctx.Done()
	for {
		in, ended := w.taken(c)
		if len(in) > 0 && c.refusal == nil {
			switch c.refusal = c.deliver(in); {
			case c.refusal == errViolation:
				w.end(death{cause: errViolation, violation: true})
			case c.refusal == nil || ended:
			case c.request.op == opSessionRun && c.stopped() == nil:
				w.refuse(c)
			default:
				w.cancel(c)
			}
		}
		if ended {
			if c.reply != nil && c.reply.failure == nil && c.refusal == nil && len(c.partial) > 0 {
				c.refusal = errViolation
				w.end(death{cause: errViolation, violation: true})
			}
			return
		}
		c.giveCredit(w, len(in))
		if w.takeOver(c) {
			w.read(c)
			continue
		}
		select {
		case <-c.ready:
		case <-done:
			if c.patient {
				return
			}
			done = nil
			w.cancel(c)
		}
	}
}

// giveCredit lets the worker send more once enough has been used up.
func (c *call) giveCredit(w *worker, used int) {
	if c.owed += int64(used); c.owed >= window/4 {
		w.credit(c, c.owed)
		c.owed = 0
	}
}

// deliver hands over what has come.
func (c *call) deliver(in []byte) error {
	if c.writer != nil {
		c.delivered = true
		_, err := c.writer.Write(in)
		return err
	}
	for len(in) > 0 {
		record, rest, err := c.record(in)
		if err != nil {
			return err
		}
		if record == nil {
			break
		}
		err = c.handOver(record)
		if c.release(); err != nil {
			return err
		}
		in = rest
	}
	return c.stopped()
}

// record takes the next whole record off what has come, or keeps what there is of
// it until more comes.
func (c *call) record(in []byte) (record, rest []byte, err error) {
	if len(c.partial) == 0 {
		if size := recordSize(in); size <= len(in) {
			return in[:size], in[size:], c.tooLarge(size)
		} else if err := c.tooLarge(size); err != nil {
			return nil, nil, err
		}
		c.partial = append(c.partial, in...)
		return nil, nil, nil
	}
	if short := recordHeader - len(c.partial); short > 0 {
		short = min(short, len(in))
		c.partial, in = append(c.partial, in[:short]...), in[short:]
	}
	size := recordSize(c.partial)
	if err := c.tooLarge(size); err != nil {
		return nil, nil, err
	}
	if err := c.reserve(int64(size)); err != nil {
		return nil, nil, err
	}
	more := min(size-len(c.partial), len(in))
	c.partial, in = append(c.partial, in[:more]...), in[more:]
	if len(c.partial) < size {
		return nil, nil, nil
	}
	record, c.partial = c.partial, c.partial[:0]
	if cap(record) > 4*window {
		c.partial = nil
	}
	return record, in, nil
}

// reserve charges the Runner for the record that is coming, if it is large. All
// such records together are bounded, because this process is everybody's.
func (c *call) reserve(size int64) error {
	if size <= window || c.reserved >= size {
		return nil
	}
	c.release()
	if c.worker.r.large.Add(size) > maxLarge {
		c.worker.r.large.Add(-size)
		if c.request.job.Class == hosting.Write && hosting.Writes(c.request.job.Statement.SQL) {
			return fault.New(fault.OutcomeUnknown, "The write was kept, but its answer needs more memory than the server has at present; look before you send it again")
		}
		return fault.Refuse(fault.Memory, "A row needs more memory than the server has at present; read it in smaller parts, or try again in a moment")
	}
	c.reserved = size
	return nil
}

// release gives back what reserve charged.
func (c *call) release() {
	if c.reserved > 0 {
		c.worker.r.large.Add(-c.reserved)
		c.reserved = 0
	}
}

// maxLarge bounds the rows that are larger than the window and on their way, of
// all calls together.
const maxLarge = 512 << 20

// recordSize returns the size of the record that b begins with, or of its header
// if that is not there yet.
func recordSize(b []byte) int {
	if len(b) < recordHeader {
		return recordHeader
	}
	return recordHeader + int(binary.LittleEndian.Uint32(b[1:]))
}

// tooLarge refuses a record that no honest worker could have made in the memory
// of a connection.
func (c *call) tooLarge(size int) error {
	if int64(size) > 2*c.limits.ConnectionMemory+window {
		return errViolation
	}
	return nil
}

// handOver gives one record to the sink.
func (c *call) handOver(record []byte) error {
	body := record[recordHeader:]
	switch {
	case record[0] == tagColumns && c.columns == nil:
		columns, ok := c.worker.columns.decode(body, c.limits.Columns)
		if !ok {
			return errViolation
		}
		c.columns, c.delivered = columns, true
		return c.sink.Columns(columns)
	case record[0] == tagRow && c.columns != nil:
		if !c.row.decode(body, len(c.columns)) {
			return errViolation
		}
		if err := c.sink.Row(&c.row); err != nil {
			return err
		}
		if c.rows++; c.rows%lookEvery == 0 {
			return c.stopped()
		}
		return nil
	}
	return errViolation
}

// lookEvery is how many rows are handed over for one look at the clock, unless so
// many do not come together.
const lookEvery = 32

// stopped returns why no more rows are to be handed over: they are not wanted any
// more, or it lasts too long.
func (c *call) stopped() error {
	select {
	case <-c.ctx.Done():
		return c.ctx.Err()
	default:
	}
	if c.stream > 0 && time.Since(c.sent) > c.stream {
		return fault.New(fault.TimedOut, "The rows were not read to their end within limits.stream_time (%v)", c.stream)
	}
	return nil
}

// outcome returns what came of a call that the worker has answered.
func (c *call) outcome() error {
	if c.refusal == errViolation {
		return misbehaved(errViolation)
	}
	if c.refusal != nil {
		return c.refusal
	}
	f := c.reply.failure
	if f.is(context.Canceled) {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		return errClosed // nobody else ends a call, see progress
	}
	return f.err()
}

// misbehaved is what the callers of a worker get that did not keep to the
// protocol.
func misbehaved(cause error) error {
	return fault.Wrap(fault.Unavailable, cause, "The process that ran the query did not behave and was ended; send it again")
}

// errClosed is what calls get that the end of the Runner overtakes.
var errClosed = fault.New(fault.Unavailable, "The server is shutting down; send the request again in a moment")

// writes reports whether a commit of the call can have written anything.
func (c *call) writes() bool { return c.request.job.Class == hosting.Write }

// loss returns what came of a call whose worker was lost, and whether it may be
// run again instead.
func (c *call) loss(d death) (err error, again bool) {
	switch session := c.request.op == opSessionRun; {
	case c.refusal != nil && c.refusal != errViolation:
		return c.refusal, false
	case c.committed && c.writes():
		return fault.Wrap(fault.OutcomeUnknown, d.cause, "The write was kept, but the process that ran it ended before it could answer; look before you send it again"), false
	case c.committing && !c.committed && c.writes():
		return fault.Wrap(fault.OutcomeUnknown, d.cause, "The process that ran the write ended while it committed, and nobody can tell whether it was kept; look before you send it again"), false
	case d.closing, d.culprit != c && c.worker.r.isClosing():
		return errClosed, false
	case c.ctx.Err() != nil:
		return c.ctx.Err(), false
	case d.culprit == c:
		return d.verdict, false
	case session:
		return fault.Wrap(fault.NotApplied, d.cause, "The process of the session was ended, by another query that ran too long or by a fault; what it had not committed is rolled back. Begin another session"), false
	case d.violation:
		return misbehaved(d.cause), false
	case c.delivered:
		return fault.Wrap(fault.Unavailable, d.cause, "The process that ran the query was ended before all rows were sent; send it again"), false
	}
	return fault.Wrap(fault.Unavailable, d.cause, "The process that ran the query was ended twice; nothing was written. It may need too much memory: do it in smaller steps"), true
}
