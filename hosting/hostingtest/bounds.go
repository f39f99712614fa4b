package hostingtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func boundsChecks() []check {
	return []check{
		{"a_read_ends_at_its_bound_on_time", readTime},
		{"a_write_ends_at_its_bound_on_time_and_leaves_nothing", writeTime},
		{"maintenance_has_a_bound_of_its_own", maintenanceTime},
		{"a_query_without_loops_ends_in_time", straightLine},
		{"a_caller_may_cancel_a_read", cancelRead},
		{"a_caller_may_cancel_a_write_and_nothing_is_left", cancelWrite},
		{"a_call_cancelled_before_it_starts_does_nothing", cancelledBefore},
		{"a_value_can_be_too_large", valueBytes},
		{"the_answer_of_a_write_can_be_too_large", resultBytes},
		{"a_database_can_be_too_large", databaseBytes},
		{"an_owner_can_have_too_much", ownerBytes},
		{"temporary_files_are_bounded", tempBytes},
		{"the_log_of_a_transaction_is_bounded", logBytes},
		{"memory_is_bounded", connectionMemory},
		{"the_shape_of_sql_is_bounded", sqlShape},
		{"the_name_of_a_column_can_be_too_long", columnName},
	}
}

// overdue is how far beyond its bound a text may run: it is what an in-process
// Runner promises.
const overdue = 2 * time.Second

// timed runs f, which must fail with TimedOut after bound and before it is
// overdue.
func timed(t *testing.T, what string, bound time.Duration, f func() error) {
	t.Helper()
	start := time.Now()
	err := f()
	took := time.Since(start)
	wantKind(t, what, err, fault.TimedOut)
	if took < bound || took > bound+overdue {
		t.Errorf("%s: ended after %v, the bound is %v", what, took, bound)
	}
}

func readTime(t *testing.T, s *suite) {
	const bound = 400 * time.Millisecond // a busy disk has taken 150 for the schema
	d := s.host(t, hosting.Limits{QueryTime: bound}).database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
		timed(t, "an endless count", bound, func() error { return d.try(class, endlessRead) })
		timed(t, "an endless list", bound, func() error {
			_, err := d.runTo(t.Context(), nil, class, endlessRows)
			return err
		})
		d.expect("1", "SELECT a FROM t")
	}
	timed(t, "an endless first statement", bound, func() error { return d.try(hosting.Read, endlessRead+"; SELECT 1") })
	d.write("INSERT INTO t VALUES (2)")
	d.expect("1,2", "SELECT group_concat(a) FROM t")
}

func writeTime(t *testing.T, s *suite) {
	const bound = 150 * time.Millisecond
	d := s.host(t, hosting.Limits{QueryTime: bound}).database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	for _, sql := range []string{
		endlessWrite,
		"INSERT INTO t SELECT x FROM (" + endlessRows + ")",
		"INSERT INTO t VALUES (2); " + endlessWrite + "; INSERT INTO t VALUES (3)",
		"CREATE TABLE u AS " + endlessRead,
		"INSERT INTO t SELECT x FROM (" + endlessRows + " LIMIT 10) RETURNING (" + endlessRead + ")",
	} {
		timed(t, sql, bound, func() error { return d.try(hosting.Write, sql) })
		d.expect("1|1", "SELECT count(*), (SELECT count(*) FROM sqlite_schema) FROM t")
	}
	d.write("INSERT INTO t VALUES (2)")
	d.expect("1,2", "SELECT group_concat(a) FROM t")
}

func maintenanceTime(t *testing.T, s *suite) {
	const bound = 100 * time.Millisecond
	d := s.host(t, hosting.Limits{QueryTime: bound, MaintenanceTime: patience}).database("CREATE TABLE t (a)")
	const slow = "length(hex(zeroblob(20000 + a)))"
	rows := 0
	for err := error(nil); err == nil; { // until reading them all takes too long
		d.write(fmt.Sprintf("INSERT INTO t SELECT x FROM ("+endlessRows+" LIMIT %d)", rows+20))
		rows += rows + 20
		_, err = d.run(t.Context(), hosting.Read, "SELECT sum("+slow+") FROM t")
	}
	d.write("CREATE INDEX i ON t (" + slow + ")")
	d.write("REINDEX")
	d.expect(fmt.Sprint(rows), "SELECT count(*) FROM t INDEXED BY i WHERE "+slow+" > 0")

	d = s.host(t, hosting.Limits{MaintenanceTime: bound}).database("CREATE TABLE t (a)")
	d.write(fmt.Sprintf("INSERT INTO t SELECT x FROM ("+endlessRows+" LIMIT %d)", 8*rows))
	timed(t, "a slow index", bound, func() error { return d.try(hosting.Write, "CREATE INDEX i ON t ("+slow+")") })
	d.expect("0", "SELECT count(*) FROM sqlite_schema WHERE type = 'index'")
}

