package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

type databaseRow struct {
	bun.BaseModel `bun:"table:database,alias:d"`

	ID               catalog.ID `bun:",pk"`
	OwnerID          catalog.ID
	OwnerSlug        catalog.Slug `bun:",scanonly"`
	Slug             catalog.Slug
	FoldedSlug       catalog.Slug
	Kind             catalog.DatabaseKind
	PublicLevel      catalog.PublicLevel
	AnonymousQueries bool
	Version          catalog.ID
	Written          bool
	QuotaBytes       catalog.Limit
	CreatedAt        int64
	DeletedAt        int64 `bun:",nullzero"`
}

func databaseToRow(d catalog.Database) databaseRow {
	return databaseRow{
		ID: d.ID, OwnerID: d.Owner, Slug: d.Slug, FoldedSlug: d.Slug.Fold(), Kind: d.Kind,
		PublicLevel: d.Public, AnonymousQueries: d.AnonymousQueries,
		Version: d.Version, Written: d.Written, QuotaBytes: d.Limit,
		CreatedAt: micros(d.Created), DeletedAt: micros(d.Deleted),
	}
}

func (r databaseRow) database() catalog.Database {
	return catalog.Database{
		ID: r.ID, Owner: r.OwnerID, OwnerSlug: r.OwnerSlug, Slug: r.Slug, Kind: r.Kind,
		Public: r.PublicLevel, AnonymousQueries: r.AnonymousQueries,
		Version: r.Version, Written: r.Written, Limit: r.QuotaBytes,
		Created: instant(r.CreatedAt), Deleted: instant(r.DeletedAt),
	}
}

// databaseKey is the name under which a database is cached.
type databaseKey struct {
	owner catalog.ID
	slug  catalog.Slug // folded
}

// selectDatabases begins a query for databases with the names of their owners.
// dest is a pointer to a databaseRow, or to a slice of them.
func selectDatabases(db bun.IDB, dest any) *bun.SelectQuery {
	return db.NewSelect().Model(dest).ColumnExpr("?TableColumns").ColumnExpr("o.slug AS owner_slug").
		Join("JOIN entity AS o ON o.id = d.owner_id")
}

// CreateDatabase adds a database, live from now on. The caller chooses the ids,
// and has checked the slug; OwnerSlug is not stored. One that is Written has
// changed since its last snapshot, by what its Version names. Errors: NotFound if the
// owner does not live, Exists if the owner has a live database of that name in
// any case, or the id is taken, TooLarge if the owner may have no more.
func (s *Store) CreateDatabase(ctx context.Context, d catalog.Database) error {
	return s.AdoptDatabase(ctx, d, "")
}

// AdoptDatabase is CreateDatabase for a database whose snapshots have a place in the
// bucket already; empty: they have none. Errors: as CreateDatabase, and Exists also if
// the place is another's.
func (s *Store) AdoptDatabase(ctx context.Context, d catalog.Database, place string) error {
	row := databaseToRow(d)
	own := answers{badReference: entityMissing, duplicate: databaseTaken}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		if err := s.countDatabase(ctx, tx, d.Owner); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil || !d.Written {
			return err
		}
		note := tx.NewUpdate().Model((*databaseRow)(nil)).Set("changed = ?", d.Version).Where("id = ?", d.ID)
		if place != "" {
			note.Set("snapshot_place = ?", place)
		}
		_, err := note.Exec(ctx)
		return err
	})
}

// Database returns the live database of that owner and name, in any case. It is
// cached. Whether the owner lives is not looked at. Errors: NotFound.
func (s *Store) Database(ctx context.Context, owner catalog.ID, slug catalog.Slug) (catalog.Database, error) {
	key := databaseKey{owner, slug.Fold()}
	if d, ok := s.databases.get(key); ok {
		return d, nil
	}
	ticket := s.databases.ticket()
	row, err := s.liveDatabase(ctx, "d.owner_id = ? AND d.folded_slug = ?", owner, key.slug)
	if err != nil {
		return catalog.Database{}, err
	}
	d := row.database()
	s.databases.put(ticket, databaseKey{owner, row.FoldedSlug}, d)
	return d, nil
}

// SeekDatabase takes as long as [Store.Database] takes for one that does not
// exist, and is for callers who must not be able to tell.
func (s *Store) SeekDatabase(ctx context.Context, owner catalog.ID, slug catalog.Slug) {
	_, _ = s.liveDatabase(ctx, "d.owner_id = ? AND d.folded_slug = ?", owner, slug.Fold())
}

