package iofault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Trace decides about the file calls of a process.
type Trace struct {
	process *os.Process
	ended   chan struct{} // closed when the process is gone

	mu       sync.Mutex
	on       bool
	dir      string
	mode     Mode
	wrong    int
	seen     int
	calls    []string // since the last Begin
	killedAt string
	trouble  error
}

// Start starts a command that calls [Enter], and is to have no other ExtraFiles.
func Start(cmd *exec.Cmd) (*Trace, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, err
	}
	listener, err := receive(ours)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the child has not called Enter: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	t := &Trace{process: cmd.Process, ended: make(chan struct{})}
	go t.serve(listener)
	return t, nil
}

// receive waits for the listener of the child.
func receive(from *os.File) (listener int, err error) {
	control := make([]byte, unix.CmsgSpace(4))
	n, controls, _, _, err := unix.Recvmsg(int(from.Fd()), make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, errors.New("it has ended")
	}
	messages, err := unix.ParseSocketControlMessage(control[:controls])
	if err != nil || len(messages) != 1 {
		return 0, errors.Join(err, errors.New("no descriptor has come"))
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return descriptors[0], nil
}

// Calls returns the calls that have counted since the last Begin, each with the place
// of its file below the directory; random names are asterisks. It waits until the process is gone.
// Errors: what has kept a call from being understood.
func (t *Trace) Calls() ([]string, error) {
	<-t.ended
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls, t.trouble
}

// KilledAt returns at which call the process was killed; empty: at none. It waits
// until the process is gone.
func (t *Trace) KilledAt() string {
	<-t.ended
	return t.killedAt
}

// The kernel's words for a call that waits for an answer, and for the answer.
type (
	question struct {
		id           uint64
		thread       uint32
		flags        uint32
		number       int32
		architecture uint32
		pointer      uint64
		args         [6]uint64
	}
	answer struct {
		id    uint64
		value int64
		errno int32
		flags uint32
	}
)

const (
	ask       = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	reply     = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	goThrough = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
)

// serve answers until the process is gone.
func (t *Trace) serve(listener int) {
	defer close(t.ended)
	defer unix.Close(listener)
	for {
		poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && err != unix.EINTR {
			t.fail(err)
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 {
				return
			}
			continue
		}
		var q question
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), ask, uintptr(unsafe.Pointer(&q))); errno != 0 {
			continue // who has asked is gone
		}
		a := answer{id: q.id}
		if !t.decide(&q, &a) {
			continue
		}
		unix.Syscall(unix.SYS_IOCTL, uintptr(listener), reply, uintptr(unsafe.Pointer(&a)))
	}
}

func (t *Trace) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trouble = errors.Join(t.trouble, err)
}

// decide fills the answer to a call. It reports false if there is nobody left to
// answer.
func (t *Trace) decide(q *question, a *answer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.flags = goThrough
	c, ok := find(q.number)
	if !ok {
		return true
	}
	path, err := file(q, c)
	if err != nil {
		if t.on {
			t.trouble = errors.Join(t.trouble, fmt.Errorf("%s: %w", c.name, err))
		}
		return true
	}
	if message, ok := strings.CutPrefix(path, prefix); ok {
		a.flags, a.value = 0, int64(t.seen)
		t.hear(message)
		return true
	}
	if !t.on || !strings.HasPrefix(path, t.dir+"/") || !t.looksAt(c, q) {
		return true
	}
	t.seen++
	t.calls = append(t.calls, c.name+" "+place(path, t.dir))
	switch {
	case t.mode == Count, t.seen < t.wrong, t.seen > t.wrong && t.mode != Full:
	case t.mode == Kill:
		t.killedAt = t.calls[len(t.calls)-1]
		t.process.Kill()
		return false
	case t.mode == Full:
		a.flags, a.errno = 0, -int32(syscall.ENOSPC)
	default:
		a.flags, a.errno = 0, -int32(syscall.EIO)
	}
	return true
}

// looksAt reports whether the mode looks at the call.
func (t *Trace) looksAt(c call, q *question) bool {
	changes, room := c.changes, c.room
	if c.number == unix.SYS_OPENAT && q.args[2]&unix.O_CREAT == 0 {
		changes, room = false, false
	}
	switch t.mode {
	case Kill:
		return changes
	case Full:
		return room
	}
	return true
}

// hear does what the child says. The caller holds t.mu.
func (t *Trace) hear(message string) {
	word, rest, _ := strings.Cut(message, ":")
	if t.on = word == "begin"; !t.on {
		return
	}
	mode, rest, _ := strings.Cut(rest, ":")
	n, dir, _ := strings.Cut(rest, ":")
	t.mode, t.dir, t.seen, t.calls = Mode(mode), dir, 0, nil
	t.wrong, _ = strconv.Atoi(n)
}

// file returns the path of the file that a call is about, while the call waits.
func file(q *question, c call) (string, error) {
	switch c.where {
	case descriptor:
		return link(q, q.args[0])
	case into:
		return link(q, q.args[2])
	case renamed:
		return resolve(q, q.args[2], q.args[3])
	}
	return resolve(q, q.args[0], q.args[1])
}

// link returns the path of an open file.
func link(q *question, fd uint64) (string, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", q.thread, int32(fd)))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil // it is not open, and the call fails
	}
	return path, err
}

// resolve reads a path from the process's memory.
func resolve(q *question, fd, pointer uint64) (string, error) {
	buf := make([]byte, unix.PathMax)
	// Only to the end of the page at first: the next one may not be there.
	n, err := readMemory(q.thread, pointer, buf[:4096-pointer%4096])
	if err == nil && !strings.Contains(string(buf[:n]), "\x00") {
		var more int
		more, err = readMemory(q.thread, pointer+uint64(n), buf[n:])
		n += more
	}
	if err != nil {
		return "", err
	}
	path, _, _ := strings.Cut(string(buf[:n]), "\x00")
	if filepath.IsAbs(path) {
		return path, nil
	}
	if int32(fd) == unix.AT_FDCWD {
		dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", q.thread))
		return filepath.Join(dir, path), err
	}
	dir, err := link(q, fd)
	return filepath.Join(dir, path), err
}

func readMemory(thread uint32, pointer uint64, buf []byte) (int, error) {
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	return unix.ProcessVMReadv(int(thread), local, []unix.RemoteIovec{{Base: uintptr(pointer), Len: len(buf)}}, 0)
}

// Require starts a command as Start does. Where the kernel does not allow that, the
// test is skipped, or fails if AYB_TEST_REQUIRE is set.
func Require(t testing.TB, cmd *exec.Cmd) *Trace {
	t.Helper()
	trace, err := Start(cmd)
	switch {
	case err == nil:
		return trace
	case os.Getenv("AYB_TEST_REQUIRE") != "":
		t.Fatalf("AYB_TEST_REQUIRE is set, and file calls can't be watched: %v", err)
	}
	t.Skipf("NOT TESTED: file calls can't be watched here: %v", err)
	return nil
}
