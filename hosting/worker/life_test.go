//go:build linux

package worker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/hosting/sandbox"
)

const orphanName = "orphan"

// beParent is the main function of a program that has workers and waits to be
// killed.
func beParent() {
	r, err := New(Config{Dir: os.Args[1], Executable: os.Args[2], Sandbox: sandbox.Policy{Layers: noWalls}})
	if err != nil {
		panic(err)
	}
	h := (&harness{Runner: r}).owner()
	h.job.Unwritten = true
	for _, h := range []*harness{h, h.visitor("v")} {
		go h.try(context.Background(), endless)
	}
	for h.pid(false) == 0 || h.pid(true) == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(h.pid(false), h.pid(true))
	select {}
}

func TestWorker_dies_with_its_parent(t *testing.T) {
	cmd := exec.Command(program(t, orphanName), t.TempDir(), program(t, "worker"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil || !alive(pid) {
			t.Fatalf("process %q: %v", field, err)
		}
		pids = append(pids, pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for _, pid := range pids {
		eventually(t, "a worker is gone", func() bool { return !alive(pid) })
	}
}

func TestRunner_idle_workers_end(t *testing.T) {
	h := newHarness(t, Config{Idle: 300 * time.Millisecond}, "create", "CREATE TABLE t (a)")
	h.visitor("v").expect(0, "SELECT count(*) FROM t")
	pids := []int{h.pid(false), h.pid(true)}
	eventually(t, "the workers are gone", func() bool { return !alive(pids[0]) && !alive(pids[1]) })
	eventually(t, "nothing is known of them", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.workers) == 0 && len(h.databases) == 0 && len(h.seats) == 0 && h.admitted == 0
	})
	h.must("INSERT INTO t VALUES (1)")
	h.visitor("v").expect(1, "SELECT count(*) FROM t")
}

func TestRunner_bounds_the_number_of_workers(t *testing.T) {
	h := newHarness(t, Config{Workers: 2, Limits: hosting.Limits{QueueTime: slow * 300 * time.Millisecond}}, "create", "CREATE TABLE t (a)")
	for range 6 {
		other := h.owner().create()
		other.must("CREATE TABLE t (a)")
		if n := len(h.allWorkers()); n > 2 {
			t.Fatalf("%d workers", n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	busy := make(chan error, 2)
	for range 2 {
		other := h.owner()
		other.job.Unwritten = true
		go func() {
			_, err := other.try(ctx, endless)
			busy <- err
		}()
		eventually(t, "it is at work", func() bool { return other.pid(false) != 0 })
	}
	_, err := h.try(t.Context(), "SELECT 1")
	wantKind(t, "when all are busy", err, fault.Busy)
	cancel()
	<-busy
	<-busy
	h.must("INSERT INTO t VALUES (1)")
}

func TestRunner_close_leaves_no_process_and_no_goroutine(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	h.visitor("v").expect(0, "SELECT count(*) FROM t")
	pids := []int{h.pid(false), h.pid(true)}
	ended := make(chan error, 1)
	go func() {
		_, err := h.visitor("v").try(t.Context(), deaf)
		ended <- err
	}()
	s, err := h.Begin(t.Context(), h.job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), with(h.job, "BEGIN IMMEDIATE").Statement, nil); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > slow*2*time.Second {
		t.Errorf("Close took %v", took)
	}
	wantKind(t, "what was running", <-ended, fault.Unavailable)
	for _, pid := range pids {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			t.Errorf("process %d is there, if only as a zombie", pid)
		}
	}
	eventually(t, "goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// TestRunner_close_ends_writes_that_wait closes a Runner while writes wait in a worker
// for one that does not end.
func TestRunner_close_ends_writes_that_wait(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	const writes = 6
	ended := make(chan error, writes)
	for i := range writes {
		go func() {
			sql := "INSERT INTO t VALUES (1)"
			if i == 0 {
				sql = "INSERT INTO t " + endless
			}
			_, err := h.try(context.Background(), sql)
			ended <- err
		}()
		eventually(t, "they wait", func() bool { s := h.Stats(); return s.Writes == uint64(i+2) && s.QueuedWrites == i })
	}
	start := time.Now()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > slow*2*time.Second {
		t.Errorf("Close took %v", took)
	}
	for range writes {
		wantKind(t, "a write", <-ended, fault.Unavailable)
	}
	if ends := h.Processes().Ended; ends[Closed] != 1 {
		t.Errorf("the worker has ended otherwise: %v", ends)
	}
}

// TestRunner_close_ends_workers_that_are_starting closes Runners at any moment of
// the start of a worker.
func TestRunner_close_ends_workers_that_are_starting(t *testing.T) {
	for i := range 40 {
		h := newHarness(t, Config{})
		h.job.Unwritten = true
		done := make(chan error, 1)
		go func() {
			_, err := h.try(context.Background(), "SELECT 1")
			done <- err
		}()
		time.Sleep(time.Duration(i) * slow * time.Millisecond / 2)
		start := time.Now()
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > slow*3*time.Second {
			t.Errorf("Close took %v", took)
		}
		if err := <-done; err != nil {
			wantKind(t, "who asked for it", err, fault.Unavailable)
		}
	}
}

// TestRunner_a_reader_in_its_own_process holds that a visitor's texts are run in
// another process than the owner's, and harm nobody but visitors.
func TestRunner_a_reader_in_its_own_process(t *testing.T) {
	h := newHarness(t, Config{Limits: hosting.Limits{QueryTime: slow * 200 * time.Millisecond}}, "create", "CREATE TABLE t (a)")
	owners := h.pid(false)
	_, err := h.visitor("v").try(t.Context(), deaf)
	wantKind(t, "a deaf text", err, fault.TimedOut)
	_, err = h.visitor("v").try(t.Context(), "INSERT INTO t VALUES (1)")
	wantKind(t, "a write", err, fault.ReadOnly)
	h.must("INSERT INTO t VALUES (1)")
	h.visitor("v").expect(1, "SELECT count(*) FROM t")
	if h.pid(false) != owners {
		t.Error("a visitor took the owner's worker down")
	}
	if h.pid(true) == 0 || h.pid(true) == owners {
		t.Error("a visitor was served by the owner's worker")
	}
}

func TestRunner_a_slow_sink_holds_up_itself_alone(t *testing.T) {
	h := newHarness(t, Config{Limits: hosting.Limits{QueryTime: slow * 300 * time.Millisecond}}, "create", "CREATE TABLE t (a)")
	reached, open := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		slow := slowSink{reached, open}
		_, err := h.Run(t.Context(), with(h.job, strings.Replace(endless, "count(*)", "x, hex(zeroblob(100))", 1)+" LIMIT 20000"), &slow)
		done <- err
	}()
	<-reached
	for start := time.Now(); time.Since(start) < time.Second; {
		h.must("INSERT INTO t VALUES (1)")
		h.must("SELECT count(*) FROM t")
	}
	close(open)
	if err := <-done; err != nil {
		t.Errorf("the time in the sink was charged to the query: %v", err)
	}
}

// A slowSink waits at its first row.
type slowSink struct{ reached, open chan struct{} }

func (s *slowSink) Columns([]catalog.Column) error { return nil }

func (s *slowSink) Row(catalog.Row) error {
	if s.reached != nil {
		close(s.reached)
		s.reached = nil
		<-s.open
	}
	return nil
}

func TestRunner_values_of_all_sizes_cross(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	for _, size := range []int{0, 1, 100, 32<<10 - 20, 32 << 10, maxPayload - 20, maxPayload, maxPayload + 1, window, window + 1, 1 << 20, 16<<20 - 100} {
		text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		for _, caller := range []*harness{h, h.visitor("v")} {
			if got := caller.must("SELECT ?", text); got != catalog.TextValue(text) {
				t.Errorf("a text of %d bytes came back with %d", size, got.Size())
			}
		}
		if size > 1<<20 {
			continue // to write it takes several times its size
		}
		if got := h.must("INSERT INTO t VALUES (?) RETURNING a", text); got != catalog.TextValue(text) {
			t.Errorf("a text of %d bytes came back from a write with %d", size, got.Size())
		}
		h.must("DELETE FROM t")
	}
	_, err := h.try(t.Context(), "SELECT ?", strings.Repeat("x", 16<<20+1))
	wantKind(t, "a value that is too large", err, fault.TooLarge)
	if n := h.large.Load(); n != 0 {
		t.Errorf("%d bytes are still charged", n)
	}
	h.large.Store(maxLarge)
	_, err = h.try(t.Context(), "SELECT zeroblob(1000000)")
	wantKind(t, "a large row when there is no memory", err, fault.Busy)
	h.large.Store(0)
	h.expect(0, "SELECT count(*) FROM t")
}
