//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// lockExclusive takes the lock on an open file without waiting. If it fails,
// held says whether that is because another process has the lock.
func lockExclusive(f *os.File) (held bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK), err
}