// DatabaseByID returns a live database as it is now: it is read from the
// database, never from the cache, and what the cache holds of it is brought up
// to date. Ask it when a version or an owner turns out to be of yesterday.
// Errors: NotFound.
func (s *Store) DatabaseByID(ctx context.Context, id catalog.ID) (catalog.Database, error) {
	s.databases.drop(id)
	ticket := s.databases.ticket()
	row, err := s.liveDatabase(ctx, "d.id = ?", id)
	if err != nil {
		return catalog.Database{}, err
	}
	d := row.database()
	s.databases.put(ticket, databaseKey{d.Owner, row.FoldedSlug}, d)
	return d, nil
}

func (s *Store) liveDatabase(ctx context.Context, where string, args ...any) (row databaseRow, err error) {
	err = s.read(ctx, answers{noRow: databaseMissing}, func(ctx context.Context) error {
		return selectDatabases(s.db, &row).Where(where, args...).Where("d.deleted_at IS NULL").Scan(ctx)
	})
	return row, err
}

// A DatabaseFilter says which databases of an owner to list. The zero filter
// selects what everybody may discover: those whose public level is fork or
// read-only.
type DatabaseFilter struct {
	// All selects every database, as its owner and the system see them.
	All bool

	// Viewer selects, besides the public ones, those on which this entity has a
	// grant. It makes no difference with All.
	Viewer catalog.ID

	// Only leaves at most this one of those selected, as a token limited to one
	// database sees them. Zero: no such limit.
	Only catalog.ID
}

// discoverable selects the databases of an owner that everybody may discover. The
// condition is that of the index database_public.
const discoverable = "p.owner_id = ? AND p.public_level <> 0 AND p.deleted_at IS NULL"

// apply adds the filter to a query for a page of an owner's databases, where the
// databases after that one begin; nil: with the first. Of those that everybody may
// discover no more are looked at than the page has room for, and the others that
// an owner has not at all.
func (f DatabaseFilter) apply(s *Store, q *bun.SelectQuery, owner catalog.ID, after *cursor, room int64) {
	if !f.Only.IsZero() {
		q.Where("d.id = ?", f.Only)
	}
	if f.All {
		return
	}
	public := s.db.NewSelect().TableExpr("database AS p").ColumnExpr("p.id").Where(discoverable, owner).OrderExpr("p.id DESC").Limit(room)
	if !f.Only.IsZero() {
		public.Where("p.id = ?", f.Only)
	}
	if after != nil {
		public.Where("p.id < ?", after.texts[0])
	}
	q.Where("d.id IN (SELECT id FROM (?) AS discovered UNION SELECT g.database_id FROM access_grant AS g WHERE g.entity_id = ?)", public, f.Viewer)
}

