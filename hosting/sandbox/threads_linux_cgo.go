//go:build cgo

package sandbox

import (
	"fmt"
	"os"
	"strconv"
)

// threadsNeedProc says that a system call can be made on all threads only where
// /proc lists them: in a program that is linked with a C library.
const threadsNeedProc = true

// threadsReachable reports whether a system call can be made on all threads. If
// /proc lists the threads of some other namespace, the attempt would never end.
func threadsReachable() error {
	self, err := os.Readlink("/proc/self")
	if err != nil { // it may be the part of /proc that we attached ourselves
		self = strconv.Itoa(os.Getpid())
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/task", os.Getpid())); err != nil || self != strconv.Itoa(os.Getpid()) {
		return reason("A program that is linked with a C library needs its threads listed in /proc, and here they are not; build it with CGO_ENABLED=0")
	}
	return nil
}
