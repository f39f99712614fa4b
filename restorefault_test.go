package ayb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob/fileblob"

	"ayb"
	"ayb/fault"
	"ayb/hosting"
	"ayb/snapshot/snapshottest"
)

// points counts the calls that a restore makes to the bucket and to the Runner, and
// has one of them go wrong.
type points struct {
	mu    sync.Mutex
	names []string
	at    int          // which, from 1 on; 0: none
	armed bool         // calls count
	wrong func() error // what it does then
}

// hit is called before each call, and after those that change something.
func (p *points) hit(name string) error {
	p.mu.Lock()
	if !p.armed {
		p.mu.Unlock()
		return nil
	}
	p.names = append(p.names, name)
	now := len(p.names) == p.at
	p.mu.Unlock()
	if now {
		return p.wrong()
	}
	return nil
}

func (p *points) arm(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = on
}

// A pointRunner is a Runner whose calls are points.
type pointRunner struct {
	hosting.Runner
	p *points
}

// CopyTo copies.
func (r pointRunner) CopyTo(ctx context.Context, db hosting.DB, method hosting.CopyMethod, image ayb.ID) (g hosting.Generation, err error) {
	if err = r.p.hit("copy"); err == nil {
		g, err = r.Runner.CopyTo(ctx, db, method, image)
	}
	if err == nil {
		err = r.p.hit("copied")
	}
	return g, err
}

// Adopt adopts.
func (r pointRunner) Adopt(ctx context.Context, job hosting.Job, upload hosting.Upload) (err error) {
	if err = r.p.hit("adopt"); err == nil {
		err = r.Runner.Adopt(ctx, job, upload)
	}
	if err == nil {
		err = r.p.hit("adopted")
	}
	return err
}

// Check checks.
func (r pointRunner) Check(ctx context.Context, db hosting.DB, depth hosting.CheckDepth) error {
	if err := r.p.hit("check"); err != nil {
		return err
	}
	return r.Runner.Check(ctx, db, depth)
}

// Release releases, and what resumes is a point as well, which can't fail.
func (r pointRunner) Release(ctx context.Context, db hosting.DB) (func(), error) {
	if err := r.p.hit("release"); err != nil {
		return nil, err
	}
	resume, err := r.Runner.Release(ctx, db)
	if err != nil {
		return nil, err
	}
	if err := r.p.hit("released"); err != nil {
		resume()
		return nil, err
	}
	return func() { _ = r.p.hit("resume"); resume() }, nil
}

// restoreScene is an engine with a directory as bucket, below dir. alice/db has had
// 1 in it, of which there is the snapshot that is returned, and has 2.
func restoreScene(t testing.TB, dir string, p *points) (eng *ayb.Engine, first string, end func()) {
	t.Helper()
	bucket := filepath.Join(dir, "bucket")
	must(t, os.MkdirAll(bucket, 0o700))
	b, err := fileblob.OpenBucket(bucket, &fileblob.Options{NoTempDir: true, DirFileMode: 0o700})
	must(t, err)
	faulty := snapshottest.NewFaulty(b)
	faulty.Watch(p.hit)
	data := filepath.Join(dir, "data")
	inner, err := hosting.NewInProcess(hosting.Config{Dir: filepath.Join(data, ayb.OwnersDir)})
	must(t, err)
	cfg := ayb.Config{DataPath: data, Runner: pointRunner{inner, p}}
	cfg.Snapshots.Bucket = faulty.Bucket
	eng, err = ayb.Open(ctx, cfg)
	must(t, err)
	end = func() { must(t, errors.Join(eng.Close(), inner.Close(), b.Close())) }
	list, err := eng.Snapshots(ctx, ayb.System, "alice/db", ayb.Page{})
	if err == nil && len(list.Items) > 0 {
		return eng, list.Items[len(list.Items)-1].ID, end
	}
	if !errors.Is(err, ayb.ErrNotFound) {
		t.Fatalf("a scene that was made before has %v, %v", list, err)
	}
	_, err = eng.CreateEntity(ctx, ayb.System, "alice", nil)
	must(t, err)
	_, err = eng.CreateDatabase(ctx, ayb.System, "alice/db", nil)
	must(t, err)
	_, err = eng.Query(ctx, ayb.System, "alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	must(t, err)
	s, err := eng.CreateSnapshot(ctx, ayb.System, "alice/db", "")
	must(t, err)
	_, err = eng.Query(ctx, ayb.System, "alice/db", "UPDATE t SET a = 2")
	must(t, err)
	return eng, s.ID, end
}

// restoreOnce restores with the points armed, and waits until nothing goes on in the
// background.
func restoreOnce(t testing.TB, eng *ayb.Engine, dir, id string, p *points) error {
	p.arm(true)
	_, err := eng.RestoreSnapshot(ctx, ayb.System, "alice/db", id, nil)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if images, _ := os.ReadDir(filepath.Join(dir, "data", "images")); len(images) == 0 {
			break
		}
	}
	p.arm(false)
	return err
}

