package worker

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"ayb/fault"
)

// grace is how long a worker has to end what it was told to end, or what has
// reached its bound on time. After that it is killed.
const grace = 150 * time.Millisecond

// muteAfter is how long a worker may take to answer a probe. It does so at once,
// unless the machine keeps it from running.
const muteAfter = 200 * time.Millisecond

// refusalTime is how long a session's text may go on to its next row when no more
// are wanted. Then it is ended like any other, and that ends its transaction too.
const refusalTime = 2 * time.Second

// holdAfter is how long a worker may take for it before it is told to begin no
// more commits, so that as few as possible are under way when it is killed, and
// nobody has to be told that the outcome of their write is unknown.
const holdAfter = grace / 2

// tick is how often the Runner looks while anything is under way.
const tick = 25 * time.Millisecond

// watching is the goroutine that ends what overstays, and workers that were idle
// for long. It runs while there are workers, and sleeps while they are idle.
type watching struct {
	state atomic.Int32
	mu    sync.Mutex
	wake  chan struct{}
	ended chan struct{} // closed when the goroutine ends
}

// The states of watching.
const (
	watchOff int32 = iota
	watchAsleep
	watchAwake
)

// watch makes sure that the Runner looks.
func (r *Runner) watch() {
	v := &r.watching
	if v.state.Load() == watchAwake {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch v.state.Load() {
	case watchOff:
		v.wake, v.ended = make(chan struct{}, 1), make(chan struct{})
		v.state.Store(watchAwake)
		go r.look(v.wake, v.ended)
	case watchAsleep:
		select {
		case v.wake <- struct{}{}:
		default:
		}
	}
}

// stop waits for the end of the goroutine, once there are no workers.
func (v *watching) stop() {
	v.mu.Lock()
	ended := v.ended
	v.nudge()
	v.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// nudge wakes the goroutine. The caller holds v.mu.
func (v *watching) nudge() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (r *Runner) look(wake <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	v := &r.watching
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		now := time.Now()
		busy, next, any := r.inspect(now)
		switch {
		case !any:
			if r.rest() {
				return
			}
			continue
		case busy:
			timer.Reset(tick)
		default:
			v.state.Store(watchAsleep)
			if busy, _, _ = r.inspect(now); busy { // since then
				v.state.Store(watchAwake)
				continue
			}
			timer.Reset(max(next, tick))
		}
		select {
		case <-timer.C:
		case <-wake:
		}
		v.state.Store(watchAwake)
	}
}

// rest ends the goroutine if there is no worker.
func (r *Runner) rest() bool {
	v := &r.watching
	v.mu.Lock()
	defer v.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.workers) > 0 {
		return false
	}
	v.state.Store(watchOff)
	return true
}

// inspect looks at all workers. It reports whether any is at work, and after how
// long the next will have been idle for long.
func (r *Runner) inspect(now time.Time) (busy bool, next time.Duration, any bool) {
	next = r.cfg.Idle
	for _, w := range r.allWorkers() {
		any = true
		busy = w.inspect(now) || busy
		since, ok := r.idle(w)
		if !ok {
			continue
		}
		if left := r.cfg.Idle - now.Sub(since); left > 0 {
			next = min(next, left)
		} else {
			go w.seat.retire(false)
		}
	}
	return busy, next, any
}

// inspect looks at what a worker has to do, and kills it if it does not end what
// it should. It reports whether there is anything.
func (w *worker) inspect(now time.Time) (busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rouse()
	var oldest *call
	late := false
	for _, c := range w.calls {
		if c.patient {
			continue
		}
		if oldest == nil || c.sent.Before(oldest.sent) {
			oldest = c
		}
		late = w.insist(c, now) || late
	}
	w.overdue = w.overdue && oldest != nil
	w.hold(late || w.overdue)
	heavy := (oldest != nil || w.weight.heavy) && w.weigh(now)
	if oldest == nil {
		return heavy // it is to be set free
	}
	age := now.Sub(oldest.sent)
	switch {
	case age > w.r.longest():
		w.kill(death{culprit: oldest, proven: true, verdict: w.r.overstayed(oldest, now), cause: errOverstayed})
	case !w.probed.IsZero() && now.Sub(w.probed) > muteAfter:
		d := death{cause: errMute}
		if age > w.r.limits.QueryTime {
			d.culprit, d.verdict = oldest, w.r.overstayed(oldest, now)
		}
		w.kill(d)
	case now.After(w.next):
		w.probe(now)
	}
	return true
}

