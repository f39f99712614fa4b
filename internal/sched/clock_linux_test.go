package sched

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestComputed_counts_a_process_that_computes compares a process that computes with
// one that waits.
func TestComputed_counts_a_process_that_computes(t *testing.T) {
	for _, c := range []struct {
		script   string
		computes bool
	}{{"while :; do :; done", true}, {"read x", false}} {
		cmd := exec.Command("/bin/sh", "-c", c.script)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		const enough = 50 * time.Millisecond
		sum, deadline := time.Duration(0), time.Now().Add(10*time.Second)
		if !c.computes {
			deadline = time.Now().Add(2 * enough)
		}
		for sum < enough && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
			if sum, err = Computed(cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
		}
		if got := sum >= enough; got != c.computes {
			t.Errorf("%q has computed for %v", c.script, sum)
		}
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
		if _, err := Computed(cmd.Process.Pid); err == nil {
			t.Errorf("a process that has ended computes")
		}
	}
}

func TestInnermost_follows_the_only_child(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "/bin/sh -c 'read x; exit 0'; exit 0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		cmd.Wait()
	}()
	if _, err := os.Stat("/proc/thread-self/children"); err != nil {
		t.Skip("this kernel does not list children")
	}
	for deadline := time.Now().Add(10 * time.Second); Innermost(cmd.Process.Pid) == cmd.Process.Pid; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process has no child")
		}
	}
	if pid := Innermost(os.Getpid()); pid == os.Getpid() {
		t.Error("this process has a child, and is the innermost")
	}
}
