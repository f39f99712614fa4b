package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockExclusive takes the lock on an open file without waiting. If it fails,
// held says whether that is because another process has the lock.
func lockExclusive(f *os.File) (held bool, err error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	return errors.Is(err, windows.ERROR_LOCK_VIOLATION), err
}
