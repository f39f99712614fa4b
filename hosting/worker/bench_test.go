//go:build linux

package worker

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
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

// BenchmarkPoint is one point read after the other. On a machine that has other
// things to do the tenth percentile tells more than the mean.
func BenchmarkPoint(b *testing.B) {
	benchRunners(b, func(b *testing.B, r hosting.Runner, job hosting.Job) {
		b.ReportAllocs()
		took := make([]time.Duration, 0, 1<<16)
		for i := 0; b.Loop(); i++ {
			var out counting
			j := with(job, point, i%10000+1)
			start := time.Now()
			if _, err := r.Run(context.Background(), j, &out); err != nil || out.rows != 1 {
				b.Fatal(out.rows, err)
			}
			if len(took) < cap(took) {
				took = append(took, time.Since(start))
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/10])/1000, "p10-us")
		b.ReportMetric(float64(took[len(took)/2])/1000, "p50-us")
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

// BenchmarkMemory is the memory of 100 workers that have each served a write and
// a read, shared pages counted once.
func BenchmarkMemory(b *testing.B) {
	for name, layers := range map[string][]sandbox.Layer{"process": noWalls, "sandboxed": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, err := New(Config{Dir: b.TempDir(), Sandbox: sandbox.Policy{Layers: layers}})
				if err != nil {
					b.Fatal(err)
				}
				h := &harness{TB: b, Runner: r}
				for range 100 {
					h = h.owner().create()
					h.must("CREATE TABLE t (a)")
					h.must("SELECT count(*) FROM t")
				}
				var pss, rss int64
				for _, w := range r.allWorkers() {
					p, r := memoryOf(b, w.cmd.Process.Pid)
					pss, rss = pss+p, rss+r
				}
				b.ReportMetric(float64(pss)/1024, "PSS-MB")
				b.ReportMetric(float64(rss)/1024, "RSS-MB")
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// memoryOf returns the memory of a process in KiB: its share of what it has, and
// all that it has.
func memoryOf(b *testing.B, pid int) (pss, rss int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		var n int64
		if _, err := fmt.Sscanf(line, "Pss: %d kB", &n); err == nil {
			pss = n
		}
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &n); err == nil {
			rss = n
		}
	}
	return pss, rss
}

// BenchmarkSpawn is the start and end of this program when it does nothing: what
// the first query of an owner is measured against.
func BenchmarkSpawn(b *testing.B) {
	nothing := program(b, idleName)
	for b.Loop() {
		if err := exec.Command(nothing).Run(); err != nil {
			b.Fatal(err)
		}
	}
}
