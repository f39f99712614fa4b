package ayb

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"ayb/hosting"
)

// openForTest opens an engine with alice and her database alice/db, which has one
// table t with a column a.
func openForTest(t testing.TB, cfg Config) (*Engine, Principal, Database) {
	t.Helper()
	ctx := context.Background()
	if cfg.DataPath == "" {
		cfg.DataPath = t.TempDir()
	}
	e, err := Open(ctx, cfg)
	require(t, err)
	t.Cleanup(func() { e.Close() })
	alice, err := e.CreateEntity(ctx, System, "alice", nil)
	require(t, err)
	_, err = e.CreateDatabase(ctx, System, "alice/db", nil)
	require(t, err)
	_, err = e.Query(ctx, System, "alice/db", "CREATE TABLE t (a)")
	require(t, err)
	db, err := e.Database(ctx, System, "alice/db")
	require(t, err)
	return e, e.Owner(alice), db.Database
}

func require(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noted returns the note that a database has changed.
func (e *Engine) noted(t *testing.T, db Database) ID {
	t.Helper()
	state, err := e.store.SnapshotState(context.Background(), db.ID)
	require(t, err)
	return state.Changed
}

func TestChange_is_noted_once_and_before_it_happens(t *testing.T) {
	ctx := context.Background()
	e, alice, db := openForTest(t, Config{})
	first := e.noted(t, db)
	if first.IsZero() {
		t.Fatal("the first write is not noted")
	}
	_, err := e.Query(ctx, alice, "alice/db", "INSERT INTO t VALUES (1)")
	require(t, err)
	if e.noted(t, db) != first {
		t.Error("a second change is noted although the first one still is")
	}

	// As after a snapshot.
	if !e.changes.forget(db.ID) {
		t.Fatal("somebody is said to write")
	}
	_, err = e.store.ClearChanged(ctx, db.ID, first)
	require(t, err)
	for _, sql := range []string{"SELECT a FROM t", "PRAGMA user_version", "EXPLAIN DELETE FROM t", "NONSENSE"} {
		e.Query(ctx, alice, "alice/db", sql)
		if !e.noted(t, db).IsZero() {
			t.Errorf("%s counts as a change", sql)
		}
	}
	require(t, e.store.Close()) // so that nothing can be noted
	if _, err := e.Query(ctx, alice, "alice/db", "INSERT INTO t VALUES (2)"); err == nil {
		t.Fatal("a change that can't be noted is made")
	}
	result, err := e.Query(ctx, alice, "alice/db", "SELECT a FROM t")
	require(t, err)
	if len(result.Rows) != 1 {
		t.Errorf("there are %d rows", len(result.Rows))
	}
}

func TestChange_in_a_session_is_noted_at_its_commit(t *testing.T) {
	ctx := context.Background()
	e, alice, db := openForTest(t, Config{})
	s, err := e.Begin(ctx, alice, "alice/db")
	require(t, err)
	defer s.Close()
	_, err = s.Query(ctx, "BEGIN")
	require(t, err)
	_, err = s.Query(ctx, "INSERT INTO t VALUES (1)")
	require(t, err)
	mark := e.noted(t, db)
	if !e.changes.forget(db.ID) {
		t.Fatal("between its calls a session commits nothing")
	}
	_, err = e.store.ClearChanged(ctx, db.ID, mark)
	require(t, err)
	_, err = s.Query(ctx, "COMMIT")
	require(t, err)
	if e.noted(t, db).IsZero() {
		t.Error("the commit is not noted")
	}
}

func TestChanges_are_not_forgotten_while_somebody_writes(t *testing.T) {
	var cs changes
	id := ID{15: 3}
	if cs.enter(id) {
		t.Fatal("a database of which nothing is known is noted")
	}
	cs.note(id)
	if cs.enter(id) {
		t.Fatal("entered before the change was noted")
	}
	cs.noted(id)
	if !cs.enter(id) {
		t.Fatal("not entered although the change is noted")
	}
	cs.leave(id)
	if cs.forget(id) {
		t.Fatal("forgotten beside a writer")
	}
	cs.leave(id)
	if !cs.enter(id) {
		t.Fatal("a note is lost with its writers")
	}
	cs.leave(id)
	if !cs.forget(id) || cs.enter(id) {
		t.Fatal("not forgotten")
	}
	cs.note(id)
	cs.leave(id) // it could not be noted
	if n := len(cs[3].of); n != 0 {
		t.Errorf("%d databases are remembered of which there is nothing to know", n)
	}
}

func TestImage_is_checked_and_leaves_nothing_behind(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	e, alice, db := openForTest(t, Config{DataPath: dir})
	_, err := e.Query(ctx, alice, "alice/db", "INSERT INTO t SELECT hex(randomblob(2000)) FROM generate_series(1, 20)")
	require(t, err)
	before, err := e.ownerSize(ctx, db.Owner)
	require(t, err)
	img, err := e.copyOf(ctx, db, hosting.CopyVacuum)
	require(t, err)
	require(t, img.check(ctx, hosting.QuickCheck))
	info, err := os.Stat(img.path())
	require(t, err)
	if info.Mode().Perm() != 0o600 || info.Size() < 80_000 {
		t.Errorf("the image has %d bytes and mode %v", info.Size(), info.Mode())
	}
	if size, err := e.ownerSize(ctx, db.Owner); err != nil || size != before {
		t.Errorf("an image counts: %d bytes instead of %d, %v", size, before, err)
	}
	damaged := make([]byte, 4096)
	f, err := os.OpenFile(img.path(), os.O_WRONLY, 0)
	require(t, err)
	_, err = f.WriteAt(damaged, 4096)
	require(t, err)
	require(t, f.Close())
	if err := img.check(ctx, hosting.QuickCheck); err == nil {
		t.Error("an image with a page of zeros passes")
	}

	// As if the engine had crashed.
	require(t, e.Close())
	left := func() (files []string) {
		images, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(img.path())), "*"))
		notes, _ := filepath.Glob(filepath.Join(dir, "images", "*"))
		return append(images, notes...)
	}
	if n := len(left()); n != 3 {
		t.Fatalf("there are %v", left())
	}
	require(t, os.WriteFile(filepath.Join(dir, "images", "README"), nil, 0o600)) // no note
	e, err = Open(ctx, Config{DataPath: dir})
	require(t, err)
	defer e.Close()
	if n := len(left()); n != 2 { // the version, and what is no note
		t.Errorf("there are still %v", left())
	}
	result, err := e.Query(ctx, System, "alice/db", "SELECT count(*) FROM t")
	require(t, err)
	if result.Rows[0][0].Int64() != 20 {
		t.Errorf("%v rows", result.Rows[0][0])
	}
}
