package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

type entityRow struct {
	bun.BaseModel `bun:"table:entity,alias:e"`

	ID           catalog.ID `bun:",pk"`
	Slug         catalog.Slug
	Kind         catalog.EntityKind
	DisplayName  string
	Description  string
	Organization string
	Location     string
	Links        links
	CreatedAt    int64
	DeletedAt    int64 `bun:",nullzero"`

	QuotaBytes         catalog.Limit
	QuotaDatabaseBytes catalog.Limit
	QuotaDatabases     catalog.Limit
}

func entityToRow(e catalog.Entity) entityRow {
	return entityRow{
		ID: e.ID, Slug: e.Slug.Fold(), Kind: e.Kind,
		DisplayName: e.Profile.DisplayName, Description: e.Profile.Description,
		Organization: e.Profile.Organization, Location: e.Profile.Location,
		Links:     encodeLinks(e.Profile.Links),
		CreatedAt: micros(e.Created), DeletedAt: micros(e.Deleted),
		QuotaBytes: e.Quota.Bytes, QuotaDatabaseBytes: e.Quota.DatabaseBytes, QuotaDatabases: e.Quota.Databases,
	}
}

func (r entityRow) entity() catalog.Entity {
	return catalog.Entity{
		ID: r.ID, Slug: r.Slug, Kind: r.Kind,
		Profile: catalog.Profile{
			DisplayName: r.DisplayName, Description: r.Description,
			Organization: r.Organization, Location: r.Location,
			Links: r.Links.decode(),
		},
		Quota:   catalog.Quota{Bytes: r.QuotaBytes, DatabaseBytes: r.QuotaDatabaseBytes, Databases: r.QuotaDatabases},
		Created: instant(r.CreatedAt), Deleted: instant(r.DeletedAt),
	}
}

// links are the links of a profile as they are stored: a JSON array.
type links string

func encodeLinks(list []catalog.Link) links {
	if len(list) == 0 {
		return "[]"
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("store: a link is two plain fields: " + err.Error())
	}
	return links(text)
}

// decode returns nil for no links, and for a text that is not ours.
func (l links) decode() []catalog.Link {
	var list []catalog.Link
	if l == "[]" || json.Unmarshal([]byte(l), &list) != nil {
		return nil
	}
	return list
}

// CreateEntity adds an entity, live from now on. The caller chooses the id, and
// has checked the slug and the profile. Errors: Exists if the slug, or the id, is
// taken by an entity that lives or is deleted but not purged.
func (s *Store) CreateEntity(ctx context.Context, e catalog.Entity) error {
	row := entityToRow(e)
	if err := storable(row.DisplayName, row.Description, row.Organization, row.Location); err != nil {
		return err
	}
	return s.write(ctx, answers{duplicate: entityTaken}, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&row).Exec(ctx)
		return err
	})
}

// Entity returns the live entity of that name, in any case. It is cached.
// Errors: NotFound.
func (s *Store) Entity(ctx context.Context, slug catalog.Slug) (catalog.Entity, error) {
	slug = slug.Fold()
	if e, ok := s.entities.get(slug); ok {
		return e, nil
	}
	ticket := s.entities.ticket()
	e, err := s.liveEntity(ctx, "e.slug = ?", slug)
	if err == nil {
		s.entities.put(ticket, e.Slug, e)
	}
	return e, err
}

// EntityByID returns a live entity. It is cached. Errors: NotFound.
func (s *Store) EntityByID(ctx context.Context, id catalog.ID) (catalog.Entity, error) {
	if e, ok := s.entityIDs.get(id); ok {
		return e, nil
	}
	ticket := s.entityIDs.ticket()
	e, err := s.liveEntity(ctx, "e.id = ?", id)
	if err == nil {
		s.entityIDs.put(ticket, id, e)
	}
	return e, err
}

