package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"ayb/fault"
)

// A budget is the memory that the texts of all owners may take together, so that
// the machine does not have to find out that it has none left. A text counts for
// what it may take, limits.connection_memory, from when it is given to a worker:
// nobody knows how much it will want. Of the texts that a worker was given, only as
// many count as it runs at once; if the databases that it has open take more, that
// counts.
//
// What does not fit waits. If databases that nobody uses take the room, they are
// closed first; then the workers have texts let in by turns. One is always let in.
type budget struct {
	all  int64 // bytes
	text int64 // that one may take

	// relieve has a worker that is idle give up its memory, if any is.
	relieve func() bool

	mu     sync.Mutex
	taken  int64 // by all accounts
	claims int   // the same, of texts
	queue  []*account
}

// An account is what one worker has of the budget.
type account struct {
	texts   int // that it runs at once
	running int // texts that it was given
	claims  int // of them that count
	open    int64
	waiting []*claim
}

// A claim is a text that waits.
type claim struct {
	granted chan struct{} // closed when there is room
	held    bool
}

// take waits until there is room for a text, at most for so long. Errors: Busy, the
// context's.
func (b *budget) take(ctx context.Context, a *account, patience time.Duration) error {
	b.mu.Lock()
	if a.covered() || len(b.queue) == 0 && b.fits(a) {
		b.grant(a)
		b.mu.Unlock()
		return nil
	}
	c := &claim{granted: make(chan struct{})}
	if a.waiting = append(a.waiting, c); len(a.waiting) == 1 {
		b.queue = append(b.queue, a)
	}
	b.mu.Unlock()
	b.makeRoom()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = fault.Refuse(fault.Memory, "The queries at work have all the memory that they may take together (limits.memory, %d MiB); try again in a moment", b.all>>20)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.held { // at the last moment
		b.end(a)
	} else {
		b.forget(a, c)
	}
	b.serve()
	return err
}

// force lets a text in for whose end others may wait, so that it can't wait itself.
func (b *budget) force(a *account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grant(a)
}

// give ends a text.
func (b *budget) give(a *account) {
	b.mu.Lock()
	b.end(a)
	b.serve()
	waited := len(b.queue) > 0
	b.mu.Unlock()
	if waited {
		b.makeRoom()
	}
}

// tell notes what the open databases of a worker take.
func (b *budget) tell(a *account, open int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(a, a.claims, open)
	b.serve()
}

// makeRoom has workers that are idle give up their memory, as long as somebody waits
// to whom that makes a difference.
func (b *budget) makeRoom() {
	for b.short() && b.relieve() {
	}
}

// short reports whether somebody waits for what open databases take.
func (b *budget) short() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) > 0 && int64(b.claims+1)*b.text <= b.all
}

// state returns what counts, and how many texts wait.
func (b *budget) state() (taken int64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.queue {
		waiting += len(a.waiting)
	}
	return b.taken, waiting
}

// The rest is called with b.mu held.

// size returns what a worker with so many claims and open databases counts for.
func (b *budget) size(claims int, open int64) int64 { return max(int64(claims)*b.text, open) }

// fits reports whether there is room for one text more in a worker.
func (b *budget) fits(a *account) bool {
	return b.claims == 0 || b.taken-b.size(a.claims, a.open)+b.size(a.claims+1, a.open) <= b.all
}

// covered reports whether what the worker has suffices for one text more.
func (a *account) covered() bool { return a.claims >= min(a.running+1, a.texts) }

func (b *budget) grant(a *account) {
	if !a.covered() {
		b.change(a, a.claims+1, a.open)
	}
	a.running++
}

func (b *budget) end(a *account) {
	a.running--
	b.change(a, min(a.claims, a.running), a.open)
}

func (b *budget) change(a *account, claims int, open int64) {
	b.taken += b.size(claims, open) - b.size(a.claims, a.open)
	b.claims += claims - a.claims
	a.claims, a.open = claims, open
}

// serve lets in those who wait, as long as there is room: one of each worker in turn,
// and those that it makes no difference for.
func (b *budget) serve() {
	for len(b.queue) > 0 && b.fits(b.queue[0]) {
		a := b.queue[0]
		b.queue = b.queue[1:]
		for first := true; len(a.waiting) > 0 && (first || a.covered()); first = false {
			c := a.waiting[0]
			a.waiting = a.waiting[1:]
			b.grant(a)
			c.held = true
			close(c.granted)
		}
		if len(a.waiting) > 0 {
			b.queue = append(b.queue, a)
		}
	}
}

// forget takes a text that waits off the queue.
func (b *budget) forget(a *account, c *claim) {
	i := slices.Index(a.waiting, c)
	if a.waiting = slices.Delete(a.waiting, i, i+1); len(a.waiting) == 0 {
		j := slices.Index(b.queue, a)
		b.queue = slices.Delete(b.queue, j, j+1)
	}
}
