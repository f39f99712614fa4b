//go:build linux

package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// TestRunner_copies_again_what_a_lost_worker_has_left kills the worker amid a copy
// beside the database: the next one makes all of it, and what was begun is gone.
func TestRunner_copies_again_what_a_lost_worker_has_left(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)",
		"INSERT INTO t SELECT zeroblob(4000) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 5000) SELECT x FROM c)")
	owner := hosting.OwnerPath(h.cfg.Dir, h.job.Owner)
	begun := func() bool {
		found, err := filepath.Glob(filepath.Join(owner, "tmp", "*", "db"))
		return err == nil && len(found) > 0
	}
	for method := range 2 {
		for tries := 1; ; tries++ {
			h.expect(5000, "SELECT count(*) FROM t") // there is a worker
			before, image := h.Processes().Replays, h.job.DB
			image.Version = hosting.ImageID(newID())
			copied := make(chan error, 1)
			go func() {
				_, err := h.CopyTo(t.Context(), h.job.DB, hosting.CopyMethod(method), image.Version)
				copied <- err
			}()
			var err error
			over := false
			eventually(t, "a copy is under way", func() bool {
				select {
				case err = <-copied:
					over = true
				default:
				}
				return over || begun()
			})
			if !over {
				kill(t, h.pid(false), syscall.SIGKILL)
				err = <-copied
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Check(t.Context(), image, hosting.IntegrityCheck); err != nil {
				t.Error(err)
			}
			if info, err := os.Stat(hosting.FilePath(h.cfg.Dir, image)); err != nil || info.Size() < 20_000_000 {
				t.Errorf("%v, %v", info, err)
			}
			if begun() {
				t.Error("what was begun is still there")
			}
			if h.Processes().Replays > before {
				break
			}
			if tries == 20 {
				t.Fatal("it was always over before its worker could be killed")
			}
		}
	}
}

// A stuckWriter waits at its first byte until it is opened.
type stuckWriter struct {
	reached func()
	open    chan struct{}
}

func (w stuckWriter) Write(p []byte) (int, error) {
	w.reached()
	<-w.open
	return len(p), nil
}

// TestRunner_a_copy_takes_a_place_while_it_is_made shows that a copy that is to be handed
// over has a place among the texts that read, of which this worker has one: it waits
// for it, and holds it no longer than it takes to make the copy.
func TestRunner_a_copy_takes_a_place_while_it_is_made(t *testing.T) {
	h := newHarness(t, Config{
		OwnerMemory: 2 * 64 << 20, Limits: hosting.Limits{QueueTime: slow * 200 * time.Millisecond},
	}, "create", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reading := make(chan error, 1)
	go func() {
		_, err := h.try(ctx, endless)
		reading <- err
	}()
	var err error
	for deadline := time.Now().Add(patience); err == nil && time.Now().Before(deadline); {
		_, err = h.try(t.Context(), "SELECT count(*) FROM t") // until it is under way
	}
	wantKind(t, "a read beside it", err, fault.Busy)
	reached := make(chan struct{})
	w := stuckWriter{reached: sync.OnceFunc(func() { close(reached) }), open: make(chan struct{})}
	copied := make(chan error, 1)
	go func() {
		_, err := h.Copy(t.Context(), h.job.DB, hosting.CopyVacuum, w)
		copied <- err
	}()
	select {
	case <-reached:
		t.Error("the copy did not wait")
	case <-time.After(2 * h.limits.QueueTime):
	}
	cancel()
	if err := <-reading; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	select {
	case <-reached:
	case err := <-copied:
		t.Fatal(err)
	}
	h.expect(1, "SELECT count(*) FROM t") // while it is handed over
	close(w.open)
	if err := <-copied; err != nil {
		t.Error(err)
	}
}
