package fault

import (
	"errors"
	"slices"
)

// A Reason is the cause of a failure of kind [Busy] in one word: which bound was
// reached. Programs count failures by it; people read the message.
type Reason string

// The reasons. What has none of them is counted as other.
const (
	// QueueFull: too many wait already.
	QueueFull Reason = "queue_full"
	// QueueTime: no turn came in time.
	QueueTime Reason = "queue_time"
	// Memory: the memory for queries, bodies or answers is in use.
	Memory Reason = "memory"
	// Workers: all processes are at work.
	Workers Reason = "workers"
	// Sessions: the database has as many sessions as it may.
	Sessions Reason = "sessions"
	// Copies: too many exports and imports are under way.
	Copies Reason = "copies"
	// Moving: the database is being moved, restored or imported.
	Moving Reason = "moving"
	// Barred: the caller's queries have cost processes.
	Barred Reason = "barred"
	// Rate: the caller asks too often.
	Rate Reason = "rate"
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{QueueFull, QueueTime, Memory, Workers, Sessions, Copies, Moving, Barred, Rate}
}

// Error returns the reason's name.
func (r Reason) Error() string { return string(r) }

// ParseReason returns the reason of that name, and whether there is one.
func ParseReason(name string) (Reason, bool) {
	r := Reason(name)
	return r, slices.Contains(Reasons(), r)
}

// Refuse returns an Error of kind Busy.
func Refuse(reason Reason, format string, args ...any) *Error {
	return Wrap(Busy, reason, format, args...)
}

// ReasonOf returns the reason in err's tree; empty if it has none.
func ReasonOf(err error) Reason {
	r, _ := errors.AsType[Reason](err)
	return r
}
