package httpapi

import (
	"slices"
	"sync/atomic"
	"time"

	"ayb/fault"
)

// Traffic counts the requests of one handler, see [Options]. What is counted is
// bounded by what the API has: whatever clients make up is one and the same. It is
// safe for concurrent use, and requests do not wait for one another because of it.
type Traffic struct {
	inFlight atomic.Int64
	sent     atomic.Int64
	routes   []routeTraffic // as routes()
	unknown  []routeTraffic // by method, as knownMethods and then any other
	places   map[place]*routeTraffic
	kinds    []atomic.Uint64 // as fault.Kinds
	reasons  []atomic.Uint64 // as fault.Reasons, then those without
}

// A place is a route by what names it.
type place struct{ method, pattern string }

type routeTraffic struct {
	place
	statuses [6]atomic.Uint64 // by their first digit
	times    [len(latencyBounds) + 1]atomic.Uint64
	spent    atomic.Int64
}

// latencyBounds are the upper bounds by which the times of requests are counted.
// What streams takes as long as its reader does.
var latencyBounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// NoRoute is the pattern of requests that are for no route of the API, and
// OtherMethod the method of those whose method HTTP does not know.
const (
	NoRoute     = "none"
	OtherMethod = "other"
)

// NoReason is what refusals without a reason are counted as.
const NoReason fault.Reason = "other"

// NewTraffic returns counters for one handler.
func NewTraffic() *Traffic {
	all := routes()
	t := &Traffic{
		routes: make([]routeTraffic, len(all)), unknown: make([]routeTraffic, len(knownMethods)+1), places: map[place]*routeTraffic{},
		kinds: make([]atomic.Uint64, len(fault.Kinds())), reasons: make([]atomic.Uint64, len(fault.Reasons())+1),
	}
	for i := range all {
		t.routes[i].place = place{all[i].method, all[i].pattern}
		t.places[t.routes[i].place] = &t.routes[i]
	}
	for i := range t.unknown {
		method := OtherMethod
		if i < len(knownMethods) {
			method = knownMethods[i]
		}
		t.unknown[i].place = place{method, NoRoute}
		t.places[t.unknown[i].place] = &t.unknown[i]
	}
	return t
}

// begin counts a request that has come.
func (t *Traffic) begin() { t.inFlight.Add(1) }

// end counts a request that was answered.
func (t *Traffic) end(at place, status int, sent int64, took time.Duration, err error) {
	t.inFlight.Add(-1)
	t.sent.Add(sent)
	r := t.places[at]
	class := status / 100
	if class < 1 || class >= len(r.statuses) {
		class = 5 // it has come to nothing
	}
	r.statuses[class].Add(1)
	bound, _ := slices.BinarySearch(latencyBounds[:], took)
	r.times[bound].Add(1)
	r.spent.Add(int64(took))
	if err != nil && status != statusGone {
		t.fail(err)
	}
}

// fail counts a failure that somebody was told.
func (t *Traffic) fail(err error) {
	kind := fault.KindOf(err)
	if i := slices.Index(fault.Kinds(), kind); i >= 0 {
		t.kinds[i].Add(1)
	}
	if kind != fault.Busy {
		return
	}
	i := slices.Index(fault.Reasons(), fault.ReasonOf(err))
	if i < 0 {
		i = len(t.reasons) - 1
	}
	t.reasons[i].Add(1)
}

// TrafficStats are the requests since a [Traffic] was made, and those of now.
type TrafficStats struct {
	InFlight int
	Sent     int64                   // bytes of bodies
	Routes   []RouteStats            // of which there were requests
	Failures map[fault.Kind]uint64   // every kind is there
	Refusals map[fault.Reason]uint64 // failures of kind Busy; every reason is there, and NoReason
}

// RouteStats are the requests of one route.
type RouteStats struct {
	Method   string    // or OtherMethod
	Pattern  string    // as in docs/api.md, or NoRoute
	Statuses [6]uint64 // by the first digit of the status
	Latency  Latency
}

// Latency is how many requests took how long, from their header to the end of the
// answer.
type Latency struct {
	Bounds []time.Duration // upper ones, in order
	Counts []uint64        // within each bound and above the one before; the last: above all
	Sum    time.Duration
}

// Stats returns what was counted.
func (t *Traffic) Stats() TrafficStats {
	s := TrafficStats{
		InFlight: int(t.inFlight.Load()), Sent: t.sent.Load(), Failures: map[fault.Kind]uint64{}, Refusals: map[fault.Reason]uint64{},
	}
	for _, list := range [][]routeTraffic{t.routes, t.unknown} {
		for i := range list {
			if r := list[i].stats(); r.Statuses != [6]uint64{} {
				s.Routes = append(s.Routes, r)
			}
		}
	}
	for i, kind := range fault.Kinds() {
		s.Failures[kind] = t.kinds[i].Load()
	}
	for i, reason := range append(fault.Reasons(), NoReason) {
		s.Refusals[reason] = t.reasons[i].Load()
	}
	return s
}

func (r *routeTraffic) stats() RouteStats {
	s := RouteStats{Method: r.method, Pattern: r.pattern, Latency: Latency{Bounds: slices.Clone(latencyBounds[:]), Sum: time.Duration(r.spent.Load())}}
	for i := range r.statuses {
		s.Statuses[i] = r.statuses[i].Load()
	}
	for i := range r.times {
		s.Latency.Counts = append(s.Latency.Counts, r.times[i].Load())
	}
	return s
}
