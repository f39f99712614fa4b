package worker

import (
	"sync"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// offenders remembers who took workers down with their statements, and keeps
// them away for a minute: from an owner whose workers they ended twice within a
// minute, and from everybody if they were workers of two owners.
//
// What a worker was ended by is known only from how it ended, and one that was
// taken over can end as it likes while somebody waits for its answer. So the
// losses of one owner's workers say nothing about what a caller does elsewhere.
type offenders struct {
	mu     sync.Mutex
	record map[place]offence
}

// A place is where a caller may be kept away from: an owner's databases or, if
// that is zero, all.
type place struct {
	caller hosting.Caller
	owner  catalog.ID
}

type offence struct {
	last   time.Time  // of the last worker lost
	owner  catalog.ID // whose it was
	barred time.Time  // until then; zero: no
}

const (
	offenceMemory = time.Minute
	maxOffences   = 8192 // that are remembered: two of each offender
)

// check refuses a caller who is kept away from an owner's databases.
func (o *offenders) check(caller hosting.Caller, owner catalog.ID, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if rest := o.record[place{caller: caller}].barred.Sub(now); rest > 0 {
		return fault.Refuse(fault.Barred, "Your queries have ended processes of two owners of databases within a minute by running too long or using too much memory; try again in %d seconds", seconds(rest))
	}
	if rest := o.record[place{caller, owner}].barred.Sub(now); rest > 0 {
		return fault.Refuse(fault.Barred, "Your queries of this owner's databases have ended two processes within a minute by running too long or using too much memory; try again in %d seconds", seconds(rest))
	}
	return nil
}

// seconds returns a time in seconds, rounded up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// note charges a caller with the loss of an owner's worker. The host is never
// charged.
func (o *offenders) note(caller hosting.Caller, owner catalog.ID, now time.Time) {
	if caller == (hosting.Caller{}) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.record == nil {
		o.record = map[place]offence{}
	}
	here, everywhere := place{caller, owner}, place{caller: caller}
	o.count(here, owner, now, o.recent(here, now))
	o.count(everywhere, owner, now, o.recent(everywhere, now) && o.record[everywhere].owner != owner)
	if len(o.record) > maxOffences {
		o.sweep(now)
	}
}

// recent reports whether there has been a loss within the minute.
func (o *offenders) recent(at place, now time.Time) bool {
	was, known := o.record[at]
	return known && now.Sub(was.last) < offenceMemory
}

// count adds a loss, and bars the caller if it is one too many.
func (o *offenders) count(at place, owner catalog.ID, now time.Time, tooMany bool) {
	is := offence{last: now, owner: owner, barred: o.record[at].barred}
	if tooMany {
		is.barred = now.Add(offenceMemory)
	}
	o.record[at] = is
}

// sweep forgets what is over; if that does not help, everything.
func (o *offenders) sweep(now time.Time) {
	for at, was := range o.record {
		if now.Sub(was.last) >= offenceMemory && now.After(was.barred) {
			delete(o.record, at)
		}
	}
	if len(o.record) > maxOffences {
		clear(o.record)
	}
}
