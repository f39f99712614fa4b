package ayb

import (
	"sync"

	"ayb/fault"
	"ayb/hosting"
)

// shares divides places for exports and imports among callers. Each has a copy of a
// database on the disk for as long as its caller takes.
type shares struct {
	all, each int // places, and how many of them one caller may have

	mu    sync.Mutex
	taken int
	by    map[hosting.Caller]int
}

// take takes a place, until give. Errors: Busy.
func (s *shares) take(caller hosting.Caller) (give func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.by[caller] >= s.each:
		return nil, fault.Refuse(fault.Copies, "limits.account_copies (%d) of your exports and imports are under way; try again when one of them is done", s.each)
	case s.taken >= s.all:
		return nil, fault.Refuse(fault.Copies, "limits.copies (%d) exports and imports are under way on this server; try again in a moment", s.all)
	}
	if s.by == nil {
		s.by = map[hosting.Caller]int{}
	}
	s.taken++
	s.by[caller]++
	return func() { s.give(caller) }, nil
}

// count returns how many places are taken.
func (s *shares) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (s *shares) give(caller hosting.Caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.by[caller]--; s.by[caller] == 0 {
		delete(s.by, caller)
	}
}
