//go:build linux

package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// slack is what a Runner may take beyond a bound on a machine that is busy with other
// tests. That it takes 250 ms at most if it can, the attacks find out.
const slack = slow * time.Second

func TestRunner_ends_what_no_interrupt_stops(t *testing.T) {
	const bound = slow * 400 * time.Millisecond
	h := newHarness(t, Config{Limits: hosting.Limits{QueryTime: bound}}, "create", "CREATE TABLE t (a)")
	start := time.Now()
	_, err := h.try(t.Context(), deaf)
	took := time.Since(start)
	wantKind(t, "a text that does not look up", err, fault.TimedOut)
	if took < bound || took > bound+slack {
		t.Errorf("it ended after %v, the bound is %v", took, bound)
	}
	h.must("INSERT INTO t VALUES (1)")
	h.expect(1, "SELECT count(*) FROM t")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start = time.Now()
	_, err = h.visitor("v").try(ctx, deaf)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 100*time.Millisecond+slack {
		t.Errorf("a text past its caller's deadline: %v after %v", err, took)
	}
}

func TestRunner_runs_the_innocent_again(t *testing.T) {
	const bound = slow * 300 * time.Millisecond
	h := newHarness(t, Config{Limits: hosting.Limits{QueryTime: bound}}, "create", "CREATE TABLE t (a)")
	before := h.pid(false)
	culprit := make(chan error, 1)
	go func() {
		_, err := h.by("culprit").try(t.Context(), deaf)
		culprit <- err
	}()
	var failed, written atomic.Int64
	stop := make(chan struct{})
	var others sync.WaitGroup
	for i := range 6 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				sql := "INSERT INTO t VALUES (1)"
				if i%2 == 0 {
					sql = "SELECT count(*) FROM t"
				}
				if _, err := h.by(fmt.Sprint("caller ", i)).try(t.Context(), sql); err != nil {
					failed.Add(1)
					t.Errorf("an innocent: %v", err)
				} else if i%2 == 1 {
					written.Add(1)
				}
			}
		})
	}
	wantKind(t, "the culprit", <-culprit, fault.TimedOut)
	if _, err := h.try(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	close(stop)
	others.Wait()
	if after := h.pid(false); after == before {
		t.Error("the worker was not replaced")
	}
	h.expect(written.Load(), "SELECT count(*) FROM t")
}

func TestRunner_a_stopped_worker_is_replaced(t *testing.T) {
	const bound = slow * 300 * time.Millisecond
	h := newHarness(t, Config{Limits: hosting.Limits{QueryTime: bound}}, "create", "CREATE TABLE t (a)")
	freeze(t, h.pid(false))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := h.try(ctx, "SELECT 1")
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 100*time.Millisecond+slack {
		t.Errorf("%v after %v", err, took)
	}
	h.expect(0, "SELECT count(*) FROM t")
}

