//go:build linux

package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

// A harness is a Runner with one database of one owner, who is also the caller.
type harness struct {
	testing.TB
	*Runner
	job hosting.Job
}

func newHarness(t testing.TB, config Config, schema ...string) *harness {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	if config.Sandbox.Layers == nil {
		config.Sandbox.Layers = noWalls
	}
	config.Logger = listen(t)
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	h := (&harness{TB: t, Runner: r}).owner()
	for _, sql := range schema {
		h.must(sql)
	}
	return h
}

// listen returns a logger that fails the test if a worker says that it has found
// a data race.
func listen(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(listener{t}, nil))
}

type listener struct{ t testing.TB }

func (l listener) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "DATA RACE") {
		l.t.Errorf("%s", strings.ReplaceAll(string(line), `\n`, "\n"))
	}
	return len(line), nil
}

// owner returns a harness of another owner on the same Runner.
func (h *harness) owner() *harness {
	other := &harness{TB: h.TB, Runner: h.Runner}
	other.job = hosting.Job{DB: hosting.DB{Owner: newID(), Database: newID(), Version: newID()}, Class: hosting.Write}
	other.job.Caller.Entity = other.job.Owner
	return other
}

func (h *harness) create() *harness {
	h.Helper()
	if err := h.Create(context.Background(), h.job.DB); err != nil {
		h.Fatal(err)
	}
	return h
}

// visitor returns a harness whose calls are somebody else's, who may only read.
func (h *harness) visitor(address string) *harness {
	other := *h
	other.job.Class = hosting.Read
	other.job.Caller = hosting.Caller{Address: address}
	return &other
}

// by returns a harness whose calls are charged to another caller of the same class.
func (h *harness) by(address string) *harness {
	other := *h
	other.job.Caller = hosting.Caller{Address: address}
	return &other
}

// A first keeps the first value of an answer.
type first struct {
	value catalog.Value
	rows  int
}

func (f *first) Columns([]catalog.Column) error { return nil }

func (f *first) Row(row catalog.Row) error {
	if f.rows++; f.rows == 1 && row.Len() > 0 {
		f.value = row.Value(0)
	}
	return nil
}

func (h *harness) try(ctx context.Context, sql string, args ...any) (catalog.Value, error) {
	var f first
	_, err := h.Run(ctx, with(h.job, sql, args...), &f)
	return f.value, err
}

func (h *harness) must(sql string, args ...any) catalog.Value {
	h.Helper()
	if sql == "create" {
		h.create()
		return catalog.Value{}
	}
	v, err := h.try(context.Background(), sql, args...)
	if err != nil {
		h.Fatalf("%.60s: %v", sql, err)
	}
	return v
}

func (h *harness) expect(want int64, sql string, args ...any) {
	h.Helper()
	if got := h.must(sql, args...).Int64(); got != want {
		h.Errorf("%s: %d, want %d", sql, got, want)
	}
}

// pid returns the process of one of the owner's workers, or 0.
func (h *harness) pid(reader bool) int {
	s := h.seatOf(seatKey{h.job.Owner, reader})
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker == nil {
		return 0
	}
	return s.worker.cmd.Process.Pid
}

func kill(t testing.TB, pid int, signal syscall.Signal) {
	t.Helper()
	if pid <= 0 {
		t.Fatal("there is no process")
	}
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

// freeze stops a process and returns when all of its threads stand still, which takes
// a while on a machine that has others to run.
func freeze(t testing.TB, pid int) {
	t.Helper()
	kill(t, pid, syscall.SIGSTOP)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		frozen := 0
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			if err != nil || bytes.Contains(stat, []byte(") T ")) { // it has ended meanwhile
				frozen++
			}
		}
		switch {
		case frozen == len(threads):
			return
		case time.Now().After(deadline):
			t.Fatal("the process does not stop")
		}
	}
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func wantKind(t testing.TB, what string, err error, kinds ...fault.Kind) {
	t.Helper()
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return
		}
	}
	t.Errorf("%s: %v (%s), want %v", what, err, fault.KindOf(err), kinds)
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// together runs n functions at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// program returns a path by which this program is known under another name.
func program(t testing.TB, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c"

	// deaf does not end when it is told to: SQLite looks up between steps, and
	// this is one.
	deaf = "SELECT json_patch(j, j) FROM (SELECT '{' || group_concat('\"k' || x || '\":' || x) || '}' AS j FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 20000) SELECT x FROM c))"
)
