package hosting

import (
	"context"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
)

// A batch is writes that share a transaction, and so one commit and one wait for
// the disk: those that waited while the one before them was carried out. Each is in
// a savepoint of its own and is answered as if it was alone, which none of them
// notices: what a text leaves behind is taken back, and no text gets there that
// could end the transaction of the others, or see that there are any.
//
// Some failures end the whole transaction nevertheless: an interrupt, OR ROLLBACK,
// memory that runs out. Then nobody was answered yet, and the others are carried out
// once more.
type batch struct {
	q     *writerQueue
	began time.Time
	turns []*turn // carried out, in order
	kept  int64   // bytes of the rows that they answer
}

const (
	// batchTime is for how long writes join a batch, and how long one may take
	// that has joined others: they wait for it.
	batchTime = 5 * time.Millisecond

	// batchKept is how many bytes of rows a batch answers before it is committed.
	batchKept = 4 << 20

	// joiningText bounds the text of a write that joins others.
	joiningText = 64 << 10
)

// The statements of the host around each write of a batch.
const (
	markWrite   = "SAVEPOINT text"
	undoWrite   = "ROLLBACK TO text"
	unmarkWrite = "RELEASE text"
)

var (
	// errSlow ends a text that keeps others waiting which were to be committed with it.
	errSlow = errors.New("hosting: the text is too slow for a batch")

	// errApart tells that a text needs a transaction of its own.
	errApart = errors.New("hosting: the text does not belong in a batch")

	errForeignKeys = &fault.Error{Kind: fault.Invalid, Message: "FOREIGN KEY constraint failed", Code: int(sqlite3.CONSTRAINT_FOREIGNKEY)}
)

// write carries out a text, and with it those behind it that can share its commit.
func (q *writerQueue) write(first *turn) {
	b := batch{q: q, began: time.Now()}
	if q.waiters() == 0 || q.db.r.limits.BatchWrites < 2 || !q.joins(first) || !b.open() {
		q.alone(first)
		return
	}
	for t := first; t != nil; t = b.next() {
		switch joined, lost := b.carryOut(t); {
		case lost:
			b.redo()
			if err := t.text.failed; err != nil && err != errSlow && !b.q.makesRoom(t) {
				t.end()
				q.db.r.answered()
				return
			}
			q.alone(t)
			return
		case !joined:
			b.commit()
			q.alone(t)
			return
		}
	}
	b.commit()
}

// joins reports whether a turn may share a transaction with others: if it is one
// statement that changes rows. Whatever else there is happens in a transaction of
// its own, for it may end one, or change how the connection works.
func (q *writerQueue) joins(t *turn) bool {
	w := t.text
	if w == nil || w.lead || len(w.text) > joiningText {
		return false
	}
	switch firstWord(w.text) {
	case "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH":
	default:
		return false
	}
	if q.conn != nil {
		if st := q.conn.statements[w.text]; st != nil {
			return !st.slow
		}
	}
	return skipBlank(w.text[statementEnd(w.text):]) == ""
}

// open begins the transaction.
func (b *batch) open() bool {
	b.q.enter()
	c, err := b.q.connection()
	if err != nil {
		return false
	}
	c.guard.refusal = nil
	return c.command("BEGIN IMMEDIATE") == nil
}

// next takes the next turn off the queue if it can join.
func (b *batch) next() *turn {
	q := b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.queue.len() > 0 && len(b.turns) < q.db.r.limits.BatchWrites && b.kept < batchKept && time.Since(b.began) < batchTime && q.joins(q.queue.first()) {
		if t := q.pop(); t.begin() {
			return t
		}
	}
	return nil
}

// carryOut runs a text in the transaction. It has joined the batch, whatever came
// of it, unless it needs a transaction of its own; or the transaction is lost.
func (b *batch) carryOut(t *turn) (joined, lost bool) {
	w, c := t.text, b.q.conn
	if w.reset(); w.ctx.Err() != nil {
		w.failed = w.ctx.Err()
		b.turns = append(b.turns, t)
		return true, false
	}
	if c.command(markWrite) != nil {
		return false, true
	}
	w.failed = c.writeWithin(w, len(b.turns) > 0)
	c.db.r.countInterrupt(c)
	c.finish()
	if c.broken || c.c.GetAutocommit() {
		return false, true
	}
	if w.failed != nil && c.command(undoWrite) != nil || c.command(unmarkWrite) != nil {
		return false, true
	}
	if w.failed == errSlow || w.failed == errApart {
		return false, false
	}
	b.turns, b.kept = append(b.turns, t), b.kept+w.kept.size
	return true, false
}

// writeWithin runs a text in a savepoint.
func (c *conn) writeWithin(w *write, joined bool) (err error) {
	c.start(w.ctx, writeMode)
	if joined {
		c.intr.patience = batchTime
	}
	defer c.recovered(&err)
	if err := c.prime(w.job); err != nil {
		return err
	}
	st, rest, err := c.prepare(w.text)
	if err != nil {
		return c.fault(err)
	}
	if st == nil {
		return errNoSQL
	}
	defer c.done(st)
	if rest != "" || st.alone || st.pragma || st.savepoint || st.transaction != "" || st.maintenance {
		return errApart
	}
	args := newBinder(w.job.Statement.Args)
	if err := c.bindAll(&args, st); err != nil {
		return err
	}
	if err := c.apply(st, &w.kept, &w.sum); err != nil {
		st.slow = err == errSlow
		return err
	}
	if open, _, err := c.c.Status(sqlite3.DBSTATUS_DEFERRED_FKS, false); err != nil || open > 0 {
		return errForeignKeys // which would make the commit of all fail
	}
	c.sum(w)
	return nil
}

// commit commits the batch and answers everybody. If that fails, so that nothing
// is kept, each text is carried out alone, to find out whose fault it is.
func (b *batch) commit() {
	var texts []context.Context
	for _, t := range b.turns {
		if t.text.failed == nil {
			texts = append(texts, t.text.ctx)
		}
	}
	c := b.q.conn
	var err error
	if len(texts) > 0 {
		err = c.commitAll(texts)
	}
	c.rollback()
	b.q.tidy()
	if err != nil && fault.KindOf(err) != fault.OutcomeUnknown {
		b.eachAlone()
		return
	}
	for _, t := range b.turns {
		if t.text.failed == nil {
			t.text.failed = err
		}
		t.end()
	}
	b.q.db.r.answered()
}

func (c *conn) commitAll(texts []context.Context) (err error) {
	defer c.recovered(&err)
	return c.commit(texts...)
}

// redo carries out once more what the loss of a transaction has undone.
func (b *batch) redo() {
	b.q.conn.rollback()
	b.q.tidy()
	turns := b.turns
	again := batch{q: b.q}
	if len(turns) < 2 || !again.open() {
		b.eachAlone()
		return
	}
	for i, t := range turns {
		if joined, _ := again.carryOut(t); !joined {
			b.q.conn.rollback()
			b.q.tidy()
			again.turns = append(again.turns, turns[i:]...)
			again.eachAlone()
			return
		}
	}
	again.commit()
}

func (b *batch) eachAlone() {
	for _, t := range b.turns {
		b.q.alone(t)
	}
}

// tidy ends the use of the connection.
func (q *writerQueue) tidy() {
	if q.conn == nil {
		return
	}
	if q.conn.finish(); !q.conn.reusable() {
		q.drop()
	}
}
