package ayb_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/fileblob"

	"ayb"
	"ayb/fault"
	"ayb/hosting"
	"ayb/snapshot/snapshottest"
)

// A ruin is a directory with a bucket, and the data path of a server that has lost
// everything else.
type ruin struct {
	dir string
	p   *points
}

// open returns the configuration of the server. Its bucket and its Runner have the
// points.
func (r ruin) open(t testing.TB, data string) (cfg ayb.Config, end func()) {
	t.Helper()
	bucket := filepath.Join(r.dir, "bucket")
	must(t, os.MkdirAll(bucket, 0o700))
	b, err := fileblob.OpenBucket(bucket, &fileblob.Options{NoTempDir: true, DirFileMode: 0o700})
	must(t, err)
	faulty := snapshottest.NewFaulty(b)
	faulty.Watch(r.p.hit)
	cfg = ayb.Config{DataPath: filepath.Join(r.dir, data), EmailKeys: []string{oneKey}}
	inner, err := hosting.NewInProcess(hosting.Config{Dir: filepath.Join(cfg.DataPath, ayb.OwnersDir)})
	must(t, err)
	cfg.Runner, cfg.Snapshots.Bucket = pointRunner{inner, r.p}, faulty.Bucket
	return cfg, func() { must(t, errors.Join(inner.Close(), b.Close())) }
}

// build makes the bucket: of alice/db, whose newest snapshot is damaged; of
// alice/late, whose first snapshot is newer than the metadata; and of bob/old, which
// the metadata do not know.
func (r ruin) build(t testing.TB) {
	t.Helper()
	cfg, end := r.open(t, "lost")
	defer end()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg.Now = func() time.Time { now = now.Add(time.Second); return now }
	eng, err := ayb.Open(ctx, cfg)
	must(t, err)
	for _, name := range []string{"alice", "bob"} {
		_, err = eng.CreateEntity(ctx, ayb.System, name, nil)
		must(t, err)
	}
	write := func(ref, sql string) {
		t.Helper()
		_, err := eng.Query(ctx, ayb.System, ref, sql)
		must(t, err)
	}
	for _, ref := range []string{"alice/db", "alice/empty", "alice/late"} {
		_, err = eng.CreateDatabase(ctx, ayb.System, ref, nil)
		must(t, err)
	}
	write("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	eng.Round(ctx)
	write("alice/db", "INSERT INTO t VALUES (2)")
	write("alice/late", "CREATE TABLE t (a); INSERT INTO t VALUES (7)")
	second, err := eng.CreateSnapshot(ctx, ayb.System, "alice/db", "")
	must(t, err)
	eng.RoundOfMetadata(ctx)
	_, err = eng.CreateSnapshot(ctx, ayb.System, "alice/late", "")
	must(t, err)
	must(t, eng.Close())
	places := filepath.Join(r.dir, "bucket")
	must(t, os.CopyFS(filepath.Join(places, "bob", "old"), os.DirFS(filepath.Join(places, "alice", "late"))))
	must(t, os.Truncate(filepath.Join(places, "alice", "db", second.ID), 20))
	must(t, os.RemoveAll(cfg.DataPath))
}

// recover recovers once, with the points armed.
func (r ruin) recover(t testing.TB) (lines []string, result ayb.Recovery, err error) {
	cfg, end := r.open(t, "data")
	defer end()
	opt := &ayb.RecoverOptions{
		Adopt: []string{"alice/late", "bob/old"},
		Told:  func(d ayb.RecoveredDatabase) { lines = append(lines, outcome(d)) },
	}
	r.p.arm(true)
	err = unlocked(func() (err error) { result, err = ayb.Recover(ctx, cfg, opt); return err })
	r.p.arm(false)
	// What is lost at first, and adopted then, is back.
	lines = slices.DeleteFunc(lines, func(line string) bool {
		ref, _, lost := strings.Cut(line, " lost")
		return lost && slices.Contains(lines, ref+" back adopted")
	})
	slices.Sort(lines)
	return lines, result, err
}

// unlocked tries again while a data path is in use. A process that another test
// starts has for an instant the locks of this one, also those that it gives up.
func unlocked(try func() error) (err error) {
	for last := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if err = try(); err == nil || !strings.Contains(ayb.Message(err), "in use by") || time.Now().After(last) {
			return err
		}
	}
}

