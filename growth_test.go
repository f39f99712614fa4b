package ayb_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"ayb"
	"ayb/aybtest"
	"ayb/hosting"
	"ayb/snapshot/snapshottest"
)

// A gate is a Runner whose checks wait for one another once it is shut.
type gate struct {
	hosting.Runner
	arrived *sync.WaitGroup // nil: it is open
}

// Check checks.
func (g *gate) Check(ctx context.Context, db hosting.DB, depth hosting.CheckDepth) error {
	if g.arrived != nil {
		g.arrived.Done()
		g.arrived.Wait()
	}
	return g.Runner.Check(ctx, db, depth)
}

// TestEngine_entity_bytes_hold_for_restores_at_once makes many databases of one
// snapshot, of which there is room for two.
func TestEngine_entity_bytes_hold_for_restores_at_once(t *testing.T) {
	dir := t.TempDir()
	runner, err := hosting.NewInProcess(hosting.Config{Dir: filepath.Join(dir, ayb.OwnersDir)})
	must(t, err)
	defer runner.Close()
	checks := &gate{Runner: runner}
	cfg := ayb.Config{DataPath: dir, Runner: checks, Snapshots: ayb.SnapshotConfig{Bucket: snapshottest.Memory(t).Bucket}}
	cfg.Limits.EntityBytes = 2 << 20
	f := aybtest.New(t, &cfg)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", blobs, halfAMiB)
	s, err := f.CreateSnapshot(ctx, alice, "alice/db", "")
	must(t, err)
	to := func(name string) error {
		_, err := f.RestoreSnapshot(ctx, alice, "alice/db", s.ID, &ayb.RestoreOptions{To: "alice/" + name})
		return err
	}
	const many = 6
	checks.arrived = &sync.WaitGroup{}
	checks.arrived.Add(many)
	var made atomic.Int64
	var restores sync.WaitGroup
	for i := range many {
		restores.Go(func() {
			switch err := to(fmt.Sprint("copy", i)); {
			case err == nil:
				made.Add(1)
			case errors.Is(err, ayb.ErrTooLarge):
				checks.arrived.Done()
			default:
				t.Error(err)
			}
		})
	}
	restores.Wait()
	u, err := f.Usage(ctx, alice, "alice")
	if err != nil || u.Bytes > 2<<20 || made.Load() != 2 {
		t.Errorf("%d were made, and there are %d bytes, %v", made.Load(), u.Bytes, err)
	}
	// What has ended claims nothing.
	checks.arrived = nil
	if err := to("more"); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("one more: %v", err)
	}
	must(t, f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{Bytes: new(ayb.Limit(u.Bytes + u.Bytes/3))}))
	must(t, to("more"))
}
