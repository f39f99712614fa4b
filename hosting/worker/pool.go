package worker

import (
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"ayb/hosting"
)

// sit returns the seat of a worker and holds on to it until rise.
func (r *Runner) sit(key seatKey) *seat {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seats[key]
	if s == nil {
		s = &seat{r: r, key: key}
		s.account.texts = r.texts()
		s.turns = newTurns(&r.limits, pipeline(r.limits.Readers))
		r.seats[key] = s
	}
	s.users++
	return s
}

// texts returns how many texts the memory of a worker suffices for.
func (r *Runner) texts() int { return max(1, int(r.cfg.OwnerMemory/r.limits.ConnectionMemory)) }

func (r *Runner) rise(s *seat) {
	r.mu.Lock()
	s.users--
	r.mu.Unlock()
	r.forget(s)
}

// forget forgets a seat that nobody has anything to do with.
func (r *Runner) forget(s *seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.users > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker == nil && s.starting == nil && r.seats[s.key] == s {
		delete(r.seats, s.key)
	}
}

// seatOf returns a seat if there is one.
func (r *Runner) seatOf(key seatKey) *seat {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seats[key]
}

// admit waits until there may be one worker more: if need be, one that is idle
// makes room. Errors: Busy, Unavailable.
func (r *Runner) admit(s *seat) error {
	deadline := time.NewTimer(r.limits.QueueTime)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		if r.closed {
			r.mu.Unlock()
			return errClosed
		}
		if r.admitted < r.cfg.Workers {
			r.admitted++
			r.mu.Unlock()
			return nil
		}
		relieved := r.relieved
		r.mu.Unlock()
		r.evict(false)
		select {
		case <-relieved:
		case <-r.closing:
			return errClosed
		case <-deadline.C:
			return errAllBusy(r.cfg.Workers)
		}
	}
}

// discharge gives back what admit gave: the worker has ended.
func (r *Runner) discharge() {
	r.mu.Lock()
	r.admitted--
	r.mu.Unlock()
	r.signal()
}

// vacated waits until no worker is left, not even one that was just about to
// start. The Runner is closed.
func (r *Runner) vacated() {
	for {
		r.mu.Lock()
		left, relieved := r.admitted, r.relieved
		r.mu.Unlock()
		if left == 0 {
			return
		}
		<-relieved
	}
}

// signal wakes those who wait for room.
func (r *Runner) signal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.relieved)
	r.relieved = make(chan struct{})
}

// relieve is called when a worker has become idle: it may make room for others.
func (r *Runner) relieve() {
	r.mu.Lock()
	full := r.admitted >= r.cfg.Workers
	r.mu.Unlock()
	if full {
		r.signal()
	}
	for r.memory.Load() > r.limits.OpenMemory && r.evict(true) {
	}
}

// evict ends the worker that was idle for longest, if any is. Its memory does
// not count any more, although it takes a moment to be free.
func (r *Runner) evict(forMemory bool) bool {
	var victim *seat
	var since time.Time
	for _, w := range r.allWorkers() {
		if forMemory && !w.holds() {
			continue
		}
		if idle, ok := r.idle(w); ok && (victim == nil || idle.Before(since)) {
			victim, since = w.seat, idle
		}
	}
	if victim == nil {
		return false
	}
	w, ok := victim.retire(false)
	if ok {
		r.processes.evicted.Add(1)
		w.mu.Lock()
		r.evictions.Add(uint64(w.stats.Databases))
		w.occupy(0)
		w.mu.Unlock()
	}
	return ok
}

// holds reports whether the worker has memory that counts.
func (w *worker) holds() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats.Memory > 0
}

