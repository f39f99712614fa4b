package ayb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/snapshot"
	"ayb/store"
)

// purgeTime bounds the removal of a database's snapshots. What is left is removed
// the next time.
const purgeTime = time.Minute

// mostPlaces bounds how many databases of one name, one after the other, have
// snapshots in the bucket.
const mostPlaces = 1000

// takeSnapshot takes a snapshot of a live database: asks the bucket what it has,
// copies the database, has the copy checked, and stores it. What the bucket has too
// much of goes. If no change came in between, the note that the database has
// changed is taken back.
func (e *Engine) takeSnapshot(ctx context.Context, id ID, kind SnapshotKind, note string) (_ Snapshot, err error) {
	var content snapshot.Image
	defer func() { e.snapshots.taken(content.Size, err) }()
	unlock, err := e.snapshotting.lock(ctx, id)
	if err != nil {
		return Snapshot{}, err
	}
	defer unlock()
	state, err := e.snapshotState(ctx, id)
	if err != nil {
		return Snapshot{}, err
	}
	e.log.InfoContext(ctx, "Trying to back up "+state.Ref().String())
	place, err := e.placeOf(ctx, state)
	if err != nil {
		return Snapshot{}, err
	}
	// Before anything is copied: if the bucket does not answer, that is for nothing.
	list, err := e.vault.All(ctx, place)
	if err != nil {
		return Snapshot{}, err
	}
	complete := e.changes.forget(id) // after state.Changed was read, and before the copy
	var img *image
	img, content, err = e.soundImage(ctx, state.Database)
	if err != nil {
		return Snapshot{}, err
	}
	defer img.discard()
	e.announce(ctx, state, list, content)
	s, err := e.vault.Put(ctx, place, content, snapshot.Taking{Kind: kind, Note: note, Taken: snapshot.Stamp(list, e.now().Truncate(time.Second))})
	if err != nil {
		return Snapshot{}, err
	}
	if complete {
		if _, err := e.store.ClearChanged(ctx, id, state.Changed); err != nil {
			return s, err
		}
	}
	list = append(slices.DeleteFunc(list, func(old Snapshot) bool { return old.ID == s.ID }), s)
	if err := e.prune(ctx, state, place, list); err != nil {
		e.log.WarnContext(ctx, fmt.Sprintf("Unable to prune the snapshots of %s; the next one tries again: %v", state.Ref(), err))
	}
	return s, nil
}

// snapshotState returns what is remembered of a live database that has been
// written.
func (e *Engine) snapshotState(ctx context.Context, id ID) (store.SnapshotState, error) {
	state, err := e.store.SnapshotState(ctx, id)
	switch {
	case err != nil:
		return state, err
	case !state.Deleted.IsZero():
		return state, noDatabase(state.Ref())
	case !state.Written:
		return state, errNothingToSnapshot
	}
	return state, nil
}

// announce logs what is going to happen, for whoever watches.
func (e *Engine) announce(ctx context.Context, state store.SnapshotState, list []Snapshot, content snapshot.Image) {
	words := "Uploading new snapshot with hash " + content.ID + "."
	if slices.ContainsFunc(list, func(s Snapshot) bool { return s.ID == content.ID }) {
		words = "Snapshot with hash " + content.ID + " already exists, not uploading again."
	}
	e.log.InfoContext(ctx, words, "database", state.Ref(), "bytes", content.Size)
}

// soundImage copies a database and makes sure that the copy is fit to be restored.
// The caller discards the image. Errors: [ErrInternal] if the database, or else
// its copy, is damaged.
func (e *Engine) soundImage(ctx context.Context, db Database) (_ *image, content snapshot.Image, err error) {
	img, err := e.copyOf(ctx, db, e.cfg.Snapshots.Method)
	if err != nil {
		return nil, content, err
	}
	defer func() {
		if err != nil {
			img.discard()
		}
	}()
	// The hash comes first: what is uploaded has to have it, so it is what was
	// checked.
	f, err := img.open()
	if err != nil {
		return nil, content, err
	}
	if content, err = snapshot.Hash(ctx, f); err != nil {
		return nil, content, err
	}
	err = img.check(ctx, hosting.QuickCheck)
	if !errors.Is(err, fault.Internal) {
		return img, content, err
	}
	if live := e.runner.Check(ctx, fileOf(db), hosting.QuickCheck); live != nil {
		return nil, content, live
	}
	return nil, content, fault.Wrap(fault.Internal, err, "The copy of the database for the snapshot is damaged and was not kept, but the database is sound; try again, and tell whoever runs this server that its disk may be failing")
}

