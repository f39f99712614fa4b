package store

import (
	"bytes"
	"context"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

type offerRow struct {
	bun.BaseModel `bun:"table:transfer_offer,alias:f"`

	DatabaseID catalog.ID `bun:",pk"`
	OwnerID    catalog.ID
	EntityID   catalog.ID
	Position   int64
	OfferedAt  int64
	ExpiresAt  int64
}

// offeredRow is a database with the offer of it.
type offeredRow struct {
	databaseRow `bun:",extend"`
	EntityID    catalog.ID   `bun:",scanonly"`
	EntitySlug  catalog.Slug `bun:",scanonly"`
	Position    int64        `bun:",scanonly"`
	OfferedAt   int64        `bun:",scanonly"`
	ExpiresAt   int64        `bun:",scanonly"`
}

func (r offeredRow) offer() catalog.Offer {
	return catalog.Offer{
		Database: r.database(), To: r.EntityID, ToSlug: r.EntitySlug,
		Offered: instant(r.OfferedAt), Expires: instant(r.ExpiresAt),
	}
}

var (
	offerMissing = answer{fault.NotFound, "There is no such offer"}
	// What a crowd has offered somebody, and how many somebody else has made, says
	// nothing about databases; that one of the two is full has to be said.
	tooManyMade     = answer{fault.Busy, "Too many offers of transfer wait for an answer; withdraw one first, or wait until one lapses"}
	tooManyReceived = answer{fault.Busy, "The receiver has too many offers of transfer to answer; ask them to, or try again in some days"}
)

// OfferBounds say how many offers may wait at once: made by one entity, and
// received by one.
type OfferBounds struct{ Made, Received int64 }

// MakeOffer offers a database to another entity, instead of an earlier offer of
// it. Of the offer, ID and Owner of its Database, To, Offered and Expires are
// read; what lapsed before Offered is forgotten. Errors: NotFound (the receiver or
// the database), Busy (a bound), Conflict if the database has another owner.
func (s *Store) MakeOffer(ctx context.Context, o catalog.Offer, bounds OfferBounds) error {
	row := offerRow{
		DatabaseID: o.Database.ID, OwnerID: o.Database.Owner, EntityID: o.To,
		OfferedAt: micros(o.Offered), ExpiresAt: micros(o.Expires),
	}
	own := answers{noRow: entityMissing, badReference: databaseMissing}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		if err := lockBoth(ctx, tx, row.OwnerID, row.EntityID); err != nil {
			return err
		}
		if err := requireOwned(ctx, tx, row.DatabaseID, row.OwnerID); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*offerRow)(nil)).
			Where("expires_at <= ? OR database_id = ?", row.OfferedAt, row.DatabaseID).Exec(ctx)
		if err != nil {
			return err
		}
		if err := requireRoom(ctx, tx, "owner_id", row.OwnerID, bounds.Made, tooManyMade); err != nil {
			return err
		}
		if err := requireRoom(ctx, tx, "entity_id", row.EntityID, bounds.Received, tooManyReceived); err != nil {
			return err
		}
		if row.Position, err = s.nextPosition(ctx, tx, "transfer_offer"); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&row).Exec(ctx)
		return err
	})
}

// lockBoth keeps other transactions from changing two live entities, always in
// the same order, so that two that offer something to each other do not wait for
// each other.
func lockBoth(ctx context.Context, tx bun.Tx, a, b catalog.ID) error {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	if err := lockEntity(ctx, tx, a); err != nil {
		return err
	}
	return lockEntity(ctx, tx, b)
}

// requireOwned fails unless a live database belongs to the owner.
func requireOwned(ctx context.Context, tx bun.Tx, database, owner catalog.ID) error {
	live := tx.NewSelect().Table("database").Where("id = ?", database).Where("deleted_at IS NULL")
	if err := require(ctx, live, databaseMissing); err != nil {
		return err
	}
	owned := tx.NewSelect().Table("database").Where("id = ?", database).Where("owner_id = ?", owner)
	return require(ctx, owned, answer{fault.Conflict, "The database has just been changed by somebody else; look again"})
}

// requireRoom fails with otherwise if so many offers have that entity in the
// column.
func requireRoom(ctx context.Context, tx bun.Tx, column string, entity catalog.ID, bound int64, otherwise answer) error {
	n, err := tx.NewSelect().Model((*offerRow)(nil)).Where("? = ?", bun.Ident(column), entity).Count(ctx)
	if err == nil && n >= bound {
		return otherwise.fault(nil)
	}
	return err
}

// Offer returns the offer of a database, named by its owner and in any case, that
// has not lapsed at the instant now. It is not cached. Errors: NotFound if there
// is none, or not to that entity.
func (s *Store) Offer(ctx context.Context, owner catalog.ID, slug catalog.Slug, to catalog.ID, now time.Time) (catalog.Offer, error) {
	var row offeredRow
	err := s.read(ctx, answers{noRow: offerMissing}, func(ctx context.Context) error {
		return selectOffers(s.db, &row, now).Where("d.owner_id = ? AND d.folded_slug = ?", owner, slug.Fold()).
			Where("f.entity_id = ?", to).Scan(ctx)
	})
	if err != nil {
		return catalog.Offer{}, err
	}
	return row.offer(), nil
}

// Offers lists the offers that an entity has made or received and that have not
// lapsed at the instant now, newest first. Errors: Invalid (the cursor).
func (s *Store) Offers(ctx context.Context, entity catalog.ID, now time.Time, page catalog.Page) (catalog.List[catalog.Offer], error) {
	var rows []offeredRow
	after, err := parseCursor(page.After, "offers", 1)
	if err != nil {
		return catalog.List[catalog.Offer]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectOffers(s.db, &rows, now).Where("f.entity_id = ? OR f.owner_id = ?", entity, entity).
			Order("f.position DESC", "f.database_id DESC").Limit(oneMore(page))
		if after != nil {
			q.Where("(f.position, f.database_id) < (?, ?)", after.number, after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, offeredRow.offer, func(r offeredRow) cursor {
		return cursor{"offers", r.Position, []string{r.ID.String()}}
	}), err
}

// selectOffers begins a query for the offers that hold: of live databases, by
// those who own them, and to live entities.
func selectOffers(db bun.IDB, dest any, now time.Time) *bun.SelectQuery {
	return selectDatabases(db, dest).
		ColumnExpr("f.entity_id").ColumnExpr("e.slug AS entity_slug").
		ColumnExpr("f.position").ColumnExpr("f.offered_at").ColumnExpr("f.expires_at").
		Join("JOIN transfer_offer AS f ON f.database_id = d.id AND f.owner_id = d.owner_id").
		Join("JOIN entity AS e ON e.id = f.entity_id").
		Where("f.expires_at > ?", micros(now)).
		Where("d.deleted_at IS NULL").Where("o.deleted_at IS NULL").Where("e.deleted_at IS NULL")
}

// EndOffer removes the offer of a database that has not lapsed at the instant now:
// to whomever it is, if to is zero. Errors: NotFound.
func (s *Store) EndOffer(ctx context.Context, database, to catalog.ID, now time.Time) error {
	return s.write(ctx, answers{noRow: offerMissing}, func(ctx context.Context, tx bun.Tx) error {
		q := tx.NewDelete().Model((*offerRow)(nil)).Where("database_id = ?", database).Where("expires_at > ?", micros(now))
		if !to.IsZero() {
			q.Where("entity_id = ?", to)
		}
		return changed(q.Exec(ctx))
	})
}
