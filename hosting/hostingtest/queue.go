package hostingtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

func queueChecks() []check {
	return []check{
		{"excess_writes_are_busy_at_once", queuedWrites},
		{"excess_reads_are_busy_at_once", queuedReads},
		{"nobody_waits_longer_than_the_queue_time", queueTime},
		{"a_queued_write_can_be_cancelled", cancelQueued},
		{"a_reader_stuck_in_its_sink_blocks_no_writer", stuckReader},
		{"waiting_is_not_execution", waitingIsFree},
		{"databases_do_not_wait_for_each_other", separateQueues},
		{"a_flood_of_one_tenant_leaves_others_alone", floodOfTenant},
		{"callers_write_in_turn", writersInTurn},
		{"a_queue_that_one_caller_fills_has_room_for_others", roomToWait},
		{"readers_of_one_caller_leave_room_for_others", roomToRead},
		{"writers_do_not_keep_readers_waiting", readersBesideWriters},
	}
}

// hold takes the writer by way of a session. The writer is free again when free
// has been called.
func hold(d *database) (free func()) {
	d.t.Helper()
	s := d.session(hosting.Write)
	s.exec("BEGIN IMMEDIATE")
	return func() {
		d.t.Helper()
		s.exec("COMMIT")
		if err := s.Close(); err != nil {
			d.t.Errorf("Close: %v", err)
		}
	}
}

// crowd sends n texts, waits until busy of them have been refused, calls free
// and returns how many succeeded.
func crowd(t *testing.T, n, busy int, send func() error, free func()) (succeeded int) {
	t.Helper()
	results := make(chan error, n)
	for range n {
		go func() { results <- send() }()
	}
	for range busy {
		wantKind(t, "beyond the queue", await(t, "a refusal", results), fault.Busy)
	}
	free()
	for range n - busy {
		switch err := await(t, "an answer", results); {
		case err == nil:
			succeeded++
		default:
			wantKind(t, "beyond the queue", err, fault.Busy)
		}
	}
	return succeeded
}

func queuedWrites(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{QueuedWrites: 1, QueueTime: 2 * patience, SessionIdle: 2 * patience}).database("CREATE TABLE t (a)")
	send := func() error { return d.try(hosting.Write, "INSERT INTO t VALUES (1)") }
	n := crowd(t, 8, 5, send, hold(d))
	if n == 0 {
		t.Error("no queued write went on")
	}
	d.expect(fmt.Sprint(n), "SELECT count(*) FROM t")
	if err := send(); err != nil {
		t.Error(err)
	}
}

// stick keeps one reader of the database busy until free is called. Its rows are large,
// so that few of them are ahead of the sink.
func stick(d *database) (free func()) {
	d.t.Helper()
	g := newGate()
	d.t.Cleanup(g.open)
	done := background(func() error {
		_, err := d.runTo(d.t.Context(), g, hosting.Read, endless+"SELECT zeroblob(60000) FROM c")
		return err
	})
	await(d.t, "a read in its sink", g.reached)
	return func() {
		d.t.Helper()
		g.open()
		if err := await(d.t, "a read", done); err != errSink {
			d.t.Errorf("a read that was stuck: %v", err)
		}
	}
}

func queuedReads(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{Readers: 1, QueuedReads: 1, QueueTime: 2 * patience}).database("CREATE TABLE t (a)")
	send := func() error { return d.try(hosting.Read, "SELECT 1") }
	if n := crowd(t, 8, 6, send, stick(d)); n == 0 {
		t.Error("no queued read went on")
	}
	if err := send(); err != nil {
		t.Error(err)
	}
}

func queueTime(t *testing.T, s *suite) {
	const bound = 200 * time.Millisecond
	d := s.host(t, hosting.Limits{Readers: 1, QueueTime: bound}).database("CREATE TABLE t (a)")
	for _, c := range []struct {
		name  string
		class hosting.Class
		sql   string
		hold  func(*database) func()
	}{
		{"a write", hosting.Write, "INSERT INTO t VALUES (1)", hold},
		{"a read", hosting.Read, "SELECT 1", stick},
	} {
		free := c.hold(d)
		start := time.Now()
		d.refuse(c.class, c.sql, fault.Busy)
		if took := time.Since(start); took < bound || took > bound+overdue {
			t.Errorf("%s waited %v, the bound is %v", c.name, took, bound)
		}
		free()
		if err := d.try(c.class, c.sql); err != nil {
			t.Errorf("%s afterwards: %v", c.name, err)
		}
	}
	d.expect("1", "SELECT count(*) FROM t")
}