// Databases lists the live databases of an owner that the filter selects, newest
// first: by descending id. Errors: Invalid (the cursor).
func (s *Store) Databases(ctx context.Context, owner catalog.ID, filter DatabaseFilter, page catalog.Page) (catalog.List[catalog.Database], error) {
	var rows []databaseRow
	after, err := parseCursor(page.After, "databases", 1)
	if err != nil {
		return catalog.List[catalog.Database]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectDatabases(s.db, &rows).Where("d.owner_id = ?", owner).Where("d.deleted_at IS NULL").
			Order("d.id DESC").Limit(oneMore(page))
		filter.apply(s, q, owner, after, oneMore(page))
		if after != nil {
			q.Where("d.id < ?", after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, databaseRow.database, func(r databaseRow) cursor {
		return cursor{"databases", 0, []string{r.ID.String()}}
	}), err
}

// CountDatabases returns how many live databases an owner has. Errors: NotFound if
// there is no such owner.
func (s *Store) CountDatabases(ctx context.Context, owner catalog.ID) (n int64, err error) {
	err = s.read(ctx, answers{noRow: entityMissing}, func(ctx context.Context) error {
		return s.db.NewSelect().Table("entity").Column("databases").Where("id = ?", owner).Scan(ctx, &n)
	})
	return n, err
}

// DeletedDatabases lists the databases of an owner that are deleted and not yet
// purged, the last deleted first. Errors: Invalid (the cursor).
func (s *Store) DeletedDatabases(ctx context.Context, owner catalog.ID, page catalog.Page) (catalog.List[catalog.Database], error) {
	var rows []databaseRow
	after, err := parseCursor(page.After, "deleted", 1)
	if err != nil {
		return catalog.List[catalog.Database]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectDatabases(s.db, &rows).Where("d.owner_id = ?", owner).Where("d.deleted_at IS NOT NULL").
			Order("d.deleted_at DESC", "d.id DESC").Limit(oneMore(page))
		if after != nil {
			q.Where("(d.deleted_at, d.id) < (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, databaseRow.database, func(r databaseRow) cursor {
		return cursor{"deleted", r.DeletedAt, []string{r.ID.String()}}
	}), err
}

// RenameDatabase gives a live database another name, perhaps the same in another
// case. Errors: NotFound, Exists if its owner has another of that name.
func (s *Store) RenameDatabase(ctx context.Context, id catalog.ID, slug catalog.Slug) error {
	return s.updateDatabase(ctx, id, "slug = ?, folded_slug = ?", slug, slug.Fold())
}

// SetPublic sets the public level of a live database. Errors: NotFound.
func (s *Store) SetPublic(ctx context.Context, id catalog.ID, level catalog.PublicLevel) error {
	return s.updateDatabase(ctx, id, "public_level = ?", level)
}

// SetAnonymousQueries lets, or stops letting, callers without an account read a
// live database whose public level is read-only. Errors: NotFound.
func (s *Store) SetAnonymousQueries(ctx context.Context, id catalog.ID, allowed bool) error {
	return s.updateDatabase(ctx, id, "anonymous_queries = ?", allowed)
}

// SetLimit sets how large a live database may become. Errors: NotFound, Invalid.
func (s *Store) SetLimit(ctx context.Context, id catalog.ID, limit catalog.Limit) error {
	if err := limit.Valid(); err != nil {
		return err
	}
	return s.updateDatabase(ctx, id, "quota_bytes = ?", limit)
}

// MarkWritten records that a live database has a file, and as [Store.MarkChanged]
// that it is about to change. Errors: NotFound.
func (s *Store) MarkWritten(ctx context.Context, id, mark catalog.ID) error {
	return s.updateDatabase(ctx, id, "written = ?, changed = ?", true, mark)
}

// DeleteDatabase marks a live database as deleted, which gives its name free.
// Its grants and tokens stay until it is purged. Errors: NotFound.
func (s *Store) DeleteDatabase(ctx context.Context, id catalog.ID, at time.Time) error {
	defer s.databases.drop(id)
	return s.write(ctx, answers{noRow: databaseMissing}, func(ctx context.Context, tx bun.Tx) error {
		owner, err := ownerOf(ctx, tx, id)
		if err != nil {
			return err
		}
		// Everybody who needs both changes the owner first, so that nobody waits for ever.
		if err := discountDatabase(ctx, tx, owner); err != nil {
			return err
		}
		return changed(tx.NewUpdate().Model((*databaseRow)(nil)).Set("deleted_at = ?", micros(at)).
			Where("id = ?", id).Where("owner_id = ?", owner).Where("deleted_at IS NULL").Exec(ctx))
	})
}

// ownerOf returns whose a live database is, or sql.ErrNoRows.
func ownerOf(ctx context.Context, tx bun.Tx, id catalog.ID) (owner catalog.ID, err error) {
	err = tx.NewSelect().Model((*databaseRow)(nil)).Column("owner_id").Where("id = ?", id).Where("deleted_at IS NULL").Scan(ctx, &owner)
	return owner, err
}

func (s *Store) updateDatabase(ctx context.Context, id catalog.ID, set string, args ...any) error {
	defer s.databases.drop(id)
	own := answers{noRow: databaseMissing, duplicate: databaseTaken}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		return changed(tx.NewUpdate().Model((*databaseRow)(nil)).Set(set, args...).
			Where("id = ?", id).Where("deleted_at IS NULL").Exec(ctx))
	})
}

// A Move says where a database goes.
type Move struct {
	From    catalog.ID   // the version that has to be current
	Version catalog.ID   // the version that is current from then on
	Owner   catalog.ID   // whose it is from then on, who may be the same
	Slug    catalog.Slug // its name from then on; empty: as before
	Private bool         // from then on only its owner has access, until they say otherwise
}

// MoveDatabase gives a live database another version, and perhaps another owner
// and name, provided that its present version is the one expected: of two callers
// at once, one wins. A grant that the new owner had is dropped, and so is an offer
// of the database; of a Private move all grants are, and the public level. Errors:
// NotFound (the database or the new owner), Conflict if another version is current,
// Exists if the new owner has a live database of that name, TooLarge if another
// owner may have no more.
func (s *Store) MoveDatabase(ctx context.Context, id catalog.ID, to Move) error {
	defer s.forgetDatabase(id)
	own := answers{
		noRow:     {fault.Conflict, "The database has just been changed by somebody else; look again"},
		duplicate: databaseTaken,
	}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		if err := requireLiveEntity(ctx, tx, to.Owner); err != nil {
			return err
		}
		owner, err := ownerOf(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) {
			err = databaseMissing.fault(err)
		}
		if err == nil && owner != to.Owner {
			err = s.countMove(ctx, tx, owner, to.Owner)
		}
		if err != nil {
			return err
		}
		update := tx.NewUpdate().Model((*databaseRow)(nil)).Set("owner_id = ?, version = ?", to.Owner, to.Version).
			Where("id = ?", id).Where("owner_id = ?", owner).Where("version = ?", to.From).Where("deleted_at IS NULL")
		if to.Slug != "" {
			update.Set("slug = ?, folded_slug = ?", to.Slug, to.Slug.Fold())
		}
		grants := tx.NewDelete().Model((*grantRow)(nil)).Where("database_id = ?", id)
		if to.Private {
			update.Set("public_level = ?, anonymous_queries = ?", catalog.PublicNoAccess, false)
		} else {
			grants.Where("entity_id = ?", to.Owner)
		}
		if err := changed(update.Exec(ctx)); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*offerRow)(nil)).Where("database_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		_, err = grants.Exec(ctx)
		return err
	})
}

