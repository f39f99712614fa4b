package ayb

import (
	"context"

	"ayb/auth"
	"ayb/hosting"
)

// Drill finds out whether the newest snapshot of a database, other than what a
// restore has put away, can be restored: it
// fetches it to a scratch place, has all of it checked, and throws it away. That
// the database is proven to be restorable as of then is recorded, and shown by
// Database to those who manage it. The database itself is not touched. For the
// system only.
//
// Errors: [ErrNotFound] (cause [ErrNoSnapshot]: there is none yet), [ErrUnavailable]
// (the bucket, or the snapshot is damaged), [ErrUnsupported] (the engine takes
// none).
func (e *Engine) Drill(ctx context.Context, p Principal, ref string) (_ Snapshot, err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.DrillSnapshots, ref)
	defer c.done(&err)
	if err != nil {
		return Snapshot{}, err
	}
	if e.vault == nil {
		return Snapshot{}, errNoSnapshots
	}
	ctx, end := e.untilClose(ctx)
	defer end()
	began := e.now()
	newest, err := e.drill(ctx, c.database)
	switch {
	case err == nil:
		e.snapshots.note(func(s *SnapshotStats) { s.Proven++ })
		e.log.Info("a snapshot has been proven to be restorable", "database", c.ref, "snapshot", newest.ID, "taken", newest.Taken, "took", e.now().Sub(began))
	case newest.ID != "" && ctx.Err() == nil:
		e.snapshots.note(func(s *SnapshotStats) { s.Unproven++ })
		e.log.Error("the newest snapshot of a database could not be restored", "database", c.ref, "snapshot", newest.ID, "error", err)
	}
	return newest, e.orClosing(err)
}

// drill returns the newest snapshot also if that can't be restored.
func (e *Engine) drill(ctx context.Context, db Database) (Snapshot, error) {
	state, err := e.store.SnapshotState(ctx, db.ID)
	switch {
	case err != nil:
		return Snapshot{}, orMissing(err, noDatabase(db.Ref()))
	case state.Place == "":
		return Snapshot{}, errNoSnapshot
	}
	list, err := e.vault.All(ctx, parsePlace(state.Place))
	switch {
	case err != nil:
		return Snapshot{}, err
	case len(list) == 0:
		return Snapshot{}, errNoSnapshot
	}
	newest := restorable(list)[0]
	img, err := e.newImage(db)
	if err != nil {
		return newest, err
	}
	defer img.discard()
	if _, err := img.fetch(ctx, parsePlace(state.Place), newest, nil); err != nil {
		return newest, err
	}
	if err := img.adopt(ctx, hosting.IntegrityCheck); err != nil {
		return newest, err
	}
	return newest, orMissing(e.store.SetProven(ctx, db.ID, newest.Taken), noDatabase(db.Ref()))
}
