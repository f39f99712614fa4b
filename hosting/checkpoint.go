package hosting

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
	"ayb/internal/walls"
)

// What is written goes to the end of the log, and from time to time is copied to
// the file: a checkpoint. Once all of it is there and nobody reads from the log any
// more, the next write begins it anew. SQLite by itself does of that what
// disturbs nobody. Then under readers that overlap, the log never ends; and
// when a long reader goes at last, one write waits until all is copied that it
// has kept from being copied. So, when the log has grown by some pages, and after the
// writer was answered:
//
//   - what is new is copied, and if it is much, beside the writer, with a
//     connection of its own;
//   - once the log is long, the writer also waits for those who read from it,
//     the longer it is the longer. Who comes meanwhile reads from the file and
//     need not be waited for;
//   - who has kept a quarter of limits.wal_bytes from being emptied, when half of it is
//     used up, is ended;
//   - when three quarters are used up, or a transaction does not fit in, everybody
//     who reads is.

const (
	// checkpointPages is how many pages the log grows before it is seen to again;
	// less if limits.wal_bytes is small.
	checkpointPages = 1000

	// besidePages is how much is copied beside the writer, who would wait for it
	// for longer than anybody notices.
	besidePages = 8192

	// logPatience is how long the writer waits for readers when the log is half of
	// what it may be, or when they were told to end. It waits less for a shorter
	// one, but at least leastLogPatience.
	logPatience      = 250 * time.Millisecond
	leastLogPatience = 20 * time.Millisecond

	// lastLogPatience is how long it waits in the end for those who were told to end,
	// and whose sinks were stopped, where otherwise a write would fail. They are gone as
	// soon as they get to run.
	lastLogPatience = 5 * time.Second
)

// logHasGrown reports whether there is something to see to. It must be the writer's
// turn.
func (q *writerQueue) logHasGrown() bool {
	logged := q.db.logged.Load()
	if logged < q.tried { // it has begun anew
		q.tried = 0
	}
	return q.db.logFull.Load() || logged >= q.tried+max(q.logStep(), q.tried/8)
}

// checkpoint sees to the log, if that has grown. It must be the writer's turn.
func (q *writerQueue) checkpoint() {
	if !q.logHasGrown() {
		return
	}
	logged, limit, step := q.db.logged.Load(), q.db.r.limits.WALBytes/pageSize, q.logStep()
	full := q.db.logFull.Swap(false) // for a session
	q.tried = logged
	q.leave() // there may be waiting to do
	if full || logged >= limit/4*3 {
		q.emptyLog(0)
		return
	}
	if q.copying() {
		return
	}
	copied, err := q.copied()
	switch {
	case err != nil:
		q.warn(err)
	case logged-copied > besidePages:
		if logged >= limit/2 && copied == q.inFile { // nothing could be copied since the last time
			q.endReaders(limit / 4)
		}
		q.inFile = copied
		q.copyBeside()
	case logged < 4*step:
		q.copyLog(sqlite3.CHECKPOINT_PASSIVE, 0)
	default:
		patience := logPatience * time.Duration(logged) / time.Duration(max(1, limit/2))
		if patience >= logPatience {
			q.emptyLog(limit / 4)
			return
		}
		q.copyLog(sqlite3.CHECKPOINT_RESTART, max(leastLogPatience, patience))
	}
}

// logStep returns how many pages the log grows before it is seen to again.
func (q *writerQueue) logStep() int64 {
	return min(checkpointPages, q.db.r.limits.WALBytes/pageSize/8)
}

// makesRoom empties the log if a text has failed for want of room in it, of
// which others have taken some, and reports whether it is worth another try.
func (q *writerQueue) makesRoom(t *turn) bool {
	if t.text.failed == nil || !q.db.logFull.Swap(false) || q.db.logged.Load() < q.logStep() {
		return false
	}
	if q.emptyLog(0) {
		return true
	}
	t.text.failed = fault.Refuse(fault.QueueTime, "The log of the database is full and held by somebody who reads it; nothing was written. Try again in a moment")
	return false
}

// emptyLog does what it can to have the next write begin the log anew, and reports
// whether it will. Readers who keep so many pages from being emptied are told to
// end, if they do not do so by themselves in a moment; and those of them who wait for
// their sinks have these stopped.
func (q *writerQueue) emptyLog(pages int64) (emptied bool) {
	q.leave()
	q.awaitCopy()
	if q.copyLog(sqlite3.CHECKPOINT_RESTART, logPatience) {
		return true
	}
	if !q.endReaders(pages) {
		return false
	}
	if q.copyLog(sqlite3.CHECKPOINT_RESTART, logPatience) {
		return true
	}
	q.db.stopSinks()
	if pages > 0 { // there is room to go on
		return q.copyLog(sqlite3.CHECKPOINT_RESTART, logPatience)
	}
	return q.copyLog(sqlite3.CHECKPOINT_RESTART, lastLogPatience)
}

