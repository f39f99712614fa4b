// Package client is the Go client of ayb's HTTP API. It links the words of ayb
// and nothing of the engine or of SQLite.
//
// A [Client] has the methods of ayb.Engine, without the principal: whom a call
// is made for follows from its token. Its errors are those of the engine, so
// that errors.Is(err, fault.NotFound) and fault.Message(err) work for both, and
// a [*ResponseError] among their causes has what else the server said. What goes
// wrong on the way is [fault.Unavailable] with a sentence that says what to do,
// or [fault.OutcomeUnknown] if a request that changes something may have been
// carried out. A context's own error is returned as it is.
//
// Requests are sent again only where that can't do anything twice: those that
// only look, and those that were certainly not carried out.
//
// Programs that use an existing ayb server can use it too, as far as that server
// goes; [Client.Stream] says what differs.
package client
