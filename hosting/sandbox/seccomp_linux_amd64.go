package sandbox

import "golang.org/x/sys/unix"

const (
	architecture = unix.AUDIT_ARCH_X86_64
	numbersEnd   = 0x40000000 // where the numbers of the x32 interface begin
)

// architectureCalls are calls that other architectures have by other names.
func architectureCalls() []uint32 {
	return []uint32{unix.SYS_NEWFSTATAT, unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_TIME}
}
