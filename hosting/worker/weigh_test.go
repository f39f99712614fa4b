//go:build linux

package worker

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ayb/hosting/sandbox"
	"ayb/internal/sched"
)

// TestRunner_keeps_a_processor_free holds that a worker that computes leaves one
// processor to others while it does so and for a while afterwards, and only then, also
// in a jail.
func TestRunner_keeps_a_processor_free(t *testing.T) {
	t.Run("alone", func(t *testing.T) { keepsAProcessorFree(t, Config{}) })
	t.Run("jail", func(t *testing.T) {
		path := os.Getenv("AYB_BUBBLEWRAP")
		if path == "" {
			path, _ = exec.LookPath("bwrap")
		}
		if path == "" {
			t.Skip("NOT TESTED: AYB_BUBBLEWRAP does not name bubblewrap")
		}
		policy := sandbox.Policy{Jail: sandbox.Jail{Kind: sandbox.Bubblewrap, Path: path}}
		keepsAProcessorFree(t, Config{Sandbox: policy})
	})
}

func keepsAProcessorFree(t *testing.T, config Config) {
	all, most := processors()
	if all.Count() < 2 {
		t.Skip("this machine has one processor")
	}
	h := newHarness(t, config, "create", "CREATE TABLE t (a)")
	other := h.owner().create()
	wait := func(what string, want unix.CPUSet) {
		t.Helper()
		const patience = slow * 20 * time.Second
		var got unix.CPUSet
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			err := unix.SchedGetaffinity(sched.Innermost(h.pid(false)), &got)
			if err == nil && got == want {
				return
			}
		}
		t.Fatalf("%s: it may use %d processors, want %d", what, got.Count(), want.Count())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.try(ctx, endless)
	}()
	wait("a worker that computes", most)
	other.must("SELECT 1")
	var light unix.CPUSet
	if err := unix.SchedGetaffinity(sched.Innermost(other.pid(false)), &light); err != nil || light != all {
		t.Errorf("a worker that does not may use %d processors (%v)", light.Count(), err)
	}
	cancel()
	<-ended
	h.must("SELECT 1") // in another one, if it was killed because the machine is busy
	wait("afterwards", all)
}
