package hostingtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

func sessionBoundsChecks() []check {
	return []check{
		{"too_many_sessions_are_busy", sessionCount},
		{"sessions_of_one_caller_leave_room_for_others", sessionShare},
		{"an_idle_session_ends_and_rolls_back", sessionIdle},
		{"a_session_ends_at_its_time_however_busy", sessionTime},
		{"a_session_in_bulk_has_the_time_of_a_stream", sessionBulk},
		{"whoever_holds_the_writer_too_long_makes_way_for_those_who_wait", sessionWriteTime},
		{"whoever_holds_the_writer_may_keep_it_if_nobody_waits", sessionWriteAlone},
		{"a_waiting_session_can_be_cancelled", sessionCancelWait},
		{"a_waiting_session_is_busy_in_time", sessionBusyWait},
		{"readers_are_not_held_up_by_sessions", sessionReaders},
	}
}

func sessionCount(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{Sessions: 2, QueueTime: 100 * time.Millisecond}).database("CREATE TABLE t (a)")
	first := d.session(hosting.Write)
	d.session(hosting.Read)
	if n := d.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions are told, 2 are open", n)
	}
	_, err := d.begin(hosting.Read)
	wantKind(t, "a third session", err, fault.Busy)
	d.write("INSERT INTO t VALUES (1)")
	if _, err := d.sibling("").begin(hosting.Read); err != nil {
		t.Errorf("on another database: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	d.session(hosting.Write).expect("1", "SELECT a FROM t")
}

func sessionShare(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{Sessions: 4, SessionIdle: 2 * patience}).database("CREATE TABLE t (a)")
	for range 3 {
		d.session(hosting.Read)
	}
	_, err := d.begin(hosting.Read)
	wantKind(t, "a fourth session of one caller", err, fault.Busy)
	d.from("another").session(hosting.Read).expect("0", "SELECT count(*) FROM t")
}