func TestRunner_keeps_away_who_kills_workers(t *testing.T) {
	h := newHarness(t, Config{Limits: hosting.Limits{QueryTime: slow * 400 * time.Millisecond}}, "create", "CREATE TABLE t (a)")
	bad := h.by("bad")
	kill := func(bad *harness) {
		t.Helper()
		_, err := bad.try(t.Context(), deaf)
		wantKind(t, "a deaf text", err, fault.TimedOut)
	}
	kill(bad)
	kill(bad)
	_, err := bad.try(t.Context(), "SELECT 1")
	wantKind(t, "who has killed two workers", err, fault.Busy)
	_, err = bad.Begin(t.Context(), bad.job)
	wantKind(t, "a session of theirs", err, fault.Busy)
	h.expect(0, "SELECT count(*) FROM t")

	second, third := h.owner().create(), h.owner().create()
	if _, err := second.by("bad").try(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("elsewhere, who has killed the workers of one owner: %v", err)
	}
	kill(second.by("bad"))
	for _, other := range []*harness{second, third} {
		_, err = other.by("bad").try(t.Context(), "SELECT 1")
		wantKind(t, "who has killed the workers of two owners", err, fault.Busy)
		if _, err := other.try(t.Context(), "SELECT 1"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
	}
}

// TestRunner_a_worker_can_have_nobody_kept_away_elsewhere has a worker that was taken
// over die in the hands of a visitor, whose doing that seems to be.
func TestRunner_a_worker_can_have_nobody_kept_away_elsewhere(t *testing.T) {
	h := newHarness(t, Config{Executable: program(t, evilPrefix+"die")})
	visitor := h.visitor("visitor")
	for range 3 {
		if _, err := visitor.try(t.Context(), "SELECT 1"); err == nil {
			t.Fatal("a dead worker answered")
		}
	}
	_, err := visitor.try(t.Context(), "SELECT 1")
	wantKind(t, "the visitor, at the owner of that worker", err, fault.Busy)
	if err := h.offenders.check(visitor.job.Caller, newID(), time.Now()); err != nil {
		t.Errorf("the visitor, elsewhere: %v", err)
	}
}

func TestOffenders_are_kept_away_for_a_minute(t *testing.T) {
	var o offenders
	bad, one, two, now := hosting.Caller{Address: "bad"}, newID(), newID(), time.Unix(1000, 0)
	passes := func(what string, owner catalog.ID, at time.Time) {
		t.Helper()
		if err := o.check(bad, owner, at); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	o.note(bad, one, now)
	o.note(bad, one, now.Add(2*time.Minute))
	passes("two in two minutes", one, now.Add(2*time.Minute))
	o.note(bad, one, now.Add(2*time.Minute+time.Second))
	wantKind(t, "two in a minute", o.check(bad, one, now.Add(3*time.Minute)), fault.Busy)
	passes("two in a minute, elsewhere", two, now.Add(3*time.Minute))
	passes("a minute later", one, now.Add(3*time.Minute+2*time.Second))

	now = now.Add(time.Hour)
	o.note(bad, one, now)
	o.note(bad, two, now.Add(2*time.Minute))
	passes("one at each of two owners in two minutes", one, now.Add(2*time.Minute))
	o.note(bad, one, now.Add(2*time.Minute+time.Second))
	for _, owner := range []catalog.ID{one, two, newID()} {
		wantKind(t, "one at each of two owners in a minute", o.check(bad, owner, now.Add(3*time.Minute)), fault.Busy)
		passes("a minute after that", owner, now.Add(3*time.Minute+2*time.Second))
	}

	o.note(hosting.Caller{}, one, now)
	o.note(hosting.Caller{}, one, now)
	if err := o.check(hosting.Caller{}, one, now); err != nil {
		t.Errorf("the host: %v", err)
	}
	for i := range 3 * maxOffences {
		o.note(hosting.Caller{Address: fmt.Sprint(i)}, one, now)
	}
	if len(o.record) > maxOffences {
		t.Errorf("%d are remembered", len(o.record))
	}
}

// TestRunner_tells_the_truth_about_writes kills workers at any moment while many
// write. What was acknowledged is there, once; what failed is not; and of what is
// unknown it was said.
func TestRunner_tells_the_truth_about_writes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a INTEGER)")
	stop := make(chan struct{})
	var chaos sync.WaitGroup
	kills := 0
	chaos.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(random.IntN(40)) * time.Millisecond):
			}
			if pid := h.pid(random.IntN(3) == 0); pid != 0 {
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					kills++
				}
			}
		}
	})
	var mu sync.Mutex
	outcome := map[int64]error{}
	together(8, func(i int) {
		for n := range 150 {
			key := int64(i*1000 + n)
			_, err := h.by(fmt.Sprint(i)).try(t.Context(), "INSERT INTO t VALUES (?)", key)
			mu.Lock()
			outcome[key] = err
			mu.Unlock()
			if err == nil {
				if v, err := h.visitor(fmt.Sprint("v", i)).try(t.Context(), "SELECT count(*) FROM t WHERE a = ?", key); err == nil && v.Int64() != 1 {
					t.Errorf("a read that began after the write %d was acknowledged saw it %d times", key, v.Int64())
				}
			}
		}
	})
	close(stop)
	chaos.Wait()
	var ok, unknown, refused int
	for key, err := range outcome {
		h.job.Caller = hosting.Caller{}
		n := h.must("SELECT count(*) FROM t WHERE a = ?", key).Int64()
		switch {
		case err == nil:
			ok++
			if n != 1 {
				t.Errorf("an acknowledged write is there %d times", n)
			}
		case errors.Is(err, fault.OutcomeUnknown):
			unknown++
			if n > 1 {
				t.Errorf("a write is there %d times", n)
			}
		default:
			refused++
			if n != 0 {
				t.Errorf("a write that failed is there: %v", err)
			}
		}
	}
	if err := h.Check(t.Context(), h.job.DB, hosting.IntegrityCheck); err != nil {
		t.Error(err)
	}
	t.Logf("%d kills: %d writes kept, %d unknown, %d refused", kills, ok, unknown, refused)
	if kills == 0 || ok == 0 {
		t.Error("the test tests nothing")
	}
}

// TestRunner_charges_who_kills_by_going_away holds that a text which does not end
// when its caller has gone is charged to the caller, like one that overstays; and
// that a machine which is slow is nobody's doing.
func TestRunner_charges_who_kills_by_going_away(t *testing.T) {
	h := newHarness(t, Config{}, "create", "CREATE TABLE t (a)")
	leave := func(h *harness, sql string) {
		ctx, cancel := context.WithTimeout(t.Context(), slow*300*time.Millisecond)
		defer cancel()
		_, err := h.try(ctx, sql)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has gone gets %v", err)
		}
	}
	leave(h.by("bad"), deaf)
	h.by("bad").must("SELECT 1")
	var err error
	for tries := 0; err == nil && tries < 5; tries++ { // if the machine was slow just then, it did not count
		leave(h.by("bad"), deaf)
		_, err = h.by("bad").try(t.Context(), "SELECT 1")
	}
	wantKind(t, "who has killed two workers", err, fault.Busy)
	for range 2 {
		h.must("SELECT 1")
		freeze(t, h.pid(false))
		leave(h.by("unlucky"), "SELECT 1")
	}
	h.by("unlucky").must("SELECT 1")
}
