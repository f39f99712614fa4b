package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A target is what a probe goes for: things outside the walls that the parent has
// made, and in whose place the probe would harm nobody.
type target struct {
	Variable   string // an environment variable
	Descriptor int    // a file that was left open
	Secret     string // a file
	Foreign    string // a file of another user; empty if the parent can make none
	Drop       string // a directory that anybody may write to
	Port       int    // of a TCP server on 127.0.0.1
	Abstract   string // an abstract socket that listens
	Group      int    // a group of processes
	Shared     int    // a piece of System V shared memory
	Host       string // the name of the machine
	Users      string // the parent's user namespace
	Program    string // a program that may be run
}

// An attempt is something that a layer must keep a worker from doing.
type attempt struct {
	layer Layer
	name  string // completes "a worker can ..."
	weak  bool   // older kernels have the layer without this
	do    func(t target, p Policy) error
}

// attempts are all that a probe tries, some for each layer.
func attempts() []attempt {
	return append([]attempt{
		{Environment, "read the server's environment", false, readVariable},
		{Descriptors, "read a file that the server left open", false, readDescriptor},
		{Users, "be in the server's user namespace", false, shareUsers},
		{Users, "read files of other users, as root can", false, func(t target, _ Policy) error { return read(t.Foreign) }},
		{Network, "connect to this machine by TCP", false, connectTCP},
		{Network, "connect to an abstract socket", false, connectAbstract},
		{Processes, "see another process", false, signal},
		{IPC, "attach shared memory", false, attachShared},
		{Hostname, "read this machine's name", false, readHostname},
		{Mounts, "read a file outside its directories", false, func(t target, _ Policy) error { return read(t.Secret) }},
		{Mounts, "write a file outside its directories", false, writeOutside},
		{Mounts, "follow a link out of its directories", false, followLink},
		{Privileges, "gain rights from a set-uid program", false, gainRights},
		{Privileges, "give a file to another user, as root can", false, giveAway},
		{Privileges, "hold capabilities in its user namespace", false, holdCapabilities},
		{Privileges, "use capabilities in its user namespace", false, useCapabilities},
		{Landlock, "read a file outside its directories", false, func(t target, _ Policy) error { return read(t.Secret) }},
		{Landlock, "write a file outside its directories", false, writeOutside},
		{Landlock, "follow a link out of its directories", false, followLink},
		{Landlock, "make a symbolic link", false, makeLink},
		{Landlock, "connect to this machine by TCP", true, connectTCP},
		{Landlock, "serve TCP", true, listenTCP},
		{Landlock, "connect to an abstract socket", true, connectAbstract},
		{Landlock, "signal another process", true, signal},
		{Limits, "use more memory than its bound", false, useMemory},
		{Limits, "write a file beyond its bound", false, growFile},
		{Limits, "open more files than its bound", false, openMany},
	}, seccompAttempts()...)
}

