package ayb

import (
	"context"
	"regexp"
	"time"

	"ayb/auth"
	"ayb/fault"
)

// A Snapshot is a copy of a database as it was at one moment.
type Snapshot struct {
	ID    string    // 64 hexadecimal digits, which stand for the content
	Taken time.Time // when
}

// errNoSnapshots answers whoever wants something of snapshots when the engine
// takes none.
var errNoSnapshots = fault.New(fault.Unsupported, "This server takes no snapshots; ask whoever runs it to configure them")

// snapshotID is the form of a snapshot's id. Nothing else may ever become part
// of an object's name.
var snapshotID = regexp.MustCompile(`^[0-9a-f]{64}$`)

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
	switch {
	case err != nil:
		return err
	case !snapshotID.MatchString(id):
		return fault.New(fault.Invalid, "A snapshot is named by 64 hexadecimal digits, as list_snapshots shows them")
	}
	return errNoSnapshots
}