// copied returns how many pages of the log are in the file already.
func (q *writerQueue) copied() (pages int64, err error) {
	c, err := q.connection()
	if err != nil {
		return 0, err
	}
	defer q.dropBroken()
	defer c.recovered(&err)
	_, copied, err := c.c.WALCheckpoint("main", sqlite3.CHECKPOINT_NOOP)
	return int64(copied), err
}

// copyLog copies what it can of the log to the file, and reports whether nothing
// went wrong and, with CHECKPOINT_RESTART, the next write begins the log anew.
func (q *writerQueue) copyLog(mode sqlite3.CheckpointMode, patience time.Duration) bool {
	c, err := q.connection()
	if err != nil {
		q.warn(err)
		return false
	}
	defer q.dropBroken()
	q.db.readers.endViews()
	if patience > 0 {
		q.db.readers.keepViews(false)
		defer q.db.readers.keepViews(true)
	}
	err = c.copyLog(mode, patience)
	switch {
	case err == nil && mode == sqlite3.CHECKPOINT_RESTART:
		q.db.logged.Store(0)
	case err != nil && !errors.Is(err, sqlite3.BUSY):
		q.warn(err)
	}
	return err == nil
}

// dropBroken ends the use of the connection for a checkpoint.
func (q *writerQueue) dropBroken() {
	if q.conn != nil && q.conn.broken {
		q.drop()
	}
}

// copyLog copies what it can of the log to the file. With CHECKPOINT_RESTART it
// waits for readers, and fails if the log can't begin anew.
func (c *conn) copyLog(mode sqlite3.CheckpointMode, patience time.Duration) (err error) {
	defer c.recovered(&err)
	if patience > 0 {
		if err := c.c.BusyTimeout(patience); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.c.BusyTimeout(c.db.r.limits.QueueTime)) }()
	}
	_, _, err = c.c.WALCheckpoint("main", mode)
	return err
}

func (q *writerQueue) warn(err error) {
	q.db.r.logger.Warn("a checkpoint failed", "database", q.db.id.Database, "err", err)
}

// copyBeside has the log copied while writers go on.
func (q *writerQueue) copyBeside() {
	done := make(chan struct{})
	q.beside = done
	go func() {
		defer close(done)
		c, err := q.db.open(toWrite)
		if err == nil {
			err = c.copyLog(sqlite3.CHECKPOINT_PASSIVE, 0)
			c.close()
		}
		if err != nil {
			q.warn(err)
		}
	}()
}

// copying reports whether the log is being copied beside the writer.
func (q *writerQueue) copying() bool {
	if q.beside == nil {
		return false
	}
	select {
	case <-q.beside:
		q.beside = nil
		return false
	default:
		return true
	}
}

// awaitCopy waits until nobody copies beside the writer.
func (q *writerQueue) awaitCopy() {
	if q.beside != nil {
		<-q.beside
		q.beside = nil
	}
}

// endReaders ends who keeps so many pages of the log from being emptied, and reports
// whether there may have been somebody. Those who read in another process are
// ended in any case, for nobody knows there how much was written.
func (q *writerQueue) endReaders(pages int64) bool {
	some := q.db.endLongReaders(pages)
	if f := q.db.r.hooks.LogFull; f != nil && !q.db.r.down.Has(walls.LongReaders) {
		f(q.db.id)
		some = true
	}
	return some
}

// endLongReaders ends who has been reading while so many pages were written, and
// reports whether there was somebody.
func (db *database) endLongReaders(pages int64) (some bool) {
	if db.r.down.Has(walls.LongReaders) {
		return false
	}
	limit := db.r.limits.WALBytes >> 20
	until := db.written.Load() - pages
	for _, s := range db.openSessions() {
		if s.reading(until) {
			s.end(fault.New(fault.Conflict, "The transaction kept the log of the database from being emptied (limits.wal_bytes, %d MiB) and was rolled back; begin another", limit))
			some = true
		}
	}
	for _, c := range db.openConns() {
		if c.reads && c.working.Load() && c.since.Load() <= until {
			c.intr.killRequest(fault.New(fault.TooLarge, "The query read for so long that the log of the database could not be emptied (limits.wal_bytes, %d MiB) and was ended; read in smaller parts", limit))
			some = true
		}
	}
	return some
}

// stopSinks keeps those who were told to end from waiting for their sinks.
func (db *database) stopSinks() {
	for _, c := range db.openConns() {
		c.intr.stopSink()
	}
}

func (db *database) openConns() []*conn {
	db.mu.Lock()
	defer db.mu.Unlock()
	return slices.Collect(maps.Keys(db.conns))
}
