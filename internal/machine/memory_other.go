//go:build !linux

package machine

// Memory returns what a machine may be assumed to have where the system has no
// plain way to tell.
func Memory() int64 { return assumedMemory }
