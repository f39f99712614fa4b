package client

import (
	"context"
	"iter"
	"net/http"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// Share sets what another entity may do with a database; NoAccess takes all away.
// For the database's managers. Errors: [fault.Invalid] (also if the entity owns
// the database), [fault.NotFound].
func (c *Client) Share(ctx context.Context, ref, entity string, access catalog.Access) error {
	path, err := databasePath(ref, "/share")
	if err != nil {
		return err
	}
	return c.do(ctx, request{method: http.MethodPost, path: path, header: [][2]string{
		{"Entity-For-Permission", entity}, {"Sharing-Level", access.String()},
	}}, nil, nil)
}

// Grants returns a page of who has been given access to a database. Slug and
// Access of each are set. For the database's managers.
func (c *Client) Grants(ctx context.Context, ref string, page catalog.Page) (catalog.List[catalog.Grant], error) {
	path, err := databasePath(ref, "/permissions")
	if err != nil {
		return catalog.List[catalog.Grant]{}, err
	}
	return getList(ctx, c, path, page, func(a *wire.Grants) ([]wire.Grant, string) { return a.Permissions, a.Next }, func(g wire.Grant) (catalog.Grant, error) {
		access, err := catalog.ParseAccess(g.Access)
		return catalog.Grant{Slug: g.Entity, Access: access}, err
	})
}

// AllGrants goes through the whole list of Grants.
func (c *Client) AllGrants(ctx context.Context, ref string) iter.Seq2[catalog.Grant, error] {
	return all(ctx, func(ctx context.Context, page catalog.Page) (catalog.List[catalog.Grant], error) {
		return c.Grants(ctx, ref, page)
	})
}

// Shared returns a page of the databases that others share with the caller.
// Access, and OwnerSlug, Slug and Kind of each database are set.
func (c *Client) Shared(ctx context.Context, page catalog.Page) (catalog.List[catalog.Share], error) {
	return getList(ctx, c, "/v1/_/shared", page, func(a *wire.Shared) ([]wire.Share, string) { return a.Databases, a.Next }, func(s wire.Share) (catalog.Share, error) {
		access, err := catalog.ParseAccess(s.Access)
		if err != nil {
			return catalog.Share{}, err
		}
		db, err := newDatabase(s.Entity, s.Database, s.Type)
		return catalog.Share{Database: db, Access: access}, err
	})
}

// AllShared goes through the whole list of Shared.
func (c *Client) AllShared(ctx context.Context) iter.Seq2[catalog.Share, error] {
	return all(ctx, c.Shared)
}
