package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// spareHeap is how much garbage may gather before it is collected. Go collects
// when as much has gathered as is in use, and a server that hosts small databases
// uses so little that it would do so a hundred times a second.
const spareHeap = 32 << 20

// relaxCollector makes the collector wait for spareHeap, or for as much as is in
// use if that is more. An operator who has set GOGC is left alone.
func relaxCollector() {
	if os.Getenv("GOGC") == "" {
		afterCollection()
	}
}

// afterCollection sets at how much garbage to collect next, and sees to it that it
// is called again after that.
func afterCollection() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(garbagePercent(live[0].Value.Uint64()))
	sentinel := new(*byte) // a pointer, so that it is not put together with others
	runtime.AddCleanup(sentinel, func(struct{}) { afterCollection() }, struct{}{})
}

// garbagePercent returns how much garbage may gather, in percent of what is in
// use.
func garbagePercent(inUse uint64) int {
	const least = 1 << 20 // of nearly nothing, no multiple is enough
	return max(100, int(spareHeap*100/max(inUse, least)))
}
