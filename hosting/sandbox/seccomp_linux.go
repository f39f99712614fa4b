//go:build amd64 || arm64

package sandbox

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// freeCalls are the system calls that a worker may make with any arguments: those
// of Go's runtime, of reading and writing files, and of the socket that is open
// already. The ones that are called most come first, for kernels that do not
// remember verdicts.
func freeCalls() []uint32 {
	return append([]uint32{
		// Files that are open, and the socket.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		// Threads and time.
		unix.SYS_FUTEX, unix.SYS_EPOLL_PWAIT, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_SCHED_YIELD,
		unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPROCMASK, unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETTIMEOFDAY,
		unix.SYS_CLOCK_NANOSLEEP, unix.SYS_RT_SIGACTION, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SCHED_GETAFFINITY, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		// Memory.
		unix.SYS_MADVISE, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_BRK, unix.SYS_MSYNC, unix.SYS_MINCORE,
		unix.SYS_GETRANDOM,
		// Files.
		unix.SYS_OPENAT, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_LSEEK,
		unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREADV, unix.SYS_PWRITEV,
		unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FADVISE64,
		unix.SYS_COPY_FILE_RANGE, unix.SYS_FLOCK, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT,
		unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_MKDIRAT, unix.SYS_GETDENTS64,
		unix.SYS_GETCWD, unix.SYS_FCHDIR, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2,
		// Waiting.
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EVENTFD2, unix.SYS_PPOLL,
		// Looking at oneself.
		unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETPPID,
		unix.SYS_GETRUSAGE, unix.SYS_SYSINFO, unix.SYS_GETCPU,
	}, architectureCalls()...)
}

// threadFlags are what clone(2) is called with to make a thread, by Go and by C
// libraries: CLONE_THREAD always, the others as they like.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM |
	unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID | unix.CLONE_CHILD_SETTID | unix.CLONE_DETACHED

// fcntlCommands are the commands of fcntl(2) that a worker may give: flags, locks,
// duplicates. Not those that name another process or watch files.
func fcntlCommands() []uint32 {
	return []uint32{
		unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC, unix.F_DUPFD,
		unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW,
	}
}

// decidedCalls are the system calls that a worker may make with some arguments.
// pid is the worker's own number, which is the only one it may signal: Go's
// scheduler signals its own threads.
func decidedCalls(pid uint32) []call {
	return []call{
		{unix.SYS_FCNTL, ifOneOf(1, fcntlCommands()...)},
		{unix.SYS_TGKILL, ifOneOf(0, pid)},
		{unix.SYS_KILL, ifOneOf(0, pid)},
		{unix.SYS_MMAP, ifCounted()},
		{unix.SYS_MPROTECT, ifWithout(2, unix.PROT_EXEC)}, // no new code
		{unix.SYS_CLONE, ifWithin(0, unix.CLONE_THREAD, threadFlags)},
		// Its flags are in memory, where a filter can't see them: C libraries fall
		// back to clone.
		{unix.SYS_CLONE3, []bpf.Instruction{unknown}},
		{unix.SYS_PRCTL, ifOneOf(0, unix.PR_SET_VMA)}, // Go names its memory
		{unix.SYS_PRLIMIT64, ifZero(0, 2)},            // reads its own bounds
	}
}

// ifCounted allows mmap(2) for memory that holds no code and that the bound on
// memory counts. It counts neither what is shared and has no file, as for use
// between processes, nor what grows downwards, as stacks do.
func ifCounted() []bpf.Instruction {
	const uncounted = unix.MAP_SHARED | unix.MAP_ANON
	return []bpf.Instruction{
		low(2),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.PROT_EXEC, SkipTrue: 4},
		low(3),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.MAP_GROWSDOWN, SkipTrue: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uncounted},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uncounted, SkipFalse: 1},
		refuse,
		allow,
	}
}

// enterSeccomp installs the filter on all threads.
func enterSeccomp() error {
	program, err := filter(architecture, numbersEnd, freeCalls(), decidedCalls(uint32(os.Getpid())))
	if err != nil {
		return err
	}
	// Without this an ordinary user may install no filter. The flag TSYNC sets it
	// on the other threads too.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	instructions := unix.SockFprog{
		Len:    uint16(len(program)),
		Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(program))), // bpf.RawInstruction has the same layout
	}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&instructions)))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return reason("One of the worker's threads has a filter already")
	}
	return nil
}
