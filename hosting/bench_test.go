package hosting

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"ayb/catalog"
)

const point = "SELECT b FROM t WHERE a = ?"

func pointTable(b *testing.B) *harness {
	h := newHarness(b, Limits{})
	h.must("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
	h.must("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 10000) INSERT INTO t SELECT x, 'row number ' || x FROM c")
	b.ReportAllocs()
	return h
}

func BenchmarkPoint_bare(b *testing.B) {
	h := pointTable(b)
	c, err := sqlite3.Open("file:" + filepath.Join(VersionPath(h.dir, h.db), fileName) + "?mode=ro")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	st, _, err := c.Prepare(point)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	for i := int64(0); b.Loop(); i++ {
		st.BindInt64(1, i%10000+1)
		for st.Step() {
			_ = st.ColumnText(0)
		}
		st.Reset()
	}
}

func BenchmarkPoint_runner(b *testing.B) {
	h := pointTable(b)
	args := make([]catalog.Arg, 1)
	for i := int64(0); b.Loop(); i++ {
		args[0].Value = catalog.IntegerValue(i%10000 + 1)
		var out rows
		if _, err := h.Run(context.Background(), Job{DB: h.db, Statement: catalog.Statement{SQL: point, Args: args}}, &out); err != nil || len(out.rows) != 1 {
			b.Fatal(err)
		}
	}
}

// A slowDisk takes two milliseconds for each flush of the log, as a disk without a
// cache of its own does.
type slowDisk struct{ vfs.VFS }

func (d slowDisk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err == nil && strings.HasSuffix(name.String(), "-wal") {
		file = slowFile{file}
	}
	return file, out, err
}

type slowFile struct{ vfs.File }

func (f slowFile) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }

func (f slowFile) Sync(flags vfs.SyncFlag) error {
	time.Sleep(2 * time.Millisecond)
	return f.File.Sync(flags)
}

// BenchmarkInsert_slow_disk has 64 clients write to one database: batched, and each
// with a commit of its own.
func BenchmarkInsert_slow_disk(b *testing.B) {
	for _, c := range []struct {
		name  string
		batch int
	}{{"batched", 0}, {"alone", 1}} {
		b.Run(c.name, func(b *testing.B) {
			h := newHarness(b, Limits{BatchWrites: c.batch, QueueTime: time.Minute})
			h.disk = slowDisk{vfs.Find("")}
			h.db = h.create()
			h.must("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
			before := h.Stats()
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := h.Run(context.Background(), Job{DB: h.db, Class: Write, Statement: catalog.Statement{SQL: "INSERT INTO t(b) VALUES ('a new place')"}}, nil); err != nil {
						b.Error(err)
						return
					}
				}
			})
			after := h.Stats()
			b.ReportMetric(float64(after.Syncs-before.Syncs)/float64(b.N), "syncs/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}
