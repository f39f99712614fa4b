package ayb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"

	"ayb"
	"ayb/aybtest"
	"ayb/catalog"
	"ayb/hosting"
	"ayb/snapshot"
	"ayb/snapshot/snapshottest"
)

// A restoring is a fixture with a bucket that can fail.
type restoring struct {
	*aybtest.Fixture
	t      *testing.T
	bucket *snapshottest.Faulty
	alice  ayb.Principal
}

// newRestoring returns one with a user alice and her database alice/db, which has
// a table t with the value 1, and the snapshot of it.
func newRestoring(t *testing.T, cfg *ayb.Config) (r *restoring, first string) {
	t.Helper()
	if cfg == nil {
		cfg = &ayb.Config{}
	}
	r = &restoring{t: t, bucket: snapshottest.NewFaulty(snapshottest.Memory(t).Bucket)}
	cfg.Snapshots.Bucket = r.bucket.Bucket
	r.Fixture = aybtest.New(t, cfg)
	r.alice = r.MustEntity("alice")
	r.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	return r, r.take("alice/db").ID
}

func (r *restoring) take(ref string) ayb.Snapshot {
	r.t.Helper()
	s, err := r.CreateSnapshot(ctx, ayb.System, ref, "")
	must(r.t, err)
	return s
}

func (r *restoring) restore(ref, id string) ayb.Restored {
	r.t.Helper()
	restored, err := r.RestoreSnapshot(ctx, ayb.System, ref, id, nil)
	must(r.t, err)
	return restored
}

// values returns what is in table t of a database.
func (r *restoring) values(ref string) string {
	r.t.Helper()
	var values []string
	for _, row := range r.MustQuery(ayb.System, ref, "SELECT a FROM t ORDER BY a").Rows {
		values = append(values, row[0].String())
	}
	return strings.Join(values, " ")
}

func (r *restoring) want(ref, values string) {
	r.t.Helper()
	if got := r.values(ref); got != values {
		r.t.Errorf("%s has %q, want %q", ref, got, values)
	}
}

// settled waits until what restores have replaced is in the bucket, and checks that
// nothing is left on disk but the files of databases.
func (r *restoring) settled() {
	r.t.Helper()
	wait(r.t, "nothing but databases is left on disk", func() bool { return len(r.leftovers()) == 0 })
}

// leftovers returns what is on disk of images, notes, and versions that are not
// current.
func (r *restoring) leftovers() []string {
	r.t.Helper()
	return leftoversOf(r.t, r.Engine, r.DataPath())
}

// leftoversOf is leftovers of any engine.
func leftoversOf(t testing.TB, eng *ayb.Engine, data string) (left []string) {
	t.Helper()
	for _, notes := range []string{"images", "transfers"} {
		entries, err := os.ReadDir(filepath.Join(data, notes))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			left = append(left, filepath.Join(notes, e.Name()))
		}
	}
	versions, err := filepath.Glob(filepath.Join(data, ayb.OwnersDir, "*", "*", "??", "*", "*"))
	must(t, err)
	entities, err := eng.Entities(ctx, ayb.System, ayb.Page{})
	must(t, err)
	current := map[string]bool{}
	for _, ent := range entities.Items {
		databases, err := eng.Databases(ctx, ayb.System, string(ent.Slug), ayb.Page{})
		must(t, err)
		for _, db := range databases.Items {
			current[hosting.VersionPath(filepath.Join(data, ayb.OwnersDir), hosting.DB{Owner: db.Owner, Database: db.ID, Version: db.Version})] = true
		}
	}
	for _, version := range versions {
		if !current[version] {
			left = append(left, version)
		}
	}
	return left
}

