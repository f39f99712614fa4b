package worker

import (
	"errors"
	"slices"
	"sync/atomic"
)

// An End is why a worker process ended, in one word.
type End string

// The reasons for which workers end.
const (
	Retired    End = "retired"    // nobody needed it, or it made room for another
	Closed     End = "closed"     // the Runner was
	Overstayed End = "overstayed" // killed: a text did not end at its bound
	Mute       End = "mute"       // killed: it did not answer
	Misbehaved End = "misbehaved" // killed: it broke the rules of its socket
	Lingered   End = "lingered"   // killed: it did not end when it was told to
	Unready    End = "unready"    // it did not get ready
	Died       End = "died"       // by itself: no memory, a defect, or somebody's signal
)

// Ends lists all of them.
func Ends() []End {
	return []End{Retired, Closed, Overstayed, Mute, Misbehaved, Lingered, Unready, Died}
}

// Processes are a Runner's worker processes: counters since it was made, how many
// there are now, and what they may take.
type Processes struct {
	Alive     int
	Computing int // of them, kept off the first processor for it
	Started   uint64
	Ended     map[End]uint64 // every End is there
	Evicted   uint64         // of those that have Retired, to make room
	Replays   uint64         // calls that were run again because a worker was lost

	Memory      int64 // bytes that count towards the bound, see Config.Memory
	MemoryBound int64
	Waiting     int // texts that wait for memory
}

type processes struct {
	started, evicted, replays atomic.Uint64
	ended                     [8]atomic.Uint64 // as Ends
}

// end counts the end of a worker.
func (p *processes) end(why End) {
	p.ended[slices.Index(Ends(), why)].Add(1)
}

// reason returns why a worker has ended.
func (w *worker) reason(d death, retired bool) End {
	w.mu.Lock()
	started := w.started
	w.mu.Unlock()
	switch {
	case d.violation:
		return Misbehaved
	case errors.Is(d.cause, errLingered):
		return Lingered
	case d.closing || retired && w.r.isClosing():
		return Closed
	case !started:
		return Unready
	case errors.Is(d.cause, errOverstayed) || d.culprit != nil:
		return Overstayed
	case errors.Is(d.cause, errMute):
		return Mute
	case retired:
		return Retired
	}
	return Died
}

// Processes returns what became of the Runner's workers so far.
func (r *Runner) Processes() Processes {
	p := &r.processes
	now := Processes{
		Alive: len(r.allWorkers()), Started: p.started.Load(), Evicted: p.evicted.Load(), Replays: p.replays.Load(), Ended: map[End]uint64{},
	}
	for i, end := range Ends() {
		now.Ended[end] = p.ended[i].Load()
	}
	for _, w := range r.allWorkers() {
		w.mu.Lock()
		if w.weight.heavy {
			now.Computing++
		}
		w.mu.Unlock()
	}
	now.Memory, now.Waiting = r.budget.state()
	now.MemoryBound = r.budget.all
	return now
}