// sockets are the kinds of socket that a probe tries to make. Landlock knows
// nothing of some of them.
func sockets() []attempt {
	var list []attempt
	for _, s := range []struct {
		name                   string
		family, kind, protocol int
	}{
		{"make a TCP socket", unix.AF_INET, unix.SOCK_STREAM, 0},
		{"make a UDP socket", unix.AF_INET, unix.SOCK_DGRAM, 0},
		{"make an MPTCP socket", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
		{"make a local socket", unix.AF_UNIX, unix.SOCK_STREAM, 0},
		{"make a netlink socket", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE},
	} {
		list = append(list, attempt{Seccomp, s.name, false, func(target, Policy) error {
			return openSocket(s.family, s.kind, s.protocol)
		}})
	}
	return list
}

// A rawCall is a system call that a worker must not be able to make.
type rawCall struct {
	name      string
	number    uintptr
	proof     unix.Errno // shows, as success does, that the kernel has looked at the arguments
	arguments [6]uintptr
	data      []byte // what the argument at place points to
}

// rawCalls are chosen to do no harm where they succeed.
func rawCalls() []rawCall {
	self, all := uintptr(os.Getpid()), ^uintptr(0)
	const nobody = 1 << 30 // no process has this number
	return []rawCall{
		{"become another program", unix.SYS_EXECVE, unix.ENOENT, [6]uintptr{}, []byte("/nonexistent\x00")},
		{"use io_uring", unix.SYS_IO_URING_SETUP, 0, [6]uintptr{1}, make([]byte, 120)},
		{"make a file in memory", unix.SYS_MEMFD_CREATE, 0, [6]uintptr{}, []byte("x\x00")},
		{"leave a namespace", unix.SYS_UNSHARE, 0, [6]uintptr{unix.CLONE_FILES}, nil},
		{"join a namespace", unix.SYS_SETNS, unix.EBADF, [6]uintptr{all}, nil},
		{"make a namespace", unix.SYS_CLONE, unix.EINVAL, [6]uintptr{unix.CLONE_NEWUSER | unix.CLONE_THREAD}, nil},
		{"use the kernel's keys", unix.SYS_KEYCTL, unix.ENOKEY, [6]uintptr{unix.KEYCTL_GET_KEYRING_ID, all - 1}, nil},
		{"handle page faults", unix.SYS_USERFAULTFD, 0, [6]uintptr{unix.O_CLOEXEC | 1}, nil},
		{"read other processes' memory", unix.SYS_PROCESS_VM_READV, 0, [6]uintptr{self}, nil},
		{"write other processes' memory", unix.SYS_PROCESS_VM_WRITEV, 0, [6]uintptr{self}, nil},
		{"trace other processes", unix.SYS_PTRACE, unix.ESRCH, [6]uintptr{unix.PTRACE_ATTACH, nobody}, nil},
		{"hold other processes", unix.SYS_PIDFD_OPEN, 0, [6]uintptr{self}, nil},
		{"take other processes' files", unix.SYS_PIDFD_GETFD, unix.EBADF, [6]uintptr{all}, nil},
		{"change its personality", unix.SYS_PERSONALITY, 0, [6]uintptr{0xffffffff}, nil},
		{"change how it runs", unix.SYS_PRCTL, 0, [6]uintptr{unix.PR_SET_NAME}, []byte("probe\x00")},
		{"change its root directory", unix.SYS_CHROOT, unix.ENOENT, [6]uintptr{}, []byte("/nonexistent\x00")},
		{"unmount file systems", unix.SYS_UMOUNT2, unix.ENOENT, [6]uintptr{}, []byte("/nonexistent\x00")},
		{"mount file systems", unix.SYS_FSOPEN, unix.ENODEV, [6]uintptr{}, []byte("nonexistent\x00")},
		{"load programs into the kernel", unix.SYS_BPF, 0, [6]uintptr{0, 0, 72}, bpfArray()},
		{"watch what the kernel does", unix.SYS_PERF_EVENT_OPEN, 0, [6]uintptr{0, 0, all, all}, perfClock()},
		{"open files by handle", unix.SYS_OPEN_BY_HANDLE_AT, unix.EFAULT, [6]uintptr{all}, nil},
		{"change extended attributes", unix.SYS_FREMOVEXATTR, unix.EBADF, [6]uintptr{all}, []byte("user.x\x00")},
		{"control devices", unix.SYS_IOCTL, unix.EBADF, [6]uintptr{all}, nil},
		{"own a file's signals", unix.SYS_FCNTL, unix.EBADF, [6]uintptr{all, unix.F_SETOWN, self}, nil},
		{"change its bounds", unix.SYS_PRLIMIT64, 0, [6]uintptr{0, unix.RLIMIT_CORE}, make([]byte, 16)},
		{"queue signals", unix.SYS_RT_SIGQUEUEINFO, unix.EFAULT, [6]uintptr{nobody}, nil},
		{"make shared memory", unix.SYS_SHMGET, unix.EINVAL, [6]uintptr{}, nil},
	}
}

// try makes the call.
func (c rawCall) try() error {
	a := c.arguments
	if c.data != nil {
		a[c.place()] = uintptr(unsafe.Pointer(unsafe.SliceData(c.data)))
	}
	_, _, errno := unix.Syscall6(c.number, a[0], a[1], a[2], a[3], a[4], a[5])
	runtime.KeepAlive(c.data)
	if errno != 0 && errno != c.proof {
		return errno
	}
	return nil
}

// place returns which argument is the address of the data.
func (c rawCall) place() int {
	switch c.number {
	case unix.SYS_EXECVE, unix.SYS_MEMFD_CREATE, unix.SYS_CHROOT, unix.SYS_UMOUNT2, unix.SYS_FSOPEN, unix.SYS_PERF_EVENT_OPEN:
		return 0
	case unix.SYS_PRLIMIT64:
		return 2
	}
	return 1
}

// seccompAttempts go through the calls that the list of system calls leaves out.
func seccompAttempts() []attempt {
	list := append(sockets(), []attempt{
		{Seccomp, "run a program", false, runProgram},
		{Seccomp, "signal another process", false, signal},
		{Seccomp, "make memory executable", false, makeCode},
		{Seccomp, "use shared memory beyond its bound", false, func(target, Policy) error { return uncounted(unix.MAP_SHARED) }},
		{Seccomp, "use stacks beyond its bound", false, func(target, Policy) error { return uncounted(unix.MAP_PRIVATE | unix.MAP_GROWSDOWN) }},
		{Seccomp, "make a symbolic link", false, makeLink},
		{Seccomp, "change a file's mode", false, func(_ target, p Policy) error { return os.Chmod(p.Dirs[0], 0o777) }},
	}...)
	for _, c := range rawCalls() {
		list = append(list, attempt{Seccomp, c.name, false, func(target, Policy) error { return c.try() }})
	}
	return list
}

// errNothing is the failure of an attempt that has nothing to go for.
var errNothing = errors.New("there is nothing to try this on")

func readVariable(t target, _ Policy) error {
	if os.Getenv(t.Variable) == "" {
		return unix.ENOENT
	}
	return nil
}

func readDescriptor(t target, _ Policy) error {
	_, err := unix.Pread(t.Descriptor, make([]byte, 1), 0)
	return err
}

func shareUsers(t target, _ Policy) error {
	if mine, err := os.Readlink("/proc/self/ns/user"); err != nil || mine != t.Users {
		return errors.Join(unix.ENOENT, err)
	}
	return nil
}

func read(path string) error {
	if path == "" {
		return errNothing
	}
	_, err := os.ReadFile(path)
	return err
}

func writeOutside(t target, _ Policy) error {
	return os.WriteFile(filepath.Join(t.Drop, fmt.Sprint(os.Getpid())), nil, 0o600)
}

func followLink(_ target, p Policy) error { return read(filepath.Join(p.Dirs[0], linkOut)) }

func makeLink(_ target, p Policy) error {
	place := filepath.Join(p.Dirs[0], "link")
	defer os.Remove(place)
	return os.Symlink("/", place)
}

func connectTCP(t target, _ Policy) error {
	return connect(unix.AF_INET, &unix.SockaddrInet4{Port: t.Port, Addr: [4]byte{127, 0, 0, 1}})
}

func connectAbstract(t target, _ Policy) error {
	return connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: t.Abstract})
}

