package main

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// A processStats is what this process uses.
type processStats struct {
	goroutines             int
	heap, sys, collections uint64
	started                time.Time

	known           bool // the system tells what follows
	processor       time.Duration
	resident        int64
	files, maxFiles int
}

// clockTick is in what the kernel counts processor time for programs, on every
// machine that Linux runs on.
const clockTick = time.Second / 100

// measureProcess asks Go and, on Linux, the system.
func measureProcess() (p processStats) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	p.goroutines = runtime.NumGoroutine()
	p.heap, p.sys, p.collections = samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return p
	}
	// What stands before the last bracket is the name of the program, which may be
	// anything. From there on the 12th and 13th field are the times, the 22nd is the
	// memory.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(fields) < 22 {
		return p
	}
	p.known = true
	p.processor = time.Duration(atoi(fields[11])+atoi(fields[12])) * clockTick
	p.resident = int64(atoi(fields[21])) * int64(os.Getpagesize())
	p.files, p.maxFiles = len(open)-1, maxOpenFiles() // one is the directory that was read
	return p
}

// maxOpenFiles returns how many descriptors this process may have; 0 if that is not
// known, or has no bound.
func maxOpenFiles() int {
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(limits), "Max open files")
	if fields := strings.Fields(after); len(fields) > 0 {
		return atoi(fields[0])
	}
	return 0
}

// atoi reads a number of the system's; 0 if it is none.
func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
