package ayb_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"

	"ayb"
	"ayb/aybtest"
	"ayb/snapshot/snapshottest"
)

// metadataIn lists the names of the copies of metadata in a bucket.
func metadataIn(t *testing.T, bucket *blob.Bucket) (names []string) {
	t.Helper()
	for _, key := range strings.Fields(keysOf(t, bucket)) {
		if name, ok := strings.CutPrefix(key, "_ayb/metadata-"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestRound_copies_the_metadata_if_they_have_changed(t *testing.T) {
	bucket := snapshottest.Memory(t).Bucket
	counted := snapshottest.NewFaulty(bucket)
	s := newSnapshotScene(t, counted.Bucket, ayb.SnapshotConfig{KeepMetadata: 3})
	copies := 0
	for _, step := range []struct {
		what string
		do   func()
		want int // copies more
	}{
		{"the first round", func() {}, 1},
		{"nothing", func() {}, 0},
		{"a new start", s.Reopen, 0},
		{"a query", func() { s.MustQuery(s.alice, "alice/db", "SELECT * FROM t"); s.Reopen() }, 0},
		{"a write", func() { s.write("alice/db") }, 1},
		{"an account", func() { s.MustEntity("bob") }, 1},
		{"a day of queries", func() {
			s.Clock.Advance(25 * time.Hour)
			s.MustQuery(s.alice, "alice/db", "SELECT * FROM t")
			s.Reopen()
		}, 1},
		{"a day of nothing", func() { s.Clock.Advance(25 * time.Hour) }, 0},
		{"a clock that is put back", func() { s.Clock.Advance(-1000 * time.Hour); s.MustEntity("carol") }, 1},
	} {
		step.do()
		before := metadataIn(t, bucket)
		counted.Arm(0, "")
		s.round()
		after := metadataIn(t, bucket)
		fresh := slices.DeleteFunc(slices.Clone(after), func(name string) bool { return slices.Contains(before, name) })
		if len(fresh) != step.want {
			t.Errorf("%s: %d copies more, want %d\n%s", step.what, len(fresh), step.want, s.log)
		}
		if copies += step.want; len(after) != min(copies, 3) {
			t.Errorf("%s: there are %d copies", step.what, len(after))
		}
		if calls := counted.Calls(); step.want == 0 && len(calls) > 0 {
			t.Errorf("%s: the bucket was asked %v", step.what, calls)
		}
		if step.want == 1 && len(fresh) == 1 && fresh[0] != after[len(after)-1] {
			t.Errorf("%s: the newest is %s, and %s was written", step.what, after[len(after)-1], fresh[0])
		}
	}
}

func TestRound_copies_the_metadata_after_the_databases_and_again_after_a_failure(t *testing.T) {
	memory := snapshottest.Memory(t).Bucket
	counted := snapshottest.NewFaulty(memory)
	s := newSnapshotScene(t, counted.Bucket, ayb.SnapshotConfig{})
	counted.Arm(0, "")
	s.round()
	all := counted.Calls()
	if database, metadata := strings.Index(s.log.String(), "Uploading new snapshot"), strings.Index(s.log.String(), "Uploading the metadata"); database < 0 || metadata < database {
		t.Fatalf("the log is\n%s", s.log)
	}
	for i, call := range all {
		memory := snapshottest.Memory(t).Bucket
		faulty := snapshottest.NewFaulty(memory)
		s := newSnapshotScene(t, faulty.Bucket, ayb.SnapshotConfig{})
		faulty.Arm(i+1, snapshottest.Fails)
		s.round()
		faulty.Arm(0, "")
		s.round()
		if n := len(metadataIn(t, memory)); n == 0 || n > 2 {
			t.Errorf("call %s fails: %d copies of the metadata in the end\n%s", call, n, s.log)
		}
	}
}

// TestRound_copies_the_metadata_while_it_takes_long has the upload of a database wait
// until there are metadata in the bucket.
func TestRound_copies_the_metadata_while_it_takes_long(t *testing.T) {
	bucket := snapshottest.Memory(t).Bucket
	slow := snapshottest.NewFaulty(bucket)
	f := aybtest.New(t, &ayb.Config{Snapshots: ayb.SnapshotConfig{Bucket: slow.Bucket, Interval: time.Second}})
	f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	var seen atomic.Bool
	waited := make(chan bool, 1)
	slow.Watch(func(call string) error {
		if call != "create" || seen.Swap(true) {
			return nil
		}
		deadline := time.Now().Add(20 * time.Second)
		for len(metadataIn(t, bucket)) == 0 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		waited <- time.Now().Before(deadline) && !strings.Contains(keysOf(t, bucket), "alice/db")
		return nil
	})
	if !<-waited {
		t.Error("a round that takes long keeps the metadata from the bucket")
	}
}

// TestRound_leaves_the_metadata_of_another_server_alone is the mistake that
// comes before a recovery: a new server on the bucket of the old one.
func TestRound_leaves_the_metadata_of_another_server_alone(t *testing.T) {
	bucket := snapshottest.Memory(t).Bucket
	old := newSnapshotScene(t, bucket, ayb.SnapshotConfig{KeepMetadata: 1})
	old.round()
	kept := metadataIn(t, bucket)
	log := &bytes.Buffer{}
	f := aybtest.New(t, &ayb.Config{Snapshots: ayb.SnapshotConfig{Bucket: bucket, KeepMetadata: 1}, Logger: slog.New(slog.NewTextHandler(log, nil))})
	for _, name := range []string{"dave", "erin"} {
		f.MustEntity(name)
		f.Clock.Advance(time.Minute)
		f.Round(ctx)
	}
	if now := metadataIn(t, bucket); len(now) != 2 || !slices.Contains(now, kept[0]) {
		t.Errorf("there are %v, and were %v", now, kept)
	}
	if n := strings.Count(log.String(), "run ayb recover"); n != 1 {
		t.Errorf("it is said %d times\n%s", n, log)
	}
}
