package ayb

import (
	"context"
	"fmt"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
)

// SetMember gives a user a role in an organization, and makes them a member if
// they are none. For the organization itself and for its owners; for its admins
// as long as neither the old nor the new role is above Member. Errors:
// [ErrInvalid] (one of the two is not of the right kind), [ErrNotFound],
// [ErrConflict] (the last owner is to be demoted, or somebody else changes the
// role at the same moment).
func (e *Engine) SetMember(ctx context.Context, p Principal, organization, entity string, role Role) error {
	if role == NoRole || role > OwnerRole {
		return fault.New(fault.Invalid, "A member's role must be member, admin or owner")
	}
	return e.changeMember(ctx, p, organization, entity, role)
}

// RemoveMember ends a membership, at once: what the user may do as a member ends
// with it, and what was granted to them stays. For everybody who may set the
// member's role, and for the member. An owner who leaves may still hold API
// tokens of the organization; revoke those. Errors: [ErrNotFound] (also if the
// user is no member), [ErrConflict] (the last owner is to leave, or somebody else
// changes the role at the same moment).
func (e *Engine) RemoveMember(ctx context.Context, p Principal, organization, entity string) error {
	return e.changeMember(ctx, p, organization, entity, NoRole)
}

// changeMember gives a user another role, or none.
func (e *Engine) changeMember(ctx context.Context, p Principal, organization, entity string, role Role) (err error) {
	c, err := e.begin(ctx, p, auth.ChangeMember)
	defer c.done(&err)
	if err != nil {
		return err
	}
	member, err := c.findMember(ctx, organization, entity)
	if err != nil {
		return err
	}
	old, err := e.store.CurrentRole(ctx, c.entity.ID, member.ID)
	if err != nil {
		return err
	}
	switch {
	case role == NoRole && member.ID == c.caller.Entity:
		c.action = auth.LeaveOrganization
	case role > Member || old > Member && c.may(auth.ChangeMember):
		// Who may not even change members does not learn which of them are more.
		c.action = auth.ChangeOfficer
	}
	c.subject = string(c.entity.Slug)
	if err := c.allow(); err != nil {
		return err
	}
	c.subject = fmt.Sprintf("%s/%s: %s", c.entity.Slug, member.Slug, role)
	switch {
	case role == NoRole && old == NoRole:
		return noMember(c.entity.Slug, member.Slug)
	case role != NoRole && c.entity.Kind != Organization:
		return fault.New(fault.Invalid, "%s is a user, and only organizations have members", c.entity.Slug)
	case role != NoRole && member.Kind != User:
		return fault.New(fault.Invalid, "%s is an organization, and only users can be members", member.Slug)
	}
	return orMissing(e.store.ChangeMember(ctx, c.entity.ID, member.ID, old, role), noMember(c.entity.Slug, member.Slug))
}

// findMember looks up the organization that the call is about, the caller's role
// in it, and somebody else who is, or is to be, a member.
func (c *call) findMember(ctx context.Context, organization, entity string) (Entity, error) {
	found := [2]Entity{}
	for i, slug := range []string{organization, entity} {
		name, err := catalog.ParseEntitySlug(slug)
		if err != nil {
			return Entity{}, err
		}
		if found[i], err = c.e.store.Entity(ctx, name); err != nil {
			return Entity{}, orMissing(err, noEntity(name))
		}
	}
	c.entity = found[0]
	return found[1], c.findRole(ctx, c.entity)
}

// Members lists the members of an organization, in the order in which they
// joined. For the organization itself and for its members.
func (e *Engine) Members(ctx context.Context, p Principal, organization string, page Page) (_ List[Membership], err error) {
	c, err := e.authorizeAccount(ctx, p, auth.ListMembers, organization, "")
	defer c.done(&err)
	if err != nil {
		return List[Membership]{}, err
	}
	return e.store.Members(ctx, c.entity.ID, page)
}

// Memberships lists the organizations that the caller is a member of, in the
// order in which they joined them.
func (e *Engine) Memberships(ctx context.Context, p Principal, page Page) (_ List[Membership], err error) {
	c, err := e.authorizeSelf(ctx, p, auth.ListMemberships)
	defer c.done(&err)
	if err != nil {
		return List[Membership]{}, err
	}
	return e.store.Memberships(ctx, c.entity.ID, page)
}
