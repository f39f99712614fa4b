package ayb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"

	"ayb"
	"ayb/aybtest"
	"ayb/snapshot/snapshottest"
)

// A snapshotScene is an engine that takes snapshots when it is told to, with alice
// and her database alice/db.
type snapshotScene struct {
	*aybtest.Fixture
	alice ayb.Principal
	db    ayb.Database
	log   *bytes.Buffer // for a test of one goroutine
}

func newSnapshotScene(t *testing.T, bucket *blob.Bucket, cfg ayb.SnapshotConfig) *snapshotScene {
	t.Helper()
	s := &snapshotScene{log: &bytes.Buffer{}}
	cfg.Bucket, cfg.Interval = bucket, 1000*time.Hour
	s.Fixture = aybtest.New(t, &ayb.Config{Snapshots: cfg, Logger: slog.New(slog.NewTextHandler(s.log, nil))})
	s.alice = s.MustEntity("alice")
	s.db = s.MustDatabase("alice/db", "CREATE TABLE t (a)")
	return s
}

// write changes a database.
func (s *snapshotScene) write(ref string) {
	s.MustQuery(ayb.System, ref, "INSERT INTO t SELECT count(*) FROM t")
}

// round lets some time pass and takes a round.
func (s *snapshotScene) round() {
	s.Clock.Advance(time.Minute)
	s.Round(ctx)
}

// snapshots lists the snapshots of a database, two at a time.
func (s *snapshotScene) snapshots(t *testing.T, ref string) (all []ayb.Snapshot) {
	t.Helper()
	for page := (ayb.Page{Size: 2}); ; {
		list, err := s.Snapshots(ctx, ayb.System, ref, page)
		must(t, err)
		all = append(all, list.Items...)
		if page.After = list.Next; list.Next == "" {
			return all
		}
	}
}

// images lists what there is in the data path besides metadata and versions.
func (s *snapshotScene) images(t *testing.T) []string {
	t.Helper()
	notes, err := filepath.Glob(filepath.Join(s.DataPath(), "images", "*"))
	must(t, err)
	files, err := filepath.Glob(filepath.Join(s.DataPath(), "owners", "*", "*", "*", "*", "*"))
	must(t, err)
	return append(notes, slices.DeleteFunc(files, func(path string) bool { return filepath.Base(path)[14] == '7' })...)
}

func kinds(list []ayb.Snapshot) (words []string) {
	for _, s := range list {
		words = append(words, s.Kind.String())
	}
	return words
}

