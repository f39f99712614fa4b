package hosting

import (
	"context"
	"sync/atomic"
	"time"

	"ayb/fault"
)

// An interrupt is what a connection polls while it works, about every thousand
// steps of SQLite's virtual machine and before each row: a context without
// timers. One belongs to each connection and is armed anew for each request, so
// that a query costs no allocation and no goroutine for its deadline.
//
// Only kill may be called from another goroutine.
type interrupt struct {
	context.Context // of the request; never nil

	closing *atomic.Bool // of the Runner
	killed  atomic.Pointer[fault.Error]

	start   time.Time
	budget  time.Duration // of execution; 0: none
	name    string        // of the bound that budget is
	stream  time.Duration // from start to the last row; 0: none
	blocked time.Duration // spent in the sink, not charged to budget
	checked bool          // the clock was read a moment ago

	reason error // why it ended, once it has
}

// arm makes the interrupt ready for a request of ctx.
func (i *interrupt) arm(ctx context.Context, name string, budget, stream time.Duration) {
	i.Context, i.name, i.budget, i.stream = ctx, name, budget, stream
	i.blocked, i.reason, i.checked = 0, nil, false
	i.start = time.Now()
}

// allow replaces the bound on execution in the middle of a request.
func (i *interrupt) allow(name string, budget time.Duration) { i.name, i.budget = name, budget }

// disarm makes the interrupt let everything pass: what follows is the host's
// own doing. A kill still holds.
func (i *interrupt) disarm() {
	i.Context, i.budget, i.stream, i.reason = context.Background(), 0, 0, nil
}

// kill ends what the connection is doing, now and in future, for the reason
// given.
func (i *interrupt) kill(reason *fault.Error) { i.killed.CompareAndSwap(nil, reason) }

// pause and resume enclose time that is not the query's own.
func (i *interrupt) pause() time.Time { return time.Now() }

func (i *interrupt) resume(since time.Time) {
	now := time.Now()
	i.blocked += now.Sub(since)
	i.check(now)
	i.checked = true
}

// elapsed returns the time of execution so far.
func (i *interrupt) elapsed() time.Duration { return time.Since(i.start) - i.blocked }

// Err implements context.Context: a reason to stop, or nil.
func (i *interrupt) Err() error {
	if i.checked {
		i.checked = false
		return i.reason
	}
	return i.check(time.Time{})
}

func (i *interrupt) check(now time.Time) error {
	if i.reason != nil {
		return i.reason
	}
	if k := i.killed.Load(); k != nil {
		i.reason = k
		return k
	}
	if err := i.Context.Err(); err != nil {
		i.reason = err
		return err
	}
	if i.closing.Load() && i.budget > 0 {
		i.reason = errClosed
		return i.reason
	}
	if i.budget == 0 {
		return nil
	}
	if now.IsZero() {
		now = time.Now()
	}
	spent := now.Sub(i.start)
	switch {
	case spent-i.blocked > i.budget:
		i.reason = fault.New(fault.TimedOut, "The query ran longer than %s allows (%v); nothing of it was kept. Narrow it down, or add an index", i.name, i.budget)
	case i.stream > 0 && spent > i.stream:
		i.reason = fault.New(fault.TimedOut, "The rows were not read to their end within limits.stream_time (%v)", i.stream)
	}
	return i.reason
}