// TestRestore_survives_every_fault has each call that one restore makes to the
// bucket and the Runner fail once. What becomes of it when its file calls fail, or it
// is killed at them, TestDisk_faults finds out.
func TestRestore_survives_every_fault(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes many copies")
	}
	base := t.TempDir()
	none := &points{}
	eng, first, end := restoreScene(t, base, none)
	end()
	_ = eng
	fresh := func() string {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(base)))
		return dir
	}
	whole := &points{}
	dir := fresh()
	eng, _, end = restoreScene(t, dir, whole)
	must(t, restoreOnce(t, eng, dir, first, whole))
	end()
	all := whole.names
	if len(all) < 20 {
		t.Fatalf("only %d calls were seen: %v", len(all), all)
	}
	t.Logf("%d calls of a restore, each failed once: %s", len(all), strings.Join(all, " "))
	failure := fault.New(fault.Unavailable, "An injected failure")
	for at := 1; at <= len(all); at++ {
		dir := fresh()
		p := &points{at: at, wrong: func() error { return failure }}
		eng, _, end := restoreScene(t, dir, p)
		err := restoreOnce(t, eng, dir, first, p)
		end()
		checkRestored(t, dir, first, "failed at "+strconv.Itoa(at)+" "+all[at-1], err == nil)
	}
}

// checkRestored opens the engine again: the database must have its old content or,
// with certainty if the restore has said so, that of the snapshot, and then the old
// content must be in another one; nothing may be left besides, and all goes on.
func checkRestored(t *testing.T, dir, first, what string, mustBe bool) {
	t.Helper()
	eng, _, end := restoreScene(t, dir, &points{})
	defer end()
	content := func(ref string) string {
		t.Helper()
		result, err := eng.Query(ctx, ayb.System, ref, "SELECT group_concat(a) FROM t")
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return result.Rows[0][0].String()
	}
	got := content("alice/db")
	if got != "1" && (got != "2" || mustBe) {
		t.Errorf("%s: the database has %q", what, got)
	}
	wait(t, what+": nothing is left", func() bool { return len(leftoversOf(t, eng, filepath.Join(dir, "data"))) == 0 })
	if got == "1" {
		list, err := eng.Snapshots(ctx, ayb.System, "alice/db", ayb.Page{})
		must(t, err)
		found := false
		for i, s := range list.Items {
			ref := "alice/state" + strconv.Itoa(i)
			_, err := eng.RestoreSnapshot(ctx, ayb.System, "alice/db", s.ID, &ayb.RestoreOptions{To: ref})
			must(t, err)
			found = found || content(ref) == "2"
		}
		if !found {
			t.Errorf("%s: what was replaced is in none of %+v", what, list.Items)
		}
	}
	_, err := eng.Query(ctx, ayb.System, "alice/db", "INSERT INTO t VALUES (9)")
	must(t, err)
	_, err = eng.RestoreSnapshot(ctx, ayb.System, "alice/db", first, nil)
	must(t, err)
	if got := content("alice/db"); got != "1" {
		t.Errorf("%s: the next restore gives %q", what, got)
	}
}
