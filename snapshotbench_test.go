package ayb

import (
	"context"
	"fmt"
	"testing"

	"ayb/catalog"
	"ayb/snapshot/snapshottest"
)

// BenchmarkRound_of_nothing is a round over 10,000 databases that have been written
// and have not changed since. None of them has a file, so that a round that opened
// one would fail; it asks the bucket nothing.
func BenchmarkRound_of_nothing(b *testing.B) {
	ctx := context.Background()
	bucket := snapshottest.NewFaulty(snapshottest.Memory(b).Bucket)
	e, err := Open(ctx, Config{DataPath: b.TempDir(), Snapshots: SnapshotConfig{Bucket: bucket.Bucket}})
	require(b, err)
	defer e.Close()
	alice, err := e.CreateEntity(ctx, System, "alice", nil)
	require(b, err)
	for i := range 10_000 {
		id, mark := e.ids.next(), e.ids.next()
		require(b, e.store.CreateDatabase(ctx, Database{ID: id, Owner: alice.ID, Slug: catalog.Slug(fmt.Sprintf("db%d", i)), Version: e.ids.next()}))
		require(b, e.store.MarkWritten(ctx, id, mark))
		_, err := e.store.ClearChanged(ctx, id, mark)
		require(b, err)
	}
	e.round(ctx) // copies the metadata
	bucket.Arm(0, "")
	for b.Loop() {
		e.round(ctx)
	}
	b.StopTimer()
	if calls := bucket.Calls(); len(calls) > 0 {
		b.Errorf("the bucket was asked %v", calls)
	}
	if changed, err := e.store.ChangedDatabases(ctx, Page{}); err != nil || len(changed.Items) > 0 {
		b.Errorf("%d databases have changed, %v", len(changed.Items), err)
	}
}

// BenchmarkRound_200_queries is what BenchmarkRound_of_nothing is compared with: 200
// queries of one row each.
func BenchmarkRound_200_queries(b *testing.B) {
	ctx := context.Background()
	e, err := Open(ctx, Config{DataPath: b.TempDir()})
	require(b, err)
	defer e.Close()
	alice, err := e.CreateEntity(ctx, System, "alice", nil)
	require(b, err)
	_, err = e.CreateDatabase(ctx, System, "alice/db", nil)
	require(b, err)
	_, err = e.Query(ctx, System, "alice/db", "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t SELECT value, hex(value) FROM generate_series(1, 1000)")
	require(b, err)
	for b.Loop() {
		for i := range 200 {
			_, err := e.Query(ctx, e.Owner(alice), "alice/db", "SELECT a FROM t WHERE id = ?", i)
			require(b, err)
		}
	}
}

// BenchmarkWriter_is_noted is what the note costs that a database has changed: one
// look before each write.
func BenchmarkWriter_is_noted(b *testing.B) {
	var cs changes
	id := ID{15: 1}
	cs.note(id)
	cs.noted(id)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if cs.enter(id) {
				cs.leave(id)
			}
		}
	})
}
