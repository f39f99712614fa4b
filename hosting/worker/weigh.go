package worker

import (
	"sync"
	"time"

	"ayb/internal/sched"
)

// Who computes for long shares a machine with those who want a row by its key. On
// all processors at once, the computing of some would have the others wait for
// their turn, several times in each request. So a worker that computes most of the
// time leaves one processor to those that don't, as long as it does. On a machine
// with one processor there is nothing to leave.

// How a worker is weighed: what part of one processor it takes, on an average in
// which what was half a second ago counts for next to nothing.
const (
	weighTime  = 2 * tick // between two looks
	weighNew   = 0.5      // how much the last one counts
	heavyShare = 0.3      // of one processor, above which a worker computes
	lightShare = 0.1      // below which it does so no more
)

// weight is what is known of how much a worker computes.
type weight struct {
	looked   time.Time
	computed time.Duration // processor time until then
	load     float64       // processors that it takes
	heavy    bool          // it has been confined
}

// weigh looks how much a worker computes, and confines it or not. It reports
// whether it is confined. The caller holds w.mu.
func (w *worker) weigh(now time.Time) (heavy bool) {
	passed := now.Sub(w.weight.looked)
	if passed < weighTime {
		return w.weight.heavy
	}
	pid := w.cmd.Process.Pid
	sum, err := sched.Computed(pid)
	if err != nil {
		return false
	}
	share := float64(sum-w.weight.computed) / float64(passed)
	w.weight.load += (share - w.weight.load) * weighNew
	w.weight.looked, w.weight.computed = now, sum
	all, most := processors()
	switch heavy := w.weight.heavy; {
	case !heavy && w.weight.load > heavyShare && most.Count() > 0:
		w.weight.heavy = sched.Confine(pid, most) == nil
	case heavy && w.weight.load < lightShare:
		w.weight.heavy = sched.Confine(pid, all) != nil
	}
	return w.weight.heavy
}

// processors returns those of this process, and all but the first of them.
var processors = sync.OnceValues(func() (all, most sched.Processors) {
	all, err := sched.Own()
	if err != nil {
		return all, most
	}
	most = all
	for i := range 1024 {
		if most.IsSet(i) {
			most.Clear(i)
			break
		}
	}
	return all, most
})