func (r ruin) fresh(t testing.TB, p *points) ruin {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(r.dir)))
	return ruin{dir, p}
}

// TestRecover_goes_on_after_every_failure has each call that a recovery makes to the
// bucket and the Runner fail once. Run again, it comes to the same end.
func TestRecover_goes_on_after_every_failure(t *testing.T) {
	base := ruin{t.TempDir(), &points{}}
	base.build(t)
	whole := base.fresh(t, &points{})
	lines, result, err := whole.recover(t)
	must(t, err)
	expect(t, "outcomes", lines, []string{"alice/db back 1 damaged", "alice/empty empty", "alice/late back adopted", "bob/old back adopted"})
	whole.check(t)
	all := whole.p.names
	if len(all) < 30 {
		t.Fatalf("only %d calls were seen: %v", len(all), all)
	}
	t.Logf("%d calls of a recovery: %s", len(all), strings.Join(all, " "))
	for i, name := range all {
		if name == "resume" {
			continue // it can't fail
		}
		t.Run(fmt.Sprint(i+1, " ", name), func(t *testing.T) {
			t.Parallel()
			r := base.fresh(t, &points{at: i + 1, wrong: func() error { return fault.New(fault.Unavailable, "An injected failure") }})
			if _, result, err := r.recover(t); err == nil && result.Pending == 0 {
				r.check(t)
				return
			}
			if exists(filepath.Join(r.dir, "data", "recovering")) {
				cfg, end := r.open(t, "data")
				if err := unlocked(func() error { _, err := ayb.Open(ctx, cfg); return err }); !errors.Is(err, fault.Unavailable) || !strings.Contains(ayb.Message(err), "has not ended") {
					t.Fatalf("a server starts amidst: %v", err)
				}
				end()
			}
			r.again(t, lines, result)
		})
	}
}

// again recovers once more, without a fault. It must come to the end that is expected.
func (r ruin) again(t *testing.T, lines []string, result ayb.Recovery) {
	t.Helper()
	r.p = &points{}
	if data := filepath.Join(r.dir, "data"); !exists(filepath.Join(data, "ayb.sqlite")) || exists(filepath.Join(data, "recovering")) { // or else it had ended
		gotLines, got, err := r.recover(t)
		must(t, err)
		expect(t, "outcomes", gotLines, lines)
		expect(t, "in all", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", result))
	}
	r.check(t)
}

// check opens the server: all is there, and nothing besides.
func (r ruin) check(t *testing.T) {
	t.Helper()
	cfg, end := ruin{r.dir, &points{}}.open(t, "data")
	defer end()
	must(t, filepath.WalkDir(cfg.DataPath, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		if isImage := len(name) == 36 && name[14] == '8'; err != nil || isImage || strings.HasPrefix(name, "recovering") || strings.HasSuffix(name, ".recovering") || strings.HasSuffix(name, ".new") {
			t.Errorf("left behind: %s, %v", path, err)
		}
		return nil
	}))
	var eng *ayb.Engine
	must(t, unlocked(func() (err error) { eng, err = ayb.Open(ctx, cfg); return err }))
	defer eng.Close()
	for ref, want := range map[string]string{"alice/db": "1", "alice/late": "7", "bob/old": "7"} {
		result, err := eng.Query(ctx, ayb.System, ref, "SELECT group_concat(a) FROM t")
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		expect(t, ref, result.Rows[0][0], want)
		list, err := eng.Snapshots(ctx, ayb.System, ref, ayb.Page{})
		must(t, err)
		if len(list.Items) == 0 {
			t.Errorf("%s has no snapshots", ref)
		}
	}
	dbs, err := eng.Databases(ctx, ayb.System, "bob", ayb.Page{})
	must(t, err)
	expect(t, "bob's databases", len(dbs.Items), 1)
}