func sessionIdle(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{SessionIdle: 150 * time.Millisecond}).database("CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	se.exec("BEGIN", "INSERT INTO t VALUES (1)")
	d.write("INSERT INTO t VALUES (2)") // waits until the session has been idle for too long
	wantKind(t, "an idle session", se.try("COMMIT"), fault.Conflict)
	wantKind(t, "an idle session, again", se.try("SELECT 1"), fault.Conflict)
	se.state(false)
	d.expect("2", "SELECT group_concat(a) FROM t")
	if n := d.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions are open", n)
	}

	se = d.session(hosting.Read)
	se.exec("SELECT 1")
	eventually(t, "an idle reader ends", func() bool { return d.Stats().Sessions == 0 })
	if err := se.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func sessionBulk(t *testing.T, s *suite) {
	const bound = 300 * time.Millisecond
	d := s.host(t, hosting.Limits{SessionTime: bound, QueryTime: bound}).database("CREATE TABLE t (a)")
	long := func(n int) string {
		return fmt.Sprintf("SELECT count(*) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT %d) SELECT x FROM c)", n)
	}
	job := d.job
	job.Class, job.Bulk = hosting.Write, true
	inner, err := d.Begin(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	run := func(text string) time.Duration {
		t.Helper()
		start := time.Now()
		if _, err := inner.Run(t.Context(), catalog.Statement{SQL: text}, nil); err != nil {
			t.Fatalf("%s, after %v: %v", text, time.Since(start), err)
		}
		return time.Since(start)
	}
	run("BEGIN IMMEDIATE")
	run("INSERT INTO t VALUES (1)")
	n := 500_000
	for run(long(n)) < bound+bound/2 {
		n *= 2
	}
	run("INSERT INTO t VALUES (2)")
	run("COMMIT")
	d.expect("1,2", "SELECT group_concat(a) FROM t")
	_, err = inner.Run(t.Context(), catalog.Statement{SQL: "INSERT INTO t SELECT (" + long(8*n) + ")"}, nil)
	wantKind(t, "a write that takes long", err, fault.TimedOut)

	d = s.host(t, hosting.Limits{StreamTime: bound}).database("CREATE TABLE t (a)")
	job = d.job
	job.Bulk = true
	if inner, err = d.Begin(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	_, err = inner.Run(t.Context(), catalog.Statement{SQL: endlessRead}, nil)
	if kind := fault.KindOf(err); kind != fault.TimedOut && kind != fault.Conflict {
		t.Errorf("beyond the time of a stream: %v", err)
	}
}

func sessionTime(t *testing.T, s *suite) {
	const bound = 300 * time.Millisecond
	d := s.host(t, hosting.Limits{SessionTime: bound}).database("CREATE TABLE t (a)")
	start := time.Now()
	busy, running := d.session(hosting.Write), d.session(hosting.Write)
	ended := background(func() error { return running.try(endlessRead) })
	busy.exec("BEGIN", "INSERT INTO t VALUES (1)")
	var err error
	for err == nil && time.Since(start) < patience {
		err = busy.try("SELECT count(*) FROM t")
	}
	if took := time.Since(start); took < bound || took > bound+overdue {
		t.Errorf("the session lasted %v, the bound is %v", took, bound)
	}
	wantKind(t, "a session past its time", err, fault.Conflict, fault.TimedOut)
	wantKind(t, "what it is running", await(t, "the running text", ended), fault.Conflict, fault.TimedOut)
	wantKind(t, "a session past its time, again", busy.try("COMMIT"), fault.Conflict)
	d.write("INSERT INTO t VALUES (2)")
	d.expect("2", "SELECT group_concat(a) FROM t")
}

func sessionWriteTime(t *testing.T, s *suite) {
	const bound = 200 * time.Millisecond
	d := s.host(t, hosting.Limits{SessionWriteTime: bound, QueueTime: 2 * patience, SessionIdle: 2 * patience}).database("CREATE TABLE t (a)")
	for _, waiter := range []func() error{
		func() error { return d.try(hosting.Write, "INSERT INTO t VALUES (2)") },
		func() error { return d.session(hosting.Write).try("BEGIN IMMEDIATE; INSERT INTO t VALUES (2); COMMIT") },
	} {
		hog := d.session(hosting.Write)
		hog.exec("BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)")
		start := time.Now()
		if err := await(t, "a waiter", background(waiter)); err != nil {
			t.Errorf("a waiter: %v", err)
		}
		if took := time.Since(start); took > bound+overdue {
			t.Errorf("it waited %v, the bound is %v", took, bound)
		}
		wantKind(t, "the hog", hog.try("COMMIT"), fault.Conflict)
		hog.state(false)
	}
	d.expect("2,2", "SELECT group_concat(a) FROM t")
}

func sessionWriteAlone(t *testing.T, s *suite) {
	const bound = 100 * time.Millisecond
	d := s.host(t, hosting.Limits{SessionWriteTime: bound}).database("CREATE TABLE t (a)")
	se := d.session(hosting.Write)
	se.exec("BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)")
	for start := time.Now(); time.Since(start) < 3*bound; {
		d.expect("0", "SELECT count(*) FROM t")
	}
	se.exec("COMMIT")
	d.expect("1", "SELECT count(*) FROM t")
}

func sessionCancelWait(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{QueueTime: 2 * patience}).database("CREATE TABLE t (a)")
	free := hold(d)
	se := d.session(hosting.Write)
	for _, sql := range []string{"BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := se.run(ctx, sql)
		cancel()
		wantIs(t, sql, err, context.DeadlineExceeded)
		se.state(false)
	}
	free()
	se.exec("INSERT INTO t VALUES (2)")
	d.expect("2", "SELECT group_concat(a) FROM t")
}

func sessionBusyWait(t *testing.T, s *suite) {
	const bound = 200 * time.Millisecond
	d := s.host(t, hosting.Limits{QueueTime: bound}).database("CREATE TABLE t (a)")
	free := hold(d)
	se := d.session(hosting.Write)
	start := time.Now()
	wantKind(t, "a waiting session", se.try("BEGIN IMMEDIATE"), fault.Busy)
	if took := time.Since(start); took < bound || took > bound+overdue {
		t.Errorf("waited %v, the bound is %v", took, bound)
	}
	free()
	se.exec("BEGIN IMMEDIATE", "COMMIT")
}

func sessionReaders(t *testing.T, s *suite) {
	d := s.host(t, hosting.Limits{Readers: 1}).database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	for range 3 {
		se := d.session(hosting.Read)
		se.exec("BEGIN", "SELECT * FROM t")
	}
	free := hold(d)
	d.expect("1", "SELECT a FROM t")
	d.session(hosting.Write).expect("1", "SELECT a FROM t")
	free()
}
