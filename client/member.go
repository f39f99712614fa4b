package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// Members returns a page of an organization's members. EntitySlug,
// OrganizationSlug, Role and Joined of each are set. For the organization and its
// members. Errors: [fault.NotFound].
func (c *Client) Members(ctx context.Context, organization string, page catalog.Page) (catalog.List[catalog.Membership], error) {
	path, err := entityPath("/v1/_/members/", organization)
	if err != nil {
		return catalog.List[catalog.Membership]{}, err
	}
	return getList(ctx, c, path, page, func(a *wire.Members) ([]wire.Member, string) { return a.Members, a.Next }, func(m wire.Member) (catalog.Membership, error) {
		role, err := catalog.ParseRole(m.Role)
		return catalog.Membership{OrganizationSlug: catalog.Slug(organization).Fold(), EntitySlug: m.Entity, Role: role, Joined: time.Time(m.Joined)}, err
	})
}

// AllMembers goes through the whole list of Members.
func (c *Client) AllMembers(ctx context.Context, organization string) iter.Seq2[catalog.Membership, error] {
	return all(ctx, func(ctx context.Context, page catalog.Page) (catalog.List[catalog.Membership], error) {
		return c.Members(ctx, organization, page)
	})
}

// SetMember gives a user a role in an organization; somebody who was no member
// becomes one. For the organization, its owners and, as far as plain members go,
// its admins. Errors: [fault.Invalid], [fault.NotFound], [fault.Conflict] (the
// last owner).
func (c *Client) SetMember(ctx context.Context, organization, entity string, role catalog.Role) error {
	path, err := memberPath(organization, entity)
	if err != nil {
		return err
	}
	return c.change(ctx, http.MethodPut, path, wire.Role{Role: role.String()})
}

// RemoveMember ends a membership. For those who may set it, and for the member.
// Errors: [fault.NotFound], [fault.Conflict] (the last owner).
func (c *Client) RemoveMember(ctx context.Context, organization, entity string) error {
	path, err := memberPath(organization, entity)
	if err != nil {
		return err
	}
	return c.change(ctx, http.MethodDelete, path, nil)
}

func memberPath(organization, entity string) (string, error) {
	path, err := entityPath("/v1/_/members/", organization)
	if err != nil {
		return "", err
	}
	member, err := catalog.ParseEntitySlug(entity)
	return path + "/" + url.PathEscape(string(member)), err
}

// Memberships returns a page of the organizations that the caller is a member of.
// OrganizationSlug, Role and Joined of each are set.
func (c *Client) Memberships(ctx context.Context, page catalog.Page) (catalog.List[catalog.Membership], error) {
	return getList(ctx, c, "/v1/_/memberships", page, func(a *wire.Memberships) ([]wire.Membership, string) { return a.Organizations, a.Next }, func(m wire.Membership) (catalog.Membership, error) {
		role, err := catalog.ParseRole(m.Role)
		return catalog.Membership{OrganizationSlug: m.Organization, Role: role, Joined: time.Time(m.Joined)}, err
	})
}

// AllMemberships goes through the whole list of Memberships.
func (c *Client) AllMemberships(ctx context.Context) iter.Seq2[catalog.Membership, error] {
	return all(ctx, c.Memberships)
}
