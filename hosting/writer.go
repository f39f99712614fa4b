package hosting

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
)

// A writerQueue is the one connection of a database that writes, and the queue
// of what it is to do, callers in turn. A goroutine works at a time: the caller's
// own, if nobody was at work when they came, and one that works the queue off and
// ends with it.
type writerQueue struct {
	db *database

	mu    sync.Mutex
	queue queue[*turn]
	ended chan struct{} // closed when nobody works any more; nil: nobody does
	late  *time.Timer   // ends the waiting of posted turns; nil: none has come lately

	// These belong to the goroutine that works, then to close.
	conn   *conn
	placed bool          // it has a place among those who may write at the same moment
	tried  int64         // pages in the log when it was last seen to; see checkpoint
	inFile int64         // of them, in the file when it was last begun to copy beside the writer
	beside chan struct{} // closed when the copying beside the writer has ended; nil: there was none
}

// A turn is a place in the queue: a text that writes, or something else that
// is to be done when nobody writes.
type turn struct {
	caller Caller // whom to charge
	text   *write // nil: none
	do     func() // if there is no text
	state  atomic.Uint32
	done   chan struct{} // closed when the turn is over
	posted *Written      // is told instead; nil: a goroutine waits
}

// end ends a turn that has come. If it was posted, [InProcess.answered] is to follow.
func (t *turn) end() {
	if t.posted != nil {
		t.posted.over(t.text.failed)
		return
	}
	close(t.done)
}

// A write is a text that writes, and what came of it, which belongs to the turn
// until it is done.
type write struct {
	ctx  context.Context
	job  *Job
	text string
	lead bool

	kept   rowBuffer
	sum    catalog.Summary
	failed error
}

// begin makes a turn come, unless it was abandoned.
func (t *turn) begin() bool { return t.state.CompareAndSwap(waiting, running) }

// The states of a turn.
const (
	waiting uint32 = iota
	running
	abandoned
)

// push queues a turn.
func (q *writerQueue) push(t *turn) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.db.r.limits.CheckQueue(true, q.queue.len(), q.queue.waiting(t.caller)); err != nil {
		return err
	}
	if t.posted != nil {
		q.keepTime()
	} else {
		t.done = make(chan struct{})
	}
	q.queue.push(t.caller, t)
	q.db.r.stats.queuedWrites.Add(1)
	if q.ended == nil {
		q.ended = make(chan struct{})
		q.db.r.crew.Do(q.work)
	}
	return nil
}

// begin makes a turn come at once, for the caller's goroutine to work, if nobody works
// and there is a place.
func (q *writerQueue) begin(t *turn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended != nil || !q.db.r.writers.try() {
		return false
	}
	q.ended, q.placed = make(chan struct{}), true
	t.done = make(chan struct{})
	return t.begin()
}

// end ends the work of a caller's goroutine. What is left is done by another, so that
// the caller has their answer.
func (q *writerQueue) end() {
	q.leave()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queue.len() > 0 || q.logHasGrown() {
		q.db.r.crew.Do(q.work)
		return
	}
	close(q.ended)
	q.ended = nil
}

// do has a text carried out. Errors: those of push and await.
func (q *writerQueue) do(ctx context.Context, t *turn) error {
	if q.begin(t) {
		defer q.end()
		q.alone(t) // not with others: their texts may take longer
		return nil
	}
	if err := q.push(t); err != nil {
		return err
	}
	return q.await(ctx, t, t.done)
}

// await waits until ready, which the turn itself brings about. A turn that has
// not come within QueueTime, or before the caller gives up, does not come any
// more. One that has come is waited for: its connection knows the context.
func (q *writerQueue) await(ctx context.Context, t *turn, ready <-chan struct{}) error {
	_, err := wait(ctx, q.db, ready, turnToWrite)
	if err == nil || q.abandon(t) {
		return err
	}
	<-ready
	return nil
}

const turnToWrite = "a turn to write"

func (q *writerQueue) remove(t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queue.remove(t.caller, t) {
		q.db.r.stats.queuedWrites.Add(-1)
	}
}

// next returns the turn that is next, or nil and ends the work.
func (q *writerQueue) next() *turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queue.len() == 0 {
		q.leave() // before somebody else works
		close(q.ended)
		q.ended = nil
		return nil
	}
	return q.pop()
}

// pop takes the next turn off the queue, which has one. The caller holds q.mu.
func (q *writerQueue) pop() *turn {
	q.db.r.stats.queuedWrites.Add(-1)
	return q.queue.pop()
}

// waiters returns how many turns are queued.
func (q *writerQueue) waiters() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queue.len()
}

func (q *writerQueue) work() {
	for {
		q.checkpoint()
		q.enter()
		t := q.next()
		switch {
		case t == nil:
			return
		case !t.begin():
		case t.text == nil: // a session writes, with a connection of its own
			q.leave()
			t.do()
			t.end()
		default:
			q.write(t)
		}
		q.leave()
	}
}

