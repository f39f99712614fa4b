package ayb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob/fileblob"

	"ayb/catalog"
)

// crashDir names the variable by which the test binary is told to be the engine
// that is going to be killed, and where.
const crashDir = "AYB_TEST_CHANGE_CRASH"

// crashDatabases are how many databases are written to.
const crashDatabases = 4

func openBeforeCrash(t *testing.T, dir string) *Engine {
	t.Helper()
	bucket, err := fileblob.OpenBucket(filepath.Join(dir, "bucket"), &fileblob.Options{NoTempDir: true})
	require(t, err)
	t.Cleanup(func() { bucket.Close() })
	e, err := Open(context.Background(), Config{DataPath: filepath.Join(dir, "data"), Snapshots: SnapshotConfig{Bucket: bucket, MaxSnapshots: 3}})
	require(t, err)
	return e
}

func crashRef(i int) string { return fmt.Sprintf("alice/db%d", i) }

// TestChange_child writes and takes rounds without a pause until it is killed.
func TestChange_child(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("is a part of TestChange_is_known_after_a_crash")
	}
	ctx := context.Background()
	e := openBeforeCrash(t, dir)
	var wg sync.WaitGroup
	for i := range crashDatabases {
		wg.Go(func() {
			for {
				if _, err := e.Query(ctx, System, crashRef(i), "INSERT INTO t VALUES (hex(randomblob(8)))"); err != nil {
					panic(err)
				}
				time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // so that rounds find pauses
			}
		})
	}
	fmt.Println("running")
	for {
		e.round(ctx)
	}
}

// TestChange_is_known_after_a_crash kills the engine amidst writes and rounds, and
// then looks at each database: either its change is noted, or what is in it is in
// its newest snapshot.
func TestChange_is_known_after_a_crash(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	require(t, os.Mkdir(filepath.Join(dir, "bucket"), 0o700))
	e := openBeforeCrash(t, dir)
	_, err := e.CreateEntity(ctx, System, "alice", nil)
	require(t, err)
	for i := range crashDatabases {
		_, err := e.CreateDatabase(ctx, System, crashRef(i), nil)
		require(t, err)
		_, err = e.Query(ctx, System, crashRef(i), "CREATE TABLE t (a)")
		require(t, err)
	}
	require(t, e.Close())
	noted, clean := 0, 0
	for range 12 {
		killChild(t, dir)
		e := openBeforeCrash(t, dir)
		for i := range crashDatabases {
			db, err := e.Database(ctx, System, crashRef(i))
			require(t, err)
			if !e.noted(t, db.Database).IsZero() {
				noted++
				continue
			}
			clean++
			checkNewest(t, e, db.Database)
		}
		notes, err := os.ReadDir(e.imageNotes())
		if len(notes) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) { // the first round may not have come yet
			t.Errorf("images are left behind: %v, %v", notes, err)
		}
		require(t, e.Close())
	}
	t.Logf("of %d databases %d had a change noted after a crash, and %d had none", noted+clean, noted, clean)
	if clean == 0 {
		t.Error("every database was being written to; nothing was tested")
	}
}

// killChild has another process write for a while and kills it.
func killChild(t *testing.T, dir string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChange_child$")
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := child.StdoutPipe()
	require(t, err)
	require(t, child.Start())
	_, err = out.Read(make([]byte, 1))
	time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond) // when it dies is random
	child.Process.Kill()
	child.Wait()
	require(t, err)
}

// checkNewest takes a snapshot of a database and compares it with the newest there
// was.
func checkNewest(t *testing.T, e *Engine, db Database) {
	t.Helper()
	ctx := context.Background()
	list, err := e.Snapshots(ctx, System, db.Ref().String(), Page{})
	require(t, err)
	s, err := e.takeSnapshot(ctx, db.ID, catalog.Automatic, "")
	require(t, err)
	if len(list.Items) == 0 || list.Items[0].ID != s.ID {
		t.Errorf("%s has changed since its newest snapshot, and no change is noted", db.Ref())
	}
}