func (s *Store) liveEntity(ctx context.Context, where string, arg any) (catalog.Entity, error) {
	var row entityRow
	err := s.read(ctx, answers{noRow: entityMissing}, func(ctx context.Context) error {
		return s.db.NewSelect().Model(&row).Where(where, arg).Where("e.deleted_at IS NULL").Scan(ctx)
	})
	if err != nil {
		return catalog.Entity{}, err
	}
	return row.entity(), nil
}

// Entities lists the live entities by slug. Errors: Invalid (the cursor).
func (s *Store) Entities(ctx context.Context, page catalog.Page) (catalog.List[catalog.Entity], error) {
	var rows []entityRow
	after, err := parseCursor(page.After, "entities", 1)
	if err != nil {
		return catalog.List[catalog.Entity]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := s.db.NewSelect().Model(&rows).Where("e.deleted_at IS NULL").Order("e.slug").Limit(oneMore(page))
		if after != nil {
			q.Where("e.slug > ?", after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, entityRow.entity, func(r entityRow) cursor {
		return cursor{"entities", 0, []string{string(r.Slug)}}
	}), err
}

// RenameEntity gives a live entity another name. Errors: NotFound, Exists.
func (s *Store) RenameEntity(ctx context.Context, id catalog.ID, slug catalog.Slug) error {
	return s.updateEntity(ctx, id, "slug = ?", slug.Fold())
}

// SetProfile replaces the profile of a live entity. Errors: NotFound.
func (s *Store) SetProfile(ctx context.Context, id catalog.ID, p catalog.Profile) error {
	if err := storable(p.DisplayName, p.Description, p.Organization, p.Location); err != nil {
		return err
	}
	return s.updateEntity(ctx, id,
		"display_name = ?, description = ?, organization = ?, location = ?, links = ?",
		p.DisplayName, p.Description, p.Organization, p.Location, encodeLinks(p.Links))
}

// SetQuota replaces the quota of a live entity. Errors: NotFound, Invalid.
func (s *Store) SetQuota(ctx context.Context, id catalog.ID, q catalog.Quota) error {
	if err := q.Valid(); err != nil {
		return err
	}
	return s.updateEntity(ctx, id, "quota_bytes = ?, quota_database_bytes = ?, quota_databases = ?", q.Bytes, q.DatabaseBytes, q.Databases)
}

// DeleteEntity marks a live entity as deleted. Nothing that hangs on it changes:
// its databases and tokens stay, for the caller to refuse, until it is purged.
// Errors: NotFound.
func (s *Store) DeleteEntity(ctx context.Context, id catalog.ID, at time.Time) error {
	return s.updateEntity(ctx, id, "deleted_at = ?", micros(at))
}

func (s *Store) updateEntity(ctx context.Context, id catalog.ID, set string, args ...any) error {
	defer s.forgetEntity(id)
	own := answers{noRow: entityMissing, duplicate: entityTaken}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		return changed(tx.NewUpdate().Model((*entityRow)(nil)).Set(set, args...).
			Where("id = ?", id).Where("deleted_at IS NULL").Exec(ctx))
	})
}

// UndeleteEntity brings back an entity that was deleted not before since, with
// everything that hangs on it, and returns it. Errors: NotFound if there is none of
// that name.
func (s *Store) UndeleteEntity(ctx context.Context, slug catalog.Slug, since time.Time) (catalog.Entity, error) {
	var row entityRow
	err := s.write(ctx, answers{noRow: {fault.NotFound, "There is no deleted entity of that name"}},
		func(ctx context.Context, tx bun.Tx) error {
			err := changed(tx.NewUpdate().Model((*entityRow)(nil)).Set("deleted_at = NULL").
				Where("slug = ?", slug.Fold()).Where("deleted_at >= ?", micros(since)).Exec(ctx))
			if err != nil {
				return err
			}
			return tx.NewSelect().Model(&row).Where("e.slug = ?", slug.Fold()).Scan(ctx)
		})
	if err != nil {
		return catalog.Entity{}, err
	}
	s.forgetEntity(row.ID)
	return row.entity(), nil
}