// idle returns since when a worker could be ended. The owner's stays as long as
// the reader, so that it is the last to close their databases and can empty the
// logs.
func (r *Runner) idle(w *worker) (since time.Time, ok bool) {
	s := w.seat
	if !s.key.reader {
		if reader := r.seatOf(seatKey{s.key.owner, true}); reader != nil && reader.taken() {
			return since, false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return w.idle, s.worker == w && w.users == 0 && !w.leaving
}

// taken reports whether the seat has a worker, or soon will have.
func (s *seat) taken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.worker != nil || s.starting != nil
}

// add makes a worker known. It fails if the Runner is closed.
func (r *Runner) add(w *worker) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.workers[w] = struct{}{}
	return !r.closed
}

// thisProgram returns the program that runs. On Linux that is so even if its file
// has been replaced since, but a jail has to have the file.
func thisProgram(jailed bool) (string, error) {
	if runtime.GOOS == "linux" && !jailed {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

func (r *Runner) allWorkers() (all []*worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.workers {
		all = append(all, w)
	}
	return all
}

// bury forgets a worker that has ended, but not what it has done. The caller
// holds w.mu.
func (r *Runner) bury(w *worker) {
	w.occupy(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.workers, w)
	addCounters(&r.past, w.stats)
}

func addCounters(sum *hosting.Stats, s hosting.Stats) {
	sum.Reads += s.Reads
	sum.Writes += s.Writes
	sum.Failures += s.Failures
	sum.Interrupts += s.Interrupts
	sum.Commits += s.Commits
	sum.Syncs += s.Syncs
	sum.Evictions += s.Evictions
	sum.Batches.Add(s.Batches)
	sum.StatementHits += s.StatementHits
	sum.StatementMisses += s.StatementMisses
}

// statsPatience is how long Stats waits for workers to tell.
const statsPatience = 250 * time.Millisecond

// Stats implements hosting.Runner. It asks the workers; of one that does not
// answer soon it tells what was last known. A database that both workers of its
// owner have open counts once.
func (r *Runner) Stats() hosting.Stats {
	ctx, cancel := context.WithTimeout(context.Background(), statsPatience)
	defer cancel()
	workers := r.allWorkers()
	var asked sync.WaitGroup
	for _, w := range workers {
		asked.Go(func() {
			c := r.newCall(ctx, request{op: opStats})
			c.patient = true
			c.exchange(w, c.request.append(nil))
		})
	}
	asked.Wait()
	r.mu.Lock()
	sum := r.past
	r.mu.Unlock()
	databases := map[seatKey]int{}
	for _, w := range workers {
		w.mu.Lock()
		s, dead := w.stats, w.dead
		w.mu.Unlock()
		if dead {
			continue
		}
		addCounters(&sum, s)
		sum.Connections += s.Connections
		sum.Sessions += s.Sessions
		sum.QueuedReads += s.QueuedReads
		sum.QueuedWrites += s.QueuedWrites
		sum.Memory += s.Memory
		sum.TempBytes += s.TempBytes
		owner := seatKey{owner: w.seat.key.owner}
		databases[owner] = max(databases[owner], s.Databases)
	}
	for _, n := range databases {
		sum.Databases += n
	}
	for _, s := range r.allSeats() {
		waiting := s.turns.waiting()
		sum.QueuedReads += waiting[index(false)]
		sum.QueuedWrites += waiting[index(true)]
	}
	sum.Failures += r.failures.Load()
	sum.Evictions += r.evictions.Load()
	return sum
}

func (r *Runner) allSeats() []*seat {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.seats))
}

// endReaders ends those who read a database in the other worker of its owner.
func (r *Runner) endReaders(asking *seat, db hosting.DB) {
	s := r.seatOf(seatKey{asking.key.owner, !asking.key.reader})
	if s == nil {
		return
	}
	s.mu.Lock()
	w := s.worker
	s.mu.Unlock()
	if w == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), logPatience)
	defer cancel()
	c := r.newCall(ctx, request{op: opEndReaders, job: hosting.Job{DB: db}})
	c.patient = true
	c.exchange(w, c.request.append(nil))
}
