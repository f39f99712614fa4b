package httpapi

import (
	"sync"

	"ayb/catalog"
)

// The bounds of the classic answers that are kept at the same time. An answer is
// kept until its reader has taken it, who may take as long as they like over it,
// so that without a bound a few slow readers hold all of the memory.
const (
	uncountedResult = 1 << 20 // bytes of each answer that always have room
	heldResults     = 5       // of the largest answers, of all callers
)

// The bounds of the bodies that are being read or worked on at the same time: who
// sends one may take limits.write_stall over it.
const (
	uncountedBody = 64 << 10  // bytes of each body that always have room
	heldBodies    = 256 << 20 // bytes of all the larger ones
)

// A budget bounds the memory of large answers or bodies, of all callers together
// and, by half of that, of each. Callers without an account count as one.
type budget struct {
	total int64

	mu   sync.Mutex
	held int64
	by   map[catalog.ID]int64
}

func newBudget(total int64) *budget { return &budget{total: total, by: map[catalog.ID]int64{}} }

// take reports whether there is room for n more bytes of a caller, who has it
// then until give.
func (b *budget) take(caller catalog.ID, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held+n > b.total || b.by[caller]+n > b.total/2 {
		return false
	}
	b.held += n
	b.by[caller] += n
	return true
}

// give takes back what a caller does not need any more.
func (b *budget) give(caller catalog.ID, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= n
	if b.by[caller] -= n; b.by[caller] == 0 {
		delete(b.by, caller)
	}
}