// insist sees to it that a call ends that nobody wants any more. It reports
// whether that takes long. The caller holds w.mu.
func (w *worker) insist(c *call, now time.Time) (late bool) {
	if c.unwanted.IsZero() {
		if c.ctx.Err() == nil && !w.r.isClosing() {
			return false
		}
		c.unwanted = now.Add(-tick) // it is not asked nicely first
	}
	if !c.cancelled && now.Sub(c.unwanted) >= tick {
		c.unwanted, c.cancelled = now, true
		w.out.post(kindCancel, c.id, nil)
	}
	if !w.answered.After(c.unwanted) {
		w.probe(now) // is it the text, or the machine?
	}
	if now.Sub(c.unwanted) > grace {
		w.kill(death{
			culprit: c, proven: w.answered.After(c.unwanted), verdict: c.ctx.Err(), cause: errOverstayed, closing: w.r.isClosing(),
		})
	}
	return now.Sub(c.unwanted) > holdAfter
}

var (
	errOverstayed = errors.New("worker: a text did not end when it was told to")
	errMute       = errors.New("worker: it does not answer")
)

func (r *Runner) isClosing() bool {
	select {
	case <-r.closing:
		return true
	default:
		return false
	}
}

// told takes the answer to a probe.
func (w *worker) told(f frame) bool {
	s, ok := decodeStatus(f.payload)
	if !ok || w.probed.IsZero() {
		return false
	}
	now := time.Now()
	w.probed, w.answered = time.Time{}, now
	w.overdue = s.overdue > holdAfter
	w.next = now.Add(w.r.limits.QueryTime)
	if s.next > 0 && s.next < w.r.limits.QueryTime {
		w.next = now.Add(s.next)
	}
	if s.overdue > 0 {
		w.next = now.Add(tick)
		w.hold(w.overdue)
		if c := w.calls[s.worst]; c != nil && s.overdue > grace {
			w.kill(death{culprit: c, proven: true, verdict: w.r.overstayed(c, now), cause: errOverstayed})
		}
	}
	return true
}

// overstayed is what the caller of a text gets that its worker was killed for.
func (r *Runner) overstayed(c *call, now time.Time) error {
	bound, allowed := "limits.query_time", r.limits.QueryTime
	if long := r.limits.MaintenanceTime; long > allowed && now.Sub(c.sent) > long {
		bound, allowed = "limits.maintenance_time", long
	}
	return fault.New(fault.TimedOut, "The query ran longer than %s allows (%v) and its process was ended; nothing of it was kept. Narrow it down, or add an index", bound, allowed)
}

// longest is how long any call may take, all its waiting included, whatever its
// worker says.
func (r *Runner) longest() time.Duration {
	l := &r.limits
	return max(l.QueryTime, l.MaintenanceTime) + l.StreamTime + 2*l.QueueTime
}

// probe asks the worker how its texts stand, unless it was asked. The caller holds
// w.mu.
func (w *worker) probe(now time.Time) {
	if w.probed.IsZero() {
		w.probed = now
		w.out.post(kindProbe, 0, nil)
	}
}

// hold tells the worker whether it may be killed soon. The caller holds w.mu.
func (w *worker) hold(soon bool) {
	switch {
	case soon && !w.holding:
		w.out.post(kindHold, 0, nil)
	case !soon && w.holding:
		w.out.post(kindUnhold, 0, nil)
	}
	w.holding = soon
}

// kill kills the process. The caller holds w.mu.
func (w *worker) kill(d death) {
	if w.death == (death{}) {
		w.death = d
	}
	w.rouse()
	w.cmd.Process.Kill()
}
