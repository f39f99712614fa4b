package ayb

import (
	"context"

	"ayb/auth"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/walls"
)

// A Session is a connection to a database of its own, on which transactions may
// span several calls: BEGIN, COMMIT, ROLLBACK and SAVEPOINT are the caller's. It
// ends by itself when one of its bounds in Limits is reached, and what is open
// is rolled back then. Its methods must not be called at the same time, except
// Close.
type Session struct {
	e        *Engine
	p        Principal
	ref      Ref // what the database was called last
	database ID
	class    hosting.Class
	inner    hosting.Session
}

// Begin opens a session. For everybody who may read the database; if the caller
// may write, so may the session. Errors: [ErrBusy] if there are too many.
func (e *Engine) Begin(ctx context.Context, p Principal, ref string) (_ *Session, err error) {
	c, err := e.authorizeQuery(ctx, p, ref)
	c.silent = true
	defer c.done(&err)
	if err != nil {
		return nil, err
	}
	for range attempts {
		inner, err := e.runner.Begin(ctx, c.job())
		if err == nil {
			return &Session{e: e, p: p, ref: c.ref, database: c.database.ID, class: c.class, inner: inner}, nil
		}
		if !c.mend(ctx, &err) {
			return nil, err
		}
	}
	return nil, errMoving
}

// Query is like [Engine.Query], on the session. A text of several statements is
// not atomic unless the caller begins a transaction.
func (s *Session) Query(ctx context.Context, sql string, args ...any) (*Result, error) {
	st, err := NewStatement(sql, args...)
	if err != nil {
		return nil, err
	}
	rows := collector{limit: s.e.cfg.Limits.ResultBytes}
	sum, err := s.Run(ctx, st, &rows)
	return rows.result(sum, err)
}

// Run is like [Engine.Stream], on the session; rows are handed over as they are
// read, of writes too. The caller's rights are checked anew: a session whose
// caller may no longer do what it was begun for is closed. Errors: as
// Engine.Query; [ErrConflict] if the session has ended.
func (s *Session) Run(ctx context.Context, st Statement, sink Sink) (_ Summary, err error) {
	c, err := s.authorize(ctx)
	if err != nil && c.refused && s.e.cfg.Walls.Has(walls.Recheck) {
		err = nil
	}
	defer c.done(&err)
	if err != nil {
		if c.refused {
			s.inner.Close()
		}
		return Summary{}, err
	}
	// What a transaction has written in earlier calls changes the database when this
	// one commits it.
	if err := c.markChanged(ctx); err != nil {
		return Summary{}, err
	}
	sum, err := s.inner.Run(ctx, st, sink)
	c.ran(sum, err)
	return sum, err
}

// authorize begins a call on the session, which goes on if the database has been
// renamed meanwhile.
func (s *Session) authorize(ctx context.Context) (*call, error) {
	c, err := s.e.begin(ctx, s.p, auth.Query)
	if err != nil {
		return c, err
	}
	c.ref = s.ref
	if err := c.find(ctx); err != nil {
		return c, err
	}
	if c.database.ID != s.database {
		if db, err := s.e.store.DatabaseByID(ctx, s.database); err == nil {
			s.ref = db.Ref()
			c.ref = s.ref
		} else if orMissing(err, nil) != nil {
			return c, err
		}
	}
	if err := c.allowQuery(ctx); err != nil {
		return c, err
	}
	if c.database.ID != s.database || c.class < s.class {
		c.refused = true
		return c, fault.New(fault.Denied, "The access to database %s has changed; begin a new session", c.ref)
	}
	c.class = s.class
	return c, nil
}

// InTransaction reports whether a transaction is open.
func (s *Session) InTransaction() bool { return s.inner.InTransaction() }

// Close rolls back what is open and ends the session. It may be called at any
// time and more than once.
func (s *Session) Close() error { return s.inner.Close() }
