package durable

import (
	"errors"
	"fmt"

	"ayb/fault"
)

// ErrFull is the cause of every fault that a full disk leads to.
var ErrFull = errors.New("disk full")

// IsFull reports whether an error says that there is no room: on the disk, or for
// this user or process on it.
func IsFull(err error) bool { return errors.Is(err, ErrFull) || isFull(err) }

// Fault returns what a failure of this machine's disk is to a user: that the disk is
// full if it is, with the cause [ErrFull], or else the sentence. What is a fault
// already stays what it is. Errors: Unavailable; nil of nil.
func Fault(err error, sentence string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if IsFull(err) {
		return Full(err)
	}
	return fault.Wrap(fault.Unavailable, err, "%s", sentence)
}

// Full returns the fault of a full disk.
func Full(cause error) error {
	if !errors.Is(cause, ErrFull) {
		cause = fmt.Errorf("%w: %w", ErrFull, cause)
	}
	return fault.Wrap(fault.Unavailable, cause, "The server's disk is full; nothing was changed. Try again later, or tell whoever runs this server")
}
