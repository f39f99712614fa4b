package sched

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// First lets all threads of this process run as soon as they have something to do,
// whoever else has, until they wait for something. Whoever computes would stop the
// machine. Errors: of the system, which lets only root do so as a rule.
func First() error {
	return each(os.Getpid(), func(thread int) error {
		return unix.SchedSetAttr(thread, &unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1}, 0)
	})
}

// Processors are processors of the machine.
type Processors = unix.CPUSet

// Own returns the processors that this process may use.
func Own() (Processors, error) {
	var own Processors
	err := unix.SchedGetaffinity(0, &own)
	return own, err
}

// Confine lets a process run on some processors only, with all its threads and
// those that they start. Errors: of the system.
func Confine(process int, to Processors) error {
	return each(process, func(thread int) error { return unix.SchedSetaffinity(thread, &to) })
}

// each does something to each thread of a process.
func each(process int, do func(thread int) error) error {
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(process) + "/task")
	if err != nil {
		return err
	}
	var failed error
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err == nil {
			err = do(id)
		}
		if !errors.Is(err, unix.ESRCH) { // it has ended meanwhile
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// Lazily calls start on a thread of its own. Processes that it starts are woken by
// their timers late, by as much as is given, when that spares the system an interrupt:
// a program of Go that waits for the system is woken every 20 µs by a timer of the
// runtime's own. Errors: those of start.
func Lazily(late time.Duration, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	was, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil && unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(late), 0, 0, 0) == nil {
		defer unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(was), 0, 0, 0)
	}
	return start()
}

// Computed returns the processor time that a process has taken. Errors: of the
// system.
func Computed(process int) (time.Duration, error) {
	const (
		ofProcess = 0 // a bit would say that it is of one thread
		scheduled = 2 // the time for which it ran, in nanoseconds
	)
	clock := int32(^process<<3 | ofProcess | scheduled) // see clock_getcpuclockid(3)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// Innermost returns the process at the end of a line of children, each the first of
// its parent: what a program runs that was started to start another. It is the process
// itself if that has none, or the system does not tell.
func Innermost(process int) int {
	for {
		lists, _ := filepath.Glob("/proc/" + strconv.Itoa(process) + "/task/*/children")
		child := 0
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			first, _, _ := bytes.Cut(text, []byte(" "))
			if n, err := strconv.Atoi(string(first)); err == nil && (child == 0 || n < child) {
				child = n
			}
		}
		if child == 0 {
			return process
		}
		process = child
	}
}
