package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// DatabaseOptions are the optional settings of CreateDatabase.
type DatabaseOptions struct {
	Kind   catalog.DatabaseKind // default: SQLite
	Public catalog.PublicLevel  // default: PublicNoAccess
}

// DatabaseDetails is a database as the caller sees it. Of the database,
// OwnerSlug, Slug, Kind, Public and AnonymousQueries are set.
type DatabaseDetails struct {
	catalog.Database
	Access    catalog.Access // what the caller may do by queries: NoAccess, ReadOnly or ReadWrite
	CanManage bool           // whether the caller may share it and set its public level

	// Size is the size in bytes, told to those who may read the database, and Quota
	// what it may become, told to those who may write it; 0: no bound.
	Size, Quota int64

	// OwnerSize is what all databases of the owner have together, and OwnerQuota
	// what they may have; 0: no bound. They are told to those who may manage it.
	OwnerSize, OwnerQuota int64

	// Proven is as of when a drill has proven that the database can be restored, told
	// to those who may manage it; zero: it is not proven.
	Proven time.Time
}

// newDatabase returns a database of the wire.
func newDatabase(owner, slug catalog.Slug, kind string) (catalog.Database, error) {
	k, err := catalog.ParseDatabaseKind(kind)
	return catalog.Database{OwnerSlug: owner, Slug: slug, Kind: k}, err
}

// CreateDatabase makes an empty database, named entity/database. opt may be nil.
// For its entity and, in an organization, owners and admins. OwnerSlug, Slug and
// Kind of the result are set. Errors: [fault.Invalid], [fault.Exists],
// [fault.Unsupported] (DuckDB).
func (c *Client) CreateDatabase(ctx context.Context, ref string, opt *DatabaseOptions) (catalog.Database, error) {
	if opt == nil {
		opt = &DatabaseOptions{}
	}
	return c.made(ctx, ref, "/create", [][2]string{{"Db-Type", opt.Kind.String()}, {"Public-Sharing-Level", opt.Public.String()}})
}

// made sends a request that answers with a database that is there from now on.
func (c *Client) made(ctx context.Context, ref, what string, header [][2]string) (catalog.Database, error) {
	path, err := databasePath(ref, what)
	if err != nil {
		return catalog.Database{}, err
	}
	var made wire.CreatedDatabase
	if err := c.do(ctx, request{method: http.MethodPost, path: path, header: header}, &made, func() bool { return made.Entity != "" && made.Database != "" }); err != nil {
		return catalog.Database{}, err
	}
	return newDatabase(made.Entity, made.Database, made.Type)
}

// databasePath returns the path of what can be done with a database.
func databasePath(ref, what string) (string, error) {
	r, err := catalog.ParseRef(ref)
	return "/v1/" + r.String() + what, err
}

// Database returns what the caller may know of a database. For everybody who may
// see that it exists. Errors: [fault.NotFound], [fault.Denied].
func (c *Client) Database(ctx context.Context, ref string) (DatabaseDetails, error) {
	path, err := databasePath(ref, "/details")
	if err != nil {
		return DatabaseDetails{}, err
	}
	var d wire.DatabaseDetails
	if err := c.do(ctx, request{method: http.MethodGet, path: path}, &d, func() bool { return d.Entity != "" && d.Database != "" }); err != nil {
		return DatabaseDetails{}, err
	}
	db, err := newDatabase(d.Entity, d.Database, d.Type)
	if err != nil {
		return DatabaseDetails{}, err
	}
	if db.Public, err = catalog.ParsePublicLevel(d.Public); err != nil {
		return DatabaseDetails{}, err
	}
	db.AnonymousQueries = d.AnonymousQueries
	return DatabaseDetails{
		Database: db, Access: catalog.Access(d.Access), CanManage: d.CanManage,
		Size: orZero(d.Size), Quota: int64(orZero(d.Quota)),
		OwnerSize: orZero(d.EntitySize), OwnerQuota: int64(orZero(d.EntityQuota)),
		Proven: time.Time(orZero(d.Proven)),
	}, nil
}

