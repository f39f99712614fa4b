//go:build !unix

package hosting

import (
	"errors"
	"syscall"
)

// noFollow has no meaning here.
const noFollow = 0

// nonBlock has no meaning here.
const nonBlock = 0

// errorDiskFull is Windows' ERROR_DISK_FULL.
const errorDiskFull = syscall.Errno(112)

// isDiskFull reports whether the operating system refused to store more.
func isDiskFull(err error) bool { return errors.Is(err, errorDiskFull) }

// isOutOfMemory reports whether the operating system refused memory.
func isOutOfMemory(error) bool { return false }
