package ayb_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"ayb"
	"ayb/aybtest"
	"ayb/hosting"
	"ayb/snapshot/snapshottest"
)

// openDirectory opens a directory as a bucket.
func openDirectory(t *testing.T, dir string) *blob.Bucket {
	t.Helper()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{DirFileMode: 0o700, NoTempDir: true})
	must(t, err)
	t.Cleanup(func() { bucket.Close() })
	return bucket
}

// keysOf returns the keys of all objects, a line each.
func keysOf(t *testing.T, bucket *blob.Bucket) string {
	t.Helper()
	var keys strings.Builder
	for list := bucket.List(nil); ; {
		object, err := list.Next(context.Background())
		if err == io.EOF {
			return keys.String()
		}
		must(t, err)
		keys.WriteString(object.Key + "\n")
	}
}

func TestPurge_removes_the_snapshots_of_what_it_removes(t *testing.T) {
	bucket := snapshottest.Memory(t).Bucket
	faulty := snapshottest.NewFaulty(bucket)
	s := newSnapshotScene(t, faulty.Bucket, ayb.SnapshotConfig{})
	s.MustDatabase("alice/kept", "CREATE TABLE t (a)")
	s.write("alice/db")
	s.round()
	must(t, s.DeleteDatabase(ctx, s.alice, "alice/db"))
	s.write("alice/kept")
	s.round()
	if keys := keysOf(t, bucket); strings.Count(keys, "alice/db/") != 1 || strings.Count(keys, "alice/kept/") != 2 {
		t.Fatalf("the bucket has\n%s", keys)
	}
	s.Clock.Advance(8 * 24 * 3600e9)
	faulty.Arm(1, snapshottest.Fails)
	if done, err := s.Purge(ctx, ayb.System); !errors.Is(err, ayb.ErrUnavailable) || done.Databases != 0 {
		t.Fatalf("with a bucket that fails: %v, %v", done, err)
	}
	faulty.Arm(0, "")
	if done, err := s.Purge(ctx, ayb.System); err != nil || done.Databases != 1 {
		t.Fatalf("%v, %v", done, err)
	}
	if keys := keysOf(t, bucket); strings.Contains(keys, "alice/db/") || strings.Count(keys, "alice/kept/") != 2 {
		t.Errorf("the bucket has\n%s", keys)
	}
}

func TestPurge_holds_up_nobody_while_the_bucket_hangs(t *testing.T) {
	faulty := snapshottest.NewFaulty(snapshottest.Memory(t).Bucket)
	s := newSnapshotScene(t, faulty.Bucket, ayb.SnapshotConfig{})
	s.round()
	must(t, s.DeleteDatabase(ctx, s.alice, "alice/db"))
	s.Clock.Advance(8 * 24 * time.Hour)
	s.MustDatabase("alice/other", "CREATE TABLE t (a)")
	must(t, s.DeleteDatabase(ctx, s.alice, "alice/other"))
	faulty.Arm(1, snapshottest.Hangs)
	hanging, end := context.WithCancel(ctx)
	purged := make(chan error, 1)
	go func() {
		_, err := s.Purge(hanging, ayb.System)
		purged <- err
	}()
	wait(t, "the bucket hangs", func() bool { return len(faulty.Calls()) > 0 })
	_, err := s.UndeleteDatabase(ctx, s.alice, "alice/other")
	must(t, err)
	s.Clock.Advance(-2 * 24 * time.Hour)
	if _, err := s.UndeleteDatabase(ctx, s.alice, "alice/db"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("what is being purged was brought back: %v", err)
	}
	end()
	if err := <-purged; err == nil {
		t.Error("the purge that was to hang has ended well")
	}
	if done, err := s.Purge(ctx, ayb.System); err != nil || done.Databases != 1 {
		t.Errorf("the next purge: %v, %v", done, err)
	}
}

func TestUndelete_brings_the_snapshots_back(t *testing.T) {
	s := newSnapshotScene(t, snapshottest.Memory(t).Bucket, ayb.SnapshotConfig{})
	s.round()
	must(t, s.DeleteDatabase(ctx, s.alice, "alice/db"))
	s.MustDatabase("alice/db", "CREATE TABLE t (a)")
	s.round()
	must(t, s.RenameDatabase(ctx, s.alice, "alice/db", "second"))
	_, err := s.UndeleteDatabase(ctx, s.alice, "alice/db")
	must(t, err)
	s.write("alice/db")
	s.round()
	if first, second := s.snapshots(t, "alice/db"), s.snapshots(t, "alice/second"); len(first) != 2 || len(second) != 1 {
		t.Errorf("%v and %v", first, second)
	}
}

