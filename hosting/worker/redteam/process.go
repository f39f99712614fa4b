//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processAttempts go for programs and other processes.
func processAttempts() []attempt {
	return append(programAttempts(), []attempt{
		{name: "signal-parent", what: "signals the server", do: func(t *target) error { return unix.Kill(t.Parent, 0) }},
		{name: "signal-group", what: "signals another group of processes", do: func(t *target) error { return unix.Kill(-t.Bystander, 0) }},
		{name: "signal-all", what: "signals all processes", do: func(*target) error { return unix.Kill(-1, 0) }},
		{name: "signal-thread", what: "signals another process's thread", do: func(t *target) error { return unix.Tgkill(t.Bystander, t.Bystander, 0) }},
		{name: "signal-queue", what: "queues a signal for another process", do: queueSignal},
		{name: "pidfd-signal", what: "signals another process by a descriptor of it", do: pidfdSignal},
		{name: "pidfd-take", what: "takes a descriptor out of another process", do: pidfdTake},
		{name: "ptrace", what: "debugs another process", do: seize},
		{name: "vm-read", what: "reads another process's memory", do: readMemory},
		{name: "vm-write", what: "writes another process's memory", do: writeMemory},
		{name: "vm-read-parent", what: "reads the server's memory", do: readParent},
		{name: "limit-other", what: "changes another process's bounds", do: func(t *target) error {
			var was unix.Rlimit
			if err := unix.Prlimit(t.Bystander, unix.RLIMIT_CORE, nil, &was); err != nil {
				return err
			}
			return unix.Prlimit(t.Bystander, unix.RLIMIT_CORE, &was, nil)
		}},
		{name: "slow-other", what: "gives another process less of the processor", do: func(t *target) error {
			return unix.Setpriority(unix.PRIO_PROCESS, t.Bystander, 5)
		}},
		{name: "pin-other", what: "binds another process to a processor", do: func(t *target) error {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(t.Bystander, &set); err != nil {
				return err
			}
			return unix.SchedSetaffinity(t.Bystander, &set)
		}},
		{name: "compare-other", what: "compares what it has open with what another process has (kcmp)", do: func(t *target) error {
			_, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(t.Bystander), 1, 0, 0, 0)
			return passed(errno)
		}},
	}...)
}

// programAttempts become or make other programs.
func programAttempts() []attempt {
	return []attempt{
		{name: "exec-shell", what: "starts a shell", do: func(*target) error { return start("/bin/sh", "-c", "exit 0") }},
		{name: "exec-self", what: "starts its own program", do: func(t *target) error { return start(t.Program, beNothing) }},
		{name: "exec-written", what: "writes a program into its directory and starts it", do: func(t *target) error {
			text, err := os.ReadFile(t.Program)
			if err != nil {
				text = []byte("#!/bin/sh\n")
			}
			place := filepath.Join(t.Own, "program")
			defer os.Remove(place)
			if err := os.WriteFile(place, text, 0o700); err != nil {
				return err
			}
			return start(place, beNothing)
		}},
		{name: "exec-memory", what: "puts a program into memory and starts it (memfd, fexecve)", do: execMemory},
		{name: "fork", what: "splits into two processes", do: func(*target) error { return fork(1) }},
		{name: "fork-bomb", what: "splits into sixteen processes", do: func(*target) error { return fork(16) }},
		{name: "new-user", what: "starts a process in a user namespace of its own, where it has all rights", do: func(t *target) error {
			return startWith(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}, t.Program, beNothing)
		}},
		{name: "new-code", what: "makes memory that can be written and run", do: func(*target) error {
			return mapped(4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		}},
		{name: "turn-to-code", what: "makes memory that it has written runnable", do: turnToCode},
		{name: "map-code", what: "maps a file of its own as code", do: mapCode},
	}
}

func start(program string, args ...string) error { return startWith(nil, program, args...) }

