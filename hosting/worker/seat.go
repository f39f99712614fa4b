package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// A seatKey names a worker's place: the owner's, or that of the reader.
type seatKey struct {
	owner  catalog.ID
	reader bool
}

// A seat is the place of one worker, which is there or not, and the queue of
// those who want something of it. It exists while anybody does.
type seat struct {
	r       *Runner
	key     seatKey
	turns   *turns
	users   int // guarded by r.mu
	account account

	mu       sync.Mutex
	worker   *worker   // nil: none
	starting *starting // of the next; nil: nobody starts one
}

// starting is a worker being started.
type starting struct {
	done chan struct{}
	err  error
}

// settings are what the seat's workers are told.
func (s *seat) settings() settings {
	limits := s.r.limits
	// The queues are the Runner's; in a worker there is room for what it sends.
	limits.QueuedReads, limits.QueuedWrites, limits.Sessions = 1<<20, 1<<20, 1<<20
	limits.OpenMemory = min(limits.OpenMemory, s.r.cfg.OwnerMemory/4)
	temp := ""
	if s.key.reader {
		temp = readerTemp
	}
	return settings{Dir: s.r.cfg.Dir, Temp: temp, Shared: s.key.reader, Limits: limits, Texts: s.r.texts()}
}

// readerTemp is the directory for temporary files of readers. Each worker of an
// owner empties its own when it starts.
const readerTemp = "tmp-reader"

// open returns the seat's worker, started if need be, which must be given back
// by leave. Errors: Unavailable, Busy, the context's.
func (s *seat) open(ctx context.Context) (*worker, error) {
	for {
		s.mu.Lock()
		if w := s.worker; w != nil && !w.leaving {
			w.users++
			s.mu.Unlock()
			return w, nil
		} else if w != nil {
			s.mu.Unlock()
			if err := s.r.await(ctx, w.gone); err != nil {
				return nil, err
			}
			continue
		}
		st := s.starting
		if st == nil {
			st = &starting{done: make(chan struct{})}
			s.starting = st
			go s.start(st)
		}
		s.mu.Unlock()
		if err := s.r.await(ctx, st.done); err != nil {
			return nil, err
		}
		if st.err != nil {
			return nil, st.err
		}
	}
}

// start starts a worker for whoever waits for one. It does not end with the
// first of them.
func (s *seat) start(st *starting) {
	var w *worker
	if st.err = s.r.admit(s); st.err == nil {
		w, st.err = s.launch()
	}
	s.mu.Lock()
	s.worker, s.starting = w, nil
	if w != nil {
		w.idle = time.Now()
		select {
		case <-w.gone: // already
			s.worker = nil
		default:
		}
	}
	s.mu.Unlock()
	close(st.done)
	if w != nil && s.r.isClosing() { // and Close may have found no worker here
		s.retire(true)
	}
	s.r.forget(s) // nobody may be waiting any more
}

// hold adds a user to a worker that has one.
func (s *seat) hold(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.users++
}

// leave gives a worker back.
func (s *seat) leave(w *worker) {
	s.mu.Lock()
	w.users--
	idle := w.users == 0
	if idle {
		w.idle = time.Now()
	}
	s.mu.Unlock()
	if idle {
		s.r.relieve()
	}
}

// lost says that a worker that was opened is on its way out.
func (s *seat) lost(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.leaving = true
}

var errLingered = errors.New("worker: it did not end when it was told to")

// retire tells the worker to end if nobody uses it, or whoever does. The second is
// for the end of the Runner.
func (s *seat) retire(evenInUse bool) (w *worker, ok bool) {
	s.mu.Lock()
	w = s.worker
	if w == nil || w.leaving || w.users > 0 && !evenInUse {
		s.mu.Unlock()
		return w, false
	}
	w.leaving, w.retired = true, true
	w.patience = time.AfterFunc(endPatience, func() { w.end(death{cause: errLingered, closing: s.r.isClosing()}) })
	s.mu.Unlock()
	w.mu.Lock()
	w.bidden = true
	w.rouse()
	w.mu.Unlock()
	w.out.send(kindBye, 0, nil)
	return w, true
}

