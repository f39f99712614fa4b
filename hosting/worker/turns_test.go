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

// testTurns has places for so many reads in all and in each database, and for two
// writes.
func testTurns(limits hosting.Limits, all, lane int) *turns {
	limits = limits.WithDefaults()
	return newTurns(&limits, places{all: [2]int{all, 2}, lane: [2]int{lane, 2}, base: [2]int{lane, 2}})
}

// taken takes a turn for a caller.
func taken(ctx context.Context, t *turns, key laneKey, name string, seq uint64) (*ticket, error) {
	k := &ticket{caller: by(name), seq: seq}
	return k, t.take(ctx, key, k)
}

func by(name string) hosting.Caller { return hosting.Caller{Address: name} }

var (
	readLane  = laneKey{db: hosting.DB{Database: newID()}}
	writeLane = laneKey{db: readLane.db, writes: true}
)

// queued returns how many wait.
func (t *turns) queued() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		n += l.queued
	}
	return n
}

func TestTurns_one_caller_leaves_room_for_others(t *testing.T) {
	turns := testTurns(hosting.Limits{QueueTime: patience}, 6, 12)
	var hog []*ticket
	for range 5 { // of six for reading
		k, err := taken(t.Context(), turns, readLane, "hog", 0)
		if err != nil {
			t.Fatal(err)
		}
		hog = append(hog, k)
	}
	got := make(chan *ticket)
	go func() {
		k, err := taken(t.Context(), turns, laneKey{db: hosting.DB{Database: newID()}}, "hog", 0)
		if err != nil {
			t.Error(err)
		}
		got <- k
	}()
	eventually(t, "the hog waits", func() bool { return turns.queued() == 1 })
	k, err := taken(t.Context(), turns, readLane, "other", 0)
	if err != nil {
		t.Fatal(err)
	}
	turns.give(k)
	turns.give(hog[0])
	turns.give(<-got)
	if w, err := taken(t.Context(), turns, writeLane, "hog", 0); err != nil {
		t.Errorf("reads hold up a write: %v", err)
	} else {
		turns.give(w)
	}
}

// TestTurns_who_may_go_does_not_wait_behind_who_may_not has a caller who has as many
// turns as they may wait for more, in the lane of another, for whom there is one.
func TestTurns_who_may_go_does_not_wait_behind_who_may_not(t *testing.T) {
	turns := testTurns(hosting.Limits{QueueTime: time.Hour}, 6, 8)
	var hog []*ticket
	for range 5 {
		k, err := taken(t.Context(), turns, readLane, "hog", 0)
		if err != nil {
			t.Fatal(err)
		}
		hog = append(hog, k)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := taken(ctx, turns, readLane, "hog", 0)
		gone <- err
	}()
	eventually(t, "the hog waits", func() bool { return turns.queued() == 1 })
	soon, done := context.WithTimeout(t.Context(), patience)
	defer done()
	k, err := taken(soon, turns, readLane, "other", 0)
	if err != nil {
		t.Fatal(err)
	}
	turns.give(k)
	cancel()
	if err := <-gone; err != context.Canceled {
		t.Errorf("the hog was told %v", err)
	}
	for _, k := range hog {
		turns.give(k)
	}
}

func TestTurns_callers_are_served_in_turn(t *testing.T) {
	turns := testTurns(hosting.Limits{QueueTime: patience}, 6, 1)
	first, err := taken(t.Context(), turns, readLane, "first", 0)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order []string
	var all sync.WaitGroup
	for i, name := range []string{"a", "a", "a", "a", "b", "c"} {
		all.Go(func() {
			k, err := taken(t.Context(), turns, readLane, name, 0)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			turns.give(k)
		})
		eventually(t, "it waits", func() bool { return turns.queued() == i+1 })
	}
	turns.give(first)
	all.Wait()
	if got, want := fmt.Sprint(order), "[a b c a a a]"; got != want {
		t.Errorf("served %s, want %s", got, want)
	}
}

