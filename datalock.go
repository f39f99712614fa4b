package ayb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ayb/fault"
)

// lockFile takes the lock on a data path, which lasts until the file is closed
// or the process ends, however it ends. The file is never removed: another
// process could be about to lock it. Errors: Conflict, naming the process that
// holds it; Unavailable.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The data path can't be locked")
	}
	if held, err := lockExclusive(f); err != nil {
		defer f.Close()
		if held {
			return nil, fault.Wrap(fault.Conflict, err, "The data path is in use by %s; stop it first, or choose another data path", nameOf(holder(path)))
		}
		return nil, fault.Wrap(fault.Unavailable, err, "The data path can't be locked")
	}
	if err := errors.Join(f.Truncate(0), writePid(f)); err != nil {
		f.Close()
		return nil, fault.Wrap(fault.Unavailable, err, "The data path can't be written")
	}
	return f, nil
}

func writePid(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// InUse reports whether an engine is open on a data path, and in which process: 0
// if that can't be told. It changes nothing and can be asked at any time. Errors:
// [fs.ErrNotExist] if no engine has been open there yet, and those of opening the
// file lock in the data path.
func InUse(dataPath string) (pid int, used bool, err error) {
	path := filepath.Join(dataPath, "lock")
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	// Taken for an instant, and shared, so that two who ask do not meet. An engine
	// that opens in that instant is told that the data path is in use.
	if used, err = lockShared(f); err != nil && !used {
		return 0, false, err
	}
	if used {
		pid = holder(path)
	}
	return pid, used, nil
}

// holder returns the process that holds the lock, 0 if that can't be told.
func holder(path string) int {
	text, _ := os.ReadFile(path)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// nameOf is a process in a sentence.
func nameOf(pid int) string {
	if pid == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}
