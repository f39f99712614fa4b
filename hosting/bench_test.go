package hosting

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

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