// countMove counts a database for another owner. Two moves at once that go opposite ways
// do not wait for each other: the lesser id comes first.
func (s *Store) countMove(ctx context.Context, tx bun.Tx, from, to catalog.ID) error {
	if from.String() < to.String() {
		if err := discountDatabase(ctx, tx, from); err != nil {
			return err
		}
		return s.countDatabase(ctx, tx, to)
	}
	if err := s.countDatabase(ctx, tx, to); err != nil {
		return err
	}
	return discountDatabase(ctx, tx, from)
}

// UndeleteDatabase brings back the database of that owner and name, in any case,
// that was deleted last, not before since, and returns it. Errors: NotFound if there
// is none or its owner does not live, Exists if the owner has a live database of that
// name again, TooLarge if the owner may have no more.
func (s *Store) UndeleteDatabase(ctx context.Context, owner catalog.ID, slug catalog.Slug, since time.Time) (catalog.Database, error) {
	var row databaseRow
	own := answers{
		noRow:     {fault.NotFound, "There is no deleted database of that name"},
		duplicate: databaseTaken,
	}
	err := s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		err := selectDatabases(tx, &row).Where("d.owner_id = ? AND d.folded_slug = ?", owner, slug.Fold()).
			Where("d.deleted_at >= ?", micros(since)).Order("d.deleted_at DESC", "d.id DESC").Limit(1).Scan(ctx)
		if err == nil {
			err = s.countDatabase(ctx, tx, owner)
		}
		if err != nil {
			return err
		}
		return changed(tx.NewUpdate().Model((*databaseRow)(nil)).Set("deleted_at = NULL").
			Where("id = ?", row.ID).Where("deleted_at = ?", row.DeletedAt).Exec(ctx))
	})
	if err != nil {
		return catalog.Database{}, err
	}
	s.databases.drop(row.ID)
	row.DeletedAt = 0
	return row.database(), nil
}

// ExpiredDatabases lists the databases that were deleted before an instant, the
// longest deleted first. Databases that live on below a deleted entity are not
// among them. Errors: Invalid (the cursor).
func (s *Store) ExpiredDatabases(ctx context.Context, before time.Time, page catalog.Page) (catalog.List[catalog.Database], error) {
	var rows []databaseRow
	after, err := parseCursor(page.After, "expired", 1)
	if err != nil {
		return catalog.List[catalog.Database]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectDatabases(s.db, &rows).Where("d.deleted_at < ?", micros(before)).
			Order("d.deleted_at", "d.id").Limit(oneMore(page))
		if after != nil {
			q.Where("(d.deleted_at, d.id) > (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, databaseRow.database, func(r databaseRow) cursor {
		return cursor{"expired", r.DeletedAt, []string{r.ID.String()}}
	}), err
}

// PurgeDatabase removes a deleted database for good, with its grants, the
// offer of it and the tokens that were limited to it. Its files are the caller's, who removes them
// first. Errors: NotFound if there is no such deleted database, Conflict if
// something was attached to it at the same moment.
func (s *Store) PurgeDatabase(ctx context.Context, id catalog.ID) error {
	defer s.forgetDatabase(id)
	own := answers{
		noRow:        {fault.NotFound, "There is no such deleted database"},
		badReference: {fault.Conflict, "The database has just been shared; try again"},
	}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		for _, hanging := range []any{(*tokenRow)(nil), (*grantRow)(nil), (*offerRow)(nil), (*replacedRow)(nil)} {
			if _, err := tx.NewDelete().Model(hanging).Where("database_id = ?", id).Exec(ctx); err != nil {
				return err
			}
		}
		return changed(tx.NewDelete().Model((*databaseRow)(nil)).
			Where("id = ?", id).Where("deleted_at IS NOT NULL").Exec(ctx))
	})
}

// forgetDatabase drops everything cached that a move or a purge may concern.
// Other changes of a database concern its own row alone.
func (s *Store) forgetDatabase(id catalog.ID) {
	s.databases.drop(id)
	s.permissions.drop(id)
	s.tokens.drop(id)
}
