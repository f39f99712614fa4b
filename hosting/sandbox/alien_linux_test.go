package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// runAlien calls the kernel in a way that the list of system calls knows nothing
// of.
func runAlien(p Policy, args []string) error {
	code, err := machineCode()
	if err != nil {
		return err
	}
	if err := enterAll(p); err != nil {
		return err
	}
	switch args[0] {
	case "i386":
		code()
	case "x32":
		const x32 = 0x40000000
		if _, _, errno := unix.RawSyscall(x32|unix.SYS_GETPID, 0, 0, 0); errno != 0 {
			return errno
		}
	case "clone3":
		if _, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); errno != unix.ENOSYS {
			return fmt.Errorf("clone3 says %w", errno)
		}
	case "unknown":
		if _, _, errno := unix.RawSyscall(9999, 0, 0, 0); errno != unix.EPERM {
			return fmt.Errorf("a number that no call has says %w", errno)
		}
	}
	return nil
}

// machineCode returns a function that asks for the process's number as a program
// of 32 bits would.
func machineCode() (func(), error) {
	if runtime.GOARCH != "amd64" {
		return func() {}, nil
	}
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	copy(page, []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3}) // mov eax, 20; int 0x80; ret
	entry := &struct{ address uintptr }{uintptr(unsafe.Pointer(unsafe.SliceData(page)))}
	return *(*func())(unsafe.Pointer(&entry)), nil
}

func TestEnter_other_interfaces_of_the_kernel_are_deadly(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("this architecture has one interface")
	}
	for _, way := range []string{"i386", "x32"} {
		t.Run(way, func(t *testing.T) {
			p := Policy{Layers: []Layer{Seccomp}, Dirs: []string{sharedDir(t)}}
			cmd := child(t, p, "alien", way)
			err := cmd.Run()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !status.Signaled() || status.Signal() != syscall.SIGSYS {
				t.Errorf("it ended with %v", err)
			}
			open := child(t, Policy{Layers: []Layer{}}, "alien", way)
			open.Stderr = os.Stderr
			if err := open.Run(); err != nil {
				t.Logf("impossible here without a sandbox too: %v", err)
			}
		})
	}
}

func TestEnter_unknown_calls_are_refused(t *testing.T) {
	for _, way := range []string{"clone3", "unknown"} {
		p := Policy{Layers: []Layer{Seccomp}, Dirs: []string{sharedDir(t)}}
		if out, err := child(t, p, "alien", way).CombinedOutput(); err != nil {
			t.Error(errors.Join(err, errors.New(string(out))))
		}
	}
}
