package ayb

import (
	"context"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
)

// Share sets what another entity may do with a database: NoAccess takes all
// away. For the owner and managers, who may change every grant, their own
// included. Errors: [ErrInvalid] (cause [ErrOwnerAccess] if the entity owns the
// database), [ErrNotFound].
func (e *Engine) Share(ctx context.Context, p Principal, ref, entity string, access Access) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.Share, ref)
	defer c.done(&err)
	to, invalid := catalog.ParseEntitySlug(entity)
	switch {
	case c.seesDatabase() && invalid == nil && to == c.database.OwnerSlug:
		// Whoever sees the database may know why this fails for everybody.
		return fault.Wrap(fault.Invalid, ErrOwnerAccess, "%s owns %s, so their permissions can't be changed", to, c.ref)
	case err != nil:
		return err
	case invalid != nil:
		return invalid
	case access > Manager:
		return fault.New(fault.Invalid, "Unknown level of access: %s", access)
	}
	target, err := e.store.Entity(ctx, to)
	if err != nil {
		return orMissing(err, noEntity(to))
	}
	_, unlock, err := c.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return c.changed(e.store.SetGrant(ctx, c.database.ID, target.ID, access))
}

// seesDatabase reports whether the call is about a database that exists and that
// the caller may see.
func (c *call) seesDatabase() bool {
	return c.decided && c.verdict != auth.Hidden && !c.database.ID.IsZero()
}

// Grants lists who has been given access to a database, in the order in which
// they were; the owner is not among them. For the owner and managers.
func (e *Engine) Grants(ctx context.Context, p Principal, ref string, page Page) (_ List[Grant], err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.ListGrants, ref)
	defer c.done(&err)
	if err != nil {
		return List[Grant]{}, err
	}
	return e.store.Grants(ctx, c.database.ID, page)
}

// Shared lists the databases that others share with the caller, the newest grant
// first.
func (e *Engine) Shared(ctx context.Context, p Principal, page Page) (_ List[Share], err error) {
	c, err := e.authorizeSelf(ctx, p, auth.ListShared)
	defer c.done(&err)
	if err != nil {
		return List[Share]{}, err
	}
	return e.store.Shared(ctx, c.entity.ID, page)
}