func TestRound_takes_what_has_changed_and_asks_nothing_of_the_rest(t *testing.T) {
	for name, bucket := range map[string]*blob.Bucket{"memory": snapshottest.Memory(t).Bucket, "directory": snapshottest.Directory(t).Bucket} {
		t.Run(name, func(t *testing.T) {
			counted := snapshottest.NewFaulty(bucket)
			s := newSnapshotScene(t, counted.Bucket, ayb.SnapshotConfig{})
			s.MustDatabase("alice/never") // is never written
			s.round()
			if got := s.snapshots(t, "alice/db"); len(got) != 1 || got[0].Kind != ayb.AutomaticSnapshot || got[0].Size < 4096 || !got[0].Taken.Equal(s.Clock.Now()) {
				t.Fatalf("after the first round: %v\n%s", got, s.log)
			}
			if got := s.snapshots(t, "alice/never"); len(got) != 0 {
				t.Errorf("of a database without a file: %v", got)
			}

			s.MustQuery(s.alice, "alice/db", "SELECT * FROM t")
			counted.Arm(0, "")
			for range 3 {
				s.round()
				s.Reopen()
			}
			if calls := counted.Calls(); len(calls) > 0 {
				t.Errorf("nothing has changed, and the bucket was asked %v", calls)
			}

			s.write("alice/db")
			s.round()
			got := s.snapshots(t, "alice/db")
			if len(got) != 2 || got[0].ID == got[1].ID {
				t.Errorf("after a change: %v", got)
			}
			if left := s.images(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			for _, line := range []string{"Creating snapshots...", "Trying to back up alice/db", "Uploading new snapshot with hash " + got[0].ID + "."} {
				if !strings.Contains(s.log.String(), line) {
					t.Errorf("no line %q in the log", line)
				}
			}
		})
	}
}

func TestRound_refreshes_a_content_that_was_there_before(t *testing.T) {
	s := newSnapshotScene(t, snapshottest.Memory(t).Bucket, ayb.SnapshotConfig{})
	s.round()
	first := s.snapshots(t, "alice/db")[0]
	s.MustQuery(s.alice, "alice/db", "INSERT INTO t VALUES (1)")
	s.round()
	s.MustQuery(s.alice, "alice/db", "DELETE FROM t")
	s.round()
	got := s.snapshots(t, "alice/db")
	if len(got) != 2 || got[0].ID != first.ID || !got[0].Taken.Equal(s.Clock.Now()) {
		t.Errorf("%v, want %s first", got, first.ID)
	}
	if line := "Snapshot with hash " + first.ID + " already exists, not uploading again."; !strings.Contains(s.log.String(), line) {
		t.Errorf("no line %q in the log", line)
	}
}

func TestRound_keeps_as_many_as_it_is_told_and_all_that_are_manual(t *testing.T) {
	for keep, want := range map[int]int{2: 2, 0: 5} {
		t.Run(fmt.Sprintf("max %d", keep), func(t *testing.T) {
			s := newSnapshotScene(t, snapshottest.Memory(t).Bucket, ayb.SnapshotConfig{MaxSnapshots: keep})
			manual, err := s.CreateSnapshot(ctx, s.alice, "alice/db", "before all of it — é")
			must(t, err)
			for range 5 {
				s.write("alice/db")
				s.round()
			}
			got := s.snapshots(t, "alice/db")
			if words := kinds(got); len(got) != want+1 || words[want] != "manual" || got[want].ID != manual.ID || got[want].Note != "before all of it — é" {
				t.Errorf("there are %v", got)
			}
			if keep > 0 && !strings.Contains(s.log.String(), "Pruning 1 oldest snapshots") {
				t.Error("nothing about pruning in the log")
			}
		})
	}
}

func TestRound_keeps_the_last_even_if_the_clock_is_put_back(t *testing.T) {
	s := newSnapshotScene(t, snapshottest.Memory(t).Bucket, ayb.SnapshotConfig{MaxSnapshots: 2})
	var last ayb.Snapshot
	for i := range 5 {
		s.write("alice/db")
		s.round()
		got := s.snapshots(t, "alice/db")
		if len(got) != min(i+1, 2) || i > 0 && (got[1] != last || !got[0].Taken.After(last.Taken)) {
			t.Fatalf("after %d rounds there are %+v, and the last was %+v", i+1, got, last)
		}
		last = got[0]
		s.Clock.Advance(-time.Hour)
	}
}

func TestRound_goes_on_after_a_failure_and_tries_it_again(t *testing.T) {
	faulty := snapshottest.NewFaulty(snapshottest.Memory(t).Bucket)
	s := newSnapshotScene(t, faulty.Bucket, ayb.SnapshotConfig{Parallel: 1})
	for i := range 3 {
		s.MustDatabase(fmt.Sprintf("alice/db%d", i), "CREATE TABLE t (a)")
	}
	taken := func() (n int) {
		for _, ref := range []string{"alice/db", "alice/db0", "alice/db1", "alice/db2"} {
			n += len(s.snapshots(t, ref))
		}
		return n
	}
	faulty.Arm(3, snapshottest.Fails) // after the look whether it is there, and for a free place
	s.round()
	faulty.Arm(0, "")
	if n := taken(); n != 3 || strings.Count(s.log.String(), "Unable to snapshot database") != 1 || strings.Contains(s.log.String(), "SECRET") {
		t.Fatalf("%d snapshots of 4, and the log is\n%s", n, s.log)
	}
	s.round()
	if n := taken(); n != 4 {
		t.Errorf("%d snapshots after the next round", n)
	}
	if left := s.images(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRound_ends_when_the_bucket_is_gone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	must(t, os.Mkdir(dir, 0o700))
	bucket := openDirectory(t, dir)
	s := newSnapshotScene(t, bucket, ayb.SnapshotConfig{})
	must(t, os.Rename(dir, dir+".gone"))
	s.round()
	if text := s.log.String(); strings.Count(text, "The bucket for snapshots does not exist") != 1 || strings.Contains(text, "Trying to back up") {
		t.Errorf("the log is\n%s", text)
	}
	_, err := s.CreateSnapshot(ctx, s.alice, "alice/db", "")
	if !errors.Is(err, ayb.ErrUnavailable) || !strings.Contains(ayb.Message(err), "does not exist") {
		t.Errorf("a manual one: %v", err)
	}
	s.MustQuery(s.alice, "alice/db", "INSERT INTO t VALUES (1)") // goes on
	must(t, os.Rename(dir+".gone", dir))
	s.round()
	if n := len(s.snapshots(t, "alice/db")); n != 1 {
		t.Errorf("%d snapshots once the bucket is back", n)
	}
}

func TestRound_begins_anew_in_another_bucket(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		want int
	}{{"one", 1}, {"one", 0}, {"two", 1}, {"two", 0}} {
		bucket := snapshottest.Memory(t).Bucket // they are all empty
		f := aybtest.New(t, &ayb.Config{DataPath: dir, Snapshots: ayb.SnapshotConfig{Bucket: bucket, Name: test.name}})
		if _, err := f.Database(ctx, ayb.System, "alice/db"); err != nil {
			f.MustEntity("alice")
			f.MustDatabase("alice/db", "CREATE TABLE t (a)")
		}
		f.Round(ctx)
		if keys := keysOf(t, bucket); strings.Count(keys, "alice/db/") != test.want {
			t.Errorf("bucket %s has %q", test.name, keys)
		}
		must(t, f.Close())
	}
}

// TestClose_ends_a_round_and_a_snapshot has the bucket hang.
func TestClose_ends_a_round_and_a_snapshot(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 6} {
		faulty := snapshottest.NewFaulty(snapshottest.Memory(t).Bucket)
		s := newSnapshotScene(t, faulty.Bucket, ayb.SnapshotConfig{})
		faulty.Arm(n, snapshottest.Hangs)
		ended := make(chan error, 1)
		go func() {
			_, err := s.CreateSnapshot(context.Background(), s.alice, "alice/db", "")
			ended <- err
		}()
		for deadline := time.Now().Add(10 * time.Second); len(faulty.Calls()) < n && time.Now().Before(deadline); {
			select {
			case err := <-ended:
				t.Fatalf("call %d: %v", n, err)
			case <-time.After(time.Millisecond):
			}
		}
		begun := time.Now()
		must(t, s.Close())
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("call %d: Close took %v", n, took)
		}
		if err := <-ended; !errors.Is(err, ayb.ErrUnavailable) {
			t.Errorf("call %d: the snapshot ended with %v", n, err)
		}
		if left := s.images(t); len(left) > 0 {
			t.Errorf("call %d: left behind: %v", n, left)
		}
	}
}

