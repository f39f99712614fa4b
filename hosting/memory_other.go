//go:build !linux

package hosting

// physicalMemory returns what a machine may be assumed to have where the
// standard library cannot ask.
func physicalMemory() int64 { return assumedMemory }
