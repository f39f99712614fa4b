package store

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"ayb/catalog"
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

	// about says which ids an entry is about. A change of any of them drops it,
	// so they stand in one piece of memory, one pair for each slot, where they can
	// be looked through quickly.
	about func(K, V) subjects

	_      [64]byte // what all readers write is in a line of memory of its own
	hits   atomic.Uint64
	misses atomic.Uint64
	_      [64]byte

	mu       sync.Mutex    // held while slots change
	subjects []subjects    // guarded by mu
	changes  atomic.Uint64 // how many times something was dropped
	hand     int           // where to look for the next victim within a set; guarded by mu
}

// subjects are the ids that a cache entry is about, one or two.
type subjects [2]catalog.ID

type entry[K comparable, V any] struct {
	key   K
	value V
	until time.Time // when it is too old
	read  atomic.Bool
}

// newCache returns a cache of at most size entries; one of size 0 keeps none.
func newCache[K comparable, V any](size int, ttl time.Duration, now func() time.Time, about func(K, V) subjects) *cache[K, V] {
	n := max(min(size, ways), 1)
	size = size / n * n
	return &cache[K, V]{
		now:      now,
		ttl:      ttl,
		seed:     maphash.MakeSeed(),
		ways:     n,
		slots:    make([]atomic.Pointer[entry[K, V]], size),
		about:    about,
		subjects: make([]subjects, size),
	}
}

// get returns what is remembered for key and is not too old.
func (c *cache[K, V]) get(key K) (value V, ok bool) {
	first, last := c.set(key)
	for i := first; i < last; i++ {
		e := c.slots[i].Load()
		if e == nil || e.key != key {
			continue
		}
		if c.ttl > 0 && !c.now().Before(e.until) {
			break
		}
		if !e.read.Load() {
			e.read.Store(true)
		}
		c.hits.Add(1)
		return e.value, true
	}
	c.misses.Add(1)
	return value, false
}

// CacheStats count the look-ups of one cache.
type CacheStats struct{ Hits, Misses uint64 }

func (c *cache[K, V]) stats() CacheStats {
	return CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load()}
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
	if len(c.slots) == 0 {
		return
	}
	e := &entry[K, V]{key: key, value: value, until: t.taken.Add(c.ttl)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes.Load() == t.changes {
		i := c.place(key)
		c.subjects[i] = c.about(key, value)
		c.slots[i].Store(e)
	}
}

// place returns the slot for key: its own, a free one, or a victim's.
func (c *cache[K, V]) place(key K) int {
	first, last := c.set(key)
	free := -1
	for i := first; i < last; i++ {
		switch e := c.slots[i].Load(); {
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
		c.hand = (c.hand + 1) % c.ways
		if !c.slots[first+c.hand].Load().read.Swap(false) {
			return first + c.hand
		}
	}
}

// drop forgets all that is about the id, and voids all tickets.
func (c *cache[K, V]) drop(id catalog.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes.Add(1)
	for i, about := range c.subjects {
		if about[0] == id || about[1] == id {
			c.subjects[i] = subjects{}
			c.slots[i].Store(nil)
		}
	}
}

// dropKey forgets what is remembered for key, and voids all tickets.
func (c *cache[K, V]) dropKey(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes.Add(1)
	first, last := c.set(key)
	for i := first; i < last; i++ {
		if e := c.slots[i].Load(); e != nil && e.key == key {
			c.slots[i].Store(nil)
		}
	}
}

// set returns the range of slots in which key may stand.
func (c *cache[K, V]) set(key K) (first, last int) {
	sets := len(c.slots) / c.ways
	if sets == 0 {
		return 0, 0
	}
	first = int(maphash.Comparable(c.seed, key)%uint64(sets)) * c.ways
	return first, first + c.ways
}
