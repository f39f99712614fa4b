//go:build linux

package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"ayb"
	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

const (
	mixedTime  = 6 * time.Second // without AYB_STRESS
	mixedLong  = time.Minute     // from when on there are more samples, and all work must succeed now and then
	mixedRows  = 1000            // of a table, at first; ids go up to twice as many
	mixedBases = 3               // databases of each account that are always there
)

var mixedAccounts = []string{"alice", "bob", "carol"}

// TestMixed has a server do all kinds of work at once. Now and then everybody pauses,
// and when the server has nothing to do any more it is looked at what it has:
// goroutines, descriptors, memory, processes and files. None of that grows, nothing
// fails that is not refused for a reason, and in the end nothing is left.
func TestMixed(t *testing.T) {
	length := mixedTime
	if text := os.Getenv("AYB_STRESS"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		must(t, err)
	}
	pauses := 5
	if length >= mixedLong {
		pauses = 16
	}
	m := newMixed(t)
	// Whoever loses two workers within a minute is refused for a while, so there are not
	// many to lose.
	m.killEvery = min(max(length/40, 2*time.Second), 20*time.Second)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	for _, kind := range kindsOfWork {
		for range kind.hands {
			h := m.hand()
			all.Go(func() { m.work(ctx, h, kind) })
		}
	}
	var samples []sample
	for range pauses {
		select {
		case <-time.After(length / time.Duration(pauses)):
		case <-ctx.Done():
		}
		samples = append(samples, m.pause(t))
	}
	stop()
	all.Wait()
	m.report(t, samples, length >= mixedLong)
	m.end(t)
}

// A mixed is what hands work on.
type mixed struct {
	site *site
	pool []*hand

	killEvery time.Duration // a worker, on average

	busy sync.RWMutex // held for reading while one works

	mu       sync.Mutex
	outcomes map[string]map[string]int // by work and kind of error
	odd      []string
}

// A hand does one kind of work, as one account at a time.
type hand struct {
	m      *mixed
	id     int
	random *rand.Rand
	apis   []*client.Client // by account
	made   int              // databases
}

func newMixed(t *testing.T) *mixed {
	m := &mixed{outcomes: map[string]map[string]int{}}
	bucket := t.TempDir()
	m.site = newSite(t, mixedAccounts,
		"AYB__SNAPSHOTS__URL=file://"+bucket, "AYB__SNAPSHOTS__AUTOMATION__INTERVAL=3s", "AYB__SNAPSHOTS__AUTOMATION__MAX_SNAPSHOTS=3",
		"AYB__LIMITS__QUERY_TIME=2s", "AYB__LIMITS__ENTITY_BYTES=1 GiB", "AYB__LIMITS__DATABASES=100000", "AYB__LIMITS__WRITE_STALL=2s", "AYB__LIMITS__ACCOUNT_COPIES=4")
	m.site.start()
	h := m.hand()
	for i, account := range mixedAccounts {
		for base := range mixedBases {
			ref := fmt.Sprintf("%s/base%d", account, base)
			_, err := h.apis[i].CreateDatabase(t.Context(), ref, nil)
			must(t, err)
			_, err = h.apis[i].Query(t.Context(), ref, fmt.Sprintf(`CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, text TEXT);
				WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) INSERT INTO t SELECT i, i %% 7, 'text ' || i FROM c`, mixedRows))
			must(t, err)
		}
		for _, other := range mixedAccounts {
			if other != account {
				must(t, h.apis[i].Share(t.Context(), account+"/base0", other, catalog.ReadWrite))
				must(t, h.apis[i].Share(t.Context(), account+"/base1", other, catalog.ReadOnly))
			}
		}
	}
	return m
}

func (m *mixed) hand() *hand {
	h := &hand{m: m, id: len(m.pool), random: rand.New(rand.NewPCG(uint64(len(m.pool)), 7))}
	for _, account := range mixedAccounts {
		h.apis = append(h.apis, m.site.client(account))
	}
	m.pool = append(m.pool, h)
	return h
}