// TestSnapshot_of_what_is_damaged flips a byte of the file that is copied. What is
// restored of an object that is damaged, TestEngine_RestoreSnapshot_refuses_what_is_not_sound
// shows.
func TestSnapshot_of_what_is_damaged(t *testing.T) {
	for method, name := range map[hosting.CopyMethod]string{hosting.CopyVacuum: "Vacuum", hosting.CopyPages: "Backup"} {
		t.Run("the database, by "+name, func(t *testing.T) {
			s := newSnapshotScene(t, snapshottest.Memory(t).Bucket, ayb.SnapshotConfig{Method: method})
			s.MustQuery(s.alice, "alice/db", "INSERT INTO t SELECT hex(randomblob(500)) FROM generate_series(1, 200)")
			path := hosting.FilePath(s.DataPath()+"/owners", hosting.DB{Owner: s.db.Owner, Database: s.db.ID, Version: s.db.Version})
			must(t, s.Close())
			spoil(t, path)
			s.Reopen()
			_, err := s.CreateSnapshot(ctx, s.alice, "alice/db", "")
			if !errors.Is(err, ayb.ErrInternal) || !strings.Contains(ayb.Message(err), "The database's file is damaged") || !strings.Contains(ayb.Message(err), "restore a snapshot") {
				t.Errorf("%v: %s", err, ayb.Message(err))
			}
			if n := len(s.snapshots(t, "alice/db")); n != 0 {
				t.Errorf("%d snapshots of a damaged database", n)
			}
			if left := s.images(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// spoiled is the byte that says what kind of page the third one is.
const spoiled = 2 * 4096

// A spoiler is a Runner that does something to the copies that it makes.
type spoiler struct {
	hosting.Runner
	dir   string
	spoil func(path string) error
}

// CopyTo copies, and spoils.
func (s spoiler) CopyTo(ctx context.Context, db hosting.DB, method hosting.CopyMethod, image ayb.ID) (hosting.Generation, error) {
	generation, err := s.Runner.CopyTo(ctx, db, method, image)
	if err == nil {
		err = s.spoil(hosting.FilePath(s.dir, hosting.DB{Owner: db.Owner, Database: db.Database, Version: image}))
	}
	return generation, err
}

// snapshotSpoiled takes a snapshot of which the copy is spoilt, and makes sure that
// nothing is kept of it.
func snapshotSpoiled(t *testing.T, spoil func(path string) error) error {
	t.Helper()
	dir := t.TempDir()
	owners := filepath.Join(dir, ayb.OwnersDir)
	runner, err := hosting.NewInProcess(hosting.Config{Dir: owners})
	must(t, err)
	defer runner.Close()
	bucket := snapshottest.Memory(t).Bucket
	f := aybtest.New(t, &ayb.Config{DataPath: dir, Runner: spoiler{runner, owners, spoil}, Snapshots: ayb.SnapshotConfig{Bucket: bucket}})
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)", "INSERT INTO t SELECT hex(randomblob(500)) FROM generate_series(1, 200)")
	_, err = f.CreateSnapshot(ctx, alice, "alice/db", "")
	if keys := keysOf(t, bucket); keys != "" {
		t.Errorf("the bucket has %s", keys)
	}
	if left := (&snapshotScene{Fixture: f}).images(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return err
}

func TestSnapshot_of_a_copy_that_is_damaged(t *testing.T) {
	err := snapshotSpoiled(t, func(path string) error { spoil(t, path); return nil })
	if !errors.Is(err, ayb.ErrInternal) || !strings.Contains(ayb.Message(err), "The copy of the database for the snapshot is damaged and was not kept, but the database is sound") {
		t.Errorf("%v", err)
	}
}

// spoil flips a bit of one byte of a database.
func spoil(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, spoiled)
	must(t, err)
	b[0] ^= 0x80
	_, err = f.WriteAt(b, spoiled)
	must(t, errors.Join(err, f.Close()))
}
