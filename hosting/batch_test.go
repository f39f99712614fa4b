package hosting

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/catalog"
	"ayb/fault"
)

// A placed is the context of a request. It notes when the request was carried out
// last: SQLite asks the context then, and the writer carries out one text after
// the other.
type placed struct {
	context.Context
	clock *atomic.Int64
	at    atomic.Int64
}

func (p *placed) Err() error {
	p.at.Store(p.clock.Add(1))
	return p.Context.Err()
}

// An attempt is a request of the differential test and what came of it.
type attempt struct {
	ctx  *placed
	sql  string
	args []any
	rows [][]catalog.Value
	sum  catalog.Summary
	err  error
}

const batchSchema = `
	CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER CHECK (n >= 0));
	CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED, at_once INTEGER REFERENCES parent);
	CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
	CREATE TABLE large(id INTEGER PRIMARY KEY, b BLOB);
	CREATE TRIGGER noted AFTER INSERT ON parent BEGIN INSERT INTO log(what) VALUES (new.name); END;
	CREATE TRIGGER bad_abort BEFORE INSERT ON parent WHEN new.n = 101 BEGIN SELECT RAISE(ABORT, 'aborted'); END;
	CREATE TRIGGER bad_fail BEFORE INSERT ON parent WHEN new.n = 102 BEGIN SELECT RAISE(FAIL, 'failed'); END;
	CREATE TRIGGER bad_rollback BEFORE INSERT ON parent WHEN new.n = 103 BEGIN SELECT RAISE(ROLLBACK, 'rolled back'); END;
	CREATE TRIGGER bad_ignore BEFORE INSERT ON parent WHEN new.n = 104 BEGIN SELECT RAISE(IGNORE); END;
	CREATE TABLE side(a);
	INSERT INTO parent VALUES (0, 'zero', 0);`

// quickWrites are what most requests are; the others are rare.
func quickWrite(random *rand.Rand) (sql string, args []any) {
	id, n := int64(random.IntN(400)), int64(random.IntN(100))
	switch random.IntN(14) {
	case 0:
		return "INSERT INTO parent(name, n) VALUES (?, ?) RETURNING id, name", []any{fmt.Sprint("p", random.IntN(3000)), n}
	case 1:
		return fmt.Sprintf("INSERT INTO parent(id, name, n) VALUES (%d, 'q%d', %d)", id, random.IntN(3000), n), nil
	case 2:
		return "INSERT OR REPLACE INTO parent VALUES (?, ?, ?)", []any{id, fmt.Sprint("p", random.IntN(3000)), n}
	case 3:
		return "INSERT OR IGNORE INTO parent(id, name) VALUES (?, 'zero'), (?, 'same')", []any{id, id + 1}
	case 4:
		return "INSERT OR FAIL INTO parent(id, name) VALUES (?, NULL), (?, 'zero'), (?, NULL)", []any{id, id, id + 1}
	case 5:
		return "UPDATE parent SET n = n - ? WHERE id = ? RETURNING n", []any{n / 4, id}
	case 6:
		return "UPDATE OR FAIL parent SET n = n - 3 WHERE id BETWEEN ? AND ?", []any{id, id + 3}
	case 7:
		return "DELETE FROM parent WHERE id = ? RETURNING *", []any{id}
	case 8:
		return "INSERT INTO child(parent) VALUES (?)", []any{id}
	case 9:
		return "INSERT INTO child(parent, at_once) VALUES (0, ?)", []any{id}
	case 10:
		return "UPDATE child SET parent = ? WHERE id = ?", []any{id, n}
	case 11:
		return "DELETE FROM child WHERE id % 100 = ?", []any{n}
	case 12:
		return "INSERT INTO side VALUES (last_insert_rowid()) RETURNING a", nil
	default:
		return "WITH w(x) AS (VALUES (?), (?)) INSERT INTO side SELECT x FROM w RETURNING a + 1", []any{id, n}
	}
}

