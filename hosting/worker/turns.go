package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// turns decides which calls come next: so many at once as there are places, so
// many of each database, and in turn among those who are charged for them, so that
// whoever sends much waits for themselves.
//
// The Runner decides by turns what a worker is given: somewhat more than it can
// do at once, so that it always knows what to do next. The worker decides by
// others which of that it runs, so that the memory suffices.
//
// Calls that were lost with a worker come first, in the order in which they
// arrived. If nobody knows which of them was the reason, they come one at a time: if
// one takes the next worker down as well, there is no doubt which.
type turns struct {
	limits *hosting.Limits
	places places

	mu      sync.Mutex
	running [2]int         // places taken
	charged map[charge]int // of them, by caller and whether they write
	lanes   map[laneKey]*lane
	flows   []*flow // of those who wait; in turn
	cursor  int
	replays []*ticket // by seq
	solo    *ticket   // runs, and nothing beside it; nil: none
}

// places says how many calls may run at once, by whether they write.
type places struct {
	all  [2]int // in a worker
	lane [2]int // in one database
	base [2]int // of one database that do not count as waiting, wherever they are
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
	running int                    // places taken
	places  map[hosting.Caller]int // of them, by each caller
	queued  int
	calls   int                    // that run or are queued
	charged map[hosting.Caller]int // of them, of each caller
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
	cost    int           // in places
	alone   bool          // nothing is to run beside it
	wait    time.Duration // how long it waits, at most; 0: limits.queue_time
	granted chan struct{} // closed when the turn has come; nil: it came at once
	held    bool          // the turn has come and is not over
}

func newTurns(limits *hosting.Limits, places places) *turns {
	return &turns{limits: limits, places: places, charged: map[charge]int{}, lanes: map[laneKey]*lane{}}
}

const (
	// pipelined is how many reads, and how many writes, a worker is given at once.
	// Those that it does not run yet cost it nothing but their text. A worker that
	// is given many reads together answers them together, and many writes of a
	// database it commits together.
	pipelined = 128

	// placeBytes is how long the text and parameters may be of a call that takes
	// one place.
	placeBytes = 512 << 10
)

// pipeline returns the places of calls that a worker is given.
func pipeline(readers int) places {
	return places{all: [2]int{pipelined, pipelined}, lane: [2]int{pipelined, pipelined}, base: [2]int{readers, 1}}
}

// atOnce returns the places of those of them that it runs: of reads only, for it runs
// all writes that it is given.
func atOnce(texts, readers int) places {
	return places{all: [2]int{max(1, texts-max(1, texts/4))}, lane: [2]int{readers}, base: [2]int{readers}}
}

// share is how many of n places that a caller shares with others it may have.
func share(n int) int { return max(1, n-max(1, n/4)) }

func index(writes bool) int {
	if writes {
		return 1
	}
	return 0
}

// costOf returns the places that a call takes whose text and parameters have so
// many bytes: no more than one caller may have.
func costOf(size int64) int { return min(1+int(size/placeBytes), share(pipelined)) }

// take waits for a turn, at most as long as the ticket says. Errors: Busy, the context's.
func (t *turns) take(ctx context.Context, key laneKey, k *ticket) error {
	t.mu.Lock()
	l := t.enter(key, k)
	if err := t.crowded(k); err != nil {
		t.tidy(l)
		t.mu.Unlock()
		return err
	}
	fits := t.fits(k)
	if fits && !t.passed(l) {
		t.grant(k)
		t.mu.Unlock()
		return nil
	}
	if t.queue(k); fits {
		t.serve() // those who wait may have to, and this one not
	}
	t.mu.Unlock()
	return t.await(ctx, k)
}

// try takes a turn if that needs no waiting.
func (t *turns) try(key laneKey, k *ticket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.enter(key, k)
	if !t.fits(k) || t.passed(l) {
		t.tidy(l)
		return false
	}
	t.grant(k)
	return true
}

// crowded refuses a call for which there is no room in its lane, not even to wait.
func (t *turns) crowded(k *ticket) error {
	l := k.lane
	base := t.places.base[index(l.key.writes)]
	return t.limits.CheckQueue(l.key.writes, l.calls-base, l.charged[k.caller]-base)
}

// queue adds a ticket to those that wait.
func (t *turns) queue(k *ticket) {
	l := k.lane
	k.granted = make(chan struct{})
	l.queued++
	t.charge(l, k.caller)
	for _, f := range t.flows {
		if f.lane == l && f.caller == k.caller {
			f.tickets = append(f.tickets, k)
			return
		}
	}
	t.flows = append(t.flows, &flow{lane: l, caller: k.caller, tickets: []*ticket{k}})
}