// straightLine runs a long expression over one row: SQLite polls on its way
// round a loop only, and each term takes milliseconds.
// Only a Runner that kills can promise to end it in time.
func straightLine(t *testing.T, s *suite) {
	if !s.opts.Kills {
		t.Skip("this Runner can't end SQL that has no loop; see docs/design.md, The walls around SQL")
	}
	const bound = 100 * time.Millisecond
	d := s.host(t, hosting.Limits{QueryTime: bound}).database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	sql := "SELECT " + anyOf(1500, "length(hex(zeroblob(500000 + a))) = 1") + " FROM t"
	start := time.Now()
	err := d.try(hosting.Read, sql)
	if took := time.Since(start); took > bound+overdue {
		t.Errorf("ended after %v, the bound is %v", took, bound)
	}
	wantKind(t, "a long expression", err, fault.TimedOut, fault.TooLarge, fault.Denied)
}

// anyOf joins n terms by OR in a tree of little depth.
func anyOf(n int, term string) string {
	if n == 1 {
		return term
	}
	return "(" + anyOf(n/2, term) + " OR " + anyOf(n-n/2, term) + ")"
}

func cancelRead(t *testing.T, s *suite) {
	d := s.database(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	rows := 0
	_, err := d.runTo(ctx, rowFunc(func(catalog.Row) error {
		if rows++; rows == 100 {
			cancel()
		}
		return nil
	}), hosting.Read, endlessRows)
	wantIs(t, "a list cancelled", err, context.Canceled)

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = d.run(ctx, hosting.Read, endlessRead)
	wantIs(t, "a count past the caller's deadline", err, context.DeadlineExceeded)
	d.expect("1", "SELECT 1")
}

func cancelWrite(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	for _, sql := range []string{endlessWrite, "INSERT INTO t VALUES (2); INSERT INTO t SELECT x FROM (" + endlessRows + ")"} {
		ctx, cancel := context.WithCancel(t.Context())
		done := background(func() error {
			_, err := d.run(ctx, hosting.Write, sql)
			return err
		})
		select {
		case err := <-done:
			t.Fatalf("%s: ended by itself: %v", sql, err)
		case <-time.After(50 * time.Millisecond):
		}
		cancel()
		wantIs(t, sql, await(t, sql, done), context.Canceled)
		d.expect("1", "SELECT count(*) FROM t")
	}
	d.write("INSERT INTO t VALUES (3)")
	d.expect("1,3", "SELECT group_concat(a) FROM t")
}

func cancelledBefore(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, err := d.run(ctx, hosting.Write, "INSERT INTO t VALUES (1)")
		wantIs(t, "a write", err, context.Canceled)
		_, err = d.run(ctx, hosting.Read, "SELECT 1")
		wantIs(t, "a read", err, context.Canceled)
	}
	d.expect("0", "SELECT count(*) FROM t")
}

func valueBytes(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{ValueBytes: 20_000}).database("CREATE TABLE t (a)")
	big := strings.Repeat("x", 20_001)
	for _, sql := range []string{
		"SELECT zeroblob(20001)", "SELECT randomblob(20001)", "SELECT printf('%30000d', 1)", "SELECT hex(zeroblob(10001))",
		"SELECT group_concat(x, '----------') FROM (" + endlessRows + " LIMIT 10000)",
		"INSERT INTO t VALUES (zeroblob(20001))",
		"SELECT json_group_array(x) FROM (" + endlessRows + " LIMIT 10000)",
	} {
		d.refuse(hosting.Write, sql, fault.TooLarge)
	}
	wantKind(t, "a large parameter", d.try(hosting.Write, "INSERT INTO t VALUES (?)", big), fault.TooLarge)
	wantKind(t, "a large parameter", d.try(hosting.Read, "SELECT length(?)", big), fault.TooLarge)
	d.expect("0|19999", "SELECT count(*), length(?) FROM t", big[2:])
}

