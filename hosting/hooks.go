package hosting

import (
	"context"
	"time"
)

// Hooks tell the program around an [InProcess] what it is doing, so that a
// program which serves others can be ended at any moment and those others told
// the truth. Each may be nil. They are called by the goroutine that does the
// work, which waits for them, and must not call the Runner.
//
// The context is the one that Run, or the Run of a session, was given: the same
// value, not one derived from it.
type Hooks struct {
	// Due says when the text of ctx must have ended by: limits.query_time, or
	// limits.maintenance_time, from the start of its execution, without the
	// time that its sink took. It is called again when that moves, and with the
	// zero time while the text does not execute: before its end and while it
	// waits for its turn. Time in the sink counts until the sink returns.
	Due func(ctx context.Context, due time.Time)

	// Commit is called before texts commit together, with the context of each, and
	// with done after they have. Between the two calls nobody can know the outcome
	// if the process is ended; before the first, nothing is written, and after the
	// second, everything. If the commit fails there is no second call, and texts
	// that are carried out once more are announced once more.
	Commit func(texts []context.Context, done bool)

	// SessionEnded says that a session has ended, by its user's Close or by one
	// of its bounds, and what its Run answers from now on. It may be called
	// before Begin returns the session.
	SessionEnded func(s Session, reason error)

	// LogFull says that the log of a database can't be emptied because somebody
	// reads an older state. Who reads it through this Runner has been ended;
	// those of another process are the hook's affair. See [InProcess.EndReaders].
	LogFull func(db DB)

	// Answered says that whoever was told of texts that were posted will not hear of
	// others at once: it is time to pass on what they were told. It may be called although there
	// is nothing. See [InProcess.Post].
	Answered func()
}

// EndReaders ends everybody who reads the database now, because they keep its
// log from being emptied, and stops the sinks that are [Stopper]s. It does not wait
// for their end.
func (r *InProcess) EndReaders(id DB) {
	r.mu.Lock()
	db := r.open[id]
	r.mu.Unlock()
	if db != nil {
		db.endLongReaders(0)
		db.stopSinks()
	}
}

// announce tells that texts are about to commit together, or have.
func (c *conn) announce(done bool, texts ...context.Context) {
	if f := c.db.r.hooks.Commit; f != nil {
		f(texts, done)
	}
}

// answered tells that no other posted text is over at once.
func (r *InProcess) answered() {
	if f := r.hooks.Answered; f != nil {
		f()
	}
}

// tell says when the text must have ended by.
func (i *interrupt) tell() {
	if i.due != nil && i.budget > 0 {
		i.due(i.Context, i.start.Add(i.blocked+i.budget))
	}
}

// pause says that the text does not execute for now.
func (i *interrupt) pause() {
	if i.due != nil && i.budget > 0 {
		i.due(i.Context, time.Time{})
	}
}