// await waits until the ticket's turn has come.
func (t *turns) await(ctx context.Context, k *ticket) error {
	wait, bound := t.limits.QueueTime, "limits.queue_time"
	if k.wait > 0 {
		wait, bound = k.wait, "limits.maintenance_time"
	}
	timer := time.NewTimer(wait)
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
		err = fault.Refuse(fault.QueueTime, "Waited %s (%v) for a turn to %s; the database is busy, try again", bound, wait, what)
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
// before all newcomers', and if need be alone.
func (t *turns) again(ctx context.Context, k *ticket, alone bool) error {
	t.mu.Lock()
	t.end(k)
	l := t.lane(k.lane.key)
	k.alone = alone
	k.lane, k.granted = l, make(chan struct{})
	l.queued++
	t.charge(l, k.caller)
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

// waiting returns how many calls wait, by whether they write.
func (t *turns) waiting() (n [2]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, l := range t.lanes {
		n[index(key.writes)] += l.queued
	}
	return n
}

// The rest is called with t.mu held.

// enter finds the lane of a new ticket.
func (t *turns) enter(key laneKey, k *ticket) *lane {
	k.lane, k.cost = t.lane(key), max(k.cost, 1)
	return k.lane
}

func (t *turns) lane(key laneKey) *lane {
	l := t.lanes[key]
	if l == nil {
		l = &lane{key: key, places: map[hosting.Caller]int{}, charged: map[hosting.Caller]int{}}
		t.lanes[key] = l
	}
	return l
}

// keptLanes is how many lanes are remembered although nobody is in them.
const keptLanes = 16

// tidy forgets a lane that nobody is in, unless there are few.
func (t *turns) tidy(l *lane) {
	if l.running == 0 && l.queued == 0 && len(t.lanes) > keptLanes {
		delete(t.lanes, l.key)
	}
}

// fits reports whether a call may run beside those that do.
func (t *turns) fits(k *ticket) bool {
	i := index(k.lane.key.writes)
	all, lane := t.places.all[i], t.places.lane[i]
	mine := t.charged[charge{k.caller, k.lane.key.writes}]
	return t.solo == nil && k.lane.running+k.cost <= lane && t.running[i]+k.cost <= all &&
		mine+k.cost <= max(share(all), 2) && k.lane.places[k.caller]+k.cost <= max(share(lane), 2)
}

// passed reports whether somebody waits whom a newcomer in the lane would pass.
func (t *turns) passed(l *lane) bool { return l.queued > 0 || len(t.replays) > 0 }

func (t *turns) grant(k *ticket) {
	l := k.lane
	k.held = true
	if k.alone {
		t.solo = k
	}
	l.running += k.cost
	l.places[k.caller] += k.cost
	t.charge(l, k.caller)
	t.running[index(l.key.writes)] += k.cost
	t.charged[charge{k.caller, l.key.writes}] += k.cost
	if k.granted != nil {
		close(k.granted)
	}
}

func (t *turns) end(k *ticket) {
	l, c := k.lane, charge{k.caller, k.lane.key.writes}
	k.held = false
	if t.solo == k {
		t.solo, k.alone = nil, false
	}
	l.running -= k.cost
	if l.places[k.caller] -= k.cost; l.places[k.caller] == 0 {
		delete(l.places, k.caller)
	}
	t.uncharge(l, k.caller)
	t.running[index(l.key.writes)] -= k.cost
	if t.charged[c] -= k.cost; t.charged[c] == 0 {
		delete(t.charged, c)
	}
	t.tidy(l)
}

func (t *turns) charge(l *lane, caller hosting.Caller) {
	l.calls++
	l.charged[caller]++
}

func (t *turns) uncharge(l *lane, caller hosting.Caller) {
	l.calls--
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
	for len(t.replays) > 0 {
		k := t.replays[0]
		if k.alone && t.running != [2]int{} || !t.fits(k) {
			return
		}
		t.replays = slices.Delete(t.replays, 0, 1)
		t.unqueue(k)
		t.regrant(k)
	}
	next := t.cursor // whoever must wait loses no turn
	for tried := 0; tried < len(t.flows); {
		if t.cursor >= len(t.flows) {
			t.cursor = 0
		}
		f := t.flows[t.cursor]
		if !t.fits(f.tickets[0]) {
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
		tried, next = 0, t.cursor
	}
	t.cursor = next
}

// regrant grants a ticket that was taken off a queue, in its lane, which may
// have been forgotten meanwhile.
func (t *turns) regrant(k *ticket) {
	k.lane = t.lane(k.lane.key)
	t.grant(k)
}
