package store

import (
	"context"
	"errors"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

type grantRow struct {
	bun.BaseModel `bun:"table:access_grant,alias:g"`

	DatabaseID catalog.ID   `bun:",pk"`
	EntityID   catalog.ID   `bun:",pk"`
	EntitySlug catalog.Slug `bun:",scanonly"`
	Access     catalog.Access
	Position   int64
	GrantedAt  int64
}

func (r grantRow) grant() catalog.Grant {
	return catalog.Grant{Entity: r.EntityID, Slug: r.EntitySlug, Access: r.Access, Granted: instant(r.GrantedAt)}
}

// shareRow is a database with the grant through which an entity sees it.
type shareRow struct {
	databaseRow `bun:",extend"`
	Access      catalog.Access `bun:",scanonly"`
	Position    int64          `bun:",scanonly"`
}

func (r shareRow) share() catalog.Share {
	return catalog.Share{Database: r.database(), Access: r.Access}
}

// grantKey is the pair under which a grant is cached.
type grantKey struct{ database, entity catalog.ID }

// Grant returns the access that the entity has been given to the database, or
// NoAccess if none. Whether either of them lives is not looked at. It is cached,
// and so is that there is none.
func (s *Store) Grant(ctx context.Context, database, entity catalog.ID) (catalog.Access, error) {
	key := grantKey{database, entity}
	if access, ok := s.permissions.get(key); ok {
		return access, nil
	}
	ticket := s.permissions.ticket()
	var access catalog.Access
	none := answers{noRow: {kind: fault.NotFound}}
	err := s.read(ctx, none, func(ctx context.Context) error {
		return s.db.NewSelect().Model((*grantRow)(nil)).Column("access").
			Where("database_id = ?", database).Where("entity_id = ?", entity).Scan(ctx, &access)
	})
	if err != nil && !errors.Is(err, fault.NotFound) {
		return catalog.NoAccess, err
	}
	s.permissions.put(ticket, key, access)
	return access, nil
}

// SetGrant gives the entity access to the database, instead of what it had;
// NoAccess takes it away, and taking away what is not there is no error. A grant
// that is changed keeps its place in the order and its time. Errors: NotFound if
// the database or the entity is unknown.
func (s *Store) SetGrant(ctx context.Context, database, entity catalog.ID, access catalog.Access) error {
	defer s.permissions.dropKey(grantKey{database, entity})
	own := answers{badReference: {fault.NotFound, "The database or the entity does not exist"}}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		if access == catalog.NoAccess {
			_, err := tx.NewDelete().Model((*grantRow)(nil)).
				Where("database_id = ?", database).Where("entity_id = ?", entity).Exec(ctx)
			return err
		}
		position, err := s.nextPosition(ctx, tx, "access_grant")
		if err != nil {
			return err
		}
		row := grantRow{DatabaseID: database, EntityID: entity, Access: access, Position: position, GrantedAt: micros(s.now())}
		_, err = tx.NewInsert().Model(&row).
			On("CONFLICT (database_id, entity_id) DO UPDATE").Set("access = EXCLUDED.access").Exec(ctx)
		return err
	})
}

// Grants lists the grants on a database to live entities, in the order in which
// they were given. Errors: Invalid (the cursor).
func (s *Store) Grants(ctx context.Context, database catalog.ID, page catalog.Page) (catalog.List[catalog.Grant], error) {
	var rows []grantRow
	after, err := parseCursor(page.After, "grants", 1)
	if err != nil {
		return catalog.List[catalog.Grant]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := s.db.NewSelect().Model(&rows).ColumnExpr("?TableColumns").ColumnExpr("e.slug AS entity_slug").
			Join("JOIN entity AS e ON e.id = g.entity_id").
			Where("g.database_id = ?", database).Where("e.deleted_at IS NULL").
			Order("g.position", "g.entity_id").Limit(oneMore(page))
		if after != nil {
			q.Where("(g.position, g.entity_id) > (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, grantRow.grant, func(r grantRow) cursor {
		return cursor{"grants", r.Position, []string{r.EntityID.String()}}
	}), err
}

// Shared lists the live databases of live owners on which the entity has a
// grant, the newest grant first. Errors: Invalid (the cursor).
func (s *Store) Shared(ctx context.Context, entity catalog.ID, page catalog.Page) (catalog.List[catalog.Share], error) {
	var rows []shareRow
	after, err := parseCursor(page.After, "shared", 1)
	if err != nil {
		return catalog.List[catalog.Share]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectDatabases(s.db, &rows).ColumnExpr("g.access").ColumnExpr("g.position").
			Join("JOIN access_grant AS g ON g.database_id = d.id").
			Where("g.entity_id = ?", entity).Where("d.deleted_at IS NULL").Where("o.deleted_at IS NULL").
			Order("g.position DESC", "g.database_id DESC").Limit(oneMore(page))
		if after != nil {
			q.Where("(g.position, g.database_id) < (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, shareRow.share, func(r shareRow) cursor {
		return cursor{"shared", r.Position, []string{r.ID.String()}}
	}), err
}
