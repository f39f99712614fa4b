package sandbox

import "golang.org/x/sys/unix"

const (
	architecture = unix.AUDIT_ARCH_AARCH64
	numbersEnd   = 0
)

// architectureCalls are calls that other architectures have by other names.
func architectureCalls() []uint32 { return []uint32{unix.SYS_FSTATAT} }