func TestCreateSnapshot(t *testing.T) {
	s := newSnapshotScene(t, snapshottest.Memory(t).Bucket, ayb.SnapshotConfig{MaxSnapshots: 1})
	first, err := s.CreateSnapshot(ctx, s.alice, "alice/db", "one")
	must(t, err)
	if first.Kind != ayb.ManualSnapshot || first.Note != "one" || first.Stored == 0 || !first.Taken.Equal(s.Clock.Now()) {
		t.Errorf("got %+v", first)
	}
	s.Clock.Advance(-time.Hour) // a clock that is put back
	again, err := s.CreateSnapshot(ctx, s.alice, "alice/db", "")
	must(t, err)
	if again.ID != first.ID || again.Note != "one" || !again.Taken.After(first.Taken) {
		t.Errorf("got %+v after %+v", again, first)
	}
	s.round() // there is nothing to do
	if got := s.snapshots(t, "alice/db"); len(got) != 1 || got[0] != again {
		t.Errorf("there are %+v", got)
	}
	s.MustDatabase("alice/new")
	for _, bad := range []struct {
		ref, note string
		want      error
	}{{"alice/new", "", ayb.ErrInvalid}, {"alice/db", strings.Repeat("x", 501), ayb.ErrInvalid}, {"alice/none", "", ayb.ErrNotFound}} {
		if _, err := s.CreateSnapshot(ctx, s.alice, bad.ref, bad.note); !errors.Is(err, bad.want) {
			t.Errorf("%s: %v", bad.ref, err)
		}
	}
}

