package httpapi

import (
	"context"
	"sync"
	"sync/atomic"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
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
	queries map[queryKey]*queryContext
}

// A queryKey names a query: only who runs it can name it.
type queryKey struct {
	entity catalog.ID
	id     string
}

// queryKey returns the key of a query of the caller's.
func (x *exchange) queryKey(id string) queryKey {
	if x.opt.Walls.Has(walls.CancelOwn) {
		return queryKey{id: id}
	}
	return queryKey{x.caller.Entity, id}
}

func newRunning() *running { return &running{queries: map[queryKey]*queryContext{}} }

// A queryContext is the context of a request, which can besides be cancelled. It
// is what context.WithCancel makes, but nearly for free: it takes its place among
// the children of the request's context only when somebody waits for its end,
// and SQLite does not wait but asks.
type queryContext struct {
	context.Context // of the request

	token string // by which the query came

	cancelled atomic.Bool // by cancel
	over      atomic.Bool // by cancel or release

	mu     sync.Mutex
	waited context.Context // made by Done
	leave  context.CancelFunc
}

// Err implements context.Context.
func (c *queryContext) Err() error {
	if c.over.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

// Done implements context.Context.
func (c *queryContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waited == nil {
		c.waited, c.leave = context.WithCancel(c.Context)
		if c.over.Load() {
			c.leave()
		}
	}
	return c.waited.Done()
}

// cancel ends the context because somebody wants the query to end.
func (c *queryContext) cancel() {
	c.cancelled.Store(true)
	c.release()
}

// release ends the context, and frees what it occupies.
func (c *queryContext) release() {
	c.over.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leave != nil {
		c.leave()
	}
}

// cancellable makes the context for a query, which ends when the client goes
// away or the query is cancelled, and tells the client by which id to cancel it.
// The client may choose the id in the same header, so that it knows it before
// the answer begins. The caller calls done. Errors: Invalid, Conflict, Busy.
func (x *exchange) cancellable() (ctx *queryContext, done func(), _ error) {
	key := x.queryKey("")
	if ids := x.r.Header[queryIDHeader]; len(ids) > 0 {
		key.id = ids[0]
	}
	if key.id == "" {
		key.id = x.queryID
	} else if !cleanID(key.id, shortestQueryID) {
		return nil, nil, fault.New(fault.Invalid, "%s must be %d to 64 letters, digits, hyphens, underscores or periods", queryIDHeader, shortestQueryID)
	}
	ctx = &x.asked
	ctx.Context, ctx.token = x.ctx(), x.caller.Token
	x.setHeader(1, queryIDHeader, key.id)
	if x.caller.Anonymous() {
		return ctx, ctx.release, nil // nobody could prove to be the one who runs it
	}
	if err := x.running.add(key, ctx); err != nil {
		return nil, nil, err
	}
	return ctx, func() {
		x.running.remove(key)
		ctx.release()
	}, nil
}

func (r *running) add(key queryKey, ctx *queryContext) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queries[key] != nil {
		return fault.New(fault.Conflict, "A query with this %s is running already", queryIDHeader)
	}
	if len(r.queries) >= maxRunning {
		return fault.Refuse(fault.QueueFull, "This server is running too many queries; try again")
	}
	r.queries[key] = ctx
	return nil
}

func (r *running) remove(key queryKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.queries, key)
}

// cancelQuery ends a query of the caller's entity. It does not wait for it. By way
// of a token that is limited only queries of that token can be ended: others may
// be beyond its limit.
func (x *exchange) cancelQuery() (any, error) {
	key := x.queryKey(x.param(0))
	x.running.mu.Lock()
	query := x.running.queries[key]
	x.running.mu.Unlock()
	if query == nil || x.caller.Scope != (catalog.Scope{}) && x.caller.Token != query.token {
		return nil, fault.New(fault.NotFound, "No query with this id is running; it may have ended")
	}
	query.cancel()
	return empty{}, nil
}