// orZero returns what a key of an answer says, if it is there.
func orZero[T any](value *T) (zero T) {
	if value == nil {
		return zero
	}
	return *value
}

// A DatabaseUpdate says what to change of a database; nil fields stay as they
// are.
type DatabaseUpdate struct {
	Public           *catalog.PublicLevel
	AnonymousQueries *bool // whether people without an account may query it while it is public
}

// UpdateDatabase changes who else has access to a database. For its managers.
// Errors: [fault.Invalid] (also if the update is empty).
func (c *Client) UpdateDatabase(ctx context.Context, ref string, update DatabaseUpdate) error {
	path, err := databasePath(ref, "/update")
	if err != nil {
		return err
	}
	r := request{method: http.MethodPatch, path: path}
	if update.Public != nil {
		r.header = [][2]string{{"Public-Sharing-Level", update.Public.String()}}
	}
	if update.AnonymousQueries != nil {
		if r, err = r.jsonBody(map[string]bool{"anonymous_queries": *update.AnonymousQueries}); err != nil {
			return err
		}
	}
	return c.do(ctx, r, &struct{}{}, nil)
}

// RenameDatabase gives a database another name. For its owner. Errors:
// [fault.Invalid], [fault.Exists].
func (c *Client) RenameDatabase(ctx context.Context, ref, newSlug string) error {
	return c.changeDatabase(ctx, ref, "/rename", wire.Rename{Slug: newSlug})
}

// DeleteDatabase deletes a database. It vanishes at once and its name is free;
// for some days UndeleteDatabase brings it back. For its owner.
func (c *Client) DeleteDatabase(ctx context.Context, ref string) error {
	return c.changeDatabase(ctx, ref, "/delete", nil)
}

// UndeleteDatabase brings the database of that name back that was deleted last.
// For its owner. OwnerSlug, Slug and Kind of the result are set. Errors:
// [fault.NotFound], [fault.Exists].
func (c *Client) UndeleteDatabase(ctx context.Context, ref string) (catalog.Database, error) {
	return c.made(ctx, ref, "/undelete", nil)
}

// A DeletedDatabase is one that UndeleteDatabase brings back, unless another one
// of its name was deleted later. Of the database, OwnerSlug, Slug, Kind and
// Deleted are set.
type DeletedDatabase struct {
	catalog.Database
	KeptUntil time.Time // when it may be removed for good
}

// DeletedDatabases returns a page of an entity's deleted databases that can be
// brought back, the last deleted first. For those who may bring them back.
func (c *Client) DeletedDatabases(ctx context.Context, entity string, page catalog.Page) (catalog.List[DeletedDatabase], error) {
	path, err := entityPath("/v1/_/deleted/", entity)
	if err != nil {
		return catalog.List[DeletedDatabase]{}, err
	}
	return getList(ctx, c, path, page, func(a *wire.DeletedDatabases) ([]wire.DeletedDatabase, string) { return a.Databases, a.Next }, func(d wire.DeletedDatabase) (DeletedDatabase, error) {
		db, err := newDatabase(catalog.Slug(entity).Fold(), d.Slug, d.Type)
		db.Deleted = time.Time(d.Deleted)
		return DeletedDatabase{Database: db, KeptUntil: time.Time(d.KeptUntil)}, err
	})
}

// AllDeletedDatabases goes through the whole list of DeletedDatabases.
func (c *Client) AllDeletedDatabases(ctx context.Context, entity string) iter.Seq2[DeletedDatabase, error] {
	return all(ctx, func(ctx context.Context, page catalog.Page) (catalog.List[DeletedDatabase], error) {
		return c.DeletedDatabases(ctx, entity, page)
	})
}

func (c *Client) changeDatabase(ctx context.Context, ref, what string, body any) error {
	path, err := databasePath(ref, what)
	if err != nil {
		return err
	}
	return c.change(ctx, http.MethodPost, path, body)
}
