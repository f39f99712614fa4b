package ayb_test

import (
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/hosting"
)

// BenchmarkStream measures what principal, permission, audit and dispatch cost
// together: "engine alone" is a query on a Runner that does nothing. The others
// are a point SELECT, through the Runner alone and through the engine.
func BenchmarkStream(b *testing.B) {
	runner, err := hosting.NewInProcess(hosting.Config{Dir: b.TempDir()})
	must(b, err)
	defer runner.Close()
	st, err := ayb.NewStatement("SELECT v FROM t WHERE id = ?", 500)
	must(b, err)

	f := aybtest.New(b, &ayb.Config{Runner: runner, Now: time.Now})
	owner, reader, db := pointDatabase(f)
	job := hosting.Job{DB: hosting.DB{Owner: db.Owner, Database: db.ID, Version: db.Version}, Statement: st}
	b.Run("runner alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := runner.Run(ctx, job, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("engine and runner", func(b *testing.B) { benchStream(b, f, reader, st) })

	nothing := aybtest.New(b, &ayb.Config{Runner: idle{runner}, Now: time.Now})
	owner, reader, _ = pointDatabase(nothing)
	b.Run("engine alone, owner", func(b *testing.B) { benchStream(b, nothing, owner, st) })
	b.Run("engine alone, token and grant", func(b *testing.B) { benchStream(b, nothing, reader, st) })
	b.Run("engine alone, in parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := nothing.Stream(ctx, reader, "alice/points", st, nil); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func benchStream(b *testing.B, f *aybtest.Fixture, p ayb.Principal, st ayb.Statement) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Stream(ctx, p, "alice/points", st, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// pointDatabase makes a database, its owner, and the holder of a token of an
// entity that may read it.
func pointDatabase(f *aybtest.Fixture) (owner, reader ayb.Principal, db ayb.Database) {
	owner = f.MustEntity("alice")
	bob := f.MustEntity("bob")
	db = f.MustDatabase("alice/points", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, 'value ' || i FROM n")
	f.MustShare(owner, "alice/points", "bob", ayb.ReadOnly)
	_, reader = f.MustToken(bob, nil)
	return owner, reader, db
}
