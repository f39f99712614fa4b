package ayb

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ayb/store"
)

// The bounds of what the journal keeps in memory, and how long.
const (
	journalRecords = 10_000          // records
	journalCounts  = 10_000          // different counters
	journalTouches = 10_000          // tokens
	flushAfter     = time.Second     // from the first thing to write to its writing
	flushTime      = 5 * time.Second // for one writing
	countShards    = 16
)

// failureRecords is how many calls of one caller that were refused or failed are
// recorded in a minute. Anybody can make as many of them as the server answers,
// and would else push the rest of the trail over its bound.
const failureRecords = 100

// A journal gathers what the audit trail keeps, so that no call waits for it,
// and writes it to the store about once a second. What does not fit while the
// store is down is dropped, oldest first, and the loss is recorded.
type journal struct {
	store    *store.Store
	log      *slog.Logger
	observer Observer
	ids      *ids
	now      func() time.Time

	dirty atomic.Bool
	wake  chan struct{} // holds a signal if there is something to write

	writing sync.Mutex // held while writing, so that order is kept

	mu      sync.Mutex
	records []AuditRecord
	lost    int64
	all     AuditStats // since the beginning
	touches map[string]time.Time

	counts [countShards]countShard
}

// A countShard holds a part of the counters, so that queries on different
// databases do not wait for each other.
type countShard struct {
	mu   sync.Mutex
	n    map[countKey]int64
	lost int64
}

type countKey struct {
	minute   int64 // since 1970
	entity   ID
	database ID
	token    string
}

func newJournal(st *store.Store, ids *ids, cfg Config) *journal {
	j := &journal{
		store: st, log: cfg.Logger, observer: cfg.Observer, ids: ids, now: cfg.Now,
		wake:    make(chan struct{}, 1),
		touches: map[string]time.Time{},
	}
	for i := range j.counts {
		j.counts[i].n = map[countKey]int64{}
	}
	return j
}

// record adds a record.
func (j *journal) record(r AuditRecord) {
	j.mu.Lock()
	r.ID = j.ids.next()
	j.records = append(j.records, r)
	j.all.Records++
	j.trim()
	j.mu.Unlock()
	j.markDirty()
	if j.observer.Audit != nil {
		j.observer.Audit(r)
	}
}

// lose counts a record that is not kept. It is mentioned beside the next one that
// is, or else the mentions would be as many as what they stand for.
func (j *journal) lose() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lost++
	j.all.Skipped++
}

func (j *journal) stats() AuditStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.all
	now.Waiting = len(j.records)
	return now
}

// trim drops the oldest records beyond the bound.
func (j *journal) trim() {
	if over := len(j.records) - journalRecords; over > 0 {
		j.records = j.records[over:]
		j.lost += int64(over)
		j.all.Lost += uint64(over)
	}
}

// count counts one query.
func (j *journal) count(at time.Time, p Principal, database ID) {
	key := countKey{minute: at.Unix() / 60, entity: p.Entity, database: database, token: p.Token}
	j.countIn(key, 1)
	if !j.dirty.Load() {
		j.markDirty()
	}
}

func (j *journal) countIn(key countKey, n int64) {
	s := &j.counts[(key.database[15]^key.entity[15])%countShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.n[key]; !known && len(s.n) >= journalCounts/countShards {
		s.lost += n
		return
	}
	s.n[key] += n
}

// touch remembers that a token was used.
func (j *journal) touch(short string, at time.Time) {
	j.mu.Lock()
	if len(j.touches) < journalTouches {
		j.touches[short] = at
	}
	j.mu.Unlock()
	j.markDirty()
}

func (j *journal) markDirty() {
	if j.dirty.CompareAndSwap(false, true) {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
}

// run writes what there is to write until ctx ends.
func (j *journal) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(flushAfter):
		}
		limited, cancel := context.WithTimeout(ctx, flushTime)
		if err := j.flush(limited); err != nil && ctx.Err() == nil {
			j.log.Warn("the audit trail could not be written; trying again", "error", err)
		}
		cancel()
	}
}

// flush writes everything gathered so far. What could not be written is kept, as
// far as the bounds allow. Errors: of the store.
func (j *journal) flush(ctx context.Context) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.dirty.Store(false)
	records, lost, touches := j.takeRecords()
	counts := j.takeCounts()
	if len(records)+len(counts) > 0 {
		if err := j.store.AppendAudit(ctx, records, counts); err != nil {
			j.putBack(records, lost, touches, counts)
			j.markDirty()
			return err
		}
	}
	for short, at := range touches {
		if err := j.store.TouchToken(ctx, short, at); err != nil {
			return err // its next use tries again
		}
	}
	return nil
}

// takeRecords empties the journal of records, with one about lost ones in front.
func (j *journal) takeRecords() (records []AuditRecord, lost int64, touches map[string]time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	records, lost, touches = j.records, j.lost, j.touches
	j.records, j.lost, j.touches = nil, 0, map[string]time.Time{}
	if lost > 0 {
		records = append(records, AuditRecord{
			ID: j.ids.next(), Time: j.now().UTC(), System: true, Action: "audit", Outcome: "lost",
			Subject: fmt.Sprintf("%d records", lost),
		})
	}
	return records, lost, touches
}

func (j *journal) takeCounts() (counts []QueryCount) {
	lost := int64(0)
	for i := range j.counts {
		s := &j.counts[i]
		s.mu.Lock()
		for k, n := range s.n {
			counts = append(counts, QueryCount{Minute: time.Unix(k.minute*60, 0).UTC(), Entity: k.entity, Token: k.token, Database: k.database, Count: n})
		}
		clear(s.n)
		lost, s.lost = lost+s.lost, 0
		s.mu.Unlock()
	}
	if lost > 0 {
		j.log.Warn("queries of too many different callers in a second to count them all", "uncounted", lost)
	}
	return counts
}

// putBack undoes a take after a failure to write.
func (j *journal) putBack(records []AuditRecord, lost int64, touches map[string]time.Time, counts []QueryCount) {
	if lost > 0 {
		records = records[:len(records)-1]
	}
	j.mu.Lock()
	j.records = append(records, j.records...)
	j.lost += lost
	j.trim()
	for short, at := range touches {
		if _, newer := j.touches[short]; !newer {
			j.touches[short] = at
		}
	}
	j.mu.Unlock()
	for _, q := range counts {
		j.countIn(countKey{minute: q.Minute.Unix() / 60, entity: q.Entity, database: q.Database, token: q.Token}, q.Count)
	}
}
