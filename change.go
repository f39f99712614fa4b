package ayb

import (
	"context"
	"sync"

	"ayb/hosting"
)

// changeShards is how many locks the databases share that are noted to have
// changed, so that writers of different databases do not wait for one another.
const changeShards = 16

// changes remembers which databases are noted in the metadata as changed since
// their last snapshot, so that only the first change costs a note, and which of
// them somebody may be writing to. The zero value is ready.
//
// A note is made before the write, and is taken back after a snapshot only if it
// is still the one that was there before. What remains is a write that began
// before the copy, under the old note, and is committed after it: a copy
// therefore counts as complete only if nobody was writing when it began. So a
// change can be noted for nothing, after a crash or a write that failed, but none
// is missed.
type changes [changeShards]struct {
	mu sync.Mutex
	of map[ID]*change
}

// A change is what is remembered of one database, as long as it is noted or
// written to.
type change struct {
	noted   bool
	writers int
}

// enter lets a writer in if the database is noted as changed; then leave has to
// follow.
func (cs *changes) enter(id ID) bool {
	s := &cs[id[15]%changeShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of[id]
	if c == nil || !c.noted {
		return false
	}
	c.writers++
	return true
}

// note lets a writer in who is about to note the change; leave has to follow.
// Once it is noted, noted says so.
func (cs *changes) note(id ID) {
	s := &cs[id[15]%changeShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of[id]
	if c == nil {
		c = &change{}
		if s.of == nil {
			s.of = map[ID]*change{}
		}
		s.of[id] = c
	}
	c.writers++
}

// noted remembers that the database is noted.
func (cs *changes) noted(id ID) {
	s := &cs[id[15]%changeShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[id].noted = true
}

// leave lets a writer out.
func (cs *changes) leave(id ID) {
	s := &cs[id[15]%changeShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of[id]
	if c.writers--; c.writers == 0 && !c.noted {
		delete(s.of, id)
	}
}

// forget makes the next writer note the change anew, and reports true. If
// somebody is writing it does nothing and reports false.
func (cs *changes) forget(id ID) bool {
	s := &cs[id[15]%changeShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.of[id]; c != nil && c.writers > 0 {
		return false
	}
	delete(s.of, id)
	return true
}

// admitWriter lets the call in as one that may write, if the database is noted as
// changed; if it is not, the Runner will say whether that is needed.
func (c *call) admitWriter() bool {
	if c.writing == c.database.ID {
		return true
	}
	c.leaveWriters()
	if !c.e.changes.enter(c.database.ID) {
		return false
	}
	c.writing = c.database.ID
	return true
}

// leaveWriters is the end of it.
func (c *call) leaveWriters() {
	if !c.writing.IsZero() {
		c.e.changes.leave(c.writing)
		c.writing = ID{}
	}
}

// noteChange notes durably that the database changes, with a new name of the
// change, and lets the call in as one that may write.
func (c *call) noteChange(note func(mark ID) error) error {
	c.leaveWriters()
	c.writing = c.database.ID
	c.e.changes.note(c.writing)
	if err := note(c.e.ids.next()); err != nil {
		c.leaveWriters()
		return c.changed(err)
	}
	c.e.changes.noted(c.writing)
	return nil
}

// markChanged notes that the database changes, if that is not known yet.
func (c *call) markChanged(ctx context.Context) error {
	if c.class != hosting.Write || c.admitWriter() {
		return nil
	}
	return c.noteChange(func(mark ID) error {
		if !c.database.Written { // the file is there, and the crash came before it was noted
			return c.e.store.MarkWritten(ctx, c.database.ID, mark)
		}
		return c.e.store.MarkChanged(ctx, c.database.ID, mark)
	})
}
