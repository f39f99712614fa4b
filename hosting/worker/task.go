package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"ayb/catalog"
)

// A task is one call as the worker sees it: the context of the text that is run
// for it, and its sink or writer. It is used by one goroutine at a time, except
// for what says otherwise.
type task struct {
	child *child
	id    uint32
	turn  ticket // of a text that reads

	ended   chan struct{} // closed when nobody wants the answer any more
	once    sync.Once
	abandon func()      // ends the waiting of a text that was posted; nil: it was not
	refused atomic.Bool // no more of the answer is to be sent

	credit atomic.Int64  // how much more of the answer may be sent
	refill chan struct{} // has an element when credit was added

	due   atomic.Int64 // when the text must have ended by, in Unix nanoseconds; 0: it does not execute
	stuck atomic.Bool  // it waits for credit

	chunk   []byte    // of the answer, not yet sent
	most    int       // how large it may become
	waiting time.Time // since when; zero: nothing waits
	fresh   bool      // a row has just come
}

const (
	// chunkBytes is how much of an answer is gathered before it is sent: with a row
	// more, one frame as a rule. The first rows do not wait for so many: firstChunk is
	// how much the first chunk holds, and each further one twice as much.
	chunkBytes = 48 << 10
	firstChunk = 4 << 10

	// flushAfter is how long a row waits for others to come along.
	flushAfter = 5 * time.Millisecond
)

var errCancelled = errors.New("worker: nobody wants the answer")

func newTask(c *child, id uint32) *task {
	t := &task{child: c, id: id, most: firstChunk, ended: make(chan struct{}), refill: make(chan struct{}, 1)}
	t.credit.Store(window)
	return t
}

// cancel ends the task. It is called by the goroutine that listens.
func (t *task) cancel() {
	t.once.Do(func() { close(t.ended) })
	if t.abandon != nil {
		t.abandon()
	}
}

// refuse ends the sending of rows, not the text. It may be called from any
// goroutine.
func (t *task) refuse() {
	t.refused.Store(true)
	t.grant(0)
}

// Stop implements hosting.Stopper: who does not take the rows holds up others.
func (t *task) Stop() { t.refuse() }

// grant adds credit. It may be called from any goroutine.
func (t *task) grant(n int64) {
	t.credit.Add(n)
	select {
	case t.refill <- struct{}{}:
	default:
	}
}

// Deadline implements context.Context. The Runner watches the caller's.
func (t *task) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (t *task) Done() <-chan struct{} { return t.ended }

// Value implements context.Context.
func (t *task) Value(any) any { return nil }

// Err implements context.Context. SQLite's poll ends up here, which is the time
// to send rows that have waited for others: the next may be long in coming. The
// first poll after a row tells nothing of that.
func (t *task) Err() error {
	select {
	case <-t.ended:
		return context.Canceled
	default:
	}
	if t.fresh {
		t.fresh = false
		return nil
	}
	if !t.waiting.IsZero() && time.Since(t.waiting) > flushAfter && t.credit.Load() >= int64(len(t.chunk)) {
		t.flush() // if this fails, so does the next row
	}
	return nil
}

// Columns implements hosting.Sink.
func (t *task) Columns(columns []catalog.Column) error {
	t.chunk = appendColumns(t.chunk, columns)
	return t.gather()
}

// Row implements hosting.Sink.
func (t *task) Row(row catalog.Row) error {
	t.chunk, t.fresh = appendRow(t.chunk, row), true
	return t.gather()
}

// Write implements io.Writer.
func (t *task) Write(p []byte) (int, error) {
	if err := t.flush(); err != nil {
		return 0, err
	}
	return len(p), t.sendAll(p)
}

// gather sends what there is if it is much, or has waited.
func (t *task) gather() error {
	switch {
	case t.refused.Load():
		return errCancelled
	case len(t.chunk) >= t.most:
		return t.flush()
	case t.waiting.IsZero():
		t.waiting = time.Now()
	}
	return nil
}

// flush sends what there is.
func (t *task) flush() error {
	t.waiting, t.most = time.Time{}, min(2*t.most, chunkBytes)
	err := t.sendAll(t.chunk)
	if t.chunk = t.chunk[:0]; cap(t.chunk) > 4*chunkBytes {
		t.chunk = nil
	}
	return err
}

// sendAll sends a part of the answer, as credit allows.
func (t *task) sendAll(p []byte) error {
	for len(p) > 0 {
		n, err := t.spend(min(len(p), maxPayload))
		if err != nil {
			return err
		}
		if err := t.child.out.sendBulk(kindRows, t.id, p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// spend waits for credit and takes some of it, at most n.
func (t *task) spend(n int) (int, error) {
	if t.credit.Load() <= 0 {
		since := time.Now()
		t.stuck.Store(true)
		for t.credit.Load() <= 0 {
			if t.refused.Load() {
				return 0, errCancelled
			}
			select {
			case <-t.refill:
			case <-t.ended:
				return 0, errCancelled
			}
		}
		if t.due.Load() != 0 { // the text is not to blame for the time that passed
			t.due.Add(int64(time.Since(since)))
		}
		t.stuck.Store(false)
	}
	n = int(min(int64(n), t.credit.Load()))
	t.credit.Add(-int64(n))
	return n, nil
}

// finish sends what is left of the answer, and its end, or leaves it to be sent with
// others.
func (t *task) finish(end []byte, leave bool) {
	if len(t.chunk) <= maxPayload && int64(len(t.chunk)) <= t.credit.Load() {
		t.child.out.sendEnd(t.id, t.chunk, end, leave)
		return
	}
	if err := t.flush(); err != nil && err != errCancelled {
		return // the socket is broken; so is this process
	}
	t.child.out.send(kindDone, t.id, end)
}

// status says how the task stands with its bound on time at now.
func (t *task) left(now time.Time) (left time.Duration, executes bool) {
	due := t.due.Load()
	if due == 0 || t.stuck.Load() {
		return 0, false
	}
	return time.Duration(due - now.UnixNano()), true
}

// credited reads the payload of a frame of credit.
func credited(payload []byte) (int64, bool) {
	if len(payload) != 4 {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(payload)
	return int64(n), n <= window
}