func startWith(attr *syscall.SysProcAttr, program string, args ...string) error {
	process, err := os.StartProcess(program, append([]string{program}, args...), &os.ProcAttr{Sys: attr})
	if err != nil {
		return err
	}
	state, err := process.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("it ended with %v", state)
	}
	return err
}

func execMemory(t *target) error {
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	text, err := os.ReadFile(t.Program)
	if err != nil {
		return err
	}
	for len(text) > 0 {
		n, err := unix.Write(fd, text)
		if err != nil {
			return err
		}
		text = text[n:]
	}
	return start(fmt.Sprintf("/proc/self/fd/%d", fd), beNothing)
}

// fork makes so many processes, all there at once, and ends them.
func fork(n int) error {
	var children []int
	defer func() {
		for _, pid := range children {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
	}()
	for range n {
		pid, errno := split()
		if errno != 0 {
			return errno
		}
		children = append(children, pid)
	}
	return nil
}

// split makes one process, which waits for its end and does nothing that needs Go's
// runtime, of which it has one thread only.
//
//go:norace
//go:noinline
func split() (int, unix.Errno) {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid == 0 && errno == 0 {
		for {
			unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
	return int(pid), errno
}

// mapped maps memory and gives it back.
func mapped(size uintptr, protection, flags int) error {
	address, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, size, uintptr(protection), uintptr(flags), ^uintptr(0), 0)
	if errno != 0 {
		return errno
	}
	_, _, errno = unix.Syscall(unix.SYS_MUNMAP, address, size, 0)
	return passed(errno)
}

func turnToCode(*target) error {
	memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	defer unix.Munmap(memory)
	return unix.Mprotect(memory, unix.PROT_READ|unix.PROT_EXEC)
}

func mapCode(t *target) error {
	place := filepath.Join(t.Own, "code")
	defer os.Remove(place)
	if err := os.WriteFile(place, make([]byte, 4096), 0o700); err != nil {
		return err
	}
	file, err := os.Open(place)
	if err != nil {
		return err
	}
	defer file.Close()
	memory, err := unix.Mmap(int(file.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	return unix.Munmap(memory)
}

func queueSignal(t *target) error {
	info := [128]byte{8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff} // whose code is SI_QUEUE
	_, _, errno := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(t.Bystander), 0, uintptr(unsafe.Pointer(&info)))
	return passed(errno)
}

func pidfdSignal(t *target) error {
	fd, err := unix.PidfdOpen(t.Bystander, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, 0, nil, 0)
}

func pidfdTake(t *target) error {
	fd, err := unix.PidfdOpen(t.Bystander, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	taken, err := unix.PidfdGetfd(fd, 1, 0)
	if err != nil {
		return err
	}
	return unix.Close(taken)
}

// seize debugs the bystander until this thread ends.
func seize(t *target) error { return unix.PtraceSeize(t.Bystander) }

func (t *target) here(text []byte) []unix.Iovec {
	local := []unix.Iovec{{Base: unsafe.SliceData(text)}}
	local[0].SetLen(len(text))
	return local
}

func (t *target) there() []unix.RemoteIovec {
	return []unix.RemoteIovec{{Base: uintptr(t.Address), Len: len(t.Token)}}
}

func readMemory(t *target) error {
	text := make([]byte, len(t.Token))
	_, err := unix.ProcessVMReadv(t.Bystander, t.here(text), t.there(), 0)
	return t.secret(text, err)
}

func writeMemory(t *target) error {
	_, err := unix.ProcessVMWritev(t.Bystander, t.here([]byte(t.Token)), t.there(), 0)
	return err
}

// readParent asks for memory at an address that nobody has: what counts is whether
// the kernel would look.
func readParent(t *target) error {
	_, err := unix.ProcessVMReadv(t.Parent, t.here(make([]byte, len(t.Token))), []unix.RemoteIovec{{Base: 1, Len: len(t.Token)}}, 0)
	return passed(err, unix.EFAULT)
}
