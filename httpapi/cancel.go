package httpapi

import (
	"context"
	"sync"

	"ayb/catalog"
	"ayb/fault"
)

// maxRunning bounds how many queries the handler runs at a time.
const maxRunning = 1 << 16

// shortestQueryID is how long an id that the client makes must be: long enough
// that it did not come about by chance.
const shortestQueryID = 16

var errCancelled = fault.New(fault.NotApplied, "The query was cancelled; nothing of it was kept")

// running knows the queries that are under way.
type running struct {
	mu      sync.Mutex
	queries map[queryKey]context.CancelCauseFunc
}

// A queryKey names a query: only who runs it can name it.
type queryKey struct {
	entity catalog.ID
	id     string
}

func newRunning() *running { return &running{queries: map[queryKey]context.CancelCauseFunc{}} }

// cancellable returns a context for a query that ends when the client goes away
// or the query is cancelled, and tells the client by which id to cancel it. The
// client may choose the id in the same header, so that it knows it before the
// answer begins. The caller calls done. Errors: Invalid, Conflict, Busy.
func (x *exchange) cancellable() (_ context.Context, done func(), _ error) {
	key := queryKey{x.caller.Entity, x.r.Header.Get(queryIDHeader)}
	if key.id == "" {
		key.id = x.queryID
	} else if !cleanID(key.id, shortestQueryID) {
		return nil, nil, fault.New(fault.Invalid, "%s must be %d to 64 letters, digits, hyphens, underscores or periods", queryIDHeader, shortestQueryID)
	}
	ctx, cancel := context.WithCancelCause(x.ctx())
	x.setHeader(1, queryIDHeader, key.id)
	if x.caller.Anonymous() {
		return ctx, func() { cancel(nil) }, nil // nobody could prove to be the one who runs it
	}
	if err := x.running.add(key, cancel); err != nil {
		cancel(nil)
		return nil, nil, err
	}
	return ctx, func() {
		x.running.remove(key)
		cancel(nil)
	}, nil
}

func (r *running) add(key queryKey, cancel context.CancelCauseFunc) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queries[key] != nil {
		return fault.New(fault.Conflict, "A query with this %s is running already", queryIDHeader)
	}
	if len(r.queries) >= maxRunning {
		return fault.New(fault.Busy, "This server is running too many queries; try again")
	}
	r.queries[key] = cancel
	return nil
}

func (r *running) remove(key queryKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.queries, key)
}

// cancelQuery ends a query of the caller's entity. It does not wait for it.
func (x *exchange) cancelQuery() (any, error) {
	key := queryKey{x.caller.Entity, x.param(0)}
	x.running.mu.Lock()
	cancel := x.running.queries[key]
	x.running.mu.Unlock()
	if cancel == nil {
		return nil, fault.New(fault.NotFound, "No query with this id is running; it may have ended")
	}
	cancel(errCancelled)
	return empty{}, nil
}
