package httpapi

import (
	"context"
	"errors"
	"net/http"

	"ayb"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// kinds says how each kind of failure is answered.
var kinds = map[fault.Kind]struct {
	status int
	typ    wire.ErrorType
}{
	fault.Invalid:         {http.StatusBadRequest, wire.Other},
	fault.Unauthenticated: {http.StatusUnauthorized, wire.Unauthorized},
	fault.Denied:          {http.StatusForbidden, wire.Other},
	fault.NotFound:        {http.StatusNotFound, wire.Other},
	fault.Exists:          {http.StatusConflict, wire.Other},
	fault.Conflict:        {http.StatusConflict, wire.Other},
	fault.TooLarge:        {http.StatusRequestEntityTooLarge, wire.Other},
	fault.TimedOut:        {http.StatusGatewayTimeout, wire.Other},
	fault.Busy:            {http.StatusTooManyRequests, wire.Other},
	fault.Unavailable:     {http.StatusServiceUnavailable, wire.Other},
	fault.Unsupported:     {http.StatusNotImplemented, wire.Other},
	fault.ReadOnly:        {http.StatusForbidden, wire.NoWriteAccessError},
	fault.NotApplied:      {http.StatusServiceUnavailable, wire.Other},
	fault.OutcomeUnknown:  {http.StatusInternalServerError, wire.Other},
	fault.Internal:        {http.StatusInternalServerError, wire.Other},
}

// causes are what gives an error a type of its own although its kind is a common
// one.
var causes = []struct {
	cause error
	typ   wire.ErrorType
}{
	{ayb.ErrEmptyUpdate, wire.EmptyUpdateError},
	{ayb.ErrOwnerAccess, wire.CantSetOwnerPermissions},
	{ayb.ErrNoSnapshot, wire.SnapshotDoesNotExistError},
	{ayb.ErrReserved, wire.RegistrationError},
	{ayb.ErrMail, wire.EmailError},
}

// A typed error is answered with a type that follows from where it happened.
type typed struct {
	error
	typ wire.ErrorType
}

// Unwrap returns the error without the type.
func (t typed) Unwrap() error { return t.error }

// as gives an error a type; nil stays nil.
func as(typ wire.ErrorType, err error) error {
	if err == nil {
		return nil
	}
	return typed{err, typ}
}

// asIf gives an error a type if it is of a kind.
func asIf(kind fault.Kind, typ wire.ErrorType, err error) error {
	if err != nil && errors.Is(err, kind) {
		return as(typ, err)
	}
	return err
}

// envelope returns the status and the body with which an error is answered.
func envelope(err error) (int, wire.Error) {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fault.Wrap(fault.TimedOut, err, "The request took longer than this server allows")
	}
	kind := fault.KindOf(err)
	row, ok := kinds[kind]
	if !ok {
		row = kinds[fault.Internal]
	}
	e := wire.Error{Type: row.typ, Message: fault.Message(err), Kind: kind}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		e.Code, e.Statement = f.Code, f.Statement
	}
	for _, c := range causes {
		if errors.Is(err, c.cause) {
			e.Type = c.typ
		}
	}
	if missing, ok := errors.AsType[*ayb.Missing](err); ok {
		e.Type, e.ID, e.RecordType = wire.RecordNotFound, missing.Name, missing.Record
	}
	if t, ok := errors.AsType[typed](err); ok {
		e.Type = t.typ
	}
	return row.status, e
}

// retryAfter returns after how many seconds a refused request may be sent again.
func retryAfter(err error) int {
	if limit, ok := errors.AsType[*ayb.RateLimit](err); ok {
		return max(1, int(limit.RetryAfter.Seconds()+0.999))
	}
	return 1
}
