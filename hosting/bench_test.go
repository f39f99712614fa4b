package hosting

import (
	"context"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"ayb/catalog"
)

func pointTable(h *harness) {
	h.must("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
	h.must("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 10000) INSERT INTO t SELECT x, 'row number ' || x FROM c")
}

func BenchmarkPointBare(b *testing.B) {
	t := &testing.T{}
	_ = t
	r, err := NewInProcess(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	h := &harness{t: new(testing.T), InProcess: r}
	h.db = h.create()
	pointTable(h)
	path := VersionPath(r.dir, h.db) + "/db"
	c, err := sqlite3.Open("file:" + path + "?mode=ro")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	st, _, _ := c.Prepare("SELECT b FROM t WHERE a = ?")
	defer st.Close()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		st.BindInt64(1, int64(i%10000+1))
		for st.Step() {
			_ = st.ColumnText(0)
		}
		st.Reset()
	}
}

func BenchmarkPointRunner(b *testing.B) {
	r, err := NewInProcess(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	h := &harness{t: new(testing.T), InProcess: r}
	h.db = h.create()
	pointTable(h)
	b.ReportAllocs()
	i := 0
	args := make([]catalog.Arg, 1)
	for b.Loop() {
		i++
		args[0].Value = catalog.IntegerValue(int64(i%10000 + 1))
		var out rows
		if _, err := r.Run(context.Background(), Job{DB: h.db, Statement: catalog.Statement{SQL: "SELECT b FROM t WHERE a = ?", Args: args}}, &out); err != nil || len(out.rows) != 1 {
			b.Fatal(err)
		}
	}
}
