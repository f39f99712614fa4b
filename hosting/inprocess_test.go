package hosting

import (
	"context"
	"testing"
	"time"

	"ayb/catalog"
)

// rows is a Sink that keeps everything.
type rows struct {
	columns []catalog.Column
	rows    [][]catalog.Value
}

func (r *rows) Columns(c []catalog.Column) error {
	r.columns = append([]catalog.Column(nil), c...)
	return nil
}
func (r *rows) Row(row catalog.Row) error { r.rows = append(r.rows, catalog.Values(row)); return nil }

// harness is a Runner on a directory of its own with one created database.
type harness struct {
	t *testing.T
	*InProcess
	db DB
}

func newHarness(t *testing.T, limits Limits) *harness {
	t.Helper()
	r, err := NewInProcess(Config{Dir: t.TempDir(), Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	h := &harness{t: t, InProcess: r}
	h.db = h.create()
	return h
}

func (h *harness) create() DB {
	h.t.Helper()
	id := func() catalog.ID { return catalog.NewID(h.now(), h.random) }
	db := DB{Owner: id(), Database: id(), Version: id()}
	if err := h.Create(context.Background(), db); err != nil {
		h.t.Fatal(err)
	}
	return db
}

func (h *harness) query(class Class, sql string, args ...any) ([][]catalog.Value, error) {
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		return nil, err
	}
	var out rows
	_, err = h.Run(context.Background(), Job{DB: h.db, Class: class, Statement: st}, &out)
	return out.rows, err
}

func (h *harness) must(sql string, args ...any) [][]catalog.Value {
	h.t.Helper()
	out, err := h.query(Write, sql, args...)
	if err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func TestInProcess_smoke(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	h.must("INSERT INTO t(b) VALUES (?), (?)", "x", 2.5)
	got := h.must("SELECT * FROM t")
	t.Log(got)
	for _, sql := range []string{
		"PRAGMA journal_mode=OFF", "ATTACH '/tmp/x' AS y", "VACUUM INTO '/tmp/foo'", "SELECT * FROM nope", "selec", "", "-- c",
		"INSERT INTO t(a) VALUES (1)", "BEGIN", "SELECT 1; SELECT 2", "VACUUM", "ALTER TABLE t ADD COLUMN c", "ALTER TABLE t RENAME COLUMN c TO d",
		"ALTER TABLE t DROP COLUMN d", "ALTER TABLE t RENAME TO u", "CREATE INDEX i ON u(b)", "REINDEX", "ANALYZE", "CREATE VIRTUAL TABLE f USING fts5(x)", "INSERT INTO f VALUES ('hello world')",
		"SELECT highlight(f,0,'[',']') FROM f WHERE f MATCH 'hello' ORDER BY bm25(f)", "CREATE VIRTUAL TABLE rt USING rtree(id,a,b)", "INSERT INTO rt VALUES (1,2,3)", "SELECT * FROM rt WHERE a>1",
		"SELECT printf('%.*c',1000000000,'x')", "SELECT group_concat(x,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 10000000) SELECT x FROM c)",
		"INSERT INTO u(b) VALUES (1) RETURNING a", "PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=OFF; BEGIN TRANSACTION; CREATE TABLE z(a); INSERT INTO z VALUES(1); COMMIT;",
		"PRAGMA foreign_keys", "PRAGMA user_version=5", "PRAGMA user_version", "SELECT * FROM pragma_table_info('u')", "UPDATE sqlite_schema SET sql='x'", "CREATE TEMP TABLE q(a)", "EXPLAIN INSERT INTO u(b) VALUES (1)", "PRAGMA foreign_keys=''",
	} {
		start := time.Now()
		got, err := h.query(Write, sql)
		t.Logf("%8.3f %-60.60s -> %.200v %v", time.Since(start).Seconds(), sql, got, err)
	}
}
