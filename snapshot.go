package ayb

import (
	"context"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
)

// errNoSnapshots answers whoever wants something of snapshots when the engine
// takes none.
var errNoSnapshots = fault.New(fault.Unsupported, "This server takes no snapshots; ask whoever runs it to configure them")

// Snapshots lists the snapshots of a database, newest first: none, as long as
// the engine takes none. For the owner and managers.
func (e *Engine) Snapshots(ctx context.Context, p Principal, ref string, _ Page) (_ List[Snapshot], err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.ListSnapshots, ref)
	defer c.done(&err)
	return List[Snapshot]{}, err
}

// CreateSnapshot takes a snapshot of a database. For the owner and managers.
// Errors: [ErrUnsupported] if the engine takes none.
func (e *Engine) CreateSnapshot(ctx context.Context, p Principal, ref string) (_ Snapshot, err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.CreateSnapshot, ref)
	defer c.done(&err)
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{}, errNoSnapshots
}

// RestoreSnapshot puts a database back to a snapshot of it. For the owner and
// managers. Errors: [ErrInvalid] (no id of a snapshot), [ErrUnsupported] if the
// engine takes none.
func (e *Engine) RestoreSnapshot(ctx context.Context, p Principal, ref, id string) error {
	return e.onSnapshot(ctx, p, auth.RestoreSnapshot, ref, id)
}

// DeleteSnapshot removes a snapshot of a database. For the owner. Errors: as
// RestoreSnapshot.
func (e *Engine) DeleteSnapshot(ctx context.Context, p Principal, ref, id string) error {
	return e.onSnapshot(ctx, p, auth.DeleteSnapshot, ref, id)
}

// onSnapshot checks what is to be done with a snapshot.
func (e *Engine) onSnapshot(ctx context.Context, p Principal, action auth.Action, ref, id string) (err error) {
	c, err := e.authorizeDatabase(ctx, p, action, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	if _, err := catalog.ParseSnapshotID(id); err != nil {
		return err
	}
	return errNoSnapshots
}
