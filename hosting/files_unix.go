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

// isOutOfMemory reports whether the operating system refused memory.
func isOutOfMemory(err error) bool { return errors.Is(err, syscall.ENOMEM) }