func cancelQueued(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{QueueTime: 2 * patience}).database("CREATE TABLE t (a)")
	free := hold(d)
	ctx, cancel := context.WithCancel(t.Context())
	var queued []<-chan error
	for range 5 {
		queued = append(queued, background(func() error {
			_, err := d.run(ctx, hosting.Write, "INSERT INTO t VALUES (1)")
			return err
		}))
	}
	patient := background(func() error { return d.try(hosting.Write, "INSERT INTO t VALUES (2)") })
	cancel()
	for _, q := range queued {
		wantIs(t, "queued", await(t, "a cancelled write", q), context.Canceled)
	}
	free()
	if err := await(t, "a patient write", patient); err != nil {
		t.Error(err)
	}
	d.expect("2", "SELECT group_concat(a) FROM t")
}

func stuckReader(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{Readers: 1}).database("CREATE TABLE t (a)")
	free := stick(d)
	for i := range 20 {
		d.write("INSERT INTO t VALUES (?)", i)
	}
	d.write("CREATE INDEX i ON t (a)")
	free()
	d.expect("20", "SELECT count(*) FROM t")
}

func waitingIsFree(t *testing.T, s *suite) {
	const bound = 200 * time.Millisecond
	d := s.host(t, hosting.Limits{QueryTime: bound, Readers: 1}).database("CREATE TABLE t (a)")
	for _, c := range []struct {
		class hosting.Class
		sql   string
		hold  func(*database) func()
	}{
		{hosting.Write, "INSERT INTO t VALUES (1)", hold},
		{hosting.Read, "SELECT a FROM t", stick},
	} {
		free := c.hold(d)
		var elapsed time.Duration
		done := background(func() error {
			res, err := d.run(t.Context(), c.class, c.sql)
			elapsed = res.Elapsed
			return err
		})
		select {
		case err := <-done:
			t.Errorf("%s: did not wait: %v", c.sql, err)
		case <-time.After(2 * bound):
		}
		free()
		if err := await(t, c.sql, done); err != nil || elapsed >= bound {
			t.Errorf("%s: error %v, elapsed %v", c.sql, err, elapsed)
		}
	}
}

func separateQueues(t *testing.T, s *suite) {
	h := s.host(t, hosting.Limits{Readers: 1, QueuedWrites: 1})
	a := h.database("CREATE TABLE t (a)")
	b := a.sibling("CREATE TABLE t (a)")
	freeWriter, freeReader := hold(a), stick(a)
	b.write("INSERT INTO t VALUES (1)")
	b.expect("1", "SELECT a FROM t")
	freeReader()
	freeWriter()
}

// from returns the database as another caller sees it.
func (d *database) from(address string) *database {
	other := *d
	other.job.Caller = hosting.Caller{Address: address}
	return &other
}

// flood sends a write n times at once, and returns when so many are queued that are not
// refused. Each tells what became of it.
func (d *database) flood(n int, sql string) <-chan error {
	d.t.Helper()
	done, base := make(chan error, n), d.Stats()
	for range n {
		go func() { done <- d.try(hosting.Write, sql) }()
	}
	eventually(d.t, "the queue is full", func() bool {
		stats := d.Stats()
		return stats.QueuedWrites-base.QueuedWrites+int(stats.Failures-base.Failures) >= n
	})
	return done
}

// writersInTurn has one caller write after another has queued a hundred times as much.
func writersInTurn(t *testing.T, s *suite) {
	const many = 300
	d := s.host(t, hosting.Limits{QueueTime: 2 * patience, SessionIdle: 2 * patience}).database("CREATE TABLE t (a INTEGER PRIMARY KEY, who)")
	free := hold(d)
	flooded := d.from("many").flood(many, "INSERT INTO t(who) VALUES ('many')")
	others := d.from("few").flood(3, "INSERT INTO t(who) VALUES ('few')")
	free()
	for range many {
		if err := await(t, "a write", flooded); err != nil {
			t.Error(err)
		}
	}
	for range 3 {
		if err := await(t, "a write of another", others); err != nil {
			t.Error(err)
		}
	}
	// A worker has some on its hands already, which come in turn too.
	d.expect("1", "SELECT max(a) <= 100 FROM t WHERE who = 'few'")
}

