package worker

import "fmt"

// Who waits for an answer alone reads the socket themselves, so that it comes
// without a detour by another goroutine. When several wait, the keeper reads for
// them, a goroutine of the worker's own. It also reads when nobody has done so for
// a while, and buries the worker when there is nothing more to read.

// keep is the keeper.
func (w *worker) keep() {
	for w.read(nil) {
		<-w.keeper
	}
	w.bury()
}

// read reads frames, for whoever they are, as long as there is reason to: for a
// call until there is something for it to look at, for the keeper until nobody
// waits any more. The caller is the one who reads; afterwards it is not. It
// returns false if there is nothing more to read.
func (w *worker) read(own *call) bool {
	var last *call // has got something and was not told
	for !w.ruined() {
		f, err := w.in.next()
		if err != nil {
			w.end(death{cause: err, violation: err == errTooLong})
			break
		}
		c, idle, ok := w.take(f)
		if !ok {
			w.end(death{cause: fmt.Errorf("%w: frame of kind %d and %d bytes", errViolation, f.kind, len(f.payload)), violation: true})
			break
		}
		w.tell()
		if last != nil && last != c && last != own {
			last.wake()
		}
		last = c
		if w.in.more() {
			continue
		}
		if last != nil && last != own {
			last.wake()
		}
		if last = nil; own == nil && idle || own != nil && w.looks(own) {
			w.leaveOff()
			return true
		}
	}
	if last != nil && last != own {
		last.wake()
	}
	w.mu.Lock()
	w.broken = true
	w.mu.Unlock()
	if own != nil {
		w.keeper <- struct{}{} // who buries it
	}
	return false
}

// ruined reports whether there is nothing more to read.
func (w *worker) ruined() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// looks reports whether there is something for a call to look at.
func (w *worker) looks(c *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(c.in) > 0 || c.reply != nil || c.lost
}

// leaveOff ends the reading and leaves it to the keeper, if anybody waits.
func (w *worker) leaveOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = false
	if len(w.calls) > 0 {
		w.rouse()
	}
}

// takeOver makes a call that is alone the one who reads, if nobody does. Otherwise
// it is woken when there is something to look at.
func (w *worker) takeOver(c *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(c.in) > 0 || c.reply != nil || c.lost {
		c.wake()
		return false
	}
	if w.reading || w.broken {
		return false
	}
	if len(w.calls) > 1 || c.patient { // which may leave at any time
		w.rouse()
		return false
	}
	w.reading = true
	return true
}

// rouse has the keeper read, unless somebody does. The caller holds w.mu.
func (w *worker) rouse() {
	if w.reading || w.broken {
		return
	}
	w.reading = true
	w.keeper <- struct{}{}
}