// enter waits for a place among those who may write at the same moment, unless the
// queue has one.
func (q *writerQueue) enter() {
	if !q.placed {
		q.db.r.writers.take()
		q.placed = true
	}
}

// leave gives the place to somebody else.
func (q *writerQueue) leave() {
	if q.placed {
		q.placed = false
		q.db.r.writers.give()
	}
}

// leaveToWait gives the place to somebody else while the disk is waited for, if the
// connection holds no more memory than one that nobody uses may.
func (q *writerQueue) leaveToWait() {
	if int64(len(*q.conn.held)) <= connRetained-connOverhead {
		q.leave()
	}
}

// connection returns the connection, opened on its first use. Only a turn that
// has come may call it.
func (q *writerQueue) connection() (*conn, error) {
	if q.conn == nil {
		c, err := q.db.open(toWrite)
		if err != nil {
			return nil, err
		}
		q.conn, c.waits = c, q.leaveToWait
	}
	return q.conn, nil
}

func (q *writerQueue) drop() {
	q.conn.close()
	q.conn = nil
}

// close closes the connection of a database that nobody is in. The goroutine
// that answered the last writer may still be at its checkpoint.
func (q *writerQueue) close() {
	q.mu.Lock()
	ended := q.ended
	if q.late != nil {
		q.late.Stop()
	}
	q.mu.Unlock()
	if ended != nil {
		<-ended
	}
	q.awaitCopy()
	if q.conn != nil {
		q.drop()
	}
}

// write runs a text on the writer, whole or not at all, and then hands over the
// rows it answered.
func (db *database) write(ctx context.Context, job Job, text string, lead bool, sink Sink) (catalog.Summary, error) {
	if sink == nil {
		sink = discard{}
	}
	w := &write{ctx: ctx, job: &job, text: text, lead: lead, kept: rowBuffer{owner: db.owner, limit: db.r.limits.ResultBytes}}
	defer w.kept.close()
	if err := db.writer.do(ctx, &turn{caller: job.Caller, text: w}); err != nil {
		return catalog.Summary{}, err
	}
	if w.failed != nil {
		return catalog.Summary{}, w.failed
	}
	w.sum.Wrote, w.sum.Rows = true, w.kept.rows
	return w.sum, w.kept.replay(sink)
}

type discard struct{}

func (discard) Columns([]catalog.Column) error { return nil }
func (discard) Row(catalog.Row) error          { return nil }

// alone carries out a text in a transaction of its own.
func (q *writerQueue) alone(t *turn) {
	if q.once(t); q.makesRoom(t) {
		q.once(t)
		q.db.logFull.Store(false) // it is too large by itself
	}
	t.end()
	q.db.r.answered()
}

func (q *writerQueue) once(t *turn) {
	q.enter()
	w := t.text
	w.reset()
	c, err := q.connection()
	if err != nil {
		w.failed = err
		return
	}
	w.failed = c.write(w)
	q.db.r.countInterrupt(c)
	if c.finish(); !c.reusable() {
		q.drop()
	}
}

// reset forgets what came of an earlier try.
func (w *write) reset() {
	w.kept.reset(nil)
	w.sum, w.failed = catalog.Summary{}, nil
}

// write runs a text in one transaction.
func (c *conn) write(w *write) (err error) {
	c.start(w.ctx, writeMode)
	if w.lead && !c.db.r.down.Has(walls.ForeignKeys) {
		defer c.restoreForeignKeys()
	}
	if !c.db.r.down.Has(walls.Rollback) {
		defer c.rollback()
	}
	defer c.recovered(&err)
	if err := c.prime(w.job); err != nil {
		return err
	}
	if w.lead {
		if err := c.set("PRAGMA foreign_keys=OFF"); err != nil {
			return c.fault(err)
		}
	}
	err = c.writeText(w.text, newBinder(w.job.Statement.Args), &w.kept, &w.sum)
	c.sum(w)
	return err
}

// prime makes the connection that of a job.
func (c *conn) prime(job *Job) error {
	if err := c.limitPages(job.Quota); err != nil {
		return c.fault(err)
	}
	if !c.db.r.down.Has(walls.LastRow) {
		c.c.SetLastInsertRowID(0)
	}
	return nil
}

// sum notes what a text has done.
func (c *conn) sum(w *write) {
	w.sum.Elapsed = c.intr.elapsed()
	w.sum.LastInsertRowID = c.c.LastInsertRowID()
}

// restoreForeignKeys undoes a leading PRAGMA foreign_keys=OFF. It has no effect
// within a transaction, so what is open ends first.
func (c *conn) restoreForeignKeys() {
	c.rollback()
	if c.broken {
		return
	}
	c.intr.disarm()
	if err := c.set("PRAGMA foreign_keys=ON"); err != nil {
		c.broken = true
	}
}

