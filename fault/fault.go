// Package fault is the one error type of ayb: a kind that programs test for, a
// sentence for the person who made the request, and a cause for the log.
//
// Every failure that leaves a room of ayb is an [*Error] or wraps one, except
// two that pass through untouched so that callers know their own doing:
// context.Canceled and context.DeadlineExceeded of a context the caller gave.
//
// The message never holds a server path, a secret or a driver's dump; those
// belong to the cause. Doors (HTTP, command line, wire protocols) have one
// table each from [Kind] to their own codes and never read prose.
package fault

import (
	"errors"
	"fmt"
)

// A Kind is a class of failure. It is itself an error, so that callers test
// for one with errors.Is(err, fault.NotFound). Kinds travel over the wire by
// name: add to the list, never rename.
type Kind string

// The kinds of failure.
const (
	// Invalid: the request itself is wrong (syntax, a bad slug, a constraint);
	// sending it again unchanged fails again.
	Invalid Kind = "invalid"
	// Unauthenticated: the caller must say who they are, or the token is bad.
	Unauthenticated Kind = "unauthenticated"
	// Denied: the caller is known and may not do this.
	Denied Kind = "denied"
	// NotFound: the thing named does not exist, and the caller may know that.
	NotFound Kind = "not_found"
	// Exists: the name is taken.
	Exists Kind = "exists"
	// Conflict: the state of things forbids it now; look again, then decide.
	Conflict Kind = "conflict"
	// TooLarge: a bound on bytes, rows, memory or disk was reached.
	TooLarge Kind = "too_large"
	// TimedOut: a bound on time was reached; the message names the bound.
	TimedOut Kind = "timed_out"
	// Busy: a queue or a share is full; the same request may succeed later.
	Busy Kind = "busy"
	// Unavailable: something ayb depends on is down, missing or full.
	Unavailable Kind = "unavailable"
	// Unsupported: understood, but not something this build can do.
	Unsupported Kind = "unsupported"
	// ReadOnly: a write was attempted where only reads are allowed.
	ReadOnly Kind = "read_only"
	// NotApplied: the request failed midway and certainly left nothing behind.
	NotApplied Kind = "not_applied"
	// OutcomeUnknown: a write failed at a moment at which it cannot be known
	// whether it was kept; look before sending it again.
	OutcomeUnknown Kind = "outcome_unknown"
	// Internal: a defect of ayb; what an error without a kind counts as. Its
	// cause is logged whole and its text is never shown to a tenant.
	Internal Kind = "internal"
)

// Kinds lists every kind, for tables that must be complete.
func Kinds() []Kind {
	return []Kind{
		Invalid, Unauthenticated, Denied, NotFound, Exists, Conflict, TooLarge, TimedOut,
		Busy, Unavailable, Unsupported, ReadOnly, NotApplied, OutcomeUnknown, Internal,
	}
}

// Error returns the kind's wire name.
func (k Kind) Error() string { return string(k) }

// An Error is a failure with a kind, a message fit for the user and a cause fit
// only for the operator's log. errors.Is and errors.As see both kind and cause.
type Error struct {
	Kind    Kind
	Message string // one sentence, shown to the user; says what to do next where that is not plain
	Code    int    // SQLite's extended result code if the failure is SQLite's, else 0

	// Statement is which statement of a text of several has failed, counted from 1;
	// 0 if that is not known, or if the text is one statement.
	Statement int

	Err error // the cause, for the log; may be nil
}

// New returns an Error without a cause.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an Error with a cause, which stays out of the message.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Err: cause}
}

// Error returns message and cause: text for the log, not for a tenant. Use
// [Message] for what a tenant may read.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// KindOf returns the outermost kind in err's tree, or [Internal] if it has
// none. KindOf(nil) is the empty Kind.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	return Internal
}

// Message returns the sentence of the outermost [Error] in err's tree: what a
// tenant may read. An error without a kind, and one of kind [Internal] without
// a message, read as "internal error".
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Message != "" {
		return e.Message
	}
	return "internal error"
}
