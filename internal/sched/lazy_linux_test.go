package sched

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLazily_is_for_what_is_started_and_nothing_else asks the kernel what a process
// that was started lazily has, and this thread before and after it.
func TestLazily_is_for_what_is_started_and_nothing_else(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := slack()
	var said []byte
	err := Lazily(123*time.Microsecond, func() (err error) {
		said, err = exec.Command("cat", "/proc/self/timerslack_ns").Output()
		return err
	})
	if err != nil || strings.TrimSpace(string(said)) != "123000" {
		t.Errorf("the process has %q, %v", said, err)
	}
	if after := slack(); after != before {
		t.Errorf("this thread has %d ns, and had %d", after, before)
	}
}