func rareWrite(random *rand.Rand) (sql string, args []any) {
	id := int64(random.IntN(400))
	rare := []string{
		"INSERT INTO parent(n) VALUES (101)", "INSERT INTO parent(n) VALUES (5), (102)", "INSERT INTO parent(n) VALUES (6), (103)",
		"INSERT INTO parent(n) VALUES (104), (7)", "INSERT OR ROLLBACK INTO parent(id) VALUES (1000), (0)",
		"UPDATE OR ROLLBACK parent SET name = 'zero' WHERE id < 20", "REPLACE INTO parent(id, n) VALUES (3, 3), (4, 103)",
		"CREATE TABLE IF NOT EXISTS made(a, b)", "DROP TABLE IF EXISTS made", "CREATE INDEX IF NOT EXISTS by_n ON parent(n)", "DROP INDEX IF EXISTS by_n",
		"INSERT INTO made VALUES (1, 2) RETURNING b", "ALTER TABLE side ADD COLUMN b DEFAULT 5", "DELETE FROM side", "DELETE FROM log WHERE id % 3 = 0",
		"BEGIN; INSERT INTO side(a) VALUES (1); INSERT INTO parent(id) VALUES (7); COMMIT;", "INSERT INTO side(a) VALUES (1); INSERT INTO parent(id) VALUES (0)",
		"INSERT INTO nowhere VALUES (1)", "INSERT INTO side(a) VALUES", "UPDATE parent SET nothing = 1",
		"INSERT INTO side(a) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 40000) SELECT count(*) FROM c", // slow
		"INSERT INTO large(b) VALUES (zeroblob(200000))", "INSERT INTO large(b) VALUES (zeroblob(100000)) RETURNING b", "DELETE FROM large",
		"INSERT INTO child(parent, at_once) VALUES (-1, 0)", "DELETE FROM child", "DELETE FROM parent WHERE id > 200",
	}
	if i := random.IntN(len(rare) + 2); i < len(rare) {
		return rare[i], nil
	}
	return "UPDATE parent SET name = ? WHERE id = ?", []any{fmt.Sprint("u", id), id}
}

const endlessWrite = "INSERT INTO side(a) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x < 0"

// batchQuota is what the database of the differential test may hold.
const batchQuota = 2 << 20

// TestBatch_is_like_one_after_the_other has clients write at the same time, by Run and by
// Post. Their requests, in the order in which they were carried out and one after the other in a
// plain SQLite, answer the same, fail alike, and leave the same behind.
func TestBatch_is_like_one_after_the_other(t *testing.T) {
	clients, each := 12, 9000
	if testing.Short() {
		each = 900
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := newHarness(t, Limits{ResultBytes: 64 << 10})
	h.must(batchSchema)
	before := h.Stats()
	var clock atomic.Int64
	attempts := make([][]*attempt, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for range each {
				attempts[i] = append(attempts[i], h.attempt(&clock, random))
			}
		})
	}
	all.Wait()
	total := slices.Concat(attempts...)
	sort.Slice(total, func(i, j int) bool { return total[i].ctx.at.Load() < total[j].ctx.at.Load() })
	model := newModel(t)
	kept, refused, interrupted := 0, 0, 0
	for _, a := range total {
		switch {
		case errors.Is(a.err, context.Canceled) || errors.Is(a.err, context.DeadlineExceeded):
			interrupted++
			continue
		case a.err == nil:
			kept++
		default:
			refused++
		}
		if got := model.run(a); got != "" {
			t.Fatalf("%s %v: %s", a.sql, a.args, got)
		}
	}
	if got, want := dumpOf(t, filepath.Join(VersionPath(h.dir, h.db), fileName)), model.dump(); got != want {
		t.Errorf("the databases differ:\n%s\nwant\n%s", clip(got), clip(want))
	}
	commits := h.Stats().Commits - before.Commits
	t.Logf("%d kept in %d commits, %d refused, %d interrupted", kept, commits, refused, interrupted)
	if float64(kept) < 1.5*float64(commits) || refused == 0 || interrupted == 0 {
		t.Error("hardly anything was committed together, refused, or interrupted")
	}
}