// placeOf returns where the snapshots of a database are, and decides that before
// the first one: under its present name, unless another database had it before, or
// there is something in the bucket that nobody knows. Neither is ever mixed up
// with the snapshots of this one.
func (e *Engine) placeOf(ctx context.Context, state store.SnapshotState) (snapshot.Place, error) {
	if state.Place != "" {
		return parsePlace(state.Place), nil
	}
	first := snapshot.PlaceOf(state.Ref())
	for n := 1; n <= mostPlaces; n++ {
		place := first.Again(n)
		there, err := e.vault.All(ctx, place)
		if err != nil {
			return place, err
		}
		if len(there) > 0 {
			e.log.InfoContext(ctx, "the bucket has snapshots under this name that are not of this database", "database", state.Ref(), "place", place)
			continue
		}
		if err = e.store.ClaimPlace(ctx, state.ID, place.String()); !errors.Is(err, fault.Exists) {
			return place, err
		}
	}
	return first, fault.New(fault.Unavailable, "The bucket has snapshots of %d databases that were called %s; give the database another name", mostPlaces, state.Ref())
}

// parsePlace reads what Place.String wrote; zero of nothing.
func parsePlace(text string) snapshot.Place {
	entity, database, _ := strings.Cut(text, "/")
	return snapshot.Place{Entity: Slug(entity), Database: database}
}

// prune deletes the snapshots that are too many or too old, and notes when the
// next ones lapse. list are all snapshots of the database.
func (e *Engine) prune(ctx context.Context, state store.SnapshotState, place snapshot.Place, list []Snapshot) error {
	now := e.now()
	excess := e.cfg.Snapshots.policy().Excess(list, now)
	if len(excess) > 0 {
		e.log.InfoContext(ctx, fmt.Sprintf("Pruning %d oldest snapshots", len(excess)), "database", state.Ref())
	}
	for _, s := range excess {
		if err := e.vault.Delete(ctx, place, s.ID); err != nil && !errors.Is(err, ErrNoSnapshot) {
			return err
		}
	}
	var due time.Time
	for _, s := range list {
		lapse := s.Replaced.Add(e.cfg.Snapshots.KeepReplaced)
		if s.Kind != catalog.Manual && !s.Replaced.IsZero() && lapse.After(now) && (due.IsZero() || lapse.Before(due)) {
			due = lapse
		}
	}
	if due.Truncate(time.Microsecond).Equal(state.Due) {
		return nil
	}
	return e.store.SetSnapshotsDue(ctx, state.ID, due)
}

// lapse prunes the snapshots of a database that has not changed.
func (e *Engine) lapse(ctx context.Context, id ID) error {
	unlock, err := e.snapshotting.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	state, err := e.snapshotState(ctx, id)
	if err != nil || state.Place == "" {
		return err
	}
	list, err := e.vault.All(ctx, parsePlace(state.Place))
	if err != nil {
		return err
	}
	return e.prune(ctx, state, parsePlace(state.Place), list)
}

// purgeSnapshots removes all snapshots of a database that is removed for good. The
// caller holds its lock in e.snapshotting.
func (e *Engine) purgeSnapshots(ctx context.Context, id ID) error {
	state, err := e.store.SnapshotState(ctx, id)
	switch {
	case err != nil:
		return orMissing(err, nil)
	case state.Place == "":
		return nil
	case e.vault == nil:
		e.log.WarnContext(ctx, "a database is removed for good, but its snapshots are in a bucket that is not configured any more", "place", state.Place)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, purgeTime)
	defer cancel()
	list, err := e.vault.All(ctx, parsePlace(state.Place))
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := e.vault.Delete(ctx, parsePlace(state.Place), s.ID); err != nil && !errors.Is(err, ErrNoSnapshot) {
			return err
		}
	}
	return nil
}
