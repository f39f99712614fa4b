package ayb

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"
)

// maxRateKeys bounds what a rateLimit remembers.
const maxRateKeys = 100_000

// A rateLimit lets so many requests through per minute and key: that many at
// once, and from then on one for each share of the minute. What it remembers is
// bounded: in a flood of more keys than that within a minute, it lets no unknown
// key through rather than forget one.
type rateLimit struct {
	now      func() time.Time
	interval time.Duration // between two requests in the long run; 0: no limit
	seed     maphash.Seed

	mu sync.Mutex
	// full holds, by the hash of a key, when its allowance will be whole again. A
	// key whose allowance is whole need not be remembered.
	full  map[uint64]time.Time
	swept time.Time // when keys were last forgotten
}

// newRateLimit returns one for so many requests per minute; any number if
// perMinute is not positive.
func newRateLimit(perMinute int, now func() time.Time) *rateLimit {
	l := &rateLimit{now: now, seed: maphash.MakeSeed(), full: map[uint64]time.Time{}}
	if perMinute > 0 {
		l.interval = time.Minute / time.Duration(perMinute)
	}
	return l
}

// take lets one request through that counts for all of the keys, and returns 0;
// or it counts for none of them, and take returns how long to wait.
func (l *rateLimit) take(keys ...string) time.Duration {
	if l.interval == 0 {
		return 0
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	next := make(map[uint64]time.Time, len(keys))
	for _, key := range keys {
		hash := maphash.String(l.seed, key)
		full, known := l.full[hash]
		switch {
		case !known && !l.room(now, len(keys)):
			return time.Minute
		case full.Before(now):
			full = now
		case full.After(now.Add(time.Minute)): // the clock was set back
			full = now.Add(time.Minute)
			l.full[hash] = full
		}
		next[hash] = full.Add(l.interval)
		if wait := next[hash].Sub(now) - time.Minute; wait > 0 {
			return wait
		}
	}
	for hash, full := range next {
		l.full[hash] = full
	}
	return 0
}

// seconds is a time to wait as people are told it, rounded up.
func seconds(wait time.Duration) int { return int(math.Ceil(wait.Seconds())) }

// admit takes one for a caller: the entity, or the client if there is none. The
// system has no limit.
func (l *rateLimit) admit(p Principal) bool {
	switch {
	case p.System:
		return true
	case p.Anonymous():
		return l.take("client "+network(p.Address)) == 0
	}
	return l.take("entity "+p.Entity.String()) == 0
}

// room reports whether so many more keys can be remembered. If not, it forgets
// those that need not be, no more than once a second.
func (l *rateLimit) room(now time.Time, n int) bool {
	if len(l.full)+n <= maxRateKeys {
		return true
	}
	if since := now.Sub(l.swept); 0 <= since && since < time.Second {
		return false
	}
	l.swept = now
	for hash, full := range l.full {
		if !full.After(now) || full.After(now.Add(time.Minute)) {
			delete(l.full, hash)
		}
	}
	return len(l.full)+n <= maxRateKeys
}

// network is what of a client's address counts: an IPv4 address, or the /64 of an
// IPv6 one, since whoever has one of those has all of it.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
