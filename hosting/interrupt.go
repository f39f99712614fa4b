package hosting

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"ayb/fault"
)

// An interrupt is what a connection polls while it works, about every thousand
// steps of SQLite's virtual machine and before each row: a context without
// timers. One belongs to each connection and is armed anew for each request, so
// that a query costs no allocation and no goroutine for its deadline.
//
// Only kill, killRequest and stopSink may be called from another goroutine.
type interrupt struct {
	context.Context // of the request; never nil

	closing *atomic.Bool                     // of the Runner
	due     func(context.Context, time.Time) // hook; nil: nobody wants to know
	killed  atomic.Pointer[killing]
	request atomic.Uint64 // counts what the connection was armed for

	start   time.Time
	budget  time.Duration // of execution; 0: none
	name    string        // of the bound that budget is
	stream  time.Duration // from start to the last row; 0: none
	blocked time.Duration // spent in the sink, not charged to budget

	patience time.Duration // of those who wait to be committed with the text; 0: nobody does

	sinking sync.Mutex // guards sink
	sink    Stopper    // that the request hands its rows to; nil: none that can be stopped

	handed time.Time // when the clock was read for a row that went to the sink; zero: settled
	skip   int       // rows to hand over before the clock is read again
	stride int       // how many rows that is at present
	fresh  bool      // what polls next need not read the clock

	reason error // why it ended, once it has
}

// sinkGrace is how much of the time between handing over a row and the next look
// at the clock is charged to the query without asking whose it was. It is more
// than rows take that are neither hard to find nor to send, and much less than a
// client takes that is slow.
const sinkGrace = 50 * time.Microsecond

// maxStride bounds how many quick rows are handed over for one look at the clock.
const maxStride = 32

// arm makes the interrupt ready for a request of ctx.
func (i *interrupt) arm(ctx context.Context, name string, budget, stream time.Duration) {
	i.Context, i.name, i.budget, i.stream = ctx, name, budget, stream
	i.blocked, i.handed, i.reason, i.fresh, i.patience = 0, time.Time{}, nil, true, 0
	i.skip, i.stride = 0, 1
	i.request.Add(1)
	i.start = time.Now()
	i.tell()
}

// allow replaces the bound on execution until the request is over.
func (i *interrupt) allow(name string, budget time.Duration) {
	i.name, i.budget = name, budget
	i.tell()
}

// disarm makes the interrupt let everything pass: what follows is the host's
// own doing. A kill still holds.
func (i *interrupt) disarm() {
	i.pause()
	i.Context, i.budget, i.stream, i.reason = context.Background(), 0, 0, nil
}

// kill ends what the connection is doing, now and in future, for the reason
// given.
func (i *interrupt) kill(reason *fault.Error) {
	i.killed.CompareAndSwap(nil, &killing{reason: reason})
}

// killRequest ends what the connection is doing now. If that has ended by itself
// meanwhile, nothing happens to what comes next.
func (i *interrupt) killRequest(reason *fault.Error) {
	i.killed.CompareAndSwap(nil, &killing{reason: reason, request: i.request.Load()})
}

// mayStop says which sink the request hands its rows to; nil: none any more.
func (i *interrupt) mayStop(s Stopper) {
	i.sinking.Lock()
	defer i.sinking.Unlock()
	i.sink = s
}

// stopSink keeps a request that was killed from waiting for its sink. It may be
// called from any goroutine.
func (i *interrupt) stopSink() {
	i.sinking.Lock()
	defer i.sinking.Unlock()
	if i.sink != nil && i.killing() != nil {
		i.sink.Stop()
	}
}

// because returns why the request was killed in place of what its sink says, which
// was stopped for that.
func (i *interrupt) because(err error) error {
	if err == nil {
		return nil
	}
	if k := i.killing(); k != nil {
		i.reason = k.reason
		return k.reason
	}
	return err
}

// killing returns why the request is to end, or nil.
func (i *interrupt) killing() *killing {
	if k := i.killed.Load(); k != nil && (k.request == 0 || k.request == i.request.Load()) {
		return k
	}
	return nil
}

// A killing is the wish that a connection end what it does.
type killing struct {
	reason  *fault.Error
	request uint64 // the request that is meant; 0: all
}

// handOver notes that a row goes to the sink. The time until the next look at
// the clock, less sinkGrace, is the sink's and not the query's: a row that is hard
// to find is told from a sink that is slow by SQLite polling on the way to it.
// While rows are quick, the clock is read for some of them only.
func (i *interrupt) handOver() error {
	if i.fresh = true; i.skip > 0 {
		i.skip--
		return nil
	}
	now := time.Now()
	if !i.handed.IsZero() {
		i.pace(now.Sub(i.handed))
	}
	err := i.check(now)
	i.handed, i.skip = now, i.stride-1
	return err
}

// pace chooses how many rows to hand over before the clock is read again, from
// how long the last ones took: few enough to take less than sinkGrace.
func (i *interrupt) pace(took time.Duration) {
	switch {
	case took < sinkGrace/4:
		i.stride = min(2*i.stride, maxStride)
	case took > sinkGrace/2:
		i.stride = 1
	}
}

// settle attributes the time since the last row was handed over.
func (i *interrupt) settle(now time.Time) {
	if i.handed.IsZero() {
		return
	}
	if gap := now.Sub(i.handed); gap > sinkGrace {
		i.blocked += gap - sinkGrace
		i.tell()
	}
	i.handed, i.skip = time.Time{}, 0
}

// exclude takes time that was spent waiting out of the query's.
func (i *interrupt) exclude(waited time.Duration) {
	i.blocked += waited
	i.tell()
}

// elapsed returns the time of execution so far.
func (i *interrupt) elapsed() time.Duration {
	now := time.Now()
	i.settle(now)
	return now.Sub(i.start) - i.blocked
}

// Err implements context.Context: a reason to stop, or nil.
func (i *interrupt) Err() error {
	if i.fresh {
		i.fresh = false
		if i.reason == nil {
			i.reason = i.Context.Err()
		}
		return i.reason
	}
	return i.check(time.Time{})
}

func (i *interrupt) check(now time.Time) error {
	if i.reason != nil {
		return i.reason
	}
	if k := i.killing(); k != nil {
		i.reason = k.reason
		return i.reason
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
	i.settle(now)
	spent := now.Sub(i.start)
	switch {
	case spent-i.blocked > i.budget:
		i.reason = fault.New(fault.TimedOut, "The query ran longer than %s allows (%v); nothing of it was kept. Narrow it down, or add an index", i.name, i.budget)
	case i.patience > 0 && spent > i.patience:
		i.reason = errSlow
	case i.stream > 0 && spent > i.stream:
		i.reason = fault.New(fault.TimedOut, "The rows were not read to their end within limits.stream_time (%v)", i.stream)
	}
	return i.reason
}