func TestTurns_what_was_lost_goes_first_and_alone_in_order(t *testing.T) {
	turns := testTurns(hosting.Limits{QueueTime: patience}, 6, 12)
	var lost []*ticket
	for seq := range 4 {
		k, err := taken(t.Context(), turns, readLane, fmt.Sprint(seq), uint64(seq))
		if err != nil {
			t.Fatal(err)
		}
		lost = append(lost, k)
	}
	var mu sync.Mutex
	var order []uint64
	running := 0
	var all sync.WaitGroup
	for _, i := range []int{2, 0, 3, 1} {
		k := lost[i]
		all.Go(func() {
			if err := turns.again(t.Context(), k, true); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, k.seq)
			if running++; running > 1 {
				t.Error("two are run again at once")
			}
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			turns.give(k)
		})
	}
	all.Go(func() {
		eventually(t, "all are lost", func() bool {
			turns.mu.Lock()
			defer turns.mu.Unlock()
			return len(turns.replays) > 0 || len(order) > 0
		})
		k, err := taken(t.Context(), turns, writeLane, "new", 99)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if order = append(order, 99); len(order) != 5 {
			t.Errorf("a newcomer came after %v", order)
		}
		turns.give(k)
	})
	all.Wait()
	if got, want := fmt.Sprint(order), "[0 1 2 3 99]"; got != want {
		t.Errorf("run in order %s, want %s", got, want)
	}
}

func TestTurns_what_was_lost_by_the_fault_of_another_goes_first_and_together(t *testing.T) {
	turns := testTurns(hosting.Limits{QueueTime: patience}, 2, 2)
	var lost []*ticket
	for seq := range 2 {
		k, err := taken(t.Context(), turns, readLane, fmt.Sprint(seq), uint64(seq))
		if err != nil {
			t.Fatal(err)
		}
		lost = append(lost, k)
	}
	newcomer := make(chan *ticket)
	go func() {
		k, err := taken(t.Context(), turns, readLane, "new", 99)
		if err != nil {
			t.Error(err)
		}
		newcomer <- k
	}()
	eventually(t, "the newcomer waits", func() bool { return turns.queued() == 1 })
	for _, k := range lost {
		if err := turns.again(t.Context(), k, false); err != nil {
			t.Fatal(err)
		}
	}
	if turns.queued() != 1 {
		t.Error("the newcomer came before what was lost")
	}
	for _, k := range lost {
		turns.give(k)
	}
	turns.give(<-newcomer)
}

func TestTurns_a_long_call_takes_the_places_of_many(t *testing.T) {
	limits := hosting.Limits{QueueTime: time.Nanosecond}.WithDefaults()
	turns := newTurns(&limits, pipeline(limits.Readers))
	long := &ticket{caller: by("long"), cost: costOf(limits.ConnectionMemory)}
	if err := turns.take(t.Context(), readLane, long); err != nil {
		t.Fatal(err)
	}
	again := &ticket{caller: by("again"), cost: costOf(limits.ConnectionMemory)}
	if err := turns.take(t.Context(), readLane, again); fault.KindOf(err) != fault.Busy {
		t.Errorf("another long call beside it: %v", err)
	}
	short, err := taken(t.Context(), turns, readLane, "short", 1)
	if err != nil {
		t.Fatalf("a short call beside it: %v", err)
	}
	turns.give(short)
	turns.give(long)
}

// TestTurns_nothing_is_left takes, gives up, loses and gives turns at random. In
// the end nobody holds anything.
func TestTurns_nothing_is_left(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	turns := testTurns(hosting.Limits{QueueTime: patience, QueuedReads: 8, QueuedWrites: 8}, 3, 3)
	together(12, func(i int) {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		for n := range 300 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(3000))*time.Microsecond)
			key := []laneKey{readLane, writeLane, {db: hosting.DB{Version: newID()}}}[random.IntN(3)]
			k, err := taken(ctx, turns, key, fmt.Sprint(i%5), uint64(n))
			if err == nil && random.IntN(4) == 0 {
				err = turns.again(ctx, k, random.IntN(2) == 0)
			}
			if err == nil {
				turns.give(k)
			} else if !errors.Is(err, context.DeadlineExceeded) && fault.KindOf(err) != fault.Busy {
				t.Error(err)
			}
			cancel()
		}
	})
	turns.mu.Lock()
	defer turns.mu.Unlock()
	for key, l := range turns.lanes {
		if l.running+l.queued+len(l.charged) != 0 {
			t.Errorf("left in %v: %+v", key, l)
		}
	}
	if len(turns.flows)+len(turns.replays)+len(turns.charged) != 0 || turns.running != [2]int{} || turns.solo != nil || len(turns.lanes) > keptLanes {
		t.Errorf("left: %+v", turns)
	}
}
