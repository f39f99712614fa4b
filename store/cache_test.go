package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ayb/catalog"
)

// A test's keys are about the id of their tens.
func newTestCache(size int, ttl time.Duration, now func() time.Time) *cache[int, string] {
	return newCache(size, ttl, now, func(key int, _ string) subjects { return subjects{{1}, tens(key)} })
}

func tens(key int) catalog.ID { return catalog.ID{2, byte(key / 10)} }

func TestCache(t *testing.T) {
	clock := time.Unix(1_000_000, 0)
	now := func() time.Time { return clock }
	held := func(c *cache[int, string]) (n int) {
		for i := range c.slots {
			if c.slots[i].Load() != nil {
				n++
			}
		}
		return n
	}

	t.Run("it_never_holds_more_than_its_size", func(t *testing.T) {
		for _, size := range []int{0, 1, 3, 8, 9, 100} {
			c := newTestCache(size, 0, now)
			for i := range 1000 {
				c.put(c.ticket(), i, "x")
			}
			if n := held(c); n > size || n < size-size%ways || size > 0 && n == 0 {
				t.Errorf("a cache of %d holds %d", size, n)
			}
			if _, ok := c.get(999); ok != (size > 0) {
				t.Errorf("a cache of %d has the last key: %v", size, ok)
			}
		}
	})

	t.Run("what_is_read_outlives_what_is_not", func(t *testing.T) {
		c := newTestCache(ways, 0, now)
		for i := range 1000 {
			c.put(c.ticket(), i, "x")
			if _, ok := c.get(0); !ok {
				t.Fatalf("the key that is read was evicted by key %d", i)
			}
		}
	})

	t.Run("an_entry_ages_from_the_ticket", func(t *testing.T) {
		c := newTestCache(10, 5*time.Second, now)
		ticket := c.ticket()
		clock = clock.Add(4 * time.Second) // the look-up takes its time
		c.put(ticket, 1, "x")
		if _, ok := c.get(1); !ok {
			t.Error("an entry of 4 seconds is gone")
		}
		clock = clock.Add(time.Second)
		if _, ok := c.get(1); ok {
			t.Error("an entry of 5 seconds is there")
		}
	})

	t.Run("a_ticket_from_before_a_drop_is_void", func(t *testing.T) {
		c := newTestCache(10, 0, now)
		ticket := c.ticket()
		c.drop(tens(20))
		c.put(ticket, 1, "old")
		ticket = c.ticket()
		c.dropKey(2)
		c.put(ticket, 1, "old")
		if v, ok := c.get(1); ok {
			t.Errorf("it holds %q", v)
		}
	})

	t.Run("it_agrees_with_a_map", func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		c, model := newTestCache(64, 0, now), map[int]string{}
		for i := range 20_000 {
			switch key := random.IntN(100); random.IntN(8) {
			case 0:
				model[key] = fmt.Sprint(i)
				c.put(c.ticket(), key, model[key])
			case 1:
				c.drop(tens(key))
				for k := range model {
					if k/10 == key/10 {
						delete(model, k)
					}
				}
			case 2:
				c.dropKey(key)
				delete(model, key)
			default:
				if v, ok := c.get(key); ok && v != model[key] {
					t.Fatalf("key %d is %q, want %q", key, v, model[key])
				}
			}
		}
	})
}

func TestOptions_CacheTTL(t *testing.T) {
	for _, c := range []struct {
		ttl, maxAge, want time.Duration
		cached            bool
	}{
		{0, 0, 0, true},
		{time.Hour, 0, time.Hour, true},
		{0, postgresMaxAge, 5 * time.Second, true},
		{time.Second, postgresMaxAge, time.Second, true},
		{time.Hour, postgresMaxAge, 5 * time.Second, true},
		{-1, 0, -1, false},
		{-1, postgresMaxAge, -1, false},
	} {
		size, ttl := cacheBounds(&Options{CacheTTL: c.ttl}, c.maxAge)
		if ttl != c.want || size > 0 != c.cached {
			t.Errorf("TTL %v with a bound of %v: got %v and %d entries, want %v", c.ttl, c.maxAge, ttl, size, c.want)
		}
	}
}
