package machine

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Memory returns the bytes of main memory of this machine, or those that its
// container may use.
func Memory() int64 {
	memory := int64(assumedMemory)
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err == nil {
		memory = int64(info.Totalram) * int64(info.Unit)
	}
	// What a container sees at the root of its control group; the second is of the
	// first version of these.
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if bound, ok := readBound(file); ok {
			memory = min(memory, bound)
		}
	}
	return memory
}

// readBound returns the bound in a file, if there is one.
func readBound(file string) (bound int64, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	bound, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is none
	return bound, err == nil && bound > 0
}
