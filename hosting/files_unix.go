//go:build unix

package hosting

import (
	"errors"
	"syscall"
)

// noFollow refuses to open a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// nonBlock opens what is no file, as a pipe, without waiting for its other end.
const nonBlock = syscall.O_NONBLOCK

// isDiskFull reports whether the operating system refused to store more.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// isOutOfMemory reports whether the operating system refused memory.
func isOutOfMemory(err error) bool { return errors.Is(err, syscall.ENOMEM) }
