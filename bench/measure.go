package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"ayb/internal/sched"
)

// rounds is how often the two sides of a ratio take turns.
const rounds = 15

// sides runs two functions in turns and returns the median of the processor time
// that each takes, and the median of their ratios round by round. Unlike time on
// the clock, processor time is not that of whoever else uses the machine.
func sides(a, b func() error) (timeA, timeB time.Duration, ratio float64, err error) {
	var as, bs []time.Duration
	var ratios []float64
	for range rounds {
		var took [2]time.Duration
		for i, f := range []func() error{a, b} {
			runtime.GC()
			start := spent()
			if err := f(); err != nil {
				return 0, 0, 0, err
			}
			took[i] = spent() - start
		}
		as, bs = append(as, took[0]), append(bs, took[1])
		ratios = append(ratios, float64(took[0])/float64(took[1]))
	}
	return median(as), median(bs), median(ratios), nil
}

func median[T int64 | float64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// allocations returns how many objects a call of f allocates.
func allocations(n int, f func() error) (float64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		if err := f(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), nil
}

// spread returns the median of values and the range of the middle half of them,
// in a format for each.
func spread(values []float64, format string) string {
	slices.Sort(values)
	n := len(values)
	return fmt.Sprintf(format+" ("+format+" to "+format+")", values[n/2], values[n/4], values[n*3/4])
}

// resident returns the megabytes of main memory that this process occupies, or
// those that Go knows of where the operating system does not tell.
func resident() float64 {
	if mb := residentOf(os.Getpid()); mb > 0 {
		return mb
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys) / (1 << 20)
}

// residentOf returns the megabytes of main memory that a process occupies, 0 if
// the operating system does not tell.
func residentOf(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// spentBy returns the processor time that another process has taken, with those that
// it has started and that run; 0 if the operating system does not tell.
func spentBy(pid int) time.Duration {
	sum, _ := sched.Computed(pid)
	children, _ := childrenOf(pid)
	for _, child := range children {
		sum += spentBy(child)
	}
	return sum
}
