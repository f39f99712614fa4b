package hosting

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
)

// A session is a connection of its own. It takes the writer's turn when it
// writes for the first time in a transaction, or says BEGIN IMMEDIATE, and
// keeps it until the transaction is over.
type session struct {
	db    *database
	conn  *conn
	class Class
	how   access
	bulk  bool
	quota Quota

	caller Caller

	release chan struct{} // ends the writer's turn; nil: it is not ours

	mu     sync.Mutex
	busy   bool         // Run is at work
	over   *fault.Error // why there is no going on; nil: it goes on
	closed bool         // the connection is closed and the place given back
	idle   *time.Timer  // limits.session_idle
	life   *time.Timer  // limits.session_time
}

var errReleased = fault.New(fault.Conflict, "The session was ended because the database is being moved or restored")

var errSessionClosed = fault.New(fault.Conflict, "The session is closed; begin another")

// Begin implements Runner.
func (r *InProcess) Begin(ctx context.Context, job Job) (Session, error) {
	for {
		db, err := r.enter(ctx, job.DB)
		if err != nil {
			return nil, err
		}
		s, err := db.begin(job)
		if err == nil {
			return s, nil
		}
		if r.leave(db); err != errReleased { // a Release that came in between is waited for
			return nil, err
		}
	}
}

func (db *database) begin(job Job) (*session, error) {
	if err := db.find(job.Unwritten); err != nil {
		return nil, err
	}
	if db.r.down.Has(walls.ReadOnly) {
		job.Class = Write
	}
	if job.Class == Write && !db.exists() {
		return nil, ErrUnwritten
	}
	s := &session{db: db, class: job.Class, how: toReadSession, bulk: job.Bulk, quota: job.Quota, caller: job.Caller}
	if job.Class == Write {
		s.how = toSession
	}
	if err := db.admit(s); err != nil {
		return nil, err
	}
	c, err := db.open(s.how)
	if err != nil {
		db.dismiss(s)
		return nil, err
	}
	db.r.stats.sessions.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = c
	limits := &db.r.limits
	s.idle = time.AfterFunc(limits.SessionIdle, func() {
		s.end(fault.New(fault.Conflict, "The session was idle for limits.session_idle (%v) and was rolled back; begin another", limits.SessionIdle))
	})
	bound, name := limits.SessionTime, "limits.session_time"
	if s.bulk {
		bound, name = limits.StreamTime, "limits.stream_time"
	}
	s.life = time.AfterFunc(bound, func() {
		s.end(fault.New(fault.Conflict, "The session lasted %s (%v) and was rolled back; begin another", name, bound))
	})
	if s.over != nil { // ended while it was being opened
		s.finish()
	}
	return s, nil
}

// admit gives a session its place among those of the database.
func (db *database) admit(s *session) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.ending != nil {
		return db.ending
	}
	mine := 0
	for other := range db.sessions {
		if other.caller == s.caller {
			mine++
		}
	}
	if err := db.r.limits.CheckSessions(len(db.sessions), mine); err != nil {
		return err
	}
	db.sessions[s] = struct{}{}
	return nil
}

func (db *database) dismiss(s *session) {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.sessions, s)
}

// endSessions ends all sessions of the database and keeps new ones from beginning.
func (db *database) endSessions(reason *fault.Error) {
	db.mu.Lock()
	db.ending = reason
	db.mu.Unlock()
	for _, s := range db.openSessions() {
		s.end(reason)
	}
}

func (db *database) openSessions() []*session {
	db.mu.Lock()
	defer db.mu.Unlock()
	return slices.Collect(maps.Keys(db.sessions))
}

// end ends the session for a reason: at once if it is idle, else Run is
// interrupted and ends it.
func (s *session) end(reason *fault.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.over = reason
	}
	if s.conn == nil {
		return
	}
	s.conn.intr.kill(s.over)
	if !s.busy {
		s.finish()
	}
}

// finish gives everything back. The caller holds s.mu and no Run is at work.
func (s *session) finish() {
	if s.closed {
		return
	}
	s.closed = true
	s.idle.Stop()
	s.life.Stop()
	s.conn.intr.killed.Store(nil)
	s.conn.rollback()
	s.conn.close()
	s.yield()
	s.db.r.stats.sessions.Add(-1)
	s.db.dismiss(s)
	s.db.r.leaveBehind(s.db) // it may be ended by who holds the turn for it
	if f := s.db.r.hooks.SessionEnded; f != nil {
		f(s, s.over)
	}
}

// Close implements Session.
func (s *session) Close() error {
	s.end(errSessionClosed)
	return nil
}

// InTransaction implements Session.
func (s *session) InTransaction() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && !s.conn.broken && !s.conn.c.GetAutocommit()
}

// reading reports whether the session may hold a state of the database from when
// no more pages had been written.
func (s *session) reading(until int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.conn != nil && s.conn.since.Load() <= until && (s.busy || !s.conn.broken && !s.conn.c.GetAutocommit())
}

// Run implements Session.
func (s *session) Run(ctx context.Context, st catalog.Statement, sink Sink) (catalog.Summary, error) {
	if err := s.db.r.limits.CheckText(st); err != nil {
		return catalog.Summary{}, err
	}
	if err := s.enter(); err != nil {
		return catalog.Summary{}, err
	}
	sum, err := s.run(ctx, st, sink)
	s.leave()
	if err != nil {
		s.db.r.stats.failures.Add(1)
	}
	return sum, err
}

func (s *session) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over != nil:
		return s.over
	case s.busy:
		return fault.New(fault.Conflict, "The session is at work on another query; send one after the other")
	}
	s.busy = true
	s.idle.Stop()
	return nil
}