func clip(s string) string { return s[:min(len(s), 4000)] }

// attempt makes one request.
func (h *harness) attempt(clock *atomic.Int64, random *rand.Rand) *attempt {
	a := &attempt{ctx: &placed{Context: context.Background(), clock: clock}}
	switch n := random.IntN(1000); {
	case n < 2:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(8000))*time.Microsecond)
		defer cancel()
		a.ctx.Context, a.sql = ctx, endlessWrite
	case n < 30:
		a.sql, a.args = rareWrite(random)
	default:
		a.sql, a.args = quickWrite(random)
	}
	st, err := catalog.NewStatement(a.sql, a.args...)
	if err != nil {
		h.Error(err)
		return a
	}
	var out rows
	job := Job{DB: h.db, Class: Write, Statement: st, Quota: Quota{DatabaseBytes: batchQuota}}
	if posts := random.IntN(2) == 0; !posts || !a.post(h, job, &out) {
		a.sum, a.err = h.Run(a.ctx, job, &out)
	}
	a.rows = out.rows
	return a
}

// post makes a request as a worker does, if it can be made so.
func (a *attempt) post(h *harness, job Job, out *rows) bool {
	over := make(chan *Written, 1)
	cancel, ok := h.Post(a.ctx, job, func(w *Written) { over <- w })
	if !ok {
		return false
	}
	defer context.AfterFunc(a.ctx.Context, cancel)()
	w := <-over
	defer w.Close()
	if a.sum, a.err = w.Summary, w.Err; a.err == nil {
		a.err = w.Replay(out)
	}
	return true
}

// A model is a plain SQLite in which one request comes after the other.
type model struct {
	t *testing.T
	c *sqlite3.Conn
}