// ExpiredEntities lists the entities that were deleted before an instant, the
// longest deleted first. Errors: Invalid (the cursor).
func (s *Store) ExpiredEntities(ctx context.Context, before time.Time, page catalog.Page) (catalog.List[catalog.Entity], error) {
	var rows []entityRow
	after, err := parseCursor(page.After, "expired_entities", 1)
	if err != nil {
		return catalog.List[catalog.Entity]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := s.db.NewSelect().Model(&rows).Where("e.deleted_at < ?", micros(before)).
			Order("e.deleted_at", "e.id").Limit(oneMore(page))
		if after != nil {
			q.Where("(e.deleted_at, e.id) > (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, entityRow.entity, func(r entityRow) cursor {
		return cursor{"expired_entities", r.DeletedAt, []string{r.ID.String()}}
	}), err
}

// PurgeEntity removes a deleted entity for good, with its tokens, the grants and
// offers it was given, its memberships and members, and the addresses with which it logs
// in; its name and its addresses are free then. Errors: NotFound if there is no such
// deleted entity, Conflict while it owns databases, live or deleted.
func (s *Store) PurgeEntity(ctx context.Context, id catalog.ID) error {
	defer s.forgetEntity(id)
	own := answers{
		noRow:        {fault.NotFound, "There is no such deleted entity"},
		badReference: {fault.Conflict, "The entity still owns databases; purge those first"},
	}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		for _, hanging := range []any{(*tokenRow)(nil), (*grantRow)(nil), (*methodRow)(nil), (*memberRow)(nil), (*offerRow)(nil)} {
			if _, err := tx.NewDelete().Model(hanging).Where("entity_id = ?", id).Exec(ctx); err != nil {
				return err
			}
		}
		if _, err := tx.NewDelete().Model((*memberRow)(nil)).Where("organization_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*offerRow)(nil)).Where("owner_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		return changed(tx.NewDelete().Model((*entityRow)(nil)).
			Where("id = ?", id).Where("deleted_at IS NOT NULL").Exec(ctx))
	})
}

// forgetEntity drops everything cached that a change of an entity may concern.
func (s *Store) forgetEntity(id catalog.ID) {
	s.entities.drop(id)
	s.entityIDs.drop(id)
	s.databases.drop(id)
	s.permissions.drop(id)
	s.roles.drop(id)
	s.tokens.drop(id)
}

// countDatabase adds one to the number of an entity's live databases. It fails unless
// the entity lives and may have one more. Whoever else makes one for it waits until tx
// is over.
func (s *Store) countDatabase(ctx context.Context, tx bun.Tx, owner catalog.ID) error {
	err := changed(tx.NewUpdate().Model((*entityRow)(nil)).Set("databases = databases + 1").
		Where("id = ?", owner).Where("deleted_at IS NULL").Exec(ctx))
	if errors.Is(err, sql.ErrNoRows) {
		return entityMissing.fault(err)
	}
	if err != nil {
		return err
	}
	var row struct {
		QuotaDatabases catalog.Limit
		Databases      int64
	}
	err = tx.NewSelect().Table("entity").Column("quota_databases", "databases").Where("id = ?", owner).Scan(ctx, &row)
	if err != nil {
		return err
	}
	if most := row.QuotaDatabases.Or(s.databaseLimit); most > 0 && row.Databases > most {
		return fault.New(fault.TooLarge, "There are %d databases, and there may be %d (limits.databases, or a quota); delete one, or ask whoever runs this server for more", row.Databases-1, most)
	}
	return nil
}

// discountDatabase takes one away.
func discountDatabase(ctx context.Context, tx bun.Tx, owner catalog.ID) error {
	return changed(tx.NewUpdate().Model((*entityRow)(nil)).Set("databases = databases - 1").Where("id = ?", owner).Exec(ctx))
}

// requireLiveEntity fails with entityMissing unless the entity lives.
func requireLiveEntity(ctx context.Context, tx bun.Tx, id catalog.ID) error {
	live := tx.NewSelect().Table("entity").Where("id = ?", id).Where("deleted_at IS NULL")
	return require(ctx, live, entityMissing)
}
