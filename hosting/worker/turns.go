package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// turns decides which calls a worker is given, and when: so many at once that
// their memory suffices, so many of each database that its queue in the worker
// stays short, and in turn among those who are charged for them, so that whoever
// sends much waits for themselves.
//
// Calls that were lost with a worker come first, one at a time and in the order
// in which they arrived: if one of them takes the next worker down as well,
// there is no doubt which.
type turns struct {
	limits *hosting.Limits
	slots  [2]int // calls at once, by whether they write

	mu      sync.Mutex
	running [2]int
	charged map[charge]int // running, by caller and whether they write
	lanes   map[laneKey]*lane
	flows   []*flow // of those who wait; in turn
	cursor  int
	replays []*ticket // by seq
}

type charge struct {
	caller hosting.Caller
	writes bool
}

type laneKey struct {
	db     hosting.DB
	writes bool
}

// A lane is the calls to one database that read, or those that write.
type lane struct {
	key     laneKey
	running int
	queued  int
	charged map[hosting.Caller]int // running and queued, of each
}

// A flow is what one caller waits for in one lane.
type flow struct {
	lane    *lane
	caller  hosting.Caller
	tickets []*ticket
}

// A ticket is a call's place.
type ticket struct {
	lane    *lane
	caller  hosting.Caller
	seq     uint64        // of arrival
	granted chan struct{} // closed when the turn has come; nil: it came at once
	held    bool          // the turn has come and is not over
}

func newTurns(limits *hosting.Limits, slots int) *turns {
	writing := max(1, slots/4)
	return &turns{
		limits: limits, slots: [2]int{max(1, slots-writing), writing}, charged: map[charge]int{}, lanes: map[laneKey]*lane{},
	}
}

// writesBound is how many writes of one database a worker is given at once: one
// to do, and one that waits so that it has what to do next.
const writesBound = 2

// bound is how many calls of a lane run at once.
func (t *turns) bound(writes bool) int {
	if writes {
		return writesBound
	}
	return t.limits.Readers + t.limits.Readers/2
}

// share is how many of n places that a caller shares with others it may have.
func share(n int) int { return max(1, n-max(1, n/4)) }

func index(writes bool) int {
	if writes {
		return 1
	}
	return 0
}

// take waits for a turn, at most limits.queue_time. Errors: Busy, the context's.
func (t *turns) take(ctx context.Context, key laneKey, caller hosting.Caller, seq uint64) (*ticket, error) {
	k := &ticket{caller: caller, seq: seq}
	t.mu.Lock()
	l := t.lane(key)
	k.lane = l
	if t.fits(l, caller) && !t.passed(l) {
		t.grant(k)
		t.mu.Unlock()
		return k, nil
	}
	if err := t.queue(k); err != nil {
		t.tidy(l)
		t.mu.Unlock()
		return nil, err
	}
	t.mu.Unlock()
	return k, t.await(ctx, k)
}

// queue adds a ticket to those that wait, if there is room.
func (t *turns) queue(k *ticket) error {
	l := k.lane
	room, what := t.limits.QueuedReads, "limits.queued_reads (%d) queries wait to read"
	if l.key.writes {
		room, what = t.limits.QueuedWrites, "limits.queued_writes (%d) queries wait to write"
	}
	if l.queued >= room {
		return fault.New(fault.Busy, "More than "+what+" this database; try again", room)
	}
	if l.charged[k.caller] >= share(room)+t.bound(l.key.writes) {
		return fault.New(fault.Busy, "Too many of your queries wait for this database; try again when some are answered")
	}
	k.granted = make(chan struct{})
	l.queued++
	l.charged[k.caller]++
	for _, f := range t.flows {
		if f.lane == l && f.caller == k.caller {
			f.tickets = append(f.tickets, k)
			return nil
		}
	}
	t.flows = append(t.flows, &flow{lane: l, caller: k.caller, tickets: []*ticket{k}})
	return nil
}