// leave makes the session ready for the next call, or ends it.
func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if s.conn.broken && s.over == nil {
		s.over = fault.New(fault.Conflict, "The session was ended by the query before this one; begin another")
	}
	switch {
	case s.over != nil:
		s.finish()
	default:
		if s.conn.c.GetAutocommit() {
			s.yield()
		}
		s.idle.Reset(s.db.r.limits.SessionIdle)
	}
}

func (s *session) run(ctx context.Context, st catalog.Statement, sink Sink) (sum catalog.Summary, err error) {
	if err := s.refresh(); err != nil {
		return sum, err
	}
	c := s.conn
	c.start(ctx, sessionMode)
	c.intr.stream = s.db.r.limits.StreamTime
	defer c.finish()
	defer c.recovered(&err)
	if s.class == Write {
		c.c.SetLastInsertRowID(0)
	}
	err = s.texts(ctx, st, sink, &sum)
	sum.Elapsed = c.intr.elapsed()
	sum.LastInsertRowID = c.c.LastInsertRowID()
	if s.db.r.countInterrupt(c); c.intr.reason != nil {
		c.rollback() // an interrupted write has ended the transaction; make it so for reads too
	}
	return sum, err
}

// refresh replaces the connection of a session that began before the database
// had a file, once it has one.
func (s *session) refresh() error {
	if !s.conn.empty || !s.db.exists() || !s.conn.c.GetAutocommit() {
		return nil
	}
	c, err := s.db.open(s.how)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn.close()
	s.conn = c
	return nil
}

// texts runs the statements of a text one after the other.
func (s *session) texts(ctx context.Context, text catalog.Statement, sink Sink, sum *catalog.Summary) error {
	args := newBinder(text.Args)
	rest := text.SQL
	for first := true; first || rest != ""; first = false {
		var st *statement
		var err error
		if st, rest, err = s.conn.prepare(rest); err != nil {
			return s.conn.fault(err)
		}
		if st == nil {
			if first {
				return errNoSQL
			}
			break
		}
		if err := s.statement(ctx, st, &args, rest == "", sink, sum); err != nil {
			return err
		}
	}
	return args.finish()
}

// statement runs one statement; the last of a text answers.
func (s *session) statement(ctx context.Context, st *statement, args *binder, last bool, sink Sink, sum *catalog.Summary) error {
	c := s.conn
	defer c.done(st)
	if s.bulk && st.readOnly {
		c.intr.allow("limits.stream_time", s.db.r.limits.StreamTime)
	}
	if !st.readOnly {
		if s.class == Read {
			return errReadOnly
		}
		if err := s.takeTurn(ctx); err != nil {
			return err
		}
		sum.Wrote = true
	}
	if err := args.bind(st); err != nil {
		return c.fault(err)
	}
	if last {
		if err := args.finish(); err != nil {
			return err
		}
	} else {
		sink = nil
	}
	if st.vacuum {
		return c.vacuum(st)
	}
	before := c.c.TotalChanges()
	if err := s.apply(st, sink, sum); err != nil {
		return err
	}
	if c.c.TotalChanges() != before {
		sum.Changes += c.c.Changes()
	}
	return nil
}

// apply steps a statement. One that writes outside a transaction has one of its
// own, because ending it between its rows would commit it.
func (s *session) apply(st *statement, sink Sink, sum *catalog.Summary) error {
	c := s.conn
	if st.readOnly || st.pragma || st.savepoint || st.transaction != "" || !c.c.GetAutocommit() {
		c.committing = st.transaction == "COMMIT"
		commits := c.committing || st.savepoint || st.changes
		if commits {
			c.announce(false, c.intr.Context)
		}
		err := c.stream(st, sink, sum)
		c.committing = false
		if commits && err == nil {
			c.announce(true, c.intr.Context)
		}
		return c.uncertain(err)
	}
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return c.fault(err)
	}
	if err := c.stream(st, sink, sum); err != nil {
		c.rollback()
		return err
	}
	return c.commit(c.intr.Context)
}

// takeTurn waits for the writer's turn, unless the session has it.
func (s *session) takeTurn(ctx context.Context) error {
	if s.release != nil {
		return nil
	}
	granted, release := make(chan struct{}), make(chan struct{})
	t := &turn{caller: s.caller, do: func() {
		close(granted)
		s.holdTurn(release)
	}}
	if err := s.db.writer.push(t); err != nil {
		return err
	}
	since := time.Now()
	s.conn.intr.pause()
	err := s.db.writer.await(ctx, t, granted)
	s.conn.intr.exclude(time.Since(since))
	if err != nil {
		return err
	}
	s.release = release
	c := s.conn
	if err := c.limitPages(s.quota); err != nil {
		s.yield() // else the next statement would go on without a bound
		return c.fault(err)
	}
	return nil
}

// holdTurn keeps the writer's turn until it is given back, and ends a session
// that holds it too long while others wait.
func (s *session) holdTurn(release <-chan struct{}) {
	bound := s.db.r.limits.SessionWriteTime
	since := time.Now()
	tick := time.NewTimer(bound)
	defer tick.Stop()
	for {
		select {
		case <-release:
			return
		case <-tick.C:
		}
		if s.db.writer.waiters() > 0 && time.Since(since) >= bound {
			s.end(fault.New(fault.Conflict, "The transaction kept others from writing for limits.session_write_time (%v) and was rolled back; begin another", bound))
		}
		tick.Reset(max(bound/8, time.Millisecond))
	}
}

// yield gives the writer's turn back.
func (s *session) yield() {
	if s.release != nil {
		close(s.release)
		s.release = nil
	}
}
