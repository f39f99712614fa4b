package worker

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// A session is the Runner's end of one that is open in a worker.
type session struct {
	r      *Runner
	db     *database
	worker *worker
	handle uint64
	job    hosting.Job // without a statement

	mu            sync.Mutex
	over          error // why there is no going on; nil: it goes on
	inTransaction bool
	finished      bool // its place is given back
}

var errSessionClosed = fault.New(fault.Conflict, "The session is closed; begin another")

// Begin implements hosting.Runner.
func (r *Runner) Begin(ctx context.Context, job hosting.Job) (hosting.Session, error) {
	if err := r.offenders.check(job.Caller, job.Owner, time.Now()); err != nil {
		return nil, r.failed(err)
	}
	job.Statement = catalog.Statement{}
	s := &session{r: r, job: job}
	if err := r.admitSession(ctx, s); err != nil {
		return nil, r.failed(err)
	}
	defer r.leave(s.db)
	c := r.newCall(ctx, request{op: opBegin, job: job})
	if err := r.pass(c); err != nil {
		s.dismiss()
		return nil, err
	}
	s.settleIn(c)
	return s, nil
}

// admitSession gives a session its place among those of its database, and holds
// on to the database until leave.
func (r *Runner) admitSession(ctx context.Context, s *session) error {
	db, err := r.enter(ctx, s.job.DB)
	if err != nil {
		return err
	}
	r.mu.Lock()
	mine := 0
	for other := range db.sessions {
		if other.job.Caller == s.job.Caller {
			mine++
		}
	}
	full := r.limits.CheckSessions(len(db.sessions), mine)
	switch {
	case db.ending != nil:
		err = db.ending
	case full != nil:
		err = full
	default:
		if db.sessions == nil {
			db.sessions = map[*session]struct{}{}
		}
		db.sessions[s] = struct{}{}
		s.db = db
	}
	r.mu.Unlock()
	if err != nil {
		r.leave(db)
	}
	return err
}

// dismiss gives the session's place back.
func (s *session) dismiss() {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	delete(s.db.sessions, s)
	s.r.drop(s.db)
}

// settleIn takes the answer to Begin: from now on the worker may end the session.
func (s *session) settleIn(c *call) {
	w := c.worker
	s.mu.Lock()
	s.worker, s.handle = w, c.reply.handle
	ended := s.over
	s.mu.Unlock()
	w.mu.Lock()
	over, early := w.over[s.handle]
	delete(w.over, s.handle)
	dead, d := w.dead, w.death
	if !early && !dead {
		w.sessions[s.handle] = s
	}
	w.mu.Unlock()
	switch {
	case early:
		s.finish(over)
	case dead:
		s.finish(s.lost(d))
	case ended != nil: // meanwhile, by a release
		s.close()
	}
}

// lost says why a session ended with its worker.
func (s *session) lost(d death) error {
	if d.closing {
		return errClosed
	}
	return fault.Wrap(fault.Conflict, d.cause, "The process of the session was ended, by another query that ran too long or by a fault; what it had not committed is rolled back. Begin another session")
}

// finish notes that the session is over in the worker, for the reason given if
// there was none before, and gives everything back.
func (s *session) finish(reason error) {
	s.mu.Lock()
	if s.over == nil {
		s.over = reason
	}
	again := s.finished
	s.finished = true
	s.mu.Unlock()
	if again {
		return
	}
	s.dismiss()
	go s.worker.seat.leave(s.worker) // which may end another worker
}

// end ends the session for a reason, unless it has ended.
func (s *session) end(reason error) {
	s.mu.Lock()
	first := s.over == nil
	if first {
		s.over = reason
	}
	begun := s.worker != nil
	s.mu.Unlock()
	if first && begun {
		s.close()
	}
}

// close tells the worker that the session is over. What is running on it is
// interrupted. It does not wait longer for that than for any text that is to end.
func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	c := s.r.newCall(ctx, request{op: opSessionClose, handle: s.handle, job: hosting.Job{DB: s.job.DB}})
	c.patient = true
	c.exchange(s.worker, c.request.append(nil))
	s.finish(errSessionClosed)
}

// endSessions ends all sessions of the database.
func (db *database) endSessions(reason error) {
	db.r.mu.Lock()
	sessions := slices.Collect(maps.Keys(db.sessions))
	db.r.mu.Unlock()
	var ending sync.WaitGroup
	for _, s := range sessions {
		ending.Go(func() { s.end(reason) })
	}
	ending.Wait()
}

// Close implements hosting.Session.
func (s *session) Close() error {
	s.end(errSessionClosed)
	return nil
}

// InTransaction implements hosting.Session.
func (s *session) InTransaction() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over == nil && s.inTransaction
}

// Run implements hosting.Session.
func (s *session) Run(ctx context.Context, st catalog.Statement, sink hosting.Sink) (catalog.Summary, error) {
	sum, err := s.run(ctx, st, sink)
	if err == nil {
		return sum, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil && fault.KindOf(err) == fault.Conflict {
		err = s.over
	}
	return catalog.Summary{}, err
}

func (s *session) run(ctx context.Context, st catalog.Statement, sink hosting.Sink) (catalog.Summary, error) {
	job := s.job
	job.Statement = st
	if err := s.r.check(&job); err != nil {
		return catalog.Summary{}, s.r.failed(err)
	}
	if err := s.enter(); err != nil {
		return catalog.Summary{}, err
	}
	defer s.leave()
	budget, account := &s.r.budget, &s.worker.seat.account
	budget.force(account)
	defer budget.give(account)
	c := s.r.newCall(ctx, request{op: opSessionRun, handle: s.handle, job: job, wanted: sink != nil})
	c.sink, c.stream = sink, s.r.limits.StreamTime
	c.exchange(s.worker, c.request.append(nil))
	if c.lost {
		<-s.worker.gone
		if c.worker == nil {
			return catalog.Summary{}, s.r.failed(errSessionClosed)
		}
		s.r.charge(c, s.worker.death)
		err, _ := c.loss(s.worker.death)
		return catalog.Summary{}, s.r.failed(err)
	}
	s.mu.Lock()
	s.inTransaction = c.reply.inTransaction
	s.mu.Unlock()
	if err := c.outcome(); err != nil {
		return catalog.Summary{}, err
	}
	return c.reply.summary, nil
}

// enter holds on to the worker and the database until leave, without waiting: a
// session that goes on keeps both. If it is ended meanwhile, the worker stays for
// the text that is still under way on it.
func (s *session) enter() error {
	s.mu.Lock()
	over := s.over
	if over == nil {
		s.worker.seat.hold(s.worker)
	}
	s.mu.Unlock()
	if over != nil {
		return over
	}
	err := s.enterDatabase()
	if err != nil {
		s.worker.seat.leave(s.worker)
	}
	return err
}

func (s *session) leave() {
	s.r.leave(s.db)
	s.worker.seat.leave(s.worker)
}

func (s *session) enterDatabase() error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	switch {
	case s.r.closed:
		return errClosed
	case s.db.ending != nil:
		return s.db.ending
	}
	s.db.users++
	return nil
}

// resume ends a release in a worker. Calls that are sent later come later.
func (w *worker) resume(handle uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], handle)
	w.out.send(kindResume, 0, b[:])
}
