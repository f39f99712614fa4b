//go:build linux

package worker

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

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
