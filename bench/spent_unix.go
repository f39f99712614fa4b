//go:build unix

package main

import (
	"syscall"
	"time"
)

// spent returns the processor time that this process has taken.
func spent() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err) // it has no way to fail with these arguments
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
