package ayb

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockExclusive takes the lock on an open file without waiting. If it fails,
// held says whether that is because another process has the lock. It locks a byte
// far behind the text, so that others can still read who holds it.
func lockExclusive(f *os.File) (held bool, err error) {
	return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK)
}

// lockShared does so for a lock that others may share.
func lockShared(f *os.File) (held bool, err error) { return lock(f, 0) }

func lock(f *os.File, how uint32) (held bool, err error) {
	err = windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1})
	return errors.Is(err, windows.ERROR_LOCK_VIOLATION), err
}
