package ayb_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"

	"ayb"
	"ayb/aybtest"
)

// BenchmarkCopies exports a database and imports what came out of it, and reports by
// how much the memory of this process, SQLite's included, was larger at its peak than
// before. The database has AYB_BENCH_MIB mebibytes, 64 unless that is set.
func BenchmarkCopies(b *testing.B) {
	if _, err := os.Stat("/proc/self/clear_refs"); err != nil {
		b.Skip("this system does not tell the peak of memory")
	}
	size, err := strconv.Atoi(os.Getenv("AYB_BENCH_MIB"))
	if err != nil {
		size = 64
	}
	f := aybtest.New(b, &ayb.Config{Limits: ayb.Limits{ImportBytes: 64 << 30}})
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)")
	for range size {
		f.MustQuery(alice, "alice/db", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1024) INSERT INTO t(a, b) SELECT hex(randomblob(250)), randomblob(500) FROM n")
	}
	for _, format := range []ayb.ExportFormat{ayb.ExportSQLite, ayb.ExportSQL} {
		path := filepath.Join(b.TempDir(), "copy")
		b.Run("export/"+format.String(), func(b *testing.B) {
			peak(b, size, func() error {
				file, err := os.Create(path)
				if err != nil {
					return err
				}
				return errors.Join(f.Export(ctx, alice, "alice/db", format, file), file.Close())
			})
		})
		b.Run("import/"+format.String(), func(b *testing.B) {
			n := 0
			peak(b, size, func() error {
				file, err := os.Open(path)
				if err != nil {
					return err
				}
				defer file.Close()
				n++
				_, err = f.Import(ctx, alice, "alice/"+format.String()+strconv.Itoa(b.N)+"-"+strconv.Itoa(n), io.Reader(file), &ayb.ImportOptions{Format: format})
				return err
			})
		})
	}
}

// peak runs a function b.N times and reports what it has needed.
func peak(b *testing.B, size int, do func() error) {
	b.SetBytes(int64(size) << 20)
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip("this system does not let the peak of memory be set back")
	}
	before := resident(b)
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(resident(b)-before)/1024, "MiB-peak")
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// resident returns the peak of the process's memory, in KiB.
func resident(b *testing.B) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	found := highWater.FindSubmatch(status)
	if found == nil {
		b.Skip("this system does not tell the peak of memory")
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		b.Fatal(err)
	}
	return n
}
