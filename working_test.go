package ayb

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"ayb/hosting"
)

// TestOpen_sweeps_where_work_was_under_way puts files into the directories of two
// owners, as a crash leaves them, one of whom has a note of an export or import.
func TestOpen_sweeps_where_work_was_under_way(t *testing.T) {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	reopen := func(e *Engine) *Engine {
		t.Helper()
		must(e.Close())
		e, err := Open(ctx, Config{DataPath: dir})
		must(err)
		return e
	}
	e, err := Open(ctx, Config{DataPath: dir})
	must(err)
	defer func() { must(e.Close()) }()
	leave := func(owner ID) (left []string) {
		for _, name := range []string{"tmp", "tmp-reader", "incoming"} {
			path := filepath.Join(hosting.OwnerPath(e.cfg.owners(), owner), name, "left")
			must(os.MkdirAll(path, 0o700))
			must(os.WriteFile(filepath.Join(path, "db"), []byte("something"), 0o600))
			left = append(left, path)
		}
		return left
	}
	have := func(paths []string) (n int) {
		for _, path := range paths {
			if _, err := os.Stat(path); err == nil {
				n++
			}
		}
		return n
	}
	alice, err := e.CreateEntity(ctx, System, "alice", nil)
	must(err)
	bob, err := e.CreateEntity(ctx, System, "bob", nil)
	must(err)

	hers, his := leave(alice.ID), leave(bob.ID)
	end, err := e.working.begin(alice.ID)
	must(err)
	_, err = e.working.begin(alice.ID) // that never ends
	must(err)
	end()
	e = reopen(e)
	if have(hers) != 0 || have(his) != 3 {
		t.Errorf("left of what is noted: %d, of what is not: %d; the start should look at notes alone", have(hers), have(his))
	}
	if notes, err := os.ReadDir(e.working.dir); err != nil || len(notes) != 0 {
		t.Errorf("notes are left: %v, %v", notes, err)
	}

	t.Run("a data path without notes is swept as a whole", func(t *testing.T) {
		must(os.RemoveAll(e.working.dir))
		if e = reopen(e); have(his) != 0 {
			t.Errorf("%d left", have(his))
		}
	})
	t.Run("no link leads out of an owner's directory", func(t *testing.T) {
		his = leave(bob.ID)
		link := filepath.Join(hosting.OwnerPath(e.cfg.owners(), alice.ID), "tmp-link")
		if err := os.Symlink(filepath.Dir(his[0]), link); err != nil {
			t.Skip(err)
		}
		_, err := e.working.begin(alice.ID)
		must(err)
		if e = reopen(e); have(his) != 3 {
			t.Errorf("of 3 files of somebody else %d are left", have(his))
		}
	})
	t.Run("the note stays for what could not be removed", func(t *testing.T) {
		his = leave(bob.ID)
		end, err := e.working.begin(bob.ID)
		must(err)
		end()
		if e = reopen(e); have(his) != 0 {
			t.Errorf("%d left", have(his))
		}
	})
	t.Run("work that has ended leaves no note", func(t *testing.T) {
		end, err := e.working.begin(alice.ID)
		must(err)
		end()
		if notes, err := os.ReadDir(e.working.dir); err != nil || len(notes) != 0 {
			t.Errorf("notes are left: %v, %v", notes, err)
		}
	})
}