func resultBytes(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{ResultBytes: 64 << 10}).database("CREATE TABLE t (a)")
	insert := "INSERT INTO t SELECT hex(zeroblob(500)) FROM (" + endlessRows + " LIMIT %d) RETURNING a"
	d.refuse(hosting.Write, fmt.Sprintf(insert, 200), fault.TooLarge)
	d.refuse(hosting.Write, "CREATE TABLE u (a); "+fmt.Sprintf(insert, 200), fault.TooLarge)
	d.expect("0|1", "SELECT count(*), (SELECT count(*) FROM sqlite_schema) FROM t")
	if res := d.write(fmt.Sprintf(insert, 50)); len(res.Rows) != 50 {
		t.Errorf("%d rows", len(res.Rows))
	}
	d.write(strings.TrimSuffix(fmt.Sprintf(insert, 200), " RETURNING a"))
	if res := d.write("SELECT a FROM t"); len(res.Rows) != 250 {
		t.Errorf("the bound holds back a read: %d rows", len(res.Rows))
	}
}

func databaseBytes(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (k INTEGER PRIMARY KEY, a)")
	d.job.Quota.DatabaseBytes = 256 << 10
	rows := fillUp(t, d, 256)
	d.refuse(hosting.Write, "INSERT INTO t (k) VALUES (-1); INSERT INTO t (a) VALUES (zeroblob(300000))", fault.TooLarge)
	d.expect(fmt.Sprintf("%d|0", rows), "SELECT count(*), count(*) FILTER (WHERE k < 0) FROM t")
	d.write("DELETE FROM t WHERE k % 2 = 0")
	d.write("INSERT INTO t (a) VALUES (zeroblob(10000))")
	d.job.Quota.DatabaseBytes = 0
	d.write("INSERT INTO t (a) VALUES (zeroblob(600000))")
}

// fillUp inserts rows of 10 kB until the quota refuses one, and returns how
// many are there. They must be at least half of kbytes and no more than it.
func fillUp(t *testing.T, d *database, kbytes int) (rows int) {
	t.Helper()
	for ; ; rows++ {
		err := d.try(hosting.Write, "INSERT INTO t (a) VALUES (zeroblob(10000))")
		if err != nil {
			wantKind(t, "a full database", err, fault.TooLarge)
			break
		}
		if rows > kbytes {
			t.Fatal("the quota has no effect")
		}
	}
	if rows*10 < kbytes/2 || rows*10 > kbytes {
		t.Errorf("%d rows of 10 kB were let into %d KiB", rows, kbytes)
	}
	d.expect(fmt.Sprint(rows), "SELECT count(*) FROM t")
	return rows
}

func ownerBytes(t *testing.T, s *suite) {
	const schema = "CREATE TABLE t (k INTEGER PRIMARY KEY, a)"
	a := s.database(t, schema)
	b := a.sibling(schema)
	b.write("INSERT INTO t (a) VALUES (zeroblob(200000))")
	a.job.Quota.OwnerBytes = 512 << 10
	b.job.Quota.OwnerBytes = 512 << 10
	for i := 0; a.try(hosting.Write, "INSERT INTO t (a) VALUES (zeroblob(10000))") == nil; i++ {
		if i > 100 {
			t.Fatal("the quota has no effect")
		}
	}
	b.refuse(hosting.Write, "INSERT INTO t (a) VALUES (zeroblob(200000))", fault.TooLarge)
	b.expect("1", "SELECT count(*) FROM t")
	other := a.database(schema)
	other.job.Quota.OwnerBytes = 512 << 10
	other.write("INSERT INTO t (a) VALUES (zeroblob(200000))")
}

