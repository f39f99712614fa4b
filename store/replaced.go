package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

// A Replaced is a version of a database that a restore has put away. It is the
// only copy of what it holds until a snapshot of it is stored.
type Replaced struct {
	Database catalog.ID
	Owner    catalog.ID // in whose directory it is
	Image    catalog.ID // under which name
	Snapshot string     // the id of the snapshot that it becomes; empty: not known
	Size     int64      // of that, in bytes; 0: not known
	At       time.Time  // when it was put away
}

type replacedRow struct {
	bun.BaseModel `bun:"table:replaced_version,alias:r"`

	ImageID    catalog.ID `bun:",pk"`
	DatabaseID catalog.ID
	OwnerID    catalog.ID
	SnapshotID string
	Bytes      int64
	ReplacedAt int64
}

func (r replacedRow) replaced() Replaced {
	return Replaced{
		Database: r.DatabaseID, Owner: r.OwnerID, Image: r.ImageID,
		Snapshot: r.SnapshotID, Size: r.Bytes, At: instant(r.ReplacedAt),
	}
}

var replacedMissing = answer{fault.NotFound, "There is no such version of a database that was put away"}

// A Restore says which version of a database takes the place of which.
type Restore struct {
	From    catalog.ID // the version that has to be current
	Version catalog.ID // the version that is current from then on
	Mark    catalog.ID // a new id: what the database is changed by, see MarkChanged
	Kept    Replaced   // what becomes of the former; no Image: nothing, there was no file
}

// RestoreDatabase gives a live database another version, which has a file,
// provided that its present version is the one expected: of two callers at once,
// one wins. What is put away is noted in the same step. Errors: NotFound, Conflict
// if another version is current.
func (s *Store) RestoreDatabase(ctx context.Context, id catalog.ID, to Restore) error {
	defer s.databases.drop(id)
	own := answers{noRow: {fault.Conflict, "The database has just been changed by somebody else; look again"}}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		live := tx.NewSelect().Model((*databaseRow)(nil)).Where("id = ?", id).Where("deleted_at IS NULL")
		if err := require(ctx, live, databaseMissing); err != nil {
			return err
		}
		err := changed(tx.NewUpdate().Model((*databaseRow)(nil)).
			Set("version = ?, written = ?, changed = ?", to.Version, true, to.Mark).
			Where("id = ?", id).Where("version = ?", to.From).Where("deleted_at IS NULL").Exec(ctx))
		if err != nil || to.Kept.Image.IsZero() {
			return err
		}
		k := to.Kept
		_, err = tx.NewInsert().Model(&replacedRow{
			ImageID: k.Image, DatabaseID: id, OwnerID: k.Owner, SnapshotID: k.Snapshot, Bytes: k.Size, ReplacedAt: micros(k.At),
		}).Exec(ctx)
		return err
	})
}

// ReplacedOf lists what restores of a database have put away, the last first.
func (s *Store) ReplacedOf(ctx context.Context, database catalog.ID) (list []Replaced, err error) {
	var rows []replacedRow
	err = s.read(ctx, nil, func(ctx context.Context) error {
		return s.db.NewSelect().Model(&rows).Where("database_id = ?", database).Order("replaced_at DESC", "image_id DESC").Scan(ctx)
	})
	for _, r := range rows {
		list = append(list, r.replaced())
	}
	return list, err
}

// ReplacedBy lists what restores of the databases of an owner have put away there, in
// no order.
func (s *Store) ReplacedBy(ctx context.Context, owner catalog.ID) (list []Replaced, err error) {
	var rows []replacedRow
	err = s.read(ctx, nil, func(ctx context.Context) error {
		return s.db.NewSelect().Model(&rows).Where("owner_id = ?", owner).Scan(ctx)
	})
	for _, r := range rows {
		list = append(list, r.replaced())
	}
	return list, err
}

// Replaced lists what restores of all databases have put away, in the order of
// their names. Errors: Invalid (the cursor).
func (s *Store) Replaced(ctx context.Context, page catalog.Page) (catalog.List[Replaced], error) {
	var rows []replacedRow
	after, err := parseCursor(page.After, "replaced", 1)
	if err != nil {
		return catalog.List[Replaced]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := s.db.NewSelect().Model(&rows).Order("image_id").Limit(oneMore(page))
		if after != nil {
			q.Where("image_id > ?", after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, replacedRow.replaced, func(r replacedRow) cursor {
		return cursor{"replaced", 0, []string{r.ImageID.String()}}
	}), err
}

// NameReplaced notes which snapshot something that was put away becomes. Errors:
// NotFound.
func (s *Store) NameReplaced(ctx context.Context, image catalog.ID, snapshot string, size int64) error {
	return s.write(ctx, answers{noRow: replacedMissing}, func(ctx context.Context, tx bun.Tx) error {
		return changed(tx.NewUpdate().Model((*replacedRow)(nil)).Set("snapshot_id = ?, bytes = ?", snapshot, size).
			Where("image_id = ?", image).Exec(ctx))
	})
}

// ForgetReplaced forgets something that was put away, because there is a snapshot
// of it or its time is over. Forgetting it again changes nothing.
func (s *Store) ForgetReplaced(ctx context.Context, image catalog.ID) error {
	return s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*replacedRow)(nil)).Where("image_id = ?", image).Exec(ctx)
		return err
	})
}
