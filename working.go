package ayb

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"ayb/catalog"
	"ayb/hosting"
	"ayb/internal/durable"
)

// workNotes note for which owners a snapshot, an export or an import is being made:
// a crash can leave its files in their directories. So the next start looks there, and
// not through the directories of everybody.
//
// A note is not flushed to the disk. If a power cut takes it, what is left is removed
// after the next work for the owner that is killed.
type workNotes struct {
	dir    string // of the notes
	owners string // of the owners' directories

	mu sync.Mutex
	of map[ID]int // how much work is under way
}

// begin notes that there is work for an owner, until end is called.
func (w *workNotes) begin(owner ID) (end func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[owner] == 0 {
		if err := w.note(owner); err != nil {
			return nil, unspooled(err)
		}
	}
	if w.of == nil {
		w.of = map[ID]int{}
	}
	w.of[owner]++
	return func() { w.end(owner) }, nil
}

func (w *workNotes) note(owner ID) error {
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return err
	}
	note, err := os.OpenFile(w.path(owner), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return note.Close()
}

// end takes the note back after the last work for an owner, unless there is something
// in the owner's directories: what others have there who just use them, or what could
// not be removed. A note that stays has the next start look, perhaps in vain.
func (w *workNotes) end(owner ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[owner]--; w.of[owner] == 0 {
		delete(w.of, owner)
		if left, err := hosting.Unswept(w.owners, owner); err == nil && len(left) == 0 {
			_ = os.Remove(w.path(owner))
		}
	}
}

func (w *workNotes) path(owner ID) string { return filepath.Join(w.dir, owner.String()) }

// sweepWork removes what a process that was killed has left of such work.
// Nothing may be under way. What can't be removed does not keep the rest, and keeps
// its note.
func (e *Engine) sweepWork() error {
	notes, err := os.ReadDir(e.working.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return e.beginNotes()
	}
	errs := []error{err}
	for _, note := range notes {
		owner, err := catalog.ParseID(note.Name())
		if err != nil {
			continue // not one of ours
		}
		if err := hosting.Sweep(e.cfg.owners(), owner); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, os.Remove(e.working.path(owner)))
	}
	return errors.Join(errs...)
}

// beginNotes is for a data path without notes, which is new or from an ayb that made
// none: there everybody's directories are looked through, once.
func (e *Engine) beginNotes() error {
	err := hosting.Owners(e.cfg.owners(), func(owner ID) error { return hosting.Sweep(e.cfg.owners(), owner) })
	return errors.Join(err, durable.MkdirAll(e.working.dir))
}
