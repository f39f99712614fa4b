// Package machine tells what the machine has.
package machine

// assumedMemory is the main memory of a machine that does not tell.
const assumedMemory = 4 << 30
