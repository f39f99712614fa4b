package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
	"ayb/fault"
)

// SnapshotState is what is remembered of the snapshots of a database. None of it
// is cached.
type SnapshotState struct {
	catalog.Database

	// Changed names the last change that is not known to be in a snapshot; zero:
	// there is none.
	Changed catalog.ID

	// Place is where the snapshots are in the bucket; empty: nowhere yet.
	Place string

	// Due is when some of the snapshots lapse; zero: they don't by themselves.
	Due time.Time

	// Proven is as of when the database is proven to be restorable; zero: it is
	// not.
	Proven time.Time
}

type snapshotRow struct {
	databaseRow `bun:",extend"`

	Changed        catalog.ID
	SnapshotPlace  string `bun:",nullzero"`
	SnapshotsDueAt int64  `bun:",nullzero"`
	ProvenAt       int64  `bun:",nullzero"`
}

func (r snapshotRow) state() SnapshotState {
	return SnapshotState{
		Database: r.database(), Changed: r.Changed, Place: r.SnapshotPlace, Due: instant(r.SnapshotsDueAt), Proven: instant(r.ProvenAt),
	}
}

// SnapshotState returns what is remembered of a database's snapshots, whether it
// lives or is deleted. Errors: NotFound.
func (s *Store) SnapshotState(ctx context.Context, id catalog.ID) (SnapshotState, error) {
	var row snapshotRow
	err := s.read(ctx, answers{noRow: databaseMissing}, func(ctx context.Context) error {
		return selectDatabases(s.db, &row).Where("d.id = ?", id).Scan(ctx)
	})
	return row.state(), err
}

// SnapshotStates lists what is remembered of the snapshots of all databases, deleted
// ones and those of deleted owners included, in the order of their ids. Errors:
// Invalid (the cursor).
func (s *Store) SnapshotStates(ctx context.Context, page catalog.Page) (catalog.List[SnapshotState], error) {
	var rows []snapshotRow
	after, err := parseCursor(page.After, "states", 1)
	if err != nil {
		return catalog.List[SnapshotState]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectDatabases(s.db, &rows).Order("d.id").Limit(oneMore(page))
		if after != nil {
			q.Where("d.id > ?", after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, snapshotRow.state, func(r snapshotRow) cursor {
		return cursor{"states", 0, []string{r.ID.String()}}
	}), err
}

// ChangedDatabases lists the live databases of live owners that have a change
// noted, those first whose change was noted first. Errors: Invalid (the cursor).
func (s *Store) ChangedDatabases(ctx context.Context, page catalog.Page) (catalog.List[SnapshotState], error) {
	var rows []snapshotRow
	after, err := parseCursor(page.After, "changed", 2)
	if err != nil {
		return catalog.List[SnapshotState]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := selectDatabases(s.db, &rows).Where("d.changed IS NOT NULL").Where("d.deleted_at IS NULL").Where("o.deleted_at IS NULL").
			Order("d.changed", "d.id").Limit(oneMore(page))
		if after != nil {
			q.Where("(d.changed, d.id) > (?, ?)", after.texts[0], after.texts[1])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, snapshotRow.state, func(r snapshotRow) cursor {
		return cursor{"changed", 0, []string{r.Changed.String(), r.ID.String()}}
	}), err
}

// DueDatabases lists at most limit live databases of live owners of which
// snapshots have lapsed by now, the longest due first.
func (s *Store) DueDatabases(ctx context.Context, now time.Time, limit int64) ([]SnapshotState, error) {
	var rows []snapshotRow
	err := s.read(ctx, nil, func(ctx context.Context) error {
		return selectDatabases(s.db, &rows).Where("d.snapshots_due_at <= ?", micros(now)).Where("d.deleted_at IS NULL").Where("o.deleted_at IS NULL").
			Order("d.snapshots_due_at", "d.id").Limit(limit).Scan(ctx)
	})
	list := make([]SnapshotState, len(rows))
	for i, row := range rows {
		list[i] = row.state()
	}
	return list, err
}

// MarkChanged notes that a live database is about to change. mark is a new id.
// Errors: NotFound.
func (s *Store) MarkChanged(ctx context.Context, id, mark catalog.ID) error {
	return s.noteSnapshots(ctx, id, "changed = ?", mark)
}

// ClearChanged takes back the note that a database has changed, provided that it
// is still this one, and reports whether it was.
func (s *Store) ClearChanged(ctx context.Context, id, mark catalog.ID) (cleared bool, err error) {
	err = s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.NewUpdate().Model((*databaseRow)(nil)).Set("changed = NULL").
			Where("id = ?", id).Where("changed = ?", mark).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		cleared = n > 0
		return err
	})
	return cleared && err == nil, err
}

// UseBucket remembers that snapshots go to the bucket of that name, of at most 64
// characters. If they went to another one before, everything that has been written
// counts as changed, deleted databases included, and it reports true: none of it
// is in this bucket.
func (s *Store) UseBucket(ctx context.Context, name string) (isNew bool, err error) {
	err = s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		known, err := tx.NewSelect().Table("snapshot_bucket").Where("name = ?", name).Count(ctx)
		if isNew = known == 0; err != nil || !isNew {
			return err
		}
		for _, change := range []*bun.RawQuery{
			tx.NewRaw("DELETE FROM snapshot_bucket"),
			tx.NewRaw("INSERT INTO snapshot_bucket (name) VALUES (?)", name),
			tx.NewRaw("UPDATE database SET changed = version WHERE written AND changed IS NULL"),
		} {
			if _, err := change.Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return isNew && err == nil, err
}

// ClaimPlace gives a live database a place in the bucket, unless it has one.
// Errors: NotFound, Exists if it is another's, in any case, deleted ones
// included.
func (s *Store) ClaimPlace(ctx context.Context, id catalog.ID, place string) error {
	own := answers{duplicate: {fault.Exists, "The place in the bucket is another database's"}}
	return s.write(ctx, own, func(ctx context.Context, tx bun.Tx) error {
		if err := require(ctx, tx.NewSelect().Model((*databaseRow)(nil)).Where("id = ?", id).Where("deleted_at IS NULL"), databaseMissing); err != nil {
			return err
		}
		_, err := tx.NewUpdate().Model((*databaseRow)(nil)).Set("snapshot_place = ?", place).
			Where("id = ?", id).Where("snapshot_place IS NULL").Exec(ctx)
		return err
	})
}

// SetSnapshotsDue notes when some of a live database's snapshots lapse; zero: none
// does. Errors: NotFound.
func (s *Store) SetSnapshotsDue(ctx context.Context, id catalog.ID, due time.Time) error {
	if due.IsZero() {
		return s.noteSnapshots(ctx, id, "snapshots_due_at = NULL")
	}
	return s.noteSnapshots(ctx, id, "snapshots_due_at = ?", micros(due))
}

// SetProven notes as of when a live database is proven to be restorable. Errors:
// NotFound.
func (s *Store) SetProven(ctx context.Context, id catalog.ID, asOf time.Time) error {
	return s.noteSnapshots(ctx, id, "proven_at = ?", micros(asOf))
}

// noteSnapshots sets what no cache knows.
func (s *Store) noteSnapshots(ctx context.Context, id catalog.ID, set string, args ...any) error {
	return s.write(ctx, answers{noRow: databaseMissing}, func(ctx context.Context, tx bun.Tx) error {
		return changed(tx.NewUpdate().Model((*databaseRow)(nil)).Set(set, args...).
			Where("id = ?", id).Where("deleted_at IS NULL").Exec(ctx))
	})
}