func TestEngine_RestoreSnapshot(t *testing.T) {
	r, first := newRestoring(t, nil)
	r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 2")
	var undo string
	t.Run("it puts a database back, and can be undone", func(t *testing.T) {
		before, err := r.Database(ctx, r.alice, "alice/db")
		must(t, err)
		var told []string
		restored, err := r.RestoreSnapshot(ctx, r.alice, "alice/db", first, &ayb.RestoreOptions{
			Progress: func(done, total int64) { told = append(told, fmt.Sprintf("%d/%d", done, total)) },
		})
		must(t, err)
		undo = restored.Undo
		r.want("alice/db", "1")
		after, err := r.Database(ctx, r.alice, "alice/db")
		must(t, err)
		if after.Version != restored.Database.Version || after.Version == before.Version || after.ID != before.ID {
			t.Errorf("%+v became %+v, and %+v was answered", before, after, restored)
		}
		if want := "0/8192 8192/8192"; strings.Join(told, " ") != want {
			t.Errorf("progress: %v, want %s", told, want)
		}
		r.settled()
		checkFiles(t, r.Fixture, "alice/db")
		s, err := r.Snapshots(ctx, r.alice, "alice/db", ayb.Page{})
		must(t, err)
		if len(s.Items) != 2 || s.Items[0].ID != undo || s.Items[0].Kind != catalog.Replaced || s.Items[0].Stored == 0 {
			t.Errorf("the snapshots are %+v", s.Items)
		}
		r.restore("alice/db", undo)
		r.want("alice/db", "2")
	})
	t.Run("it can be written, read from the log, and restored again", func(t *testing.T) {
		for i := range 5 {
			r.MustQuery(r.alice, "alice/db", "INSERT INTO t VALUES (?)", 10+i)
			r.restore("alice/db", first)
			r.want("alice/db", "1")
			r.MustQuery(r.alice, "alice/db", "INSERT INTO t VALUES (5)")
			if mode := r.MustQuery(r.alice, "alice/db", "PRAGMA journal_mode").Rows[0][0].String(); mode != "wal" {
				t.Fatalf("the journal mode is %s", mode)
			}
			r.want("alice/db", "1 5")
		}
		r.settled()
	})
	t.Run("an empty database and one that was never written can be restored", func(t *testing.T) {
		r.MustDatabase("alice/empty", "CREATE TABLE t (a); DROP TABLE t")
		id := r.take("alice/empty").ID
		r.MustQuery(r.alice, "alice/empty", "CREATE TABLE t (a)")
		r.restore("alice/empty", id)
		if rows := r.MustQuery(r.alice, "alice/empty", "SELECT name FROM sqlite_schema").Rows; len(rows) > 0 {
			t.Errorf("there is %v", rows)
		}
		r.MustQuery(r.alice, "alice/empty", "CREATE TABLE t (a)")
		r.MustDatabase("alice/unwritten")
		if _, err := r.RestoreSnapshot(ctx, r.alice, "alice/unwritten", id, nil); !errors.Is(err, ayb.ErrNoSnapshot) {
			t.Errorf("a snapshot of another database: %v", err)
		}
	})
	t.Run("a name is no way to another database", func(t *testing.T) {
		bob := r.MustEntity("bob")
		r.MustDatabase("bob/db", "CREATE TABLE t (a)")
		theirs := r.take("bob/db").ID
		for id, want := range map[string]error{
			theirs: ayb.ErrNoSnapshot, strings.Repeat("0", 64): ayb.ErrNoSnapshot,
			"": ayb.ErrInvalid, "../../bob/db/" + theirs: ayb.ErrInvalid, strings.Repeat("A", 64): ayb.ErrInvalid, first + "/": ayb.ErrInvalid,
		} {
			if _, err := r.RestoreSnapshot(ctx, r.alice, "alice/db", id, nil); !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", id, err, want)
			}
		}
		if _, err := r.RestoreSnapshot(ctx, bob, "alice/db", first, nil); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("a stranger: %v", err)
		}
	})
}

