package ayb

import (
	"context"
	"errors"
	"sync"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/walls"
)

// A call is one call of the engine: who asks for what, and what has been looked
// up for it. Every exported method that takes a principal makes one through the
// functions below, and reports its end with done:
//
//	c, err := e.authorizeDatabase(ctx, p, auth.Share, ref)
//	defer c.done(&err)
//	if err != nil {
//		return err
//	}
//
// So there is one place that decides, and no way past the audit trail.
type call struct {
	e      *Engine
	action auth.Action
	caller Principal // with the present name of its entity
	at     time.Time

	ref     Ref    // the database it is about, as the caller named it
	subject string // what else it is about
	entity  Entity // the account it is about
	token   string // short half of the token it is about

	// database is what ref names. One that does not exist has no ID, and the
	// owner it would have.
	database  Database
	allowance Quota         // of its owner
	grant     Access        // of the caller on the database
	role      Role          // of the caller in the organization that it is about, or that owns the database
	class     hosting.Class // of the SQL that the caller may run on it

	verdict auth.Verdict
	refused bool // worth a record although the action is not recorded as such
	decided bool // the policy has been asked
	silent  bool // part of another call, not counted

	writing ID // the database that it is let in as a writer of
}

// authorizeDatabase begins a call about a database.
func (e *Engine) authorizeDatabase(ctx context.Context, p Principal, action auth.Action, ref string) (*call, error) {
	c, err := e.begin(ctx, p, action)
	if err != nil {
		return c, err
	}
	if c.ref, err = catalog.ParseRef(ref); err != nil {
		return c, err
	}
	return c, c.allowDatabase(ctx)
}

// allowDatabase looks the database up and asks the policy.
func (c *call) allowDatabase(ctx context.Context) error {
	if err := c.find(ctx); err != nil {
		return err
	}
	return c.allowHere(ctx)
}

// authorizeAccount begins a call about an entity. What the call is about can be
// described more closely by subject; empty: the entity.
func (e *Engine) authorizeAccount(ctx context.Context, p Principal, action auth.Action, slug, subject string) (*call, error) {
	c, err := e.begin(ctx, p, action)
	if err != nil {
		return c, err
	}
	name, err := catalog.ParseEntitySlug(slug)
	if err != nil {
		return c, err
	}
	if c.entity, err = e.store.Entity(ctx, name); err != nil {
		return c, orMissing(err, noEntity(name))
	}
	if c.subject = subject; subject == "" {
		c.subject = string(name)
	}
	if err := c.findRole(ctx, c.entity); err != nil {
		return c, err
	}
	return c, c.allow()
}

// authorizeSelf begins a call about the caller's own account.
func (e *Engine) authorizeSelf(ctx context.Context, p Principal, action auth.Action) (*call, error) {
	c, err := e.begin(ctx, p, action)
	if err != nil {
		return c, err
	}
	if p.System {
		return c, fault.New(fault.Invalid, "The system has no account of its own; act as an entity with Engine.Owner")
	}
	c.entity.ID = p.Entity
	return c, c.allow()
}

// authorizeHost begins a call about the host.
func (e *Engine) authorizeHost(ctx context.Context, p Principal, action auth.Action, subject string) (*call, error) {
	c, err := e.begin(ctx, p, action)
	if err != nil {
		return c, err
	}
	c.subject = subject
	return c, c.allow()
}

// calls keeps what a call is made of for the next one, because every query makes
// one.
var calls = sync.Pool{New: func() any { return new(call) }}

// free lets the call out. Nobody may touch it afterwards.
func (c *call) free() {
	e := c.e
	c.leaveWriters()
	*c = call{}
	calls.Put(c)
	e.calls.leave()
}

// begin lets a call in and makes sure that its principal is still valid.
func (e *Engine) begin(ctx context.Context, p Principal, action auth.Action) (*call, error) {
	c := calls.Get().(*call)
	c.action, c.caller = action, p
	if err := e.calls.enter(); err != nil {
		return c, err
	}
	c.e, c.at = e, e.now()
	var err error
	if e.cfg.Walls.Has(walls.Scope) {
		p.Scope = Scope{}
	}
	c.caller, err = e.identify(ctx, p, c.at)
	c.refused = errors.Is(err, fault.Unauthenticated)
	return c, err
}

