//go:build linux || darwin

package worker

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ayb/hosting"
	"ayb/hosting/sandbox"
	"ayb/internal/durable"
	"ayb/internal/sched"
)

const (
	// supported says whether workers can share a database with one another here.
	supported = true

	// socketDescriptor is the worker's end of the socket.
	socketDescriptor = 3
)

// timerSlack is by how much the timers of a worker may be late. Go's runtime looks
// after threads that are in a system call by a timer of 20 µs, which cost a worker whose
// writes wait for the disk, or that is asked now and then, more than all else it did.
const timerSlack = 500 * time.Microsecond

// spawn starts the process, which waits to be told what it is for.
func (w *worker) spawn() error {
	// The directory must be there to be let through the walls, and what the
	// worker makes in it is durable only if it is itself.
	if err := durable.MkdirAll(hosting.OwnerPath(w.r.cfg.Dir, w.seat.key.owner)); err != nil {
		return err
	}
	near, far, err := socketPair()
	if err != nil {
		return err
	}
	defer far.Close()
	said, says, err := os.Pipe()
	if err != nil {
		near.Close()
		return err
	}
	defer says.Close()
	w.cmd = &exec.Cmd{
		Path: w.r.cfg.Executable, Args: []string{w.r.cfg.Executable, workerArgument},
		Env: []string{}, ExtraFiles: []*os.File{far}, Stderr: says, Dir: "/",
	}
	if err := w.r.policy(w.seat.key.owner).Command(w.cmd); err != nil {
		near.Close()
		said.Close()
		return err
	}
	if err := sched.Lazily(timerSlack, w.cmd.Start); err != nil {
		near.Close()
		said.Close()
		return err
	}
	w.socket = near
	go w.hear(said)
	return nil
}

// hear logs what a worker says, which is something only if it breaks.
func (w *worker) hear(said *os.File) {
	defer said.Close()
	const most = 16 << 10
	text, _ := io.ReadAll(io.LimitReader(bufio.NewReader(said), most))
	io.Copy(io.Discard, said)
	if len(text) > 0 {
		w.r.logger.Error("a worker process said", "owner", w.seat.key.owner, "text", string(text))
	}
}

// socketPair returns a pair of sockets that other processes do not inherit.
func socketPair() (near, far *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "runner"), nil
}

// goMemory is how much the Go heap of a worker may grow to before it is
// collected at any cost. What SQLite uses is not part of it.
const goMemory = 128 << 20

// exit ends the process at once: os.Exit waits for a second under the race
// detector.
func exit(code int) { unix.Exit(code) }

// run is the worker's main function. Its socket is left to block the thread that
// reads it, which wakes up sooner than a goroutine by way of a poller.
func run() (code int) {
	policy, _, err := sandbox.FromArgs(os.Args)
	if err == nil {
		var report sandbox.Report
		if report, err = sandbox.Enter(policy); err == nil {
			err = report.Err()
		}
	}
	debug.SetMemoryLimit(goMemory)
	// Set, it stays when the worker is kept off processors because it computes; by
	// itself it would fall, and who listens would wait for all texts in turn.
	runtime.GOMAXPROCS(2 * runtime.NumCPU())
	return serve(os.NewFile(socketDescriptor, "runner"), err)
}
