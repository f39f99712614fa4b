package hostingtest

import (
	"os"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func logChecks() []check {
	return []check{
		{"a_session_that_keeps_the_log_from_being_emptied_is_ended", logSession},
		{"so_is_a_read_even_if_nobody_takes_its_rows", logStuck},
		{"readers_that_overlap_do_not_make_the_log_long", logOverlapping},
		{"a_large_transaction_has_the_log_emptied_for_it", logLargeText},
	}
}

const (
	logTable = "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))"
	logWrite = "UPDATE t SET a = randomblob(100000)" // some 100 kB of log
)

// logWrites writes so often, and makes sure that each write succeeds and the log stays
// shorter than most bytes.
func (d *database) logWrites(n int, most int64) {
	d.t.Helper()
	for i := range n {
		if err := d.try(hosting.Write, logWrite); err != nil {
			d.t.Fatalf("write %d: %v", i, err)
		}
		if info, err := os.Stat(d.file() + "-wal"); err != nil || info.Size() > most {
			d.t.Fatalf("after write %d the log has %d bytes (%v), which is more than %d", i, info.Size(), err, most)
		}
	}
}

// saysLog fails the test unless an error says that the log was kept from being
// emptied.
func saysLog(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if wantKind(t, "who kept the log from being emptied", err, kind); !strings.Contains(fault.Message(err), "limits.wal_bytes") {
		t.Errorf("it is told %q, which does not name the bound", fault.Message(err))
	}
}

func logSession(t *testing.T, s *suite) {
	const bound = 1 << 20
	for _, class := range []hosting.Class{hosting.Read, hosting.Write} {
		d := s.host(t, hosting.Limits{WALBytes: bound, SessionIdle: 2 * patience}).database(logTable)
		se := d.session(class)
		se.exec("BEGIN", "SELECT count(*) FROM t")
		d.logWrites(100, bound)
		saysLog(t, se.try("SELECT count(*) FROM t"), fault.Conflict)
		d.expect("1", "SELECT count(*) FROM t")
	}
}

func logStuck(t *testing.T, s *suite) {
	const bound = 1 << 20
	d := s.host(t, hosting.Limits{WALBytes: bound}).database(logTable)
	g := newGate()
	t.Cleanup(g.open)
	done := background(func() error {
		_, err := d.runTo(t.Context(), &laterGate{gate: g}, hosting.Read, endless+"SELECT x, a FROM c, t")
		return err
	})
	await(t, "a read in its sink", g.reached)
	d.logWrites(100, bound)
	g.open()
	saysLog(t, await(t, "the read", done), fault.TooLarge)
	d.expect("1", "SELECT count(*) FROM t")
}

// A laterGate is a gate that lets all rows pass once it is open.
type laterGate struct{ *gate }

func (g *laterGate) Row(row catalog.Row) error {
	g.gate.Row(row)
	return nil
}

// logOverlapping reads in two sessions, of which one has always begun when the
// other ends.
func logOverlapping(t *testing.T, s *suite) {
	const bound = 16 << 20
	d := s.host(t, hosting.Limits{WALBytes: bound, SessionIdle: 2 * patience}).database(logTable)
	var reads, ended int
	stop := make(chan struct{})
	begin := func() (*session, error) {
		se, err := d.begin(hosting.Read)
		if err == nil {
			err = se.try("BEGIN; SELECT count(*) FROM t")
		}
		return se, err
	}
	done := background(func() error {
		old, err := begin()
		for err == nil {
			select {
			case <-stop:
				return old.Close()
			case <-time.After(time.Millisecond):
			}
			var next *session
			if next, err = begin(); err == nil {
				if reads++; old.try("COMMIT") != nil {
					ended++
				}
				old.Close()
				old = next
			}
		}
		return err
	})
	d.logWrites(600, bound*3/4+1<<20)
	close(stop)
	if err := await(t, "the readers", done); err != nil {
		t.Fatal(err)
	}
	if reads < 10 || ended > reads/4 { // on a machine that does other work one may last for long
		t.Errorf("%d of %d readers were ended", ended, reads)
	}
}

// logLargeText has a transaction in the way of which is what was written before it.
func logLargeText(t *testing.T, s *suite) {
	const bound = 2 << 20
	const large = "INSERT INTO t SELECT randomblob(100000) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 14) SELECT i FROM n)"
	d := s.host(t, hosting.Limits{WALBytes: bound, SessionIdle: 2 * patience}).database(logTable)
	se := d.session(hosting.Read)
	se.exec("BEGIN", "SELECT count(*) FROM t")
	d.logWrites(8, bound)
	d.write(large)
	saysLog(t, se.try("SELECT count(*) FROM t"), fault.Conflict)
	d.expect("15", "SELECT count(*) FROM t")

	// What is too large by itself is.
	err := d.try(hosting.Write, strings.Replace(large, "LIMIT 14", "LIMIT 30", 1))
	saysLog(t, err, fault.TooLarge)
	d.expect("15", "SELECT count(*) FROM t")
}
