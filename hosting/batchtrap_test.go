package hosting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

// inOneBatch sends texts that wait for the writer together, in this order, every other
// one by Post, and returns what came of each, and how many commits there were.
func (h *harness) inOneBatch(ctx func(i int) context.Context, texts ...string) (failures []error, commits uint64) {
	h.Helper()
	s, err := h.Begin(context.Background(), Job{DB: h.db, Class: Write})
	if err != nil {
		h.Fatal(err)
	}
	if _, err := s.Run(context.Background(), catalog.Statement{SQL: "BEGIN IMMEDIATE"}, nil); err != nil {
		h.Fatal(err)
	}
	db, err := h.enter(context.Background(), h.db)
	if err != nil {
		h.Fatal(err)
	}
	defer h.leave(db)
	failures = make([]error, len(texts))
	done := make(chan struct{}, len(texts))
	for i, text := range texts {
		job := Job{DB: h.db, Class: Write, Statement: catalog.Statement{SQL: text}}
		go func() {
			if i%2 == 1 && h.post(ctx(i), job, func(w *Written) {
				failures[i] = w.Err
				w.Close()
				done <- struct{}{}
			}) {
				return
			}
			_, failures[i] = h.Run(ctx(i), job, nil)
			done <- struct{}{}
		}()
		for deadline := time.Now().Add(20 * time.Second); db.writer.waiters() <= i; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(deadline) {
				h.Fatal("a text does not wait")
			}
		}
	}
	before := h.Stats().Commits
	if err := s.Close(); err != nil {
		h.Fatal(err)
	}
	for range texts {
		<-done
	}
	return failures, h.Stats().Commits - before
}

func (h *harness) post(ctx context.Context, job Job, done func(*Written)) bool {
	_, ok := h.Post(ctx, job, done)
	return ok
}

func background(int) context.Context { return context.Background() }

func TestBatch_a_text_harms_nobody_it_was_committed_with(t *testing.T) {
	for _, c := range []struct {
		name, text string
		kind       fault.Kind // empty: it is kept
		says       string
		commits    uint64
		kept       int64 // rows of t
	}{
		{"a_text_like_the_others", "INSERT INTO t VALUES (3)", "", "", 1, 5},
		{"a_constraint", "INSERT INTO t VALUES (3), (1)", fault.Invalid, "UNIQUE", 1, 4},
		{"a_row_that_is_not_committed_yet", "INSERT INTO t VALUES (2)", fault.Invalid, "UNIQUE", 1, 4},
		{"or_fail", "INSERT OR FAIL INTO t VALUES (3), (1)", fault.Invalid, "UNIQUE", 1, 4},
		{"or_rollback", "INSERT OR ROLLBACK INTO t VALUES (3), (1)", fault.Invalid, "UNIQUE", 1, 4},
		{"raise_rollback", "INSERT INTO angry VALUES (1)", fault.Invalid, "angry", 1, 4},
		{"a_deferred_key", "INSERT INTO child VALUES (77)", fault.Invalid, "FOREIGN KEY constraint failed", 1, 4},
		{"wrong_sql", "INSERT INTO t VALUES (", fault.Invalid, "incomplete", 1, 4},
		{"several_statements", "INSERT INTO t VALUES (3); INSERT INTO t VALUES (6)", "", "", 3, 6},
		{"a_schema", "CREATE TABLE made(a)", "", "", 3, 4},
		{"memory", "INSERT INTO t SELECT length(a) FROM (SELECT group_concat(hex(zeroblob(400000)) || x) AS a FROM n)", fault.TooLarge, "", 1, 4},
		{"a_slow_one", "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 60000) SELECT max(x) FROM c", "", "", 3, 5},
		{"one_that_does_not_end", endlessT, fault.TimedOut, "limits.query_time", 2, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, Limits{QueryTime: 2 * time.Second, ConnectionMemory: 16 << 20})
			h.must(`CREATE TABLE t(a INTEGER PRIMARY KEY); CREATE TABLE n(x); CREATE TABLE angry(a);
				CREATE TABLE child(t REFERENCES t DEFERRABLE INITIALLY DEFERRED);
				CREATE TRIGGER bad BEFORE INSERT ON angry BEGIN SELECT RAISE(ROLLBACK, 'angry'); END;
				INSERT INTO n WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100) SELECT x FROM c`)
			failures, commits := h.inOneBatch(background, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", c.text, "INSERT INTO t VALUES (4)", "INSERT INTO t VALUES (5)")
			for i, err := range failures {
				if i != 2 && err != nil {
					t.Errorf("neighbour %d: %v", i, err)
				}
			}
			if err := failures[2]; (err == nil) != (c.kind == "") || err != nil && (fault.KindOf(err) != c.kind || !strings.Contains(fault.Message(err), c.says)) {
				t.Errorf("the text itself: %v", err)
			}
			if h.count(c.kept); commits > c.commits+1 {
				t.Errorf("%d commits, want about %d", commits, c.commits)
			}
		})
	}
}

