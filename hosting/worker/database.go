package worker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// A database is what the Runner knows of one: who uses it, and whether it is
// released. It is there while there is something to know.
type database struct {
	r  *Runner
	id hosting.DB

	// Guarded by r.mu.
	users    int
	held     chan struct{} // closed when newcomers may look again; nil: they may come in
	idle     chan struct{} // closed when users falls to zero, if somebody waits for that
	ending   error         // why no session may begin; nil: they may
	sessions map[*session]struct{}
}

// enter holds on to a database until leave. While it is released it waits for
// the resume, at most limits.queue_time.
func (r *Runner) enter(ctx context.Context, id hosting.DB) (*database, error) {
	var waited *time.Timer
	for {
		r.mu.Lock()
		if r.closed {
			r.mu.Unlock()
			return nil, errClosed
		}
		db := r.database(id)
		held := db.held
		if held == nil {
			db.users++
			r.mu.Unlock()
			return db, nil
		}
		r.mu.Unlock()
		if waited == nil {
			waited = time.NewTimer(r.limits.QueueTime)
			defer waited.Stop()
		}
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.closing:
			return nil, errClosed
		case <-waited.C:
			return nil, fault.Refuse(fault.Moving, "The database is being moved or restored; try again in a moment")
		}
	}
}

// database returns what is known of a database. The caller holds r.mu.
func (r *Runner) database(id hosting.DB) *database {
	db := r.databases[id]
	if db == nil {
		db = &database{r: r, id: id}
		r.databases[id] = db
	}
	return db
}

func (r *Runner) leave(db *database) {
	r.mu.Lock()
	defer r.mu.Unlock()
	db.users--
	if db.users == 0 && db.idle != nil {
		close(db.idle)
		db.idle = nil
	}
	r.drop(db)
}

// drop forgets a database of which there is nothing to know. The caller holds
// r.mu.
func (r *Runner) drop(db *database) {
	if db.users == 0 && db.held == nil && len(db.sessions) == 0 && r.databases[db.id] == db {
		delete(r.databases, db.id)
	}
}

func (r *Runner) allDatabases() (all []*database) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.databases))
}

// errReleased is what sessions get that a release ends.
var errReleased = fault.New(fault.Conflict, "The session was ended because the database is being moved or restored")

// Release implements hosting.Runner.
func (r *Runner) Release(ctx context.Context, id hosting.DB) (func(), error) {
	db, err := r.hold(ctx, id)
	if err != nil {
		return nil, err
	}
	db.endSessions(errReleased)
	handle := r.arrivals.Add(1)
	var closed []*worker
	if err = r.settle(ctx, db); err == nil {
		closed, err = r.closeDatabase(ctx, id, handle)
	}
	resume := sync.OnceFunc(func() {
		for _, w := range closed {
			w.resume(handle)
		}
		r.unhold(db)
	})
	if err != nil {
		resume()
		return nil, err
	}
	return resume, nil
}

// hold keeps newcomers away from a database.
func (r *Runner) hold(ctx context.Context, id hosting.DB) (*database, error) {
	for {
		db, err := r.enter(ctx, id)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		mine := db.held == nil
		if mine {
			db.held, db.ending = make(chan struct{}), errReleased
		}
		r.mu.Unlock()
		if mine {
			return db, nil
		}
		r.leave(db)
	}
}

// settle gives up the caller's own place and waits until nobody else has one.
func (r *Runner) settle(ctx context.Context, db *database) error {
	r.mu.Lock()
	db.users--
	if db.users == 0 {
		r.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	db.idle = idle
	r.mu.Unlock()
	return r.await(ctx, idle)
}

// unhold lets newcomers in.
func (r *Runner) unhold(db *database) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(db.held)
	db.held, db.idle, db.ending = nil, nil, nil
	r.drop(db)
}

// closeDatabase has the workers of the owner that are there close the database,
// the reader first, and returns those that did and wait for the resume.
func (r *Runner) closeDatabase(ctx context.Context, id hosting.DB, handle uint64) (closed []*worker, err error) {
	for _, reader := range []bool{true, false} {
		s := r.seatOf(seatKey{id.Owner, reader})
		if s == nil {
			continue
		}
		w, err := s.current(ctx)
		if err != nil {
			return closed, err
		}
		if w == nil {
			continue
		}
		c := r.newCall(ctx, request{op: opRelease, handle: handle, job: hosting.Job{DB: id}})
		c.exchange(w, c.request.append(nil))
		if c.lost { // and with it every descriptor
			s.lost(w)
			s.leave(w)
			if err := r.await(ctx, w.gone); err != nil {
				return closed, err
			}
			continue
		}
		closed = append(closed, w)
		s.leave(w)
		if err := c.outcome(); err != nil {
			return closed, err
		}
	}
	return closed, nil
}

// current returns the seat's worker, which must be given back by leave, or nil
// if there is none. One that is starting, or on its way out, is waited for.
func (s *seat) current(ctx context.Context) (*worker, error) {
	for {
		s.mu.Lock()
		w, st := s.worker, s.starting
		if w != nil && !w.leaving {
			w.users++
			s.mu.Unlock()
			return w, nil
		}
		s.mu.Unlock()
		var event <-chan struct{}
		switch {
		case w != nil:
			event = w.gone
		case st != nil:
			event = st.done
		default:
			return nil, nil
		}
		if err := s.r.await(ctx, event); err != nil {
			return nil, err
		}
	}
}
