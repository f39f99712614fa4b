package hosting

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func caller(address string) Caller { return Caller{Address: address} }

func TestQueue_callers_are_served_in_turn(t *testing.T) {
	var q queue[int]
	for _, item := range []struct {
		who string
		n   int
	}{{"a", 1}, {"a", 2}, {"a", 3}, {"b", 4}, {"b", 5}, {"c", 6}} {
		q.push(caller(item.who), item.n)
	}
	if q.remove(caller("c"), 4) || !q.remove(caller("a"), 2) || q.waiting(caller("a")) != 2 {
		t.Errorf("what was removed is not: %+v", q)
	}
	if n, ok := q.popOf(func(c Caller) bool { return c.Address == "b" }); !ok || n != 4 {
		t.Errorf("of b there is %d", n)
	}
	if n, ok := q.popOf(func(Caller) bool { return false }); ok {
		t.Errorf("of nobody there is %d", n)
	}
	var got []int
	for q.len() > 0 {
		first := q.first()
		if n := q.pop(); n == first {
			got = append(got, n)
		}
	}
	if want := []int{1, 6, 5, 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestQueue_random compares with a queue that is as simple as can be.
func TestQueue_random(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	type entry struct {
		caller Caller
		item   int
	}
	var q queue[int]
	var model []entry // in the order of arrival
	var turns []Caller
	forget := func(i int) {
		c := model[i].caller
		model = slices.Delete(model, i, i+1)
		if !slices.ContainsFunc(model, func(e entry) bool { return e.caller == c }) {
			turns = slices.DeleteFunc(turns, func(other Caller) bool { return other == c })
		}
	}
	for i := range 20_000 {
		switch op := random.IntN(10); {
		case op < 5:
			c := caller(string(rune('a' + random.IntN(5))))
			q.push(c, i)
			model = append(model, entry{c, i})
			if !slices.Contains(turns, c) {
				turns = append(turns, c)
			}
		case op < 9 && len(model) > 0:
			c := turns[0]
			at := slices.IndexFunc(model, func(e entry) bool { return e.caller == c })
			want := model[at].item
			turns = append(turns[1:], c)
			forget(at)
			if got := q.pop(); got != want {
				t.Fatalf("seed %d, step %d: %d came, want %d", seed, i, got, want)
			}
		case len(model) > 0:
			at := random.IntN(len(model))
			if !q.remove(model[at].caller, model[at].item) {
				t.Fatalf("seed %d, step %d: %v is not there", seed, i, model[at])
			}
			forget(at)
		}
		if q.len() != len(model) || len(q.of) != len(turns) {
			t.Fatalf("seed %d, step %d: %d of %d, want %d of %d", seed, i, q.len(), len(q.of), len(model), len(turns))
		}
	}
}
