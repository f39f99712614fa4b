package store

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// ways is how many places of a cache one key may take.
const ways = 8

// A cache remembers look-ups. It is a fixed array of slots, grouped in sets of
// up to [ways]; a key may stand in any slot of the one set that its hash names.
// Readers only load pointers, so that they neither wait for each other nor for
// a writer. When a set is full, a slot that was not read since the last time
// anybody looked for a victim in it makes room: nearly the least recently used.
type cache[K comparable, V any] struct {
	now   func() time.Time
	ttl   time.Duration // how old an entry may be; 0: any age
	seed  maphash.Seed
	ways  int // slots of a set
	slots []atomic.Pointer[entry[K, V]]

	mu      sync.Mutex    // held while slots change
	changes atomic.Uint64 // how many times something was dropped
	hand    int           // where to look for the next victim within a set
}

type entry[K comparable, V any] struct {
	key   K
	value V
	until time.Time // when it is too old
	read  atomic.Bool
}

// newCache returns a cache of at most size entries; one of size 0 keeps none.
func newCache[K comparable, V any](size int, ttl time.Duration, now func() time.Time) *cache[K, V] {
	n := max(min(size, ways), 1)
	return &cache[K, V]{
		now:   now,
		ttl:   ttl,
		seed:  maphash.MakeSeed(),
		ways:  n,
		slots: make([]atomic.Pointer[entry[K, V]], max(size, 0)/n*n),
	}
}

// get returns what is remembered for key and is not too old.
func (c *cache[K, V]) get(key K) (value V, ok bool) {
	set := c.set(key)
	for i := range set {
		e := set[i].Load()
		if e == nil || e.key != key {
			continue
		}
		if c.ttl > 0 && !c.now().Before(e.until) {
			break
		}
		if !e.read.Load() {
			e.read.Store(true)
		}
		return e.value, true
	}
	return value, false
}

// A ticket is taken before a look-up that may be cached. It is worth nothing
// once anything is dropped: what the look-up found may be what was dropped.
type ticket struct {
	changes uint64
	taken   time.Time
}

func (c *cache[K, V]) ticket() ticket {
	t := ticket{changes: c.changes.Load()}
	if c.ttl > 0 {
		t.taken = c.now()
	}
	return t
}

// put remembers what a look-up that began with ticket t has found. Its age
// counts from the ticket, since the row was read at some moment after that.
func (c *cache[K, V]) put(t ticket, key K, value V) {
	set := c.set(key)
	if len(set) == 0 {
		return
	}
	e := &entry[K, V]{key: key, value: value, until: t.taken.Add(c.ttl)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes.Load() == t.changes {
		set[c.place(set, key)].Store(e)
	}
}

// place returns the slot of set for key: its own, a free one, or a victim's.
func (c *cache[K, V]) place(set []atomic.Pointer[entry[K, V]], key K) int {
	free := -1
	for i := range set {
		switch e := set[i].Load(); {
		case e == nil:
			free = i
		case e.key == key:
			return i
		}
	}
	if free >= 0 {
		return free
	}
	for {
		c.hand = (c.hand + 1) % len(set)
		if !set[c.hand].Load().read.Swap(false) {
			return c.hand
		}
	}
}

// drop forgets the entries that match, and voids all tickets.
func (c *cache[K, V]) drop(match func(K, V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes.Add(1)
	for i := range c.slots {
		if e := c.slots[i].Load(); e != nil && match(e.key, e.value) {
			c.slots[i].Store(nil)
		}
	}
}

// set returns the slots in which key may stand.
func (c *cache[K, V]) set(key K) []atomic.Pointer[entry[K, V]] {
	if len(c.slots) == 0 {
		return nil
	}
	first := int(maphash.Comparable(c.seed, key)%uint64(len(c.slots)/c.ways)) * c.ways
	return c.slots[first : first+c.ways]
}
