package ayb

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"ayb/fault"
	"ayb/internal/durable"
)

// recoveryNotes is a file that is there from before a recovery writes anything until
// it has ended. It has a line for each database whose outcome is known, so that an
// interrupted recovery says the same in the end as one that was not.
type recoveryNotes struct {
	path string

	mu   sync.Mutex
	file *os.File // nil: nothing has been added
	done map[ID]RecoveredDatabase
}

func (e *Engine) recoveringPath() string { return filepath.Join(e.cfg.DataPath, RecoveringName) }

func unnoted(err error) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "The recovery can't be noted in the data path")
}

// startNotes makes the file, without a line.
func (r *recovery) startNotes() (*recoveryNotes, error) {
	n := &recoveryNotes{path: r.e.recoveringPath(), done: map[ID]RecoveredDatabase{}}
	return n, unnoted(replaceFile(n.path, nil))
}

// readRecoveryNotes reads what an interrupted recovery has left; nil if there was
// none.
func readRecoveryNotes(path string) (*recoveryNotes, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	n := &recoveryNotes{path: path, done: map[ID]RecoveredDatabase{}}
	for line := range bytes.Lines(text) {
		var d RecoveredDatabase
		if json.Unmarshal(line, &d) == nil { // or it was being written
			n.done[d.ID] = d
		}
	}
	return n, unnoted(err)
}

// of returns what was noted of a database.
func (n *recoveryNotes) of(id ID) (d RecoveredDatabase, ok bool) {
	if n == nil {
		return d, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d, ok = n.done[id]
	return d, ok
}

// add notes what becomes of a database, durably.
func (n *recoveryNotes) add(d RecoveredDatabase) error {
	if n == nil {
		return nil
	}
	text, err := json.Marshal(d)
	if err != nil {
		return unnoted(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		if n.file, err = os.OpenFile(n.path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
			return unnoted(err)
		}
		text = append([]byte("\n"), text...) // the line before may be half a one
	}
	if _, err := n.file.Write(append(text, '\n')); err != nil {
		return unnoted(err)
	}
	n.done[d.ID] = d
	return unnoted(n.file.Sync())
}

// end removes the file: the recovery is over.
func (n *recoveryNotes) end() error {
	return unnoted(errors.Join(n.close(), os.Remove(n.path), durable.SyncDir(filepath.Dir(n.path))))
}

func (n *recoveryNotes) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return nil
	}
	err := n.file.Close()
	n.file = nil
	return err
}