func TestDeleteSnapshot(t *testing.T) {
	s := newSnapshotScene(t, snapshottest.Memory(t).Bucket, ayb.SnapshotConfig{})
	none := strings.Repeat("0", 64)
	if err := s.DeleteSnapshot(ctx, s.alice, "alice/db", none); !errors.Is(err, ayb.ErrNoSnapshot) || !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("of a database that has none: %v", err)
	}
	manual, err := s.CreateSnapshot(ctx, s.alice, "alice/db", "")
	must(t, err)
	s.write("alice/db")
	s.round()
	must(t, s.DeleteSnapshot(ctx, s.alice, "alice/db", manual.ID))
	if err := s.DeleteSnapshot(ctx, s.alice, "alice/db", manual.ID); !errors.Is(err, ayb.ErrNoSnapshot) {
		t.Errorf("twice: %v", err)
	}
	newest := s.snapshots(t, "alice/db")
	must(t, s.DeleteSnapshot(ctx, s.alice, "alice/db", newest[0].ID))
	if got := s.snapshots(t, "alice/db"); len(got) != 0 {
		t.Errorf("there are still %v", got)
	}
	s.round() // what is in the database now has to be in a snapshot
	if got := s.snapshots(t, "alice/db"); len(got) != 1 || got[0].ID != newest[0].ID {
		t.Errorf("there are %v", got)
	}
}

func TestSnapshots_follow_a_database_through_its_names(t *testing.T) {
	bucket := snapshottest.Memory(t).Bucket
	s := newSnapshotScene(t, bucket, ayb.SnapshotConfig{})
	s.MustEntity("bob")
	s.round()
	must(t, s.RenameDatabase(ctx, s.alice, "alice/db", "other"))
	must(t, s.RenameEntity(ctx, s.alice, "alice", "alicia"))
	s.write("alicia/other")
	s.round()
	if got := s.snapshots(t, "alicia/other"); len(got) != 2 {
		t.Errorf("under the new names there are %v", got)
	}
	// Somebody else takes the old names.
	s.MustEntity("alice")
	s.MustDatabase("alice/DB", "CREATE TABLE t (a); INSERT INTO t VALUES ('mine')")
	if got := s.snapshots(t, "alice/DB"); len(got) != 0 {
		t.Errorf("a database has the snapshots of another: %v", got)
	}
	s.round()
	if got := s.snapshots(t, "alice/DB"); len(got) != 1 {
		t.Errorf("there are %v", got)
	}
	if got := s.snapshots(t, "alicia/other"); len(got) != 2 {
		t.Errorf("of the old database there are %v", got)
	}
	if keys := keysOf(t, bucket); !strings.Contains(keys, "alice/DB~2/") {
		t.Errorf("the bucket has\n%s", keys)
	}
}
