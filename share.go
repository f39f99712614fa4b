package ayb

import (
	"sync"

	"ayb/fault"
	"ayb/hosting"
)

// How many exports and imports may be under way. Each has a copy of a database
// on the disk for as long as its caller takes.
const (
	copiesAtOnce    = 64
	copiesPerCaller = 4
)

// shares divides places for exports and imports among callers. The zero value is
// ready.
type shares struct {
	mu    sync.Mutex
	taken int
	by    map[hosting.Caller]int
}

// take takes a place, until give. Errors: Busy.
func (s *shares) take(caller hosting.Caller) (give func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.by[caller] >= copiesPerCaller:
		return nil, fault.New(fault.Busy, "%d of your exports and imports are under way; try again when one of them is done", copiesPerCaller)
	case s.taken >= copiesAtOnce:
		return nil, fault.New(fault.Busy, "This server is at work on as many exports and imports as it may be; try again in a moment")
	}
	if s.by == nil {
		s.by = map[hosting.Caller]int{}
	}
	s.taken++
	s.by[caller]++
	return func() { s.give(caller) }, nil
}

func (s *shares) give(caller hosting.Caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.by[caller]--; s.by[caller] == 0 {
		delete(s.by, caller)
	}
}