// work does one thing after the other.
func (m *mixed) work(ctx context.Context, h *hand, kind kindOfWork) {
	for ctx.Err() == nil {
		m.busy.RLock()
		err := kind.do(ctx, h)
		m.busy.RUnlock()
		if ctx.Err() == nil {
			m.note(kind.name, err)
		}
		rest := kind.rest
		if errors.Is(err, fault.Busy) { // as it was told to
			rest = max(rest, 50*time.Millisecond)
		}
		if kind.name == "kill" {
			rest = m.killEvery
		}
		if rest > 0 {
			select {
			case <-time.After(time.Duration(h.random.Int64N(int64(2 * rest)))):
			case <-ctx.Done():
			}
		}
	}
}

// expected are the kinds of errors that a caller may meet who does nothing wrong, with
// so many others at work and workers that are killed: Unavailable is whoever has lost
// two of them.
var expected = []fault.Kind{
	fault.Busy, fault.OutcomeUnknown, fault.NotApplied, fault.Conflict, fault.NotFound, fault.Exists, fault.TimedOut, fault.TooLarge, fault.Unavailable,
}

// note counts how something has ended.
func (m *mixed) note(work string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.outcomes[work] == nil {
		m.outcomes[work] = map[string]int{}
	}
	kind := "ok"
	if err != nil {
		kind = string(fault.KindOf(err))
		cut := work == "export" || work == "import" // what streams a file has no other way to say that its worker is gone
		if !slices.Contains(expected, fault.KindOf(err)) || isGone(err) && fault.KindOf(err) != fault.TimedOut && !cut {
			if cause, ok := errors.AsType[*client.ResponseError](err); ok {
				err = fmt.Errorf("%w (%v)", err, cause)
			}
			m.odd = append(m.odd, fmt.Sprintf("%s: %v", work, err))
		}
	}
	m.outcomes[work][kind]++
}

// A sample is what the server has when it has nothing to do.
type sample struct {
	at                                  time.Time
	goroutines, files, heap, resident   float64 // of the server; MB
	workers, workerMemory, databases    float64
	requests, left, connections, inside float64
}

// pause has everybody stop, waits until the server has nothing to do, and looks at it.
func (m *mixed) pause(t *testing.T) (s sample) {
	t.Helper()
	m.busy.Lock()
	defer m.busy.Unlock()
	m.site.transport.CloseIdleConnections()
	// Rounds of snapshots go on meanwhile, so what counts is when there is the least.
	deadline := time.Now().Add(patience)
	for calm := 0; calm < 5; {
		now, err := m.look(t.Context())
		must(t, err)
		if now.inside == 0 && now.connections == 0 && now.left == 0 {
			if calm++; calm == 1 {
				s = now
			}
			s.at, s.requests = now.at, now.requests
			for _, v := range []struct{ least, now *float64 }{
				{&s.goroutines, &now.goroutines}, {&s.files, &now.files}, {&s.heap, &now.heap}, {&s.resident, &now.resident},
				{&s.workers, &now.workers}, {&s.workerMemory, &now.workerMemory},
			} {
				*v.least = min(*v.least, *v.now)
			}
		} else if time.Now().After(deadline) {
			t.Errorf("the server does not come to rest: %.0f calls, %.0f connections, %.0f files and notes: %v", now.inside, now.connections, now.left, m.leftovers())
			return now
		}
		time.Sleep(20 * time.Millisecond)
	}
	return s
}

// look returns what the server has now.
func (m *mixed) look(ctx context.Context) (s sample, err error) {
	if err := m.site.collect(ctx); err != nil {
		return s, err
	}
	v, err := m.site.scrape(ctx)
	s = sample{
		at: time.Now(), goroutines: v["go_goroutines"], files: v["process_open_fds"],
		heap: v["go_memstats_heap_alloc_bytes"] / (1 << 20), resident: v["process_resident_memory_bytes"] / (1 << 20),
		databases: v["ayb_databases_open"], requests: v["ayb_http_requests_total"],
		connections: v["ayb_http_connections"], inside: v["ayb_calls_in_flight"], left: float64(len(m.leftovers())),
	}
	for _, pid := range m.site.workers() {
		s.workers++
		s.workerMemory += residentOf(pid)
	}
	return s, err
}