// vacate notes that the seat's worker has ended.
func (s *seat) vacate(w *worker, d death, exit error, calls int) {
	s.mu.Lock()
	unexpected := !w.retired
	w.leaving = true
	if w.patience != nil {
		w.patience.Stop()
	}
	if s.worker == w {
		s.worker = nil
	}
	s.mu.Unlock()
	s.r.processes.end(w.reason(d, !unexpected))
	s.r.forget(s)
	if unexpected || calls > 0 {
		s.r.logger.Warn("a worker process ended", "owner", s.key.owner, "reader", s.key.reader, "calls", calls,
			"killed", d.culprit != nil, "misbehaved", d.violation, "cause", d.cause, "exit", exit)
	}
}

// pass is a try at a call: it takes a turn, a worker, and what comes of them.
func (r *Runner) pass(c *call) error {
	s := r.sit(seatKey{c.request.job.Owner, c.request.reader()})
	defer r.rise(s)
	body := c.request.append(nil)
	var k *ticket
	if op := c.request.op; op == opRun || op == opAdopt {
		k = &ticket{caller: c.request.job.Caller, seq: r.arrivals.Add(1), cost: costOf(int64(len(body)))}
		if op == opAdopt {
			k.wait = c.limits.MaintenanceTime // rather than to send all of it again
		}
		if err := s.turns.take(c.ctx, c.request.lane(), k); err != nil {
			return err
		}
		defer func() {
			if k != nil {
				s.turns.give(k)
			}
		}()
	}
	if c.request.costly() {
		if err := r.budget.take(c.ctx, &s.account, r.limits.QueueTime); err != nil {
			return err
		}
		defer r.budget.give(&s.account)
	}
	for deaths := 0; ; {
		w, err := s.open(c.ctx)
		if err != nil {
			return err
		}
		c.exchange(w, body)
		if !c.lost {
			if c.request.op != opBegin || c.reply.failure != nil { // a session keeps it
				s.leave(w)
			}
			return c.outcome()
		}
		s.lost(w)
		s.leave(w)
		<-w.gone
		if c.worker != nil { // it was sent
			err, again := c.loss(w.death)
			r.charge(c, w.death)
			if deaths++; !again || deaths == 2 {
				return err
			}
		}
		r.processes.replays.Add(1)
		r.logger.Debug("a query is run again", "owner", s.key.owner)
		c.renew()
		if lost := k; lost != nil {
			k = nil // until it is given again
			if err := s.turns.again(c.ctx, lost, w.death.culprit == nil); err != nil {
				return err
			}
			k = lost
		}
	}
}

// charge notes whose doing the loss of a worker was: of the text that it was
// ended for, or of the one that it was alone with.
func (r *Runner) charge(c *call, d death) {
	if !d.closing && (d.culprit == c && d.proven || d.culprit == nil && !d.violation && c.alone) {
		r.offenders.note(c.request.job.Caller, c.request.job.Owner, time.Now())
	}
}

// renew makes a call ready to be sent once more.
func (c *call) renew() {
	*c = call{ctx: c.ctx, request: c.request, sink: c.sink, writer: c.writer, limits: c.limits, stream: c.stream}
}

// lane returns where a text waits for its turn.
func (q *request) lane() laneKey {
	return laneKey{q.job.DB, q.job.Class == hosting.Write && hosting.Writes(q.job.Statement.SQL)}
}

// costly reports whether a request may take the memory of a connection.
func (q *request) costly() bool {
	return q.op == opRun || q.op == opAdopt || q.op == opCopy || q.op == opCopyTo || q.op == opCheck
}

// reader reports whether the owner's reader serves a request: of somebody who is
// not the owner and may not write.
func (q *request) reader() bool {
	return q.job.Class == hosting.Read && (q.op == opRun || q.op == opBegin) && q.job.Caller.Entity != q.job.Owner
}

// errAllBusy is what calls get that no process could be started for.
func errAllBusy(workers int) error {
	return fault.Refuse(fault.Workers, "All %d processes of this server are at work; try again in a moment", workers)
}
