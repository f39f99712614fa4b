//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nowhere is a path that leads to nothing.
var nowhere = uintptr(unsafe.Pointer(unsafe.StringData("/nonexistent\x00")))

// kernelAttempts go for the kernel: for what it gives to the privileged, for ways
// to take walls down, and for the parts of it that have had most flaws.
func kernelAttempts() []attempt {
	list := slices.Concat(namespaceAttempts(), undoAttempts(), machineAttempts())
	for _, c := range rawCalls() {
		list = append(list, c.attempt())
	}
	return append(list,
		attempt{name: "io-uring", what: "makes a ring of system calls (io_uring)", do: makeRing},
		attempt{name: "bpf", what: "loads something into the kernel (bpf)", do: makeMap},
		attempt{name: "perf", what: "watches what the kernel does (perf_event_open)", do: watchClock},
		attempt{name: "hostname", what: "reads the name of the machine", do: readHostname},
		attempt{name: "rename-host", what: "changes the name of the machine", do: func(t *target) error { return unix.Sethostname([]byte(t.Host)) }},
		attempt{name: "shared-memory", what: "attaches shared memory of another process", do: func(t *target) error {
			memory, err := unix.SysvShmAttach(t.Shared, 0, unix.SHM_RDONLY)
			if err != nil {
				return err
			}
			return unix.SysvShmDetach(memory)
		}},
	)
}

// call makes a system call.
//
//go:uintptrescapes
func call(number uintptr, arguments ...uintptr) unix.Errno {
	var a [6]uintptr
	copy(a[:], arguments)
	_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	return errno
}

// rawCalls are those that take no preparation.
func rawCalls() []rawCall {
	const none = ^uintptr(0) // no descriptor, no key
	return []rawCall{
		{"keyctl", "uses the kernel's keys", unix.SYS_KEYCTL, [6]uintptr{unix.KEYCTL_GET_KEYRING_ID, none - 1}, []unix.Errno{unix.ENOKEY}},
		{"userfaultfd", "handles page faults", unix.SYS_USERFAULTFD, [6]uintptr{unix.O_CLOEXEC | 1}, nil},
		{"personality", "changes how programs are laid out in memory", unix.SYS_PERSONALITY, [6]uintptr{0xffffffff}, nil},
		{"module", "loads a module into the kernel", unix.SYS_FINIT_MODULE, [6]uintptr{none}, []unix.Errno{unix.EBADF}},
		{"kexec", "has another kernel started", unix.SYS_KEXEC_LOAD, [6]uintptr{0, 0, 0, none}, []unix.Errno{unix.EINVAL, unix.EBUSY}},
		{"reboot", "restarts the machine", unix.SYS_REBOOT, [6]uintptr{}, []unix.Errno{unix.EINVAL}},
		{"swap", "adds swap space", unix.SYS_SWAPON, [6]uintptr{nowhere}, []unix.Errno{unix.ENOENT}},
		{"accounting", "has the kernel write a log of processes", unix.SYS_ACCT, [6]uintptr{nowhere}, []unix.Errno{unix.ENOENT}},
		{"kernel-log", "reads the kernel's log", unix.SYS_SYSLOG, [6]uintptr{10}, nil},
		{"clock", "sets the clock", unix.SYS_SETTIMEOFDAY, [6]uintptr{}, nil},
		{"fanotify", "watches what others do with files (fanotify)", unix.SYS_FANOTIFY_INIT, [6]uintptr{}, nil},
		{"inotify", "watches what others do with files (inotify)", unix.SYS_INOTIFY_INIT1, [6]uintptr{}, nil},
		{"shared-make", "makes shared memory that outlives it", unix.SYS_SHMGET, [6]uintptr{}, []unix.Errno{unix.EINVAL}},
		{"semaphores", "makes semaphores that outlive it", unix.SYS_SEMGET, [6]uintptr{0, 0}, []unix.Errno{unix.EINVAL}},
		{"queues", "looks for message queues", unix.SYS_MSGGET, [6]uintptr{0x7e57ed}, []unix.Errno{unix.ENOENT}},
		{"memfd", "makes a file in memory", unix.SYS_MEMFD_CREATE, [6]uintptr{nowhere}, nil},
		{"memfd-secret", "makes memory that not even the kernel reads", unix.SYS_MEMFD_SECRET, [6]uintptr{}, nil},
		{"splice", "moves data between descriptors within the kernel", unix.SYS_SPLICE, [6]uintptr{none, 0, none, 0, 1}, []unix.Errno{unix.EBADF}},
		{"numa", "moves memory between nodes", unix.SYS_MBIND, [6]uintptr{0, 0, 0, 0, 0, 0}, nil},
		{"clone3", "makes a process by the newer call", unix.SYS_CLONE3, [6]uintptr{}, []unix.Errno{unix.EINVAL, unix.EFAULT}},
		{"timer", "makes a timer, which signals", unix.SYS_TIMER_CREATE, [6]uintptr{0, 0, 0}, []unix.Errno{unix.EFAULT}},
		{"signalfd", "takes signals from a descriptor", unix.SYS_SIGNALFD4, [6]uintptr{none, 0, 8}, []unix.Errno{unix.EFAULT}},
		{"open-tree", "picks up a part of the file system", unix.SYS_OPEN_TREE, [6]uintptr{none, nowhere}, []unix.Errno{unix.ENOENT}},
		{"new-filesystem", "makes a file system", unix.SYS_FSOPEN, [6]uintptr{nowhere}, []unix.Errno{unix.ENODEV}},
		{"quota", "changes the quotas of the disk", unix.SYS_QUOTACTL, [6]uintptr{0, nowhere}, []unix.Errno{unix.ENOENT, unix.EINVAL, unix.ENODEV, unix.ENOTBLK}},
		{"unknown-call", "makes a call with a number that none has", 9999, [6]uintptr{}, []unix.Errno{unix.ENOSYS}},
	}
}

