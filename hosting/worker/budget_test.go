//go:build linux

package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// testBudget returns a budget for so many texts, of which nothing is idle.
func testBudget(texts int64) *budget {
	return &budget{all: texts << 20, text: 1 << 20, relieve: func() bool { return false }}
}

// enter takes from a budget what must be there.
func enter(t *testing.T, b *budget, a *account) {
	t.Helper()
	if err := b.take(t.Context(), a, patience); err != nil {
		t.Fatal(err)
	}
}

func TestBudget_counts_what_texts_may_take(t *testing.T) {
	b := testBudget(3)
	one, two := &account{texts: 2}, &account{texts: 2}
	for range 5 { // of which it runs two at once
		enter(t, b, one)
	}
	enter(t, b, two)
	wantKind(t, "a text too many", b.take(t.Context(), two, time.Millisecond), fault.Busy)
	enter(t, b, one)
	b.give(two)
	enter(t, b, two)
	for range 6 {
		b.give(one)
	}
	enter(t, b, two)
	b.force(two)
	b.force(one)
	wantKind(t, "when more than there is was forced", b.take(t.Context(), &account{texts: 1}, time.Millisecond), fault.Busy)
}

func TestBudget_always_lets_one_in(t *testing.T) {
	b := testBudget(0)
	a := &account{texts: 8}
	b.tell(a, 7<<20)
	enter(t, b, a)
	wantKind(t, "a second", b.take(t.Context(), a, time.Millisecond), fault.Busy)
	b.give(a)
	enter(t, b, &account{texts: 8})
}

func TestBudget_lets_workers_in_by_turns(t *testing.T) {
	b := testBudget(1)
	hog, other, running := &account{texts: 8}, &account{texts: 8}, &account{texts: 1}
	enter(t, b, running)
	got := make(chan *account)
	for i, a := range []*account{hog, hog, hog, other} {
		go func() {
			if err := b.take(t.Context(), a, patience); err != nil {
				t.Error(err)
			}
			got <- a
		}()
		eventually(t, "it waits", func() bool { _, n := b.state(); return n == i+1 })
	}
	for i, want := range []*account{hog, other, hog, hog} {
		b.give(running)
		if running = <-got; running != want {
			t.Errorf("turn %d is not the one's who should have it", i)
		}
	}
}

func TestBudget_open_databases_make_room(t *testing.T) {
	b := testBudget(2)
	idle, a := &account{texts: 1}, &account{texts: 3}
	b.tell(idle, 2<<20)
	relieved := 0
	b.relieve = func() bool {
		relieved++
		b.tell(idle, 0)
		return true
	}
	enter(t, b, a) // which is always let in
	if relieved > 0 {
		t.Fatal("nobody waits, and something idle was relieved")
	}
	enter(t, b, a)
	if relieved != 1 {
		t.Fatalf("relieved %d times, want once", relieved)
	}
	wantKind(t, "when nothing helps", b.take(t.Context(), a, time.Millisecond), fault.Busy)
	if relieved != 1 {
		t.Error("something idle was relieved for nothing")
	}
}

// TestBudget_random lets workers come and go, and finds that nobody is let in for
// whom there is no room, and nobody kept waiting for whom there is.
func TestBudget_random(t *testing.T) {
	seed := rand.Uint64()
	const size = 5
	b := testBudget(size)
	var all sync.WaitGroup
	for i := range 8 {
		a := &account{texts: 1 + i%4}
		for j := range 8 {
			random := rand.New(rand.NewPCG(seed, uint64(i*8+j)))
			all.Go(func() {
				for range 300 {
					ctx, cancel := context.WithCancel(t.Context())
					if random.IntN(3) == 0 {
						time.AfterFunc(time.Duration(random.IntN(50))*time.Microsecond, cancel)
					}
					err := b.take(ctx, a, patience)
					switch {
					case err == nil:
						b.mu.Lock()
						taken, claims := b.taken, a.claims
						b.mu.Unlock()
						if taken > size<<20 || claims > a.texts {
							t.Errorf("%d bytes are taken, and %d of %d claims (seed %d)", taken, claims, a.texts, seed)
						}
						b.give(a)
					case !errors.Is(err, context.Canceled):
						t.Errorf("%v (seed %d)", err, seed)
					}
					cancel()
				}
			})
		}
	}
	all.Wait()
	if b.taken != 0 || b.claims != 0 || len(b.queue) != 0 {
		t.Errorf("left: %d bytes, %d claims, %d that wait (seed %d)", b.taken, b.claims, len(b.queue), seed)
	}
}

// TestRunner_bounds_the_memory_of_all_texts has owners with texts that do not end
// take all of the memory, and others wait for it.
func TestRunner_bounds_the_memory_of_all_texts(t *testing.T) {
	const text = 16 << 20
	h := newHarness(t, Config{Memory: 2 * text, Limits: hosting.Limits{ConnectionMemory: text, QueueTime: slow * 300 * time.Millisecond}}, "create", "CREATE TABLE t (a)")
	pid := h.pid(false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 2)
	for i := range 2 {
		other := h.owner()
		other.job.Unwritten = true
		go func() {
			_, err := other.try(ctx, endless)
			ended <- err
		}()
		eventually(t, fmt.Sprintf("text %d is at work", i), func() bool { return h.claimed() == i+1 })
	}
	_, err := h.try(t.Context(), "SELECT 1")
	wantKind(t, "when all memory is taken", err, fault.Busy)
	if alive(pid) && h.pid(false) == pid {
		t.Error("a worker that was idle has kept its memory while others waited for it")
	}
	s, err := h.Begin(t.Context(), h.job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), with(h.job, "INSERT INTO t VALUES (1)").Statement, nil); err != nil {
		t.Errorf("a session, for which others may wait: %v", err)
	}
	s.Close()
	cancel()
	<-ended
	<-ended
	h.expect(1, "SELECT count(*) FROM t")
	if n := h.claimed(); n != 0 {
		t.Errorf("%d texts count that have ended", n)
	}
	if p := h.Processes(); p.MemoryBound != 2*text || p.Waiting != 0 || p.Memory > text {
		t.Errorf("afterwards: %+v", p)
	}
}

// claimed returns how many texts of all owners count.
func (h *harness) claimed() int {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	return h.budget.claims
}