func connect(family int, address unix.Sockaddr) error {
	socket, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	return unix.Connect(socket, address)
}

func listenTCP(target, Policy) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	return unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

func openSocket(family, kind, protocol int) error {
	socket, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	return unix.Close(socket)
}

// signal goes for a group, since in a namespace of processes a thread of this one
// may have the number of a process outside.
func signal(t target, _ Policy) error { return unix.Kill(-t.Group, 0) }

func attachShared(t target, _ Policy) error {
	_, err := unix.SysvShmAttach(t.Shared, 0, 0)
	return err
}

func readHostname(t target, _ Policy) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	if unix.ByteSliceToString(name.Nodename[:]) != t.Host {
		return unix.ENOENT
	}
	return nil
}

func gainRights(target, Policy) error {
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err == nil && set == 1 {
		return unix.EPERM
	}
	return err
}

func giveAway(_ target, p Policy) error {
	place := filepath.Join(p.Dirs[0], "given")
	defer os.Remove(place)
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		return err
	}
	return os.Chown(place, 12345, 12345)
}

func holdCapabilities(target, Policy) error {
	sets, err := capabilities()
	if err != nil {
		return err
	}
	if sets == [2]unix.CapUserData{} {
		return unix.EPERM
	}
	return nil
}

// useCapabilities sets the securebits to what they are, which is allowed only to
// those with a capability and changes nothing.
func useCapabilities(target, Policy) error {
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits), 0, 0, 0)
}

func useMemory(_ target, p Policy) error {
	if raceDetector {
		return errNothing
	}
	memory, err := unix.Mmap(-1, 0, int(p.DataBytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	return unix.Munmap(memory)
}

func growFile(_ target, p Policy) error {
	place := filepath.Join(p.Dirs[0], "grown")
	defer os.Remove(place)
	file, err := os.Create(place)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt([]byte{1}, p.FileBytes)
	return err
}

func openMany(_ target, p Policy) error {
	for range p.OpenFiles {
		fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
	}
	return nil
}

func makeCode(target, Policy) error {
	memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	return unix.Munmap(memory)
}

// uncounted makes memory of a kind that RLIMIT_DATA does not count.
func uncounted(flags int) error {
	memory, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	return unix.Munmap(memory)
}

func runProgram(t target, _ Policy) error {
	process, err := os.StartProcess(t.Program, []string{t.Program, probeArgument}, &os.ProcAttr{})
	if err != nil {
		return err
	}
	_, err = process.Wait()
	return err
}

// bpfArray returns the description of a map of one word (union bpf_attr).
func bpfArray() []byte {
	attr := make([]byte, 72)
	attr[0], attr[4], attr[8], attr[12] = 2, 4, 4, 1 // array, key, value, entries
	return attr
}

// perfClock returns the description of a clock of one's own (struct
// perf_event_attr), which ordinary users may watch on most systems.
func perfClock() []byte {
	attr := make([]byte, 128)
	attr[0], attr[4], attr[40] = 1, 64, 1<<5|1<<6 // software, size, without kernel and hypervisor
	return attr
}