func roomToWait(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{QueuedWrites: 8, QueueTime: 2 * patience, SessionIdle: 2 * patience}).database("CREATE TABLE t (a)")
	free := hold(d)
	flooded := d.from("many").flood(40, "INSERT INTO t VALUES (1)")
	other := d.from("few").flood(1, "INSERT INTO t VALUES (2)")
	free()
	if err := await(t, "the write of another", other); err != nil {
		t.Errorf("beside a flood: %v", err)
	}
	refused := 0
	for range 40 {
		if err := await(t, "a write", flooded); err != nil {
			wantKind(t, "one of a flood", err, fault.Busy)
			refused++
		}
	}
	if refused == 0 {
		t.Error("there was room for all: the test tests nothing")
	}
	d.expect(fmt.Sprint(41-refused), "SELECT count(*) FROM t")
}

func roomToRead(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{Readers: 4, QueueTime: 2 * patience}).database("CREATE TABLE t (a)")
	many := d.from("many")
	var frees []func()
	for range 3 {
		frees = append(frees, stick(many))
	}
	g := newGate()
	t.Cleanup(g.open)
	waits := background(func() error {
		_, err := many.runTo(t.Context(), g, hosting.Read, endlessRows)
		return err
	})
	d.from("few").expect("0", "SELECT count(*) FROM t")
	select {
	case <-g.reached:
		t.Error("one caller has all of the readers")
	default:
	}
	for _, free := range frees {
		free()
	}
	g.open()
	wantIs(t, "who had to wait", await(t, "the fourth", waits), errSink)
}

// readersBesideWriters reads while there are always more writes waiting than are being
// carried out.
func readersBesideWriters(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{QueueTime: 2 * patience}).database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	free := hold(d) // and so nobody can write
	flooded := d.from("many").flood(100, "INSERT INTO t VALUES (2)")
	for range 20 {
		d.from("few").expect("1", "SELECT count(*) FROM t")
		d.from("many").expect("1", "SELECT count(*) FROM t")
	}
	free()
	for range 100 {
		if err := await(t, "a write", flooded); err != nil {
			t.Error(err)
		}
	}
}

// floodOfTenant has one caller send to a database whatever it takes, reads that do not
// end among them, while others use another database of the same owner and one of another
// owner's; and then the flood is over.
func floodOfTenant(t *testing.T, s *suite) {
	const schema = "CREATE TABLE t (a)"
	h := s.host(t, hosting.Limits{QueuedReads: 16, QueuedWrites: 16, QueueTime: 4 * patience, SessionIdle: 2 * patience})
	d := h.database(schema)
	many := d.from("many")
	free := hold(many)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const each = 40
	flood := make(chan error, 2*each)
	for range each {
		go func() {
			_, err := many.run(ctx, hosting.Read, endlessRead)
			flood <- err
		}()
		go func() {
			_, err := many.run(ctx, hosting.Write, "INSERT INTO t VALUES (1)")
			flood <- err
		}()
	}
	wantKind(t, "beyond the queue", await(t, "a refusal", flood), fault.Busy)
	soon, done := context.WithTimeout(t.Context(), patience) // which is no turn of the flood's end
	defer done()
	for _, other := range []*database{d.sibling(schema).from("few"), h.database(schema).from("few"), d.from("few")} {
		for range 10 {
			if _, err := other.run(soon, hosting.Read, "SELECT count(*) FROM t"); err != nil {
				t.Fatalf("a read: %v", err)
			}
			if other.job.DB == d.job.DB { // whose writer is held
				continue
			}
			if _, err := other.run(soon, hosting.Write, "INSERT INTO t VALUES (2)"); err != nil {
				t.Fatalf("a write: %v", err)
			}
		}
	}
	cancel()
	for range 2*each - 1 {
		if err := await(t, "an answer", flood); err == nil {
			t.Error("what could not be done was done")
		}
	}
	free()
	many.write("INSERT INTO t VALUES (1)")
	many.expect("1", "SELECT count(*) FROM t")
}