func tempBytes(t *testing.T, s *suite) {
	const sort = "SELECT length(a) FROM (SELECT randomblob(1000) AS a FROM (" + endlessRows + " LIMIT 5000)) ORDER BY a LIMIT 1 OFFSET 4999"
	d := s.host(t, hosting.Limits{TempBytes: 1 << 20}).database("CREATE TABLE t (a)")
	d.refuse(hosting.Read, sort, fault.TooLarge)
	d.refuse(hosting.Write, "INSERT INTO t "+sort, fault.TooLarge)
	d.expect("0", "SELECT count(*) FROM t")
	d.write("INSERT INTO t VALUES (1)")

	d = s.host(t, hosting.Limits{TempBytes: 256 << 20}).database("")
	d.expect("1000", sort)
	eventually(t, "temporary files are gone", func() bool { return d.Stats().TempBytes == 0 })
}

func connectionMemory(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{ConnectionMemory: 12 << 20}).database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	const blob = "CAST(zeroblob(1000000) AS TEXT)"
	blobs := strings.Repeat(blob+", ", 49) + blob
	for _, sql := range []string{
		"SELECT " + blobs,
		"SELECT length(max(" + blobs + "))",
		"INSERT INTO t SELECT length(max(" + blobs + "))",
		"INSERT INTO t VALUES (2); INSERT INTO t SELECT length(max(" + blobs + ")); INSERT INTO t VALUES (3)",
	} {
		d.refuse(hosting.Write, sql, fault.TooLarge)
		d.expect("1", "SELECT group_concat(a) FROM t")
	}
	err := together(8, func(i int) error {
		if i%4 == 0 {
			err := d.try(hosting.Write, "INSERT INTO t SELECT length(max("+blobs+"))")
			if fault.KindOf(err) != fault.TooLarge {
				return fmt.Errorf("out of memory: %w", err)
			}
			return nil
		}
		return d.try(hosting.Write, "INSERT INTO t VALUES (4)")
	})
	if err != nil {
		t.Error(err)
	}
	d.expect("1,4,4,4,4,4,4", "SELECT group_concat(a) FROM t")
}

func sqlShape(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{
		SQLBytes: 20_000, Parameters: 10, LikePatternBytes: 20, ExpressionDepth: 50, CompoundSelect: 5, Columns: 8, FunctionArgs: 6,
	}).database("CREATE TABLE t (a)")
	for what, sql := range map[string]string{
		"SQL":        "SELECT '" + strings.Repeat("x", 20_000) + "'",
		"parameters": "SELECT ?11",
		"pattern":    "SELECT 'x' LIKE '" + strings.Repeat("%x", 20) + "'",
		"depth":      "SELECT " + strings.Repeat("(1+", 60) + "1" + strings.Repeat(")", 60),
		"compound":   "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 6),
		"columns":    "SELECT 1,2,3,4,5,6,7,8,9",
		"arguments":  "SELECT max(1,2,3,4,5,6,7)",
	} {
		wantKind(t, what, d.try(hosting.Read, sql), fault.TooLarge, fault.Invalid)
	}
	d.expect("1|6|1", "SELECT 'abc' LIKE '%b%', max(1,2,3,4,5,6), ((((1))))")
}

func columnName(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{SQLBytes: 3 << 20}).database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	name := strings.Repeat("x", 1_100_000)
	for what, sql := range map[string]string{
		"a name that is given":       `SELECT 1 AS "` + name + `"`,
		"an expression that is none": "SELECT '" + name + "'",
	} {
		for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
			wantKind(t, what, d.try(class, sql), fault.TooLarge)
		}
	}
	wantKind(t, "a name that is returned", d.try(hosting.Write, `UPDATE t SET a = 2 RETURNING a AS "`+name+`"`), fault.TooLarge)
	d.expect("1", "SELECT a FROM t")
}

func logBytes(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{WALBytes: 1 << 20}).database("CREATE TABLE t (a)")
	const large = "INSERT INTO t SELECT zeroblob(2000) FROM (" + endlessRows + " LIMIT 2000)"
	session := d.session(hosting.Write)
	session.exec("BEGIN", "INSERT INTO t VALUES (1)")
	for what, err := range map[string]error{"in a session": session.try(large), "at once": d.try(hosting.Write, large)} {
		wantIs(t, what, err, hosting.ErrLogFull)
		wantKind(t, what, err, fault.TooLarge)
	}
	d.expect("0", "SELECT count(*) FROM t")
}
