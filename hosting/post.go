package hosting

import (
	"cmp"
	"context"
	"time"

	"ayb/catalog"
)

// A Written is what came of a text that was posted: its summary, or why it failed,
// and the rows that it answers. Whoever gets it closes it.
type Written struct {
	Summary catalog.Summary
	Err     error

	r     *InProcess
	db    *database
	turn  turn
	write write
	since time.Time
	done  func(*Written)
}

// Post is Run for callers who keep no goroutine waiting: it queues a text that writes,
// and what came of it is told to done. Done is called once, perhaps before Post
// returns, by a goroutine that has more to do: it must neither wait for anything nor
// call the Runner, but for Stats. When nobody is to be told anything more for now, [Hooks].Answered
// is called.
//
// Instead of the end of the context, of which nobody would hear before the turn of the text
// has come, cancel is called; a text that has begun looks at the context as ever.
// Cancel does nothing if the text is over.
//
// Post takes only what it can queue at once. It reports false, and has done nothing,
// for what reads, is the first write of a database, is to be refused, or would have
// to wait for room.
func (r *InProcess) Post(ctx context.Context, job Job, done func(*Written)) (cancel func(), ok bool) {
	text, lead, writes := route(job.Statement.SQL)
	if !writes || job.Class != Write || job.Unwritten || job.Unmarked || r.limits.CheckText(job.Statement) != nil {
		return nil, false
	}
	db := r.enterNow(job.DB)
	if db == nil {
		return nil, false
	}
	w := &Written{r: r, db: db, since: time.Now(), done: done}
	w.write = write{ctx: ctx, job: &job, text: text, lead: lead, kept: rowBuffer{owner: db.owner, limit: r.limits.ResultBytes}}
	w.turn = turn{caller: job.Caller, text: &w.write, posted: w}
	if !db.found.Load() || db.writer.push(&w.turn) != nil {
		r.release(db)
		return nil, false
	}
	r.stats.writes.Add(1)
	return w.cancel, true
}

// enterNow is enter if that needs no waiting and the handle is there; nil otherwise.
func (r *InProcess) enterNow(id DB) *database {
	r.mu.Lock()
	defer r.mu.Unlock()
	db := r.open[id]
	if db == nil || db.held != nil || r.closing.Load() {
		return nil
	}
	db.refs++
	r.lru.MoveToFront(db.place)
	return db
}

// over tells what came of the text.
func (w *Written) over(err error) {
	if w.Err = err; err != nil {
		w.r.stats.failures.Add(1)
	} else {
		w.write.sum.Wrote, w.write.sum.Rows = true, w.write.kept.rows
		w.Summary = w.write.sum
	}
	w.done(w)
}

// Held returns how many bytes the rows take that are to be handed over, and the names of
// their columns.
func (w *Written) Held() int64 {
	held := w.write.kept.size
	for _, c := range w.write.kept.columns {
		held += valueCost + int64(len(c.Name)+len(c.Decl))
	}
	return held
}

// Replay hands over the rows.
func (w *Written) Replay(sink Sink) error { return w.write.kept.replay(sink) }

// Close frees what is held.
func (w *Written) Close() {
	w.write.kept.close()
	w.r.leaveBehind(w.db)
}

// cancel ends the waiting of a text whose turn has not come.
func (w *Written) cancel() {
	if w.db.writer.abandon(&w.turn) {
		w.over(cmp.Or(w.write.ctx.Err(), context.Canceled))
		w.r.answered()
	}
}

// abandon takes a turn that has not come off the queue, and reports whether it did.
func (q *writerQueue) abandon(t *turn) bool {
	if !t.state.CompareAndSwap(waiting, abandoned) {
		return false
	}
	q.remove(t)
	return true
}

// keepTime sees to it that no posted turn waits for too long. The caller holds q.mu.
func (q *writerQueue) keepTime() {
	if q.late == nil {
		q.late = time.AfterFunc(q.db.r.limits.QueueTime, q.expire)
	}
}

// expire ends the waiting of posted turns that have waited for QueueTime.
func (q *writerQueue) expire() {
	limit, now := q.db.r.limits.QueueTime, time.Now()
	var late []*turn
	next := limit + 1
	q.mu.Lock()
	for _, f := range q.queue.callers {
		for _, t := range f.items {
			if t.posted == nil {
				continue
			}
			left := limit - now.Sub(t.posted.since)
			if left <= 0 {
				late = append(late, t)
				continue
			}
			next = min(next, left)
		}
	}
	if next <= limit {
		q.late.Reset(next)
	} else {
		q.late = nil
	}
	q.mu.Unlock()
	for _, t := range late {
		if q.abandon(t) {
			t.posted.over(q.db.queueTime(turnToWrite))
		}
	}
	q.db.r.answered()
}