func TestEngine_RestoreSnapshot_to_a_new_database(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.Databases = 3
	r, first := newRestoring(t, &cfg)
	r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 2")
	to := func(p ayb.Principal, ref string) error {
		_, err := r.RestoreSnapshot(ctx, p, "alice/db", first, &ayb.RestoreOptions{To: ref})
		return err
	}
	must(t, to(r.alice, "alice/Copy"))
	r.want("alice/copy", "1")
	r.want("alice/db", "2")
	r.settled()
	checkFiles(t, r.Fixture, "alice/copy")
	r.MustQuery(r.alice, "alice/copy", "INSERT INTO t VALUES (3)")
	r.take("alice/copy")
	bob := r.MustEntity("bob")
	r.MustShare(r.alice, "alice/db", "bob", ayb.Manager)
	must(t, to(bob, "bob/mine"))
	r.want("bob/mine", "1")
	for _, tt := range []struct {
		p    ayb.Principal
		ref  string
		want error
	}{
		{r.alice, "alice/COPY", ayb.ErrExists}, {r.alice, "alice/db", ayb.ErrExists}, {r.alice, "bob/other", ayb.ErrDenied},
		{bob, "alice/other", ayb.ErrDenied}, {r.alice, "alice/../x", ayb.ErrInvalid}, {r.alice, "alice", ayb.ErrInvalid}, {r.alice, "nosuch/db", ayb.ErrNotFound},
	} {
		if err := to(tt.p, tt.ref); !errors.Is(err, tt.want) {
			t.Errorf("to %s: %v, want %v", tt.ref, err, tt.want)
		}
	}
	must(t, to(r.alice, "alice/third"))
	if err := to(r.alice, "alice/fourth"); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("one too many: %v", err)
	}
	r.settled()
}