// namespaceAttempts go for another view of the machine.
func namespaceAttempts() []attempt {
	return []attempt{
		{name: "mount", what: "mounts a file system over its directory", do: func(t *target) error {
			if err := unix.Mount("tmpfs", t.Own, "tmpfs", 0, ""); err != nil {
				return err
			}
			return unix.Unmount(t.Own, unix.MNT_DETACH)
		}},
		{name: "remount", what: "makes what is read-only writable", do: func(t *target) error {
			return passed(unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, ""), unix.EINVAL)
		}},
		{name: "unmount", what: "takes a file system away", do: func(*target) error { return passed(unix.Unmount("/nonexistent", 0), unix.ENOENT) }},
		{name: "pivot-root", what: "exchanges its root", do: func(*target) error {
			return passed(unix.PivotRoot("/nonexistent", "/nonexistent"), unix.ENOENT)
		}},
		{name: "chroot", what: "changes its root directory", do: func(t *target) error {
			_ = unix.Unshare(unix.CLONE_FS) // this thread's root only
			return unix.Chroot(t.Own)
		}},
		{name: "unshare", what: "makes a namespace of mounts", do: func(*target) error { return unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS) }},
		{name: "unshare-user", what: "makes a user namespace", do: func(*target) error { return passed(unix.Unshare(unix.CLONE_NEWUSER), unix.EINVAL) }},
		{name: "setns", what: "joins the server's namespaces", do: func(t *target) error {
			fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", t.Parent), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Setns(fd, unix.CLONE_NEWNET)
		}},
		{name: "setns-process", what: "joins another process's namespaces", do: func(t *target) error {
			fd, err := unix.PidfdOpen(t.Bystander, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Setns(fd, unix.CLONE_NEWNET|unix.CLONE_NEWUTS)
		}},
	}
}

// undoAttempts take rights back, or a wall down.
func undoAttempts() []attempt {
	return []attempt{
		{name: "become-root", what: "becomes root", do: func(*target) error { return passed(call(unix.SYS_SETUID, 0)) }},
		{name: "drop-groups", what: "changes its groups", do: func(*target) error { return passed(call(unix.SYS_SETGROUPS, 0, 0)) }},
		{name: "capset", what: "changes its capabilities", do: func(*target) error {
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var sets [2]unix.CapUserData
			if err := unix.Capget(&header, &sets[0]); err != nil {
				return err
			}
			return unix.Capset(&header, &sets[0])
		}},
		{name: "securebits", what: "changes what root means to it", do: func(*target) error { return passed(call(unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, 0)) }},
		{name: "keep-capabilities", what: "keeps capabilities when it changes its user", do: func(*target) error { return passed(call(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1)) }},
		{name: "dumpable", what: "lets itself be debugged and dumped", do: func(*target) error { return passed(call(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1)) }},
		{name: "debugger", what: "lets everybody debug it", do: func(*target) error {
			return passed(call(unix.SYS_PRCTL, unix.PR_SET_PTRACER, ^uintptr(0)), unix.EINVAL)
		}},
		{name: "outlive", what: "gets out of being killed along with the server", do: func(*target) error {
			return passed(call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))) // as it is
		}},
		{name: "new-filter", what: "installs another filter of system calls", do: func(*target) error {
			return passed(call(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, 0), unix.EFAULT)
		}},
		{name: "new-rules", what: "makes other rules of Landlock", do: func(*target) error {
			const version = 1
			return passed(call(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version))
		}},
		{name: "raise-limits", what: "raises a bound", do: func(*target) error {
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				return err
			}
			limit.Max++
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				return err
			}
			limit.Max--
			return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		}},
		{name: "nice", what: "takes more of the processor than others", do: func(*target) error {
			if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -5); err != nil {
				return err
			}
			return unix.Setpriority(unix.PRIO_PROCESS, 0, 0)
		}},
		{name: "real-time", what: "runs before all others", do: func(*target) error {
			const fifo = 1
			priority := int32(1)
			return passed(call(unix.SYS_SCHED_SETSCHEDULER, 0, fifo, uintptr(unsafe.Pointer(&priority))))
		}},
		{name: "environment", what: "finds the server's secrets in its own environment or arguments", do: func(t *target) error {
			return t.secret(fmt.Appendln(nil, os.Environ(), os.Args), nil)
		}},
	}
}

func makeRing(*target) error {
	var parameters [120]byte
	return passed(call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&parameters))))
}

func makeMap(*target) error {
	const create, array, size = 0, 2, 72
	attr := [size]byte{0: array, 4: 4, 8: 4, 12: 1}
	return passed(call(unix.SYS_BPF, create, uintptr(unsafe.Pointer(&attr)), size))
}

func watchClock(*target) error {
	const software, withoutKernel = 1, 1<<5 | 1<<6
	attr := [128]byte{0: software, 4: 64, 40: withoutKernel}
	return passed(call(unix.SYS_PERF_EVENT_OPEN, uintptr(unsafe.Pointer(&attr)), 0, ^uintptr(0), ^uintptr(0)))
}

func readHostname(t *target) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	if unix.ByteSliceToString(name.Nodename[:]) != t.Host {
		return errEmpty
	}
	return nil
}
