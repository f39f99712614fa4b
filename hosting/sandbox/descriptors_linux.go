package sandbox

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxDescriptors bounds the search for descriptors where /proc does not list them.
const maxDescriptors = 1 << 16

// enterDescriptors closes what was open when the process began, except the first
// few. What came through exec has not the mark "close on exec", and what this
// process has opened for itself, as Go's runtime has by now, has it.
func enterDescriptors(kept int) error {
	for _, fd := range descriptors() {
		if fd < kept {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// descriptors returns the numbers of the descriptors that may be open.
func descriptors() (fds []int) {
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, e := range entries {
			if fd, err := strconv.Atoi(e.Name()); err == nil {
				fds = append(fds, fd)
			}
		}
		return fds
	}
	var limit unix.Rlimit
	bound := uint64(maxDescriptors)
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		bound = min(bound, limit.Max)
	}
	for fd := range int(bound) {
		fds = append(fds, fd)
	}
	return fds
}