func TestEngine_RestoreSnapshot_beside_others(t *testing.T) {
	r, first := newRestoring(t, nil)
	t.Run("writers lose nothing that was acknowledged", func(t *testing.T) {
		r.MustDatabase("alice/log", "CREATE TABLE t (a)")
		base := r.take("alice/log").ID
		var next atomic.Int64
		var writers sync.WaitGroup
		stop, acknowledged := make(chan struct{}), sync.Map{}
		for range 4 {
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					n := next.Add(1)
					if _, err := r.Query(ctx, r.alice, "alice/log", "INSERT INTO t VALUES (?)", n); err == nil {
						acknowledged.Store(n, true)
					} else if !errors.Is(err, ayb.ErrBusy) {
						t.Errorf("a writer: %v", err)
					}
				}
			})
		}
		var states []string
		for range 8 {
			reached := next.Load() + 40
			wait(t, "more has been written", func() bool { return next.Load() > reached })
			states = append(states, r.restore("alice/log", base).Undo)
		}
		close(stop)
		writers.Wait()
		r.settled()
		found := map[int64]int{}
		count := func(ref string) {
			for _, row := range r.MustQuery(r.alice, ref, "SELECT a FROM t").Rows {
				found[row[0].Int64()]++
			}
		}
		count("alice/log")
		for i, id := range states {
			ref := fmt.Sprintf("alice/state%d", i)
			_, err := r.RestoreSnapshot(ctx, r.alice, "alice/log", id, &ayb.RestoreOptions{To: ref})
			must(t, err)
			count(ref)
		}
		total := 0
		acknowledged.Range(func(n, _ any) bool {
			if total++; found[n.(int64)] != 1 {
				t.Errorf("write %d is there %d times", n, found[n.(int64)])
			}
			return true
		})
		t.Logf("%d writes, %d restores", total, len(states))
	})
	t.Run("a session ends and says why", func(t *testing.T) {
		session, err := r.Begin(ctx, r.alice, "alice/db")
		must(t, err)
		defer session.Close()
		_, err = session.Query(ctx, "BEGIN; INSERT INTO t VALUES (99)")
		must(t, err)
		r.restore("alice/db", first)
		if _, err := session.Query(ctx, "COMMIT"); !errors.Is(err, ayb.ErrConflict) {
			t.Errorf("%v", err)
		}
		r.want("alice/db", "1")
	})
	t.Run("a second restore is refused while the first is under way", func(t *testing.T) {
		fetching, goOn := make(chan struct{}), make(chan struct{})
		outcome := make(chan error, 1)
		once := sync.OnceFunc(func() { close(fetching); <-goOn })
		go func() {
			_, err := r.RestoreSnapshot(ctx, r.alice, "alice/db", first, &ayb.RestoreOptions{Progress: func(int64, int64) { once() }})
			outcome <- err
		}()
		<-fetching
		r.MustQuery(r.alice, "alice/db", "SELECT 1") // nobody waits for a download
		if _, err := r.RestoreSnapshot(ctx, r.alice, "alice/db", first, nil); !errors.Is(err, ayb.ErrConflict) {
			t.Errorf("%v", err)
		}
		close(goOn)
		must(t, <-outcome)
		r.restore("alice/db", first)
	})
	t.Run("what is deleted or given away meanwhile is left alone", func(t *testing.T) {
		for name, meanwhile := range map[string]func(ref string) error{
			"deleted": func(ref string) error { return r.DeleteDatabase(ctx, r.alice, ref) },
			"given":   func(ref string) error { return transfer(r.Fixture, ref, "taker") },
		} {
			if name == "given" {
				r.MustEntity("taker")
			}
			ref := "alice/" + name
			r.MustDatabase(ref, "CREATE TABLE t (a); INSERT INTO t VALUES (7)")
			id := r.take(ref).ID
			once := sync.OnceFunc(func() { must(t, meanwhile(ref)) })
			_, err := r.RestoreSnapshot(ctx, r.alice, ref, id, &ayb.RestoreOptions{Progress: func(int64, int64) { once() }})
			if !errors.Is(err, ayb.ErrConflict) && !errors.Is(err, ayb.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		r.want("taker/given", "7")
		_, err := r.UndeleteDatabase(ctx, r.alice, "alice/deleted")
		must(t, err)
		r.want("alice/deleted", "7")
		r.settled()
	})
	t.Run("who gives up leaves everything as it was", func(t *testing.T) {
		r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 3")
		impatient, cancel := context.WithCancel(ctx)
		_, err := r.RestoreSnapshot(impatient, r.alice, "alice/db", first, &ayb.RestoreOptions{Progress: func(int64, int64) { cancel() }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		r.want("alice/db", "3")
		r.settled()
	})
}

func TestEngine_RestoreSnapshot_refuses_what_is_not_sound(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.DatabaseBytes = 64 << 10
	r, first := newRestoring(t, &cfg)
	key := "alice/db/" + first
	good, err := r.bucket.ReadAll(ctx, key)
	must(t, err)
	attributes, err := r.bucket.Attributes(ctx, key)
	must(t, err)
	write := func(key string, content []byte, metadata map[string]string) {
		must(t, r.bucket.WriteAll(ctx, key, content, &blob.WriterOptions{Metadata: metadata}))
	}
	refused := func(t *testing.T, id string, want ...error) {
		t.Helper()
		_, err := r.RestoreSnapshot(ctx, r.alice, "alice/db", id, nil)
		for _, want := range want {
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		if message := ayb.Message(err); strings.Contains(message, r.DataPath()) || len(message) < 20 {
			t.Errorf("the user reads %q", message)
		}
		r.want("alice/db", "2")
		r.settled()
	}
	r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 2")
	t.Run("an object with a bit that flipped", func(t *testing.T) {
		bad := bytes.Clone(good)
		bad[len(bad)/2] ^= 1
		write(key, bad, attributes.Metadata)
		refused(t, first, ayb.ErrUnavailable, snapshot.ErrDamaged)
	})
	t.Run("an object that is cut off", func(t *testing.T) {
		write(key, good[:len(good)-5], attributes.Metadata)
		refused(t, first, ayb.ErrUnavailable, snapshot.ErrTruncated)
	})
	t.Run("an object that is gone", func(t *testing.T) {
		must(t, r.bucket.Delete(ctx, key))
		refused(t, first, ayb.ErrNotFound, ayb.ErrNoSnapshot)
	})
	vault := snapshot.New(r.bucket.Bucket, snapshot.Options{})
	store := func(content []byte) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "image")
		must(t, os.WriteFile(path, content, 0o600))
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		image, err := snapshot.Hash(ctx, f)
		must(t, err)
		_, err = vault.Put(ctx, snapshot.Place{Entity: "alice", Database: "db"}, image, snapshot.Taking{Taken: time.Now()})
		must(t, err)
		return image.ID
	}
	t.Run("a file that is no database", func(t *testing.T) {
		refused(t, store(bytes.Repeat([]byte("no database"), 1000)), ayb.ErrUnavailable)
		refused(t, store(nil), ayb.ErrUnavailable)
	})
	t.Run("a database with a damaged page", func(t *testing.T) {
		write(key, good, attributes.Metadata)
		path := filepath.Join(t.TempDir(), "image")
		_, err := vault.Fetch(ctx, snapshot.Place{Entity: "alice", Database: "db"}, first, path, nil)
		must(t, err)
		content, err := os.ReadFile(path)
		must(t, err)
		copy(content[4096:], bytes.Repeat([]byte{0xee}, 100))
		refused(t, store(content), ayb.ErrUnavailable)
	})
	t.Run("a database that is larger than it may be", func(t *testing.T) {
		r.MustDatabase("alice/large", "CREATE TABLE t (a)")
		must(t, r.SetDatabaseQuota(ctx, ayb.System, "alice/large", 1<<20))
		r.MustQuery(r.alice, "alice/large", "INSERT INTO t VALUES (zeroblob(100000))")
		large := r.take("alice/large").ID
		must(t, r.bucket.Copy(ctx, "alice/db/"+large, "alice/large/"+large, nil))
		refused(t, large, ayb.ErrTooLarge)
		must(t, r.SetDatabaseQuota(ctx, ayb.System, "alice/large", 50_000))
		r.restore("alice/large", large) // who has as much already keeps it
		if _, err := r.RestoreSnapshot(ctx, r.alice, "alice/large", large, &ayb.RestoreOptions{To: "alice/larger"}); !errors.Is(err, ayb.ErrTooLarge) {
			t.Errorf("to a new one: %v", err)
		}
	})
}

// TestEngine_RestoreSnapshot_without_the_bucket has the bucket go away between the
// download and the upload of what was replaced.
func TestEngine_RestoreSnapshot_without_the_bucket(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Snapshots.KeepReplaced = time.Hour
	r, first := newRestoring(t, &cfg)
	r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 2")
	gone := func() (restored ayb.Restored) {
		t.Helper()
		restored, err := r.RestoreSnapshot(ctx, r.alice, "alice/db", first, &ayb.RestoreOptions{Progress: func(done, total int64) {
			if done == total {
				r.bucket.Arm(0, snapshottest.Gone)
			}
		}})
		must(t, err)
		return restored
	}
	undo := gone().Undo
	r.want("alice/db", "1")
	t.Run("what was replaced is on the server, and told", func(t *testing.T) {
		if undo == "" || len(r.leftovers()) == 0 {
			t.Fatalf("undo %q, on disk %v", undo, r.leftovers())
		}
		if _, err := r.Snapshots(ctx, r.alice, "alice/db", ayb.Page{}); !errors.Is(err, ayb.ErrUnavailable) || !strings.Contains(ayb.Message(err), undo) {
			t.Errorf("the list: %v", err)
		}
	})
	t.Run("it is restored without the bucket", func(t *testing.T) {
		r.MustQuery(r.alice, "alice/db", "INSERT INTO t VALUES (5)")
		second := r.restore("alice/db", undo).Undo
		r.want("alice/db", "2")
		r.Reopen()
		r.restore("alice/db", second)
		r.want("alice/db", "1 5")
		r.restore("alice/db", undo)
	})
	t.Run("once the bucket is back it is uploaded", func(t *testing.T) {
		r.bucket.Arm(0, snapshottest.Fails)
		list, err := r.Snapshots(ctx, r.alice, "alice/db", ayb.Page{})
		must(t, err)
		if len(list.Items) < 3 {
			t.Errorf("the snapshots are %+v", list.Items)
		}
		r.Reopen()
		r.settled()
		again, err := r.Snapshots(ctx, r.alice, "alice/db", ayb.Page{})
		must(t, err)
		if len(again.Items) != len(list.Items) {
			t.Errorf("%+v became %+v", list.Items, again.Items)
		}
		r.restore("alice/db", undo)
		r.want("alice/db", "2")
		r.settled()
	})
	t.Run("it is deleted like any other", func(t *testing.T) {
		r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 77")
		undo := gone().Undo
		wait(t, "the upload has failed", func() bool {
			err := r.DeleteSnapshot(ctx, r.alice, "alice/db", undo)
			if err != nil && !errors.Is(err, ayb.ErrBusy) {
				t.Fatal(err)
			}
			return err == nil
		})
		r.settled()
		r.bucket.Arm(0, snapshottest.Fails)
	})
	t.Run("when its time is over it goes", func(t *testing.T) {
		r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 78")
		gone()
		r.Clock.Advance(time.Hour)
		r.Reopen()
		r.settled()
		r.bucket.Arm(0, snapshottest.Fails)
	})
	t.Run("it goes with its database, wherever that has gone", func(t *testing.T) {
		bob := r.MustEntity("bob")
		r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 79")
		gone()
		must(t, transfer(r.Fixture, "alice/db", "bob"))
		r.bucket.Arm(0, snapshottest.Fails)
		must(t, r.DeleteDatabase(ctx, bob, "bob/db"))
		r.Clock.Advance(8 * 24 * time.Hour)
		wait(t, "it is removed for good", func() bool {
			_, err := r.Purge(ctx, ayb.System)
			if err != nil && !errors.Is(err, ayb.ErrBusy) {
				t.Fatal(err)
			}
			return err == nil
		})
		r.settled()
	})
}

func TestEngine_Drill(t *testing.T) {
	r, first := newRestoring(t, nil)
	r.MustDatabase("alice/young", "CREATE TABLE t (a)")
	proven := func() time.Time {
		t.Helper()
		d, err := r.Database(ctx, r.alice, "alice/db")
		must(t, err)
		return d.Proven
	}
	if _, err := r.Drill(ctx, ayb.System, "alice/young"); !errors.Is(err, ayb.ErrNoSnapshot) {
		t.Errorf("without a snapshot: %v", err)
	}
	if at := proven(); !at.IsZero() {
		t.Errorf("it is proven as of %v without a drill", at)
	}
	r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 2")
	s, err := r.Drill(ctx, ayb.System, "alice/db")
	must(t, err)
	if s.ID != first || !proven().Equal(s.Taken) {
		t.Errorf("%+v, proven as of %v", s, proven())
	}
	r.want("alice/db", "2")
	r.settled()

	r.restore("alice/db", first)
	r.settled()
	if s, err := r.Drill(ctx, ayb.System, "alice/db"); err != nil || s.ID != first {
		t.Errorf("after a restore: %+v, %v", s, err)
	}
	r.MustQuery(r.alice, "alice/db", "UPDATE t SET a = 3")
	r.Clock.Advance(time.Hour)
	was, second := proven(), r.take("alice/db")
	key := "alice/db/" + second.ID
	content, err := r.bucket.ReadAll(ctx, key)
	must(t, err)
	content[len(content)/2] ^= 1
	attributes, err := r.bucket.Attributes(ctx, key)
	must(t, err)
	must(t, r.bucket.WriteAll(ctx, key, content, &blob.WriterOptions{Metadata: attributes.Metadata}))
	if s, err := r.Drill(ctx, ayb.System, "alice/db"); !errors.Is(err, snapshot.ErrDamaged) || s.ID != second.ID {
		t.Errorf("of a damaged snapshot: %+v, %v", s, err)
	}
	if !proven().Equal(was) {
		t.Errorf("a drill that failed has proven %v", proven())
	}
	r.settled()
}
