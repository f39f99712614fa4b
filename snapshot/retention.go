package snapshot

import (
	"cmp"
	"slices"
	"time"

	"ayb/catalog"
)

// A Policy says which snapshots are pruned. Manual ones never are.
type Policy struct {
	// Max is how many snapshots of rounds are kept, the newest ones; 0: all.
	Max int

	// KeepReplaced is how long that is kept which a restore has put away.
	KeepReplaced time.Duration
}

// Excess returns those snapshots of one database that are to be deleted, oldest
// first, in whatever order list is. It is a pure function.
//
// A content that was there for several reasons stays as long as one of them
// holds. Of a clock that was put back it is safe: an age that is negative is no
// age, and the order is that of Stamp.
func (p Policy) Excess(list []catalog.Snapshot, now time.Time) []catalog.Snapshot {
	var rounds, excess []catalog.Snapshot
	for _, s := range list {
		switch {
		case !s.Round.IsZero():
			rounds = append(rounds, s)
		case !s.Replaced.IsZero() && !p.protects(s, now):
			excess = append(excess, s)
		}
	}
	if p.Max > 0 && len(rounds) > p.Max {
		slices.SortFunc(rounds, func(a, b catalog.Snapshot) int {
			return cmp.Or(b.Round.Compare(a.Round), cmp.Compare(a.ID, b.ID))
		})
		for _, s := range rounds[p.Max:] {
			if !p.protects(s, now) {
				excess = append(excess, s)
			}
		}
	}
	slices.SortFunc(excess, func(a, b catalog.Snapshot) int { return -newestFirst(a, b) })
	return excess
}

// protects reports whether a snapshot stays whatever rounds have taken since.
func (p Policy) protects(s catalog.Snapshot, now time.Time) bool {
	return s.Kind == catalog.Manual || !s.Replaced.IsZero() && now.Sub(s.Replaced) < p.KeepReplaced
}

// Stamp returns the time to give to the next snapshot of a database that has
// those of list: now, or just after the newest of them if the clock was put back.
// So the order of their times is the order in which they were taken.
func Stamp(list []catalog.Snapshot, now time.Time) time.Time {
	now = now.UTC().Truncate(time.Millisecond) // as people read it
	for _, s := range list {
		for _, t := range []time.Time{s.Taken, s.Round, s.Replaced} {
			if !now.After(t) {
				now = t.UTC().Truncate(time.Millisecond).Add(time.Millisecond)
			}
		}
	}
	return now
}

// newestFirst compares two snapshots for the order in which they are listed.
func newestFirst(a, b catalog.Snapshot) int {
	return cmp.Or(b.Taken.Compare(a.Taken), cmp.Compare(a.ID, b.ID))
}

// again returns what becomes of a snapshot whose content is taken once more: each
// reason to keep it remains.
func again(old, taken catalog.Snapshot) catalog.Snapshot {
	s := old
	s.Taken, s.Size = taken.Taken, cmp.Or(taken.Size, old.Size)
	s.Round = later(old.Round, taken.Round)
	s.Replaced = later(old.Replaced, taken.Replaced)
	if old.Kind != catalog.Manual {
		s.Kind = taken.Kind
	}
	if taken.Note != "" {
		s.Note = taken.Note
	}
	return s
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
