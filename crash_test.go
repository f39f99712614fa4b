package ayb

import (
	"context"
	"os"
	"testing"

	"ayb/hosting"
	"ayb/store"
)

// TestTransfer_is_finished_or_undone_after_a_crash stops a transfer after each
// of its steps, as a crash would, and opens the engine again.
func TestTransfer_is_finished_or_undone_after_a_crash(t *testing.T) {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	steps := []string{"noted", "copied", "half copied", "moved", "old version removed"}
	for _, last := range steps {
		t.Run("stopped when "+last, func(t *testing.T) {
			cfg := Config{DataPath: t.TempDir()}
			e, err := Open(ctx, cfg)
			must(err)
			_, err = e.CreateEntity(ctx, System, "alice", nil)
			must(err)
			bob, err := e.CreateEntity(ctx, System, "bob", nil)
			must(err)
			_, err = e.CreateDatabase(ctx, System, "alice/db", nil)
			must(err)
			_, err = e.Query(ctx, System, "alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (7)")
			must(err)
			db, err := e.Database(ctx, System, "alice/db")
			must(err)

			move := transfer{From: fileOf(db.Database), To: hosting.DB{Owner: bob.ID, Database: db.ID, Version: e.ids.next()}}
			resume, err := e.release(ctx, move.From)
			must(err)
			for _, step := range steps {
				switch step {
				case "noted":
					must(e.note(move))
				case "half copied":
					if last == step {
						must(os.Remove(hosting.VersionPath(e.cfg.owners(), move.To) + "/db"))
					}
				case "copied":
					must(e.copyVersion(move, true))
				case "moved":
					must(e.store.MoveDatabase(ctx, db.ID, store.Move{From: move.From.Version, Owner: bob.ID, Version: move.To.Version}))
				case "old version removed":
					must(e.removeVersion(move.From))
				}
				if step == last {
					break
				}
			}
			resume()
			must(e.Close())

			e, err = Open(ctx, cfg)
			must(err)
			defer e.Close()
			ref, gone := "alice/db", move.To
			if last == "moved" || last == "old version removed" {
				ref, gone = "bob/db", move.From
			}
			result, err := e.Query(ctx, System, ref, "SELECT a FROM t")
			must(err)
			if len(result.Rows) != 1 {
				t.Errorf("%s has %v", ref, result.Rows)
			}
			for _, left := range []string{hosting.VersionPath(e.cfg.owners(), gone), e.notePath(db.ID)} {
				if _, err := os.Stat(left); err == nil {
					t.Errorf("left behind: %s", left)
				}
			}
			_, err = e.TransferDatabase(ctx, System, ref, map[string]string{"alice/db": "bob", "bob/db": "alice"}[ref])
			must(err)
		})
	}
}

// TestPurge_removes_what_a_transfer_left_of_a_deleted_database has a transfer
// crash, the database be deleted before anybody cleans up, and be purged.
func TestPurge_removes_what_a_transfer_left_of_a_deleted_database(t *testing.T) {
	ctx := context.Background()
	e, _, db := openForTest(t, Config{})
	bob, err := e.CreateEntity(ctx, System, "bob", nil)
	require(t, err)
	move := transfer{From: fileOf(db), To: hosting.DB{Owner: bob.ID, Database: db.ID, Version: e.ids.next()}}
	require(t, e.note(move))
	require(t, e.copyVersion(move, true))
	require(t, e.DeleteDatabase(ctx, System, "alice/db"))

	require(t, e.sweepTransfers(ctx)) // must not touch what may come back
	_, err = e.UndeleteDatabase(ctx, System, "alice/db")
	require(t, err)
	_, err = e.Query(ctx, System, "alice/db", "SELECT a FROM t")
	require(t, err)
	require(t, e.DeleteDatabase(ctx, System, "alice/db"))

	_, err = e.purge(ctx, e.now().Add(e.cfg.DeletionKeep+1))
	require(t, err)
	for _, left := range []string{hosting.VersionPath(e.cfg.owners(), move.To), hosting.VersionPath(e.cfg.owners(), move.From), e.notePath(db.ID)} {
		if _, err := os.Stat(left); err == nil {
			t.Errorf("left behind: %s", left)
		}
	}
}

// TestTend_waits_for_what_is_being_put_away looks after what was replaced while the
// metadata know of it, and its files still have the name under which they were used.
func TestTend_waits_for_what_is_being_put_away(t *testing.T) {
	ctx := context.Background()
	e, _, db := openForTest(t, Config{})
	move := transfer{From: fileOf(db), To: fileOf(db), Keep: hosting.ImageID(e.ids.next())}
	move.To.Version = e.ids.next()
	kept := store.Replaced{Database: db.ID, Owner: db.Owner, Image: move.Keep, At: e.now()}
	require(t, e.note(move))
	require(t, e.copyVersion(move, true))
	require(t, e.store.RestoreDatabase(ctx, db.ID, store.Restore{From: move.From.Version, Version: move.To.Version, Mark: e.ids.next(), Kept: kept}))

	require(t, e.tendReplaced(ctx))
	require(t, e.settle(ctx, db.ID))
	if known, err := e.store.ReplacedOf(ctx, db.ID); err != nil || len(known) != 1 {
		t.Errorf("the metadata know of %v, %v", known, err)
	}
	if id := e.nameReplaced(ctx, kept); id == "" {
		t.Error("what was put away can't be restored")
	}
}
