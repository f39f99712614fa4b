package sandbox

import (
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// securebits make the number 0 a user like any other, for good: bit 2n of the set
// is a rule of linux/securebits.h, bit 2n+1 keeps it from being changed. The rules
// are no root, no fix-up of capabilities by setuid, (not) keeping them, and no
// ambient ones; of the third only the lock is set.
const securebits = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7

// enterPrivileges gives up all capabilities and every way to get one, on all
// threads. The bounding set is left alone: what it bounds is what exec gives, and
// no_new_privs and the securebits, none of which can be undone, have that at
// nothing already. Emptying it would take one call on all threads for each
// capability, which doubles the time that a worker takes to start.
func enterPrivileges() error {
	if err := threadsReachable(); err != nil {
		return err
	}
	if has(unix.CAP_SETPCAP) {
		if err := prctl(unix.PR_SET_SECUREBITS, securebits); err != nil {
			return err
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	unix.Umask(0o077)
	// Other processes of the same user may not look into this one.
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// prctl calls prctl(2) on every thread.
func prctl(option, argument uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, option, argument, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// dropCapabilities empties the permitted, effective and inheritable sets, and
// with them the ambient one, of every thread.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// has reports whether this thread holds a capability.
func has(capability uint) bool {
	sets, err := capabilities()
	return err == nil && sets[capability/32].Effective&(1<<(capability%32)) != 0
}

// capabilities returns the sets of this thread.
func capabilities() (sets [2]unix.CapUserData, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	err = unix.Capget(&header, &sets[0])
	return sets, err
}
