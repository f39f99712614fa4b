package hosting

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ayb/catalog"
	"ayb/fault"
)

// TestOwner_sum_follows_files_that_come_and_go moves files while their databases are
// released, which must change what the owner has room for without all files being
// looked at again.
func TestOwner_sum_follows_files_that_come_and_go(t *testing.T) {
	ctx := context.Background()
	h := newHarness(t, Limits{})
	grow := func(db DB, bytes int) error {
		st, err := catalog.NewStatement("CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES (zeroblob(?))", bytes)
		if err != nil {
			return err
		}
		_, err = h.Run(ctx, Job{DB: db, Class: Write, Statement: st, Quota: Quota{OwnerBytes: 1 << 20}}, nil)
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	other := h.db
	other.Database, other.Version = catalog.NewID(h.now(), h.random), catalog.NewID(h.now(), h.random)
	must(h.Create(ctx, other))
	must(grow(h.db, 500_000))
	must(grow(other, 400_000))
	if err := grow(other, 200_000); !errors.Is(err, fault.TooLarge) {
		t.Fatalf("beyond the bound: %v", err)
	}

	resume, err := h.Release(ctx, h.db)
	must(err)
	away := filepath.Join(t.TempDir(), "away")
	must(os.Rename(VersionPath(h.dir, h.db), away))
	resume()
	must(grow(other, 200_000))

	resume, err = h.Release(ctx, h.db)
	must(err)
	must(os.Rename(away, VersionPath(h.dir, h.db)))
	resume()
	if err := grow(other, 4096); !errors.Is(err, fault.TooLarge) {
		t.Errorf("with the file back: %v", err)
	}

	image := other
	image.Version = ImageID(catalog.NewID(h.now(), h.random))
	resume, err = h.Release(ctx, image)
	must(err)
	resume()
	h.mu.Lock()
	measures := h.owners[other.Owner].measures
	h.mu.Unlock()
	if measures != 1 {
		t.Errorf("all files were looked at %d times, want once", measures)
	}
}

// TestInProcess_forgets_owners opens databases of many owners, of which few can be
// open at a time.
func TestInProcess_forgets_owners(t *testing.T) {
	h := newHarness(t, Limits{OpenMemory: 2 << 20})
	for i := range 20 {
		h.db = h.create()
		h.must(fmt.Sprintf("CREATE TABLE t%d(a)", i))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.owners) > len(h.open) || len(h.open) > 15 {
		t.Errorf("it knows of %d owners and has %d databases open", len(h.owners), len(h.open))
	}
}
