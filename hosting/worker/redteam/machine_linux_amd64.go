package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// compatPID asks for the process's number as a program of 32 bits does.
func compatPID() int32

// machineAttempts are those that only this kind of processor offers.
func machineAttempts() []attempt {
	return []attempt{
		{name: "x32", what: "calls the kernel as a program of the x32 interface", deadly: true, do: func(*target) error {
			const x32 = 0x40000000
			return passed(call(x32 | unix.SYS_GETPID))
		}},
		{name: "i386", what: "calls the kernel as a program of 32 bits", deadly: true, do: func(*target) error {
			if compatPID() != int32(os.Getpid()) {
				return unix.ENOSYS
			}
			return nil
		}},
		rawCall{"segments", "looks at how its memory is addressed, to change it (modify_ldt)", unix.SYS_MODIFY_LDT, [6]uintptr{}, nil}.attempt(),
		rawCall{"ports", "speaks to a device by its ports (ioperm)", unix.SYS_IOPERM, [6]uintptr{0x80, 1, 0}, nil}.attempt(),
		rawCall{"all-ports", "speaks to all devices (iopl)", unix.SYS_IOPL, [6]uintptr{0}, nil}.attempt(),
	}
}
