package sandbox

import (
	"golang.org/x/sys/unix"
)

// enterLimits lowers the bounds that the kernel keeps for the process. They can
// not be raised again: the hard bound goes down with the soft one.
func enterLimits(p Policy) (remark string, err error) {
	limits := []struct {
		resource int
		bound    uint64
	}{
		{unix.RLIMIT_CORE, 0},     // a core file would hold tenants' data
		{unix.RLIMIT_MEMLOCK, 0},  // locked memory is not given back
		{unix.RLIMIT_MSGQUEUE, 0}, // message queues live in the kernel's memory
	}
	add := func(resource int, bound int64) {
		if bound > 0 {
			limits = append(limits, struct {
				resource int
				bound    uint64
			}{resource, uint64(bound)})
		}
	}
	if raceDetector {
		remark = "A build with the race detector has no bound on memory, because it reserves more than any."
	} else {
		add(unix.RLIMIT_DATA, p.DataBytes)
	}
	add(unix.RLIMIT_FSIZE, p.FileBytes)
	add(unix.RLIMIT_NOFILE, int64(p.OpenFiles))
	switch {
	case p.Threads == 0:
	case !p.ownUsers():
		remark = "Threads have no bound of their own, because without a user namespace the kernel counts all threads of the user together."
	default:
		add(unix.RLIMIT_NPROC, int64(p.Threads))
	}
	for _, l := range limits {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.bound, Max: l.bound}); err != nil {
			return "", err
		}
	}
	return remark, nil
}

// ownUsers reports whether this process is in a user namespace of its own.
func (p Policy) ownUsers() bool { return p.Jail.Kind != "" || p.wants(Users) }