func newModel(t *testing.T) *model {
	t.Helper()
	c, err := sqlite3.Open("file:" + filepath.Join(t.TempDir(), "model.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	m := &model{t, c}
	m.must(fmt.Sprintf("PRAGMA page_size=%d; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON; PRAGMA max_page_count=%d", pageSize, batchQuota/pageSize))
	m.must(batchSchema)
	return m
}

func (m *model) must(sql string) {
	m.t.Helper()
	if err := m.c.Exec(sql); err != nil {
		m.t.Fatalf("%s: %v", sql, err)
	}
}

// run carries out a request and returns in what it differs; empty: in nothing.
func (m *model) run(a *attempt) string {
	m.c.SetLastInsertRowID(0)
	m.must("BEGIN IMMEDIATE")
	rows, changes, err := m.text(a)
	last := m.c.LastInsertRowID()
	size := 0
	for _, row := range rows {
		size += rowCost + valueCost*len(row)
		for _, v := range row {
			size += len(v.Bytes())
		}
	}
	large := err == nil && size > 64<<10
	if err == nil && !large {
		err = m.c.Exec("COMMIT")
	}
	if !m.c.GetAutocommit() {
		m.must("ROLLBACK")
	}
	switch {
	case large:
		if fault.KindOf(a.err) != fault.TooLarge {
			return fmt.Sprintf("%v, want too large an answer", a.err)
		}
	case err != nil:
		return sameFailure(a.err, err)
	case a.err != nil:
		return fmt.Sprintf("%v, want %v", a.err, rows)
	case !reflect.DeepEqual(a.rows, rows):
		return fmt.Sprintf("answered %v, want %v", a.rows, rows)
	case a.sum.Changes != changes || a.sum.LastInsertRowID != last:
		return fmt.Sprintf("%d changes and row %d, want %d and %d", a.sum.Changes, a.sum.LastInsertRowID, changes, last)
	}
	return ""
}

// sameFailure compares a failure with that of the plain SQLite.
func sameFailure(got, want error) string {
	f, ok := errors.AsType[*fault.Error](got)
	code, _ := errors.AsType[sqlite3.ExtendedErrorCode](want)
	switch {
	case code.Code() == sqlite3.FULL:
		if fault.KindOf(got) == fault.TooLarge {
			return ""
		}
	case !ok || f.Code != int(code):
	case !strings.Contains(want.Error(), f.Message):
	default:
		return ""
	}
	return fmt.Sprintf("failed with %v, want %v", got, want)
}

// text runs the statements of a text within the transaction that is open.
func (m *model) text(a *attempt) (rows [][]catalog.Value, changes int64, err error) {
	text := strings.TrimSuffix(strings.TrimPrefix(a.sql, "BEGIN; "), " COMMIT;")
	for text != "" {
		stmt, tail, err := m.c.Prepare(text)
		if err != nil || stmt == nil {
			return nil, 0, err
		}
		defer stmt.Close()
		for i, arg := range a.args {
			switch v := arg.(type) {
			case int64:
				stmt.BindInt64(i+1, v)
			case string:
				stmt.BindText(i+1, v)
			}
		}
		before := m.c.TotalChanges()
		if stmt.ColumnCount() > 0 {
			rows = nil
		}
		for stmt.Step() {
			var row []catalog.Value
			for i := range stmt.ColumnCount() {
				row = append(row, valueOf(stmt, i))
			}
			rows = append(rows, row)
		}
		if err := stmt.Err(); err != nil {
			return nil, 0, err
		}
		if m.c.TotalChanges() != before {
			changes += m.c.Changes()
		}
		text = strings.TrimSpace(tail)
	}
	return rows, changes, nil
}

func valueOf(stmt *sqlite3.Stmt, i int) catalog.Value {
	switch stmt.ColumnType(i) {
	case sqlite3.INTEGER:
		return catalog.IntegerValue(stmt.ColumnInt64(i))
	case sqlite3.FLOAT:
		return catalog.RealValue(stmt.ColumnFloat(i))
	case sqlite3.TEXT:
		return catalog.TextValue(stmt.ColumnText(i))
	case sqlite3.BLOB:
		return catalog.BlobValue(stmt.ColumnBlob(i, nil))
	}
	return catalog.NullValue()
}

func (m *model) dump() string { return dumpConn(m.t, m.c) }

func dumpOf(t *testing.T, path string) string {
	t.Helper()
	c, err := sqlite3.Open("file:" + path + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return dumpConn(t, c)
}

// dumpConn returns all that is in a database, in order.
func dumpConn(t *testing.T, c *sqlite3.Conn) string {
	t.Helper()
	var b strings.Builder
	each := func(sql string, f func(*sqlite3.Stmt)) {
		stmt, _, err := c.Prepare(sql)
		if err != nil {
			t.Fatal(err)
		}
		defer stmt.Close()
		for stmt.Step() {
			f(stmt)
		}
		if err := stmt.Err(); err != nil {
			t.Fatal(err)
		}
	}
	var tables []string
	each("SELECT name, sql FROM sqlite_schema ORDER BY name", func(st *sqlite3.Stmt) {
		fmt.Fprintln(&b, st.ColumnText(1))
		if strings.HasPrefix(st.ColumnText(1), "CREATE TABLE") {
			tables = append(tables, st.ColumnText(0))
		}
	})
	for _, table := range tables {
		each(fmt.Sprintf("SELECT rowid, * FROM %q ORDER BY rowid", table), func(st *sqlite3.Stmt) {
			fmt.Fprint(&b, table)
			for i := range st.ColumnCount() {
				fmt.Fprint(&b, " ", valueOf(st, i))
			}
			fmt.Fprintln(&b)
		})
	}
	return b.String()
}
