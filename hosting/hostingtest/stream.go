package hostingtest

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/hosting"
)

func streamChecks() []check {
	return []check{
		{"rows_of_a_read_come_as_they_are_read", rowsComeEarly},
		{"memory_stays_flat_while_rows_stream", flatMemory},
		{"an_error_of_the_sink_ends_a_read_and_comes_back", sinkError},
		{"an_error_of_the_sink_does_not_undo_a_write", sinkErrorOfWrite},
		{"time_in_the_sink_is_not_execution", slowSink},
		{"a_slow_reader_gets_the_last_row_too", lastRow},
		{"a_stream_ends_at_its_bound_on_time", streamTime},
		{"rows_of_a_write_come_after_its_commit", rowsAfterCommit},
	}
}

var errSink = errors.New("the sink has had enough")

func rowsComeEarly(t *testing.T, s *suite) {
	d := s.database(t, "")
	var rows int64
	_, err := d.runTo(t.Context(), rowFunc(func(r catalog.Row) error {
		if rows++; r.Int64(0) != rows {
			t.Errorf("row %d holds %d", rows, r.Int64(0))
		}
		if rows == 1000 {
			return errSink
		}
		return nil
	}), hosting.Read, endlessRows)
	if err != errSink || rows != 1000 {
		t.Errorf("%d rows, error %v", rows, err)
	}
}

func flatMemory(t *testing.T, s *suite) {
	const total, allowed = 200_000, 48 << 20
	d := s.database(t, "")
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	start, most := m.HeapAlloc, uint64(0)
	var rows, bytes int64
	sum, err := d.runTo(t.Context(), rowFunc(func(r catalog.Row) error {
		bytes += int64(len(r.Bytes(1)))
		if rows++; rows%10_000 == 0 {
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return nil
	}), hosting.Read, endless+"SELECT x, hex(zeroblob(250)) FROM c LIMIT 200000")
	if err != nil || rows != total || sum.Rows != total || bytes != total*500 {
		t.Fatalf("%d rows, %d told, %d bytes, error %v", rows, sum.Rows, bytes, err)
	}
	if most > start+allowed {
		t.Errorf("the heap grew by %d MiB while %d MiB were streamed", (most-start)>>20, bytes>>20)
	}
}

// failAt is a sink that fails at its nth row, or with 0 at its columns.
type failAt int

func (f failAt) Columns([]catalog.Column) error {
	if f == 0 {
		return errSink
	}
	return nil
}

func (f *failAt) Row(catalog.Row) error {
	if *f--; *f == 0 {
		return errSink
	}
	return nil
}

func sinkError(t *testing.T, s *suite) {
	d := s.database(t, "")
	for n := range 4 {
		for _, sql := range []string{endlessRows, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"} {
			f := failAt(n)
			if _, err := d.runTo(t.Context(), &f, hosting.Read, sql); err != errSink {
				t.Errorf("failing at row %d of %s: error %v", n, sql, err)
			}
		}
	}
	d.expect("1", "SELECT 1")
}

func sinkErrorOfWrite(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	for n := range 3 {
		f := failAt(n)
		if _, err := d.runTo(t.Context(), &f, hosting.Write, "INSERT INTO t VALUES (1), (2) RETURNING a"); err != errSink {
			t.Errorf("failing at row %d: error %v", n, err)
		}
	}
	d.expect("6", "SELECT count(*) FROM t")
}

func slowSink(t *testing.T, s *suite) {
	const bound = 200 * time.Millisecond
	d := s.host(t, hosting.Limits{QueryTime: bound}).database("CREATE TABLE t (a)")
	for _, sql := range []string{endlessRows + " LIMIT 10", "INSERT INTO t SELECT x FROM (" + endlessRows + " LIMIT 10) RETURNING a"} {
		sum, err := d.runTo(t.Context(), rowFunc(func(catalog.Row) error {
			time.Sleep(bound / 5)
			return nil
		}), hosting.Write, sql)
		if err != nil || sum.Rows != 10 {
			t.Errorf("%s: %d rows, error %v", short(sql), sum.Rows, err)
		}
	}
	rows := 0
	_, err := d.runTo(t.Context(), rowFunc(func(catalog.Row) error {
		if rows++; rows == 3 {
			time.Sleep(2 * bound)
		}
		return nil
	}), hosting.Read, endlessRows+" LIMIT 2000")
	if err != nil {
		t.Errorf("one long pause: %v", err)
	}
}

// lastRow has answers of many lengths taken by somebody who is slow to begin, so
// that the query has long ended while its last rows still wait to be sent.
func lastRow(t *testing.T, s *suite) {
	d := s.database(t, "")
	const rowBytes = 1000
	for n := int64(200); n < 420; n += 5 {
		var rows int64
		_, err := d.runTo(t.Context(), rowFunc(func(catalog.Row) error {
			if rows++; rows == 1 { // the time of some other queries
				for range 5 {
					d.expect("1", "SELECT 1")
				}
			}
			return nil
		}), hosting.Read, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?) SELECT x, zeroblob(?) FROM n", n, int64(rowBytes))
		if err != nil || rows != n {
			t.Fatalf("%d of %d rows, error %v", rows, n, err)
		}
	}
}

func streamTime(t *testing.T, s *suite) {
	const bound = 300 * time.Millisecond
	d := s.host(t, hosting.Limits{StreamTime: bound}).database("")
	timed(t, "a stream", bound, func() error {
		_, err := d.runTo(t.Context(), rowFunc(func(catalog.Row) error {
			time.Sleep(20 * time.Millisecond)
			return nil
		}), hosting.Read, endlessRows)
		return err
	})
	d.expect("1", "SELECT 1")
}

func rowsAfterCommit(t *testing.T, s *suite) {
	d := s.database(t, "CREATE TABLE t (a)")
	_, err := d.runTo(t.Context(), rowFunc(func(r catalog.Row) error {
		res, err := d.run(t.Context(), hosting.Read, "SELECT count(*) FROM t")
		if err != nil || lines(res) != "2" {
			t.Errorf("while the rows come, others see %q, error %v", lines(res), err)
		}
		return d.try(hosting.Write, "DELETE FROM t WHERE 0")
	}), hosting.Write, "INSERT INTO t VALUES (1), (2) RETURNING a")
	if err != nil {
		t.Error(err)
	}
}
