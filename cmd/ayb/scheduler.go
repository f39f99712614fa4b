package main

import (
	"os"
	"runtime"
)

// Go looks whether something has come from the network when a processor of its own
// has nothing to do, and otherwise every ten milliseconds. While large answers are
// put together on all of them, whoever asks for a row waits that long, twice: for the
// request and for the worker's answer. With more of them than the machine has, some
// are always idle, and the system's scheduler gives what they wake up for its turn
// within a millisecond or two.

// threadsEach is how many goroutines may run at the same time for each processor
// of the machine.
const threadsEach = 2

// widenScheduler has Go run more goroutines at a time than there are processors. An
// operator who has set GOMAXPROCS is left alone.
func widenScheduler() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threadsEach * runtime.GOMAXPROCS(0))
	}
}
