package iofault

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// socket is the descriptor by which the child gives the test its listener.
const socket = 3

// Enter puts the file calls of this process, which was started by [Start], into the
// hands of the test. Errors: those of the kernel, if it does not let the process do
// that.
func Enter() error {
	program, err := bpf.Assemble(filter())
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	code := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&code)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return err
	}
	return unix.Close(int(listener))
}

// filter has the kernel ask about the calls that are looked at.
func filter() (program []bpf.Instruction) {
	program = append(program, bpf.LoadAbsolute{Off: 0, Size: 4})
	for i, c := range calls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.number), SkipTrue: uint8(len(calls) - i)})
	}
	return append(program, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}, bpf.RetConstant{Val: unix.SECCOMP_RET_USER_NOTIF})
}

// Begin has calls below a directory count, and the nth go wrong.
func Begin(dir string, mode Mode, n int) { tell(fmt.Sprintf("begin:%s:%d:%s", mode, n, dir)) }

// End ends that, and returns how many calls there were of those that the mode looks
// at.
func End() int { return tell("end") }

// tell makes a directory that is none: the test takes its path for a message, and
// answers with a number.
func tell(message string) int {
	path, err := unix.BytePtrFromString(prefix + message)
	if err != nil {
		panic(err)
	}
	n, _, errno := unix.Syscall(unix.SYS_MKDIRAT, uintptr(unix.AT_FDCWD&(1<<64-1)), uintptr(unsafe.Pointer(path)), 0)
	if errno != 0 {
		panic(fmt.Sprintf("iofault: nobody hears %q: %v", message, errno))
	}
	return int(n)
}

// place returns a path as all runs of one test have it: without the directory, and
// without what is random.
func place(path, dir string) string {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"), string(os.PathSeparator))
	for i, part := range parts {
		if len(part) > 16 || len(part) == 2 || strings.Trim(part, "0123456789") == "" {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}