// report says what was done and what the server had, and fails if that grows.
func (m *mixed) report(t *testing.T, samples []sample, long bool) {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "after s\trequests\tgoroutines\tdescriptors\theap MB\tresident MB\tworkers\ttheir MB\topen databases\t")
	for _, s := range samples {
		fmt.Fprintf(table, "%.0f\t%.0f\t%.0f\t%.0f\t%.1f\t%.1f\t%.0f\t%.0f\t%.0f\t\n", s.at.Sub(samples[0].at).Seconds(),
			s.requests, s.goroutines, s.files, s.heap, s.resident, s.workers, s.workerMemory, s.databases)
	}
	table.Flush()
	t.Logf("at rest, between the loads:\n%s", &b)
	for work, kinds := range m.outcomes {
		t.Logf("%-10s %v", work, kinds)
		if kinds["ok"] == 0 && long {
			t.Errorf("%s: nothing of that has succeeded, so nothing was shown about it", work)
		}
	}
	for i, odd := range m.odd {
		if i == 20 {
			t.Errorf("and %d more", len(m.odd)-i)
			break
		}
		t.Errorf("%s", odd)
	}
	third := len(samples) / 3
	early, late := samples[1:1+third], samples[len(samples)-third:] // the first warms up
	for _, g := range []struct {
		what string
		of   func(sample) float64
		room func(early float64) float64 // that it may have beyond
	}{
		{"goroutines", func(s sample) float64 { return s.goroutines }, func(e float64) float64 { return 15 }},
		{"descriptors", func(s sample) float64 { return s.files }, func(e float64) float64 { return 15 }},
		{"heap", func(s sample) float64 { return s.heap }, func(e float64) float64 { return 16 + e/4 }},
		{"resident memory", func(s sample) float64 { return s.resident }, func(e float64) float64 { return 48 + e/4 }},
		{"memory of workers", func(s sample) float64 { return s.workerMemory }, func(e float64) float64 { return 128 + e/2 }},
	} {
		before, after := most(early, g.of), least(late, g.of)
		if after > before+g.room(before) {
			t.Errorf("%s grow: at most %.1f at first, at least %.1f at last", g.what, before, after)
		}
	}
	if workers := most(samples, func(s sample) float64 { return s.workers }); workers > float64(2*len(mixedAccounts)) {
		t.Errorf("there were %.0f workers at rest, for %d accounts", workers, len(mixedAccounts))
	}
}

func most(samples []sample, of func(sample) float64) float64 {
	return of(slices.MaxFunc(samples, by(of)))
}

func least(samples []sample, of func(sample) float64) float64 {
	return of(slices.MinFunc(samples, by(of)))
}

func by(of func(sample) float64) func(a, b sample) int {
	return func(a, b sample) int {
		switch {
		case of(a) < of(b):
			return -1
		case of(a) > of(b):
			return 1
		}
		return 0
	}
}

// end has the server end, and looks at what it leaves: sound databases, and nothing
// that runs or that was under way.
func (m *mixed) end(t *testing.T) {
	workers := m.site.workers()
	m.site.stop()
	if left := m.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, pid := range workers {
		if residentOf(pid) > 0 {
			t.Errorf("worker %d runs on", pid)
		}
	}
	eng, err := ayb.Open(t.Context(), ayb.Config{DataPath: m.site.data()})
	must(t, err)
	defer eng.Close()
	for _, account := range mixedAccounts {
		page := ayb.Page{}
		for {
			list, err := eng.Databases(t.Context(), ayb.System, account, page)
			must(t, err)
			for _, db := range list.Items {
				result, err := eng.Query(t.Context(), ayb.System, db.Ref().String(), "PRAGMA integrity_check")
				if err != nil || result.Rows[0][0].String() != "ok" {
					t.Errorf("%s: %v %v", db.Ref(), result, err)
				}
			}
			if page.After = list.Next; list.Next == "" {
				break
			}
		}
	}
}