// find looks up the database that the call is about, and what the caller has to
// do with it.
func (c *call) find(ctx context.Context) error {
	c.grant = NoAccess // of what was found before, if this is not the first time
	owner, err := c.e.store.Entity(ctx, c.ref.Entity)
	if err == nil {
		c.allowance = owner.Quota
		c.database, err = c.e.store.Database(ctx, owner.ID, c.ref.Database)
	}
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	if err := c.findRole(ctx, owner); err != nil {
		return err
	}
	switch {
	case err != nil:
		c.database = Database{Owner: owner.ID}
		return nil
	case c.caller.System || c.caller.Anonymous() || c.caller.Entity == owner.ID:
		return nil
	}
	c.grant, err = c.e.store.Grant(ctx, c.database.ID, c.caller.Entity)
	return err
}

// findRole looks up the caller's role in an entity, if that is an organization.
func (c *call) findRole(ctx context.Context, ent Entity) (err error) {
	c.role = NoRole // of what was found before, if this is not the first time
	if ent.Kind == Organization && !c.caller.System && !c.caller.Anonymous() && c.caller.Entity != ent.ID {
		c.role, err = c.e.store.Role(ctx, ent.ID, c.caller.Entity)
	}
	return err
}

// allowHere is allow for a call about a database. To refuse one that exists takes
// as long as one that does not: that is looked for in the store each time,
// because nothing is cached of it.
func (c *call) allowHere(ctx context.Context) error {
	err := c.allow()
	if c.verdict == auth.Hidden && !c.database.ID.IsZero() {
		c.e.store.SeekDatabase(ctx, c.database.Owner, c.ref.Database)
	}
	return err
}

// allow asks the policy. A database that does not exist is reported as such only
// to those who were allowed to do the thing with it.
func (c *call) allow() error {
	c.verdict, c.decided = auth.Allow(c.question()), true
	if down := &c.e.cfg.Walls; down.Has(walls.Policy) {
		c.verdict = auth.Allowed
	} else if down.Has(walls.Hiding) && c.ref != (Ref{}) && c.database.ID.IsZero() {
		return noDatabase(c.ref)
	}
	if c.verdict != auth.Allowed {
		c.refused = true
		return auth.Refusal(c.question(), c.subjectName())
	}
	if c.ref != (Ref{}) && c.database.ID.IsZero() {
		return noDatabase(c.ref)
	}
	return nil
}

func (c *call) question() auth.Question {
	return auth.Question{
		Action: c.action, Caller: c.caller,
		Database: &c.database, Grant: c.grant, Role: c.role,
		Entity: c.entity.ID, Token: c.token,
	}
}

// may reports whether the caller may do something else with the same thing.
func (c *call) may(action auth.Action) bool {
	q := c.question()
	q.Action = action
	return auth.Allow(q) == auth.Allowed || c.e.cfg.Walls.Has(walls.Policy)
}

func (c *call) subjectName() string {
	if c.ref != (Ref{}) {
		return c.ref.String()
	}
	return c.subject
}

// done ends the call with the outcome *err: it leaves the record or the count
// that the action's trail asks for.
func (c *call) done(err *error) {
	if c.e == nil {
		return // the engine is closed
	}
	defer c.free()
	c.e.noteFull(context.Background(), *err)
	switch trail := c.action.Trail(); {
	case c.refused || trail == auth.Recorded && c.decided:
		if *err != nil && !c.e.failures.admit(c.caller) {
			c.e.journal.lose()
			return
		}
		c.e.journal.record(c.record(*err))
	case trail == auth.Counted && c.decided && !c.silent && !c.database.ID.IsZero():
		c.e.journal.count(c.at, c.caller, c.database.ID)
	}
}

func (c *call) record(err error) AuditRecord {
	r := AuditRecord{
		Time: c.at, Entity: c.caller.Entity, System: c.caller.System, Token: c.caller.Token, Address: c.caller.Address,
		Action: c.action.String(), Database: c.database.ID, Subject: c.subjectName(), Outcome: "ok",
	}
	if err != nil {
		r.Outcome = outcome(err)
	}
	return r
}

// outcome is the word of the audit trail for a failure.
func outcome(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return string(fault.TimedOut)
	}
	return string(fault.KindOf(err))
}