const endlessT = "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x < 0"

// left is the context of somebody who leaves while they wait, unnoticed until their
// turn has come.
type left struct{ context.Context }

func (left) Err() error { return context.Canceled }

func TestBatch_who_has_left_is_not_written_and_harms_nobody(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	late, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	failures, _ := h.inOneBatch(func(i int) context.Context {
		return []context.Context{context.Background(), late, context.Background(), left{context.Background()}, context.Background()}[i]
	}, "INSERT INTO t VALUES (1)", endlessT, "INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (4)", "INSERT INTO t VALUES (5)")
	if failures[0] != nil || failures[2] != nil || failures[4] != nil {
		t.Errorf("those who stayed: %v", failures)
	}
	if !errors.Is(failures[1], context.DeadlineExceeded) {
		t.Errorf("who waited in vain: %v", failures[1])
	}
	if !errors.Is(failures[3], context.Canceled) {
		t.Errorf("who left: %v", failures[3])
	}
	h.count(3)
}

// writeOnSickDisk sends three texts together, of which the last is wrong, while the
// disk is sick, and returns the kinds of their failures.
func (h *harness) writeOnSickDisk(cure func()) (kinds [3]fault.Kind) {
	h.Helper()
	failures, _ := h.inOneBatch(background, "INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)", "INSERT INTO nowhere VALUES (1)")
	cure()
	for i, err := range failures {
		kinds[i] = fault.KindOf(err)
	}
	h.must("INSERT INTO t VALUES (9)")
	if err := h.Check(context.Background(), h.db, IntegrityCheck); err != nil {
		h.Error(err)
	}
	return kinds
}

func TestBatch_a_failed_sync_is_an_unknown_outcome_for_all(t *testing.T) {
	h := newHarness(t, Limits{})
	disk := h.sicken("-wal")
	disk.sync.Store(failure(syscall.EIO))
	if got := h.writeOnSickDisk(func() { disk.sync.Store(nil) }); got != [3]fault.Kind{fault.OutcomeUnknown, fault.OutcomeUnknown, fault.Invalid} {
		t.Errorf("they fail with %v", got)
	}
}

func TestBatch_a_full_disk_is_told_to_those_it_is_too_small_for(t *testing.T) {
	h := newHarness(t, Limits{})
	disk := h.sicken("-wal")
	disk.write.Store(failure(syscall.ENOSPC))
	if got := h.writeOnSickDisk(func() { disk.write.Store(nil) }); got != [3]fault.Kind{fault.Unavailable, fault.Unavailable, fault.Invalid} {
		t.Errorf("they fail with %v", got)
	}
	h.count(2)
}

func TestBatch_what_the_owner_has_no_room_for_keeps_nobody_else_from_writing(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	size, _, err := OwnerSize(t.Context(), h.dir, h.db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	quota := Quota{OwnerBytes: size + 40<<10}
	run := func(text string) error {
		_, err := h.Run(t.Context(), Job{DB: h.db, Class: Write, Statement: catalog.Statement{SQL: text}, Quota: quota}, nil)
		return err
	}
	if err := run("INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	for i := range 16 {
		go func() { results <- run(fmt.Sprintf("INSERT INTO t VALUES (zeroblob(%d))", 8000+i)) }()
	}
	kept := int64(1)
	for range 16 {
		switch err := <-results; {
		case err == nil:
			kept++
		case fault.KindOf(err) != fault.TooLarge:
			t.Error(err)
		}
	}
	if h.count(kept); kept == 1 || kept == 17 {
		t.Errorf("%d of 16 were kept", kept-1)
	}
}

// TestBatch_a_text_that_is_quick_again_joins_again has a text be slow once, for its
// argument.
func TestBatch_a_text_that_is_quick_again_joins_again(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	const text = "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT ?) SELECT max(x) FROM c"
	joins := func() bool {
		db, err := h.enter(context.Background(), h.db)
		if err != nil {
			t.Fatal(err)
		}
		defer h.leave(db)
		return db.writer.joins(&turn{text: &write{text: text}})
	}
	h.must(text, 1)
	db, err := h.enter(context.Background(), h.db)
	if err != nil {
		t.Fatal(err)
	}
	db.writer.conn.statements[text].slow = true
	h.leave(db)
	if joins() {
		t.Error("a text that was slow joins others")
	}
	h.must(text, 500_000)
	if joins() {
		t.Error("a text that is still slow joins others")
	}
	for range 20 { // a machine that is busy may make it slow now and then
		if h.must(text, 1); joins() {
			return
		}
	}
	t.Error("a text that is quick again does not join others")
}

// TestBatch_can_be_switched_off has each write commit alone.
func TestBatch_can_be_switched_off(t *testing.T) {
	h := newHarness(t, Limits{BatchWrites: 1})
	h.must("CREATE TABLE t(a)")
	if _, commits := h.inOneBatch(background, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)"); commits != 3 {
		t.Errorf("%d commits of 3 texts", commits)
	}
}
