package worker

import (
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// offenders remembers who took workers down with their statements, and keeps
// those who did it twice within a minute away for a minute.
type offenders struct {
	mu     sync.Mutex
	record map[hosting.Caller]offence
}

type offence struct {
	last   time.Time // of the last worker lost
	barred time.Time // until then; zero: no
}

const (
	offenceMemory = time.Minute
	maxOffenders  = 4096
)

// check refuses a caller who is kept away.
func (o *offenders) check(caller hosting.Caller, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if rest := o.record[caller].barred.Sub(now); rest > 0 {
		return fault.New(fault.Busy, "Your queries have ended two processes of this server within a minute by running too long or using too much memory; try again in %d seconds", int(rest/time.Second)+1)
	}
	return nil
}

// note charges a caller with the loss of a worker. The host is never charged.
func (o *offenders) note(caller hosting.Caller, now time.Time) {
	if caller == (hosting.Caller{}) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	was, known := o.record[caller]
	is := offence{last: now, barred: was.barred}
	if known && now.Sub(was.last) < offenceMemory {
		is.barred = now.Add(offenceMemory)
	}
	if o.record == nil {
		o.record = map[hosting.Caller]offence{}
	}
	if o.record[caller] = is; len(o.record) > maxOffenders {
		o.sweep(now)
	}
}

// sweep forgets those whose minute is over; if that does not help, everybody.
func (o *offenders) sweep(now time.Time) {
	for caller, was := range o.record {
		if now.Sub(was.last) >= offenceMemory && now.After(was.barred) {
			delete(o.record, caller)
		}
	}
	if len(o.record) > maxOffenders {
		clear(o.record)
	}
}
