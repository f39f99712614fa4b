package worker

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/hosting"
	"ayb/hosting/sandbox"
)

const (
	pointSchema = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"
	pointRows   = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 10000) INSERT INTO t SELECT x, 'row number ' || x FROM c"
	point       = "SELECT b FROM t WHERE a = ?"
)

// counting is a sink that counts rows.
type counting struct{ rows int }

func (c *counting) Columns([]catalog.Column) error { return nil }

func (c *counting) Row(row catalog.Row) error {
	c.rows++
	return nil
}

func newID() catalog.ID { return catalog.NewID(time.Now(), rand.Reader) }

// benchRunners runs f with a database on each kind of Runner.
func benchRunners(b *testing.B, f func(b *testing.B, r hosting.Runner, job hosting.Job)) {
	inProcess := func(b *testing.B) (hosting.Runner, error) {
		return hosting.NewInProcess(hosting.Config{Dir: b.TempDir()})
	}
	process := func(b *testing.B) (hosting.Runner, error) {
		return New(Config{Dir: b.TempDir(), Sandbox: sandbox.Policy{Layers: noWalls}})
	}
	sandboxed := func(b *testing.B) (hosting.Runner, error) { return New(Config{Dir: b.TempDir()}) }
	for _, runner := range []struct {
		name string
		open func(*testing.B) (hosting.Runner, error)
	}{{"in-process", inProcess}, {"process", process}, {"sandboxed", sandboxed}} {
		b.Run(runner.name, func(b *testing.B) {
			r, err := runner.open(b)
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			job := hosting.Job{DB: hosting.DB{Owner: newID(), Database: newID(), Version: newID()}, Class: hosting.Write}
			job.Caller.Entity = job.Owner
			if err := r.Create(b.Context(), job.DB); err != nil {
				b.Fatal(err)
			}
			for _, sql := range []string{pointSchema, pointRows} {
				if _, err := r.Run(b.Context(), with(job, sql), nil); err != nil {
					b.Fatal(err)
				}
			}
			f(b, r, job)
		})
	}
}

// with returns the job with a statement.
func with(job hosting.Job, sql string, args ...any) hosting.Job {
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		panic(err)
	}
	job.Statement = st
	return job
}

// BenchmarkPoint is one point read after the other.
func BenchmarkPoint(b *testing.B) {
	benchRunners(b, func(b *testing.B, r hosting.Runner, job hosting.Job) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var out counting
			if _, err := r.Run(context.Background(), with(job, point, i%10000+1), &out); err != nil || out.rows != 1 {
				b.Fatal(out.rows, err)
			}
		}
	})
}

// BenchmarkPoint32 is point reads of 32 goroutines.
func BenchmarkPoint32(b *testing.B) {
	benchRunners(b, func(b *testing.B, r hosting.Runner, job hosting.Job) {
		b.ReportAllocs()
		b.SetParallelism(16)
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				var out counting
				if _, err := r.Run(context.Background(), with(job, point, n.Add(1)%10000+1), &out); err != nil || out.rows != 1 {
					b.Error(out.rows, err)
					return
				}
			}
		})
	})
}

// BenchmarkInsert is one write after the other.
func BenchmarkInsert(b *testing.B) {
	benchRunners(b, func(b *testing.B, r hosting.Runner, job hosting.Job) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Run(context.Background(), with(job, "INSERT INTO t (b) VALUES ('x')"), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkScan is reading 10,000 rows.
func BenchmarkScan(b *testing.B) {
	benchRunners(b, func(b *testing.B, r hosting.Runner, job hosting.Job) {
		b.ReportAllocs()
		for b.Loop() {
			var out counting
			if _, err := r.Run(context.Background(), with(job, "SELECT a, b FROM t"), &out); err != nil || out.rows != 10000 {
				b.Fatal(out.rows, err)
			}
		}
	})
}

// BenchmarkCold is the first query of an owner, which starts a process.
func BenchmarkCold(b *testing.B) {
	benchRunners(b, func(b *testing.B, r hosting.Runner, job hosting.Job) {
		for b.Loop() {
			job.DB = hosting.DB{Owner: newID(), Database: newID(), Version: newID()}
			job.Caller.Entity, job.Unwritten = job.Owner, true
			if _, err := r.Run(context.Background(), with(job, "SELECT 1"), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