// await waits until the ticket's turn has come.
func (t *turns) await(ctx context.Context, k *ticket) error {
	timer := time.NewTimer(t.limits.QueueTime)
	defer timer.Stop()
	var err error
	select {
	case <-k.granted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		what := "read"
		if k.lane.key.writes {
			what = "write"
		}
		err = fault.New(fault.Busy, "Waited limits.queue_time (%v) for a turn to %s; the database is busy, try again", t.limits.QueueTime, what)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if k.held { // it came at the last moment
		t.end(k)
	} else {
		t.forget(k)
	}
	t.serve()
	return err
}

// again gives up a turn whose worker was lost, and waits for another that comes
// before all newcomers'.
func (t *turns) again(ctx context.Context, k *ticket) error {
	t.mu.Lock()
	l := k.lane
	t.end(k)
	l = t.lane(l.key)
	k.lane, k.granted = l, make(chan struct{})
	l.queued++
	l.charged[k.caller]++
	at, _ := slices.BinarySearchFunc(t.replays, k, func(a, b *ticket) int { return int(int64(a.seq - b.seq)) })
	t.replays = slices.Insert(t.replays, at, k)
	t.serve()
	t.mu.Unlock()
	return t.await(ctx, k)
}

// give ends a turn.
func (t *turns) give(k *ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(k)
	t.serve()
}

// The rest is called with t.mu held.

func (t *turns) lane(key laneKey) *lane {
	l := t.lanes[key]
	if l == nil {
		l = &lane{key: key, charged: map[hosting.Caller]int{}}
		t.lanes[key] = l
	}
	return l
}

// tidy forgets a lane that nobody is in.
func (t *turns) tidy(l *lane) {
	if l.running == 0 && l.queued == 0 {
		delete(t.lanes, l.key)
	}
}

// fits reports whether a call may run beside those that do.
func (t *turns) fits(l *lane, caller hosting.Caller) bool {
	i := index(l.key.writes)
	bound := t.bound(l.key.writes)
	mine := t.charged[charge{caller, l.key.writes}]
	return len(t.replays) == 0 && l.running < bound && t.running[i] < t.slots[i] && mine < max(share(t.slots[i]), writesBound)
}

// passed reports whether somebody waits in the lane whom a newcomer would pass.
func (t *turns) passed(l *lane) bool { return l.queued > 0 }

func (t *turns) grant(k *ticket) {
	l := k.lane
	k.held = true
	l.running++
	l.charged[k.caller]++
	t.running[index(l.key.writes)]++
	t.charged[charge{k.caller, l.key.writes}]++
	if k.granted != nil {
		close(k.granted)
	}
}

func (t *turns) end(k *ticket) {
	l, c := k.lane, charge{k.caller, k.lane.key.writes}
	k.held = false
	l.running--
	t.uncharge(l, k.caller)
	t.running[index(l.key.writes)]--
	if t.charged[c]--; t.charged[c] == 0 {
		delete(t.charged, c)
	}
	t.tidy(l)
}

func (t *turns) uncharge(l *lane, caller hosting.Caller) {
	if l.charged[caller]--; l.charged[caller] == 0 {
		delete(l.charged, caller)
	}
}

// forget takes a ticket that waits off the queue.
func (t *turns) forget(k *ticket) {
	if i := slices.Index(t.replays, k); i >= 0 {
		t.replays = slices.Delete(t.replays, i, i+1)
		t.unqueue(k)
		return
	}
	for i, f := range t.flows {
		if j := slices.Index(f.tickets, k); j >= 0 {
			t.takeOff(i, j)
			return
		}
	}
}

// takeOff takes a ticket off its flow.
func (t *turns) takeOff(i, j int) *ticket {
	f := t.flows[i]
	k := f.tickets[j]
	f.tickets = slices.Delete(f.tickets, j, j+1)
	if len(f.tickets) == 0 {
		t.flows = slices.Delete(t.flows, i, i+1)
		if t.cursor > i {
			t.cursor--
		}
	}
	t.unqueue(k)
	return k
}

func (t *turns) unqueue(k *ticket) {
	k.lane.queued--
	t.uncharge(k.lane, k.caller)
	t.tidy(k.lane)
}

// serve gives turns to those who wait, as long as there are any.
func (t *turns) serve() {
	if len(t.replays) > 0 {
		if t.running[0]+t.running[1] == 0 {
			k := t.replays[0]
			t.replays = slices.Delete(t.replays, 0, 1)
			t.unqueue(k)
			t.regrant(k)
		}
		return
	}
	for tried := 0; tried < len(t.flows); {
		if t.cursor >= len(t.flows) {
			t.cursor = 0
		}
		f := t.flows[t.cursor]
		if !t.fits(f.lane, f.caller) {
			t.cursor++
			tried++
			continue
		}
		more := len(f.tickets) > 1
		k := t.takeOff(t.cursor, 0)
		if more {
			t.cursor++
		}
		t.regrant(k)
		tried = 0
	}
}

// regrant grants a ticket that was taken off a queue, in its lane, which may
// have been forgotten meanwhile.
func (t *turns) regrant(k *ticket) {
	k.lane = t.lane(k.lane.key)
	t.grant(k)
}
