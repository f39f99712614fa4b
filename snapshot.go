package ayb

import (
	"context"
	"errors"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/snapshot"
	"ayb/store"
)

var (
	// errNoSnapshots answers whoever wants something of snapshots when the engine
	// takes none.
	errNoSnapshots = fault.New(fault.Unsupported, "This server takes no snapshots; ask whoever runs it to configure them")

	errNoSnapshot = fault.Wrap(fault.NotFound, ErrNoSnapshot, "There is no such snapshot; list_snapshots shows those that there are")

	errNothingToSnapshot = fault.New(fault.Invalid, "Nothing has been written to this database yet, so there is nothing to take a snapshot of")
)

// Snapshots lists the snapshots of a database, newest first. As long as the engine
// takes none, those are what imports have replaced. It asks the bucket about each of them. For the owner and
// managers. Errors: [ErrInvalid] (the page), [ErrUnavailable] (the bucket).
func (e *Engine) Snapshots(ctx context.Context, p Principal, ref string, page Page) (_ List[Snapshot], err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.ListSnapshots, ref)
	defer c.done(&err)
	if err != nil {
		return List[Snapshot]{}, err
	}
	replaced, err := e.replacedSnapshots(ctx, c.database.ID)
	if err != nil {
		return List[Snapshot]{}, err
	}
	_, place, err := c.snapshotPlace(ctx)
	switch {
	case err != nil:
		return List[Snapshot]{}, err
	case e.vault == nil || place == (snapshot.Place{}):
		return snapshot.Paginate(nil, page, replaced...)
	}
	list, err := e.vault.List(ctx, place, page, replaced...)
	return list, orReplaced(err, replaced)
}

// snapshotPlace returns what is remembered of the database's snapshots, and where
// they are; zero: nowhere yet.
func (c *call) snapshotPlace(ctx context.Context) (store.SnapshotState, snapshot.Place, error) {
	state, err := c.e.store.SnapshotState(ctx, c.database.ID)
	if err != nil {
		return state, snapshot.Place{}, c.changed(err)
	}
	return state, parsePlace(state.Place), nil
}

// CreateSnapshot takes a snapshot of a database as it is now, with what the caller
// has to say of it, and returns when it is in the bucket. It stays until somebody
// deletes it. If there is a snapshot of that content, that is the one, with the
// new time and, if there is one, the new note. For the owner and managers. Errors:
// [ErrInvalid] (the note, or nothing has been written yet), [ErrUnsupported] if
// the engine takes none, [ErrInternal] (the database is damaged), [ErrUnavailable]
// (the bucket, or the disk of the server).
func (e *Engine) CreateSnapshot(ctx context.Context, p Principal, ref, note string) (_ Snapshot, err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.CreateSnapshot, ref)
	defer c.done(&err)
	switch {
	case err != nil:
		return Snapshot{}, err
	case e.vault == nil:
		return Snapshot{}, errNoSnapshots
	}
	if err := catalog.CheckNote(note); err != nil {
		return Snapshot{}, err
	}
	ctx, end := e.untilClose(ctx)
	defer end()
	select {
	case e.taking <- struct{}{}:
		defer func() { <-e.taking }()
	case <-ctx.Done():
		return Snapshot{}, e.orClosing(ctx.Err())
	}
	s, err := e.takeSnapshot(ctx, c.database.ID, catalog.Manual, note)
	return s, e.orClosing(c.changed(err))
}

// DeleteSnapshot removes a snapshot of a database for good. If it was the newest
// one, the next round takes another: what is in the database now must be in some
// snapshot. For the owner. Errors: [ErrInvalid] (no id of a snapshot),
// [ErrNotFound] (cause [ErrNoSnapshot]), [ErrUnsupported] if the engine takes
// none, [ErrUnavailable] (the bucket).
func (e *Engine) DeleteSnapshot(ctx context.Context, p Principal, ref, id string) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.DeleteSnapshot, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	if _, err := catalog.ParseSnapshotID(id); err != nil {
		return err
	}
	unlock, err := e.snapshotting.lock(ctx, c.database.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := e.deleteReplaced(ctx, c.database.ID, id); err == nil || !errors.Is(err, ErrNoSnapshot) {
		return err
	}
	if e.vault == nil {
		return errNoSnapshots
	}
	state, place, err := c.snapshotPlace(ctx)
	switch {
	case err != nil:
		return err
	case place == (snapshot.Place{}):
		return errNoSnapshot
	}
	list, err := e.vault.All(ctx, place)
	if err != nil {
		return err
	}
	if len(list) > 0 && list[0].ID == id && state.Written {
		// Before it goes, or a crash in between would leave the content in none.
		if err := c.changed(e.store.MarkChanged(ctx, c.database.ID, e.ids.next())); err != nil {
			return err
		}
	}
	return e.vault.Delete(ctx, place, id)
}
