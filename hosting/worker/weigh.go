package worker

import (
	"sync"
	"time"

	"ayb/internal/sched"
)

// Who computes for long shares a machine with those who want a row by its key. On
// all processors at once, the computing of some would have the others wait for
// their turn, several times in each request. So a worker that computes most of the
// time leaves one processor to those that don't, as long as it does, and for a while
// afterwards: an owner who has had it compute is likely to do so again, and until that
// is noticed it would be in everybody's way. On a machine with one processor there is
// nothing to leave.

// How a worker is weighed: what part of one processor it takes, on an average in
// which what was a quarter of a second ago counts for next to nothing.
const (
	weighNew   = 0.5             // how much the last look counts
	heavyShare = 0.3             // of one processor, above which a worker computes
	lightShare = 0.1             // below which it does so no more
	probation  = 3 * time.Second // for which it must not, to be set free
)

// weight is what is known of how much a worker computes.
type weight struct {
	process  int // where its threads are; 0: not looked for yet
	looked   time.Time
	computed time.Duration // processor time until then
	load     float64       // processors that it takes
	heavy    bool          // it has been confined
	last     time.Time     // when it did more than is light
}

// weigh looks how much a worker computes, and confines it or not. It reports
// whether it is confined. The caller holds w.mu.
func (w *worker) weigh(now time.Time) (heavy bool) {
	k := &w.weight
	passed := now.Sub(k.looked)
	if passed < tick/2 || !w.started {
		return k.heavy
	}
	if k.process == 0 {
		k.process = w.innermost()
	}
	sum, err := sched.Computed(k.process)
	if err != nil {
		return false
	}
	share := float64(sum-k.computed) / float64(passed)
	k.load += (share - k.load) * weighNew
	k.looked, k.computed = now, sum
	if k.load > lightShare {
		k.last = now
	}
	all, most := processors()
	switch {
	case !k.heavy && k.load > heavyShare && most.Count() > 0:
		k.heavy = sched.Confine(k.process, most) == nil
	case k.heavy && now.Sub(k.last) > probation:
		k.heavy = sched.Confine(k.process, all) != nil
	}
	return k.heavy
}

// innermost returns the process that is the worker: not its jail, nor what that has
// put in between.
func (w *worker) innermost() int {
	if w.r.cfg.Sandbox.Jail.Kind == "" {
		return w.cmd.Process.Pid
	}
	return sched.Innermost(w.cmd.Process.Pid)
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
