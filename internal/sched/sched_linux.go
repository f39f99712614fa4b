package sched

import (
	"bytes"
	"errors"
	"os"
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

// tick is the unit of times in /proc.
const tick = time.Second / 100

// Computed returns the processor time that a process has taken, to a hundredth of
// a second. Errors: of the system.
func Computed(process int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(process) + "/stat")
	if err != nil {
		return 0, err
	}
	const user, system = 11, 12 // fields 14 and 15, counted from 1 with the name
	_, rest, _ := bytes.Cut(text, []byte(") "))
	fields := bytes.Fields(rest)
	if len(fields) <= system {
		return 0, errors.ErrUnsupported
	}
	var sum time.Duration
	for _, field := range fields[user : system+1] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}
