package ayb

import (
	"context"
	"errors"
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
	"ayb/store"
)

// RunnerStats are the counters and gauges of what runs SQL.
type RunnerStats = hosting.Stats

// CacheStats count the look-ups of one cache of the metadata.
type CacheStats = store.CacheStats

// MetadataStats count what the metadata database was asked for.
type MetadataStats = store.Requests

// Stats are an engine's counters since it was opened, and its gauges as of now.
type Stats struct {
	Runner    RunnerStats
	Metadata  MetadataStats
	Caches    map[string]CacheStats // by what is looked up: entities, databases, tokens, ...
	Calls     int                   // under way now, queries among them
	Copies    int                   // exports and imports under way now
	Audit     AuditStats
	Snapshots SnapshotStats
}

// AuditStats are the counters of the audit trail.
type AuditStats struct {
	Records uint64 // that were made
	Skipped uint64 // of callers who had too many refused or failed calls in a minute
	Lost    uint64 // because the metadata database was down for too long
	Waiting int    // to be written, now
}

// SnapshotStats are the counters of snapshots. All are zero if none are taken.
type SnapshotStats struct {
	Taken, Failed  uint64        // snapshots of databases, and tries that came to nothing
	Bytes          uint64        // size of the databases of which they are
	Metadata       uint64        // copies of the metadata that were stored
	MetadataFailed uint64        // tries that came to nothing
	Rounds         uint64        // that came to their end
	LastRound      time.Time     // when the last of them did; zero: none has
	LastDuration   time.Duration // of it
	Proven         uint64        // drills that went well
	Unproven       uint64        // drills that found a snapshot which can't be restored
}

// Stats returns what the engine has done and is doing. It takes no part in any
// call, is for whoever runs the program, and may wait up to a quarter of a second
// for worker processes to tell.
func (e *Engine) Stats() Stats {
	return Stats{
		Runner: e.runner.Stats(), Metadata: e.store.Requests(), Caches: e.store.Stats(), Calls: int(e.calls.inside.Load()), Copies: e.copying.count(),
		Audit: e.journal.stats(), Snapshots: e.snapshots.now(),
	}
}

// snapshotCounters count what snapshots are made of.
type snapshotCounters struct {
	mu    sync.Mutex
	stats SnapshotStats
}

func (c *snapshotCounters) now() SnapshotStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// note changes the counters.
func (c *snapshotCounters) note(change func(*SnapshotStats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.stats)
}

// taken counts a try at a snapshot of a database of so many bytes. What its caller
// should not have asked for, or has given up, is no failure.
func (c *snapshotCounters) taken(bytes int64, err error) {
	c.note(func(s *SnapshotStats) {
		switch {
		case err == nil:
			s.Taken++
			s.Bytes += uint64(bytes)
		case isOurs(err):
			s.Failed++
		}
	})
}

// metadata counts a try at a copy of the metadata.
func (c *snapshotCounters) metadata(err error) {
	c.note(func(s *SnapshotStats) {
		switch {
		case err == nil:
			s.Metadata++
		case isOurs(err):
			s.MetadataFailed++
		}
	})
}

// isOurs reports whether an error is the doing of the server, or of what it depends
// on, and not of a caller.
func isOurs(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Internal, fault.TimedOut:
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	return false
}

// round counts a round that came to its end.
func (c *snapshotCounters) round(ended time.Time, took time.Duration) {
	c.note(func(s *SnapshotStats) {
		s.Rounds++
		s.LastRound, s.LastDuration = ended, took
	})
}
