//go:build unix

package ayb

import (
	"errors"
	"os"
	"syscall"
)

// lockExclusive takes the lock on an open file without waiting. If it fails,
// held says whether that is because another process has the lock.
func lockExclusive(f *os.File) (held bool, err error) { return lock(f, syscall.LOCK_EX) }

// lockShared does so for a lock that others may share.
func lockShared(f *os.File) (held bool, err error) { return lock(f, syscall.LOCK_SH) }

func lock(f *os.File, how int) (held bool, err error) {
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK), err
}
