package ayb

import (
	"errors"
	"fmt"
	"os"
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
			return nil, fault.Wrap(fault.Conflict, err, "The data path is in use by %s; stop it first, or choose another data path", holder(path))
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

// holder names the process that holds the lock.
func holder(path string) string {
	text, _ := os.ReadFile(path)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}
