package ayb_test

import (
	"context"
	"testing"

	"ayb"
	"ayb/hosting"
)

// BenchmarkQuery measures a point SELECT through the engine, and the same one
// through the Runner alone: the difference is what principal, permission, audit
// and dispatch cost together.
func BenchmarkQuery(b *testing.B) {
	ctx := context.Background()
	runner, err := hosting.NewInProcess(hosting.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer runner.Close()
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: b.TempDir(), Runner: runner})
	if err != nil {
		b.Fatal(err)
	}
	defer eng.Close()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	alice, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	must(err)
	bob, err := eng.CreateEntity(ctx, ayb.System, "bob", nil)
	must(err)
	const ref = "alice/points"
	db, err := eng.CreateDatabase(ctx, eng.Owner(alice), ref, nil)
	must(err)
	must(eng.Share(ctx, eng.Owner(alice), ref, "bob", ayb.ReadOnly))
	_, err = eng.Query(ctx, eng.Owner(alice), ref, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, 'value ' || i FROM n")
	must(err)
	secret, _, err := eng.CreateToken(ctx, eng.Owner(bob), "bob", nil)
	must(err)
	reader, err := eng.Authenticate(ctx, secret)
	must(err)
	st, err := ayb.NewStatement("SELECT v FROM t WHERE id = ?", 500)
	must(err)
	job := hosting.Job{DB: hosting.DB{Owner: alice.ID, Database: db.ID, Version: db.Version}, Statement: st}

	b.Run("runner alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := runner.Run(ctx, job, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, p := range map[string]ayb.Principal{"owner": eng.Owner(alice), "token with a grant": reader} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := eng.Stream(ctx, p, ref, st, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("token with a grant, in parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := eng.Stream(ctx, reader, ref, st, nil); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