// writeText runs a text in a transaction, even if it is one statement: one that
// ends early, or fails halfway under OR FAIL, would commit what it has done so
// far. The transaction begins before the first statement is compiled, because
// some pragmas do their work then, unless there is a transaction.
func (c *conn) writeText(text string, args binder, kept *rowBuffer, sum *catalog.Summary) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return c.fault(err)
	}
	st, rest, err := c.prepare(text)
	switch {
	case err != nil:
		return c.fault(err)
	case st == nil:
		return errNoSQL
	case rest != "":
		return c.writeTexts(st, rest, args, kept, sum)
	}
	defer c.done(st)
	if err := loneStatement(st); err != nil && !c.db.r.down.Has(walls.Transactions) {
		return err
	}
	if err := c.bindAll(&args, st); err != nil {
		return err
	}
	if st.vacuum {
		if err := c.exec("ROLLBACK"); err != nil {
			return c.fault(err)
		}
		return c.vacuum(st)
	}
	if err := c.apply(st, kept, sum); err != nil {
		return err
	}
	if st.slow { // then, but it may have been the machine, or its arguments
		st.slow = c.intr.elapsed() > batchTime/2
	}
	return c.commit(c.intr.Context)
}

// apply steps one statement and keeps the rows it answers.
func (c *conn) apply(st *statement, kept *rowBuffer, sum *catalog.Summary) error {
	before := c.c.TotalChanges()
	columns := func(cols []catalog.Column) error {
		kept.reset(cols)
		return nil
	}
	if _, err := c.step(st, columns, kept.add); err != nil {
		return err
	}
	if c.c.TotalChanges() != before {
		sum.Changes += c.c.Changes()
	}
	return nil
}

// writeTexts runs several statements in one transaction: each is compiled when
// those before it have run, because it may need what they made.
func (c *conn) writeTexts(st *statement, rest string, args binder, kept *rowBuffer, sum *catalog.Summary) error {
	wrapped, ended := st.transaction == "BEGIN", false
	for first := true; st != nil; first = false {
		if ended = wrapped && !first && st.transaction == "COMMIT" && rest == ""; ended {
			c.done(st)
			break
		}
		var err error
		if !(wrapped && first) {
			err = c.applyNext(st, &args, kept, sum)
		}
		c.done(st)
		if err != nil {
			return err
		}
		if rest == "" {
			break
		}
		if st, rest, err = c.prepare(rest); err != nil {
			return c.fault(err)
		}
	}
	if wrapped && !ended {
		return errUnended
	}
	if err := args.finish(); err != nil {
		return err
	}
	c.place = 0 // what fails from here on is no statement's alone
	return c.commit(c.intr.Context)
}

func (c *conn) applyNext(st *statement, args *binder, kept *rowBuffer, sum *catalog.Summary) error {
	if err := innerStatement(st); err != nil && !c.db.r.down.Has(walls.Transactions) {
		return err
	}
	if err := args.bind(st); err != nil {
		return c.fault(err)
	}
	if err := c.apply(st, kept, sum); err != nil {
		return err
	}
	if c.c.GetAutocommit() && !c.db.r.down.Has(walls.Transactions) {
		return fault.New(fault.NotApplied, "A statement ended the transaction of the text; nothing was written")
	}
	return nil
}

// commit commits the transaction that is open, for the texts of these contexts.
func (c *conn) commit(texts ...context.Context) error {
	if c.waits != nil {
		c.waits()
	}
	c.announce(false, texts...)
	c.committing = true
	err := c.exec("COMMIT")
	c.committing = false
	if err == nil {
		c.db.r.stats.batch(len(texts))
		c.announce(true, texts...)
		return nil
	}
	if errors.Is(err, sqlite3.IOERR) { // whatever it was, the log may be complete
		return c.unknown(err)
	}
	return c.fault(err)
}

// unknown makes the outcome of a write one that cannot be known. The connection
// is not used again, so that the next one finds out.
func (c *conn) unknown(err error) error {
	c.broken = true
	return fault.Wrap(fault.OutcomeUnknown, err, "The server could not make the write durable, and can't tell whether it was kept; look before you send it again")
}

// uncertain marks a failure after which it cannot be known whether the write
// was kept: the log was written, and making it durable failed.
func (c *conn) uncertain(err error) error {
	if code, ok := errors.AsType[sqlite3.ExtendedErrorCode](err); !ok || code != sqlite3.IOERR_FSYNC {
		return err
	}
	return c.unknown(err)
}

// vacuum runs a plain VACUUM, which attaches a scratch file of its own.
func (c *conn) vacuum(st *statement) error {
	c.guard.vacuum = true
	c.c.Limit(sqlite3.LIMIT_ATTACHED, 1)
	defer func() {
		c.guard.vacuum = false
		if !c.broken {
			c.c.Limit(sqlite3.LIMIT_ATTACHED, 0)
		}
	}()
	c.announce(false, c.intr.Context)
	_, err := c.step(st, nil, nil)
	if err == nil {
		c.announce(true, c.intr.Context)
	}
	return c.uncertain(err)
}
