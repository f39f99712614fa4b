package ayb

import (
	"context"
	"errors"
	"os"
	"slices"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/store"
)

// RestoreOptions are the optional settings of RestoreSnapshot.
type RestoreOptions struct {
	// To names a database, entity/database, that is made of the snapshot; the one
	// that the snapshot is of stays as it is. Empty: that one is put back.
	To string

	// Progress is told now and then how many bytes of the database there are, and of
	// how many; 0: that is not known. It must return soon. Nil: nobody wants to know.
	Progress func(done, total int64)
}

// Restored is what a restore has led to.
type Restored struct {
	Database Database // that is now what it was

	// Undo is the snapshot of what the restore has replaced, which brings it back.
	// Empty: there was nothing, or what there was is damaged so that it can't be
	// copied; then its files are kept on the server for as long.
	Undo string
}

// RestoreSnapshot puts a database back to a snapshot of it. For the owner and
// managers; to make another database of the snapshot, for those of them who may
// also create that.
//
// Until the snapshot has been fetched and checked, the database is used as before.
// Then running queries end, at most 10 seconds are waited for them, sessions end
// with [ErrConflict], and the next query sees the snapshot. What is replaced stays
// restorable for SnapshotConfig.KeepReplaced. A failure, also one of the machine,
// leaves the database as it was.
//
// Errors: [ErrInvalid] (no id of a snapshot), [ErrNotFound] (there is none of that
// id), [ErrConflict] (another restore of the database is under way, or it was given
// away meanwhile), [ErrBusy] (a query is running that does not end), [ErrTooLarge]
// (there is no room for it), [ErrExists] (the other database's name is taken),
// [ErrUnavailable] (the bucket, or the stored snapshot is damaged; the cause is one
// of package snapshot, or [ErrDiskFull]), [ErrUnsupported] (the engine takes no snapshots).
func (e *Engine) RestoreSnapshot(ctx context.Context, p Principal, ref, id string, opt *RestoreOptions) (_ Restored, err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.RestoreSnapshot, ref)
	defer c.done(&err)
	if err != nil {
		return Restored{}, err
	}
	if _, err := catalog.ParseSnapshotID(id); err != nil {
		return Restored{}, err
	}
	ctx, end := e.untilClose(ctx)
	defer end()
	r := &restore{e: e, of: c.database, id: id}
	if opt == nil {
		opt = &RestoreOptions{}
	}
	if r.told = opt.Progress; r.told == nil {
		r.told = func(int64, int64) {}
	}
	if opt.To != "" {
		db, err := r.into(ctx, p, opt.To)
		return Restored{Database: db}, e.orClosing(err)
	}
	restored, err := r.inPlace(ctx, c.quota())
	return restored, e.orClosing(err)
}

// A restore is one call of RestoreSnapshot.
type restore struct {
	e    *Engine
	of   Database // whose snapshot it is
	id   string
	told func(done, total int64)
}

// inPlace puts the database itself back.
func (r *restore) inPlace(ctx context.Context, quota hosting.Quota) (Restored, error) {
	end, err := r.e.beginReplacing(ctx, r.of, quota)
	if err != nil {
		return Restored{}, err
	}
	defer end()
	img, err := r.e.newImage(r.of)
	if err != nil {
		return Restored{}, err
	}
	defer img.discard()
	present, err := hosting.Size(r.e.cfg.owners(), fileOf(r.of))
	if err != nil {
		return Restored{}, err
	}
	if err := r.fetch(ctx, img, room{quota, present}); err != nil {
		return Restored{}, err
	}
	db, kept, err := img.flip(ctx, r.of, quota, func(Database) error { return nil })
	if err != nil {
		return Restored{}, err
	}
	r.e.log.Info("a database was restored", "database", db.ID, "ref", db.Ref(), "snapshot", r.id, "version", db.Version)
	return Restored{Database: db, Undo: r.e.nameReplaced(ctx, kept)}, nil
}

// into makes another database of the snapshot.
func (r *restore) into(ctx context.Context, p Principal, ref string) (_ Database, err error) {
	name, err := catalog.ParseRef(ref)
	if err != nil {
		return Database{}, err
	}
	c, err := r.e.authorizeAccount(ctx, p, auth.CreateDatabase, string(name.Entity), "")
	defer c.done(&err)
	c.subject = name.String()
	if err != nil {
		return Database{}, err
	}
	// It would be a pity to learn that at the end.
	if _, err := r.e.store.Database(ctx, c.entity.ID, name.Database); err == nil {
		return Database{}, orTaken(fault.New(fault.Exists, "taken"))
	}
	db := Database{
		ID: r.e.ids.next(), Owner: c.entity.ID, OwnerSlug: c.entity.Slug, Slug: name.Database, Kind: r.of.Kind,
		Version: r.e.ids.next(), Written: true, Created: c.at,
	}
	c.allowance = c.entity.Quota
	img, err := r.e.newImage(db)
	if err != nil {
		return Database{}, err
	}
	defer img.discard()
	if err := r.fetch(ctx, img, room{quota: c.quota()}); err != nil {
		return Database{}, err
	}
	if err := img.makeFirst(ctx, db); err != nil {
		return Database{}, err
	}
	if err := r.e.store.CreateDatabase(ctx, db); err != nil {
		return Database{}, orTaken(err) // also if it is not known whether it was done
	}
	c.database = db // for the audit trail
	return db, nil
}

// fetch makes the image of what the snapshot holds, checked and ready to become a
// version of a database.
func (r *restore) fetch(ctx context.Context, img *image, room room) error {
	err := r.copyReplaced(ctx, img, room)
	if errors.Is(err, errNoSnapshot) {
		err = r.download(ctx, img, room)
	}
	if err != nil {
		return err
	}
	return img.adopt(ctx, hosting.QuickCheck)
}

// download fetches the snapshot from the bucket.
func (r *restore) download(ctx context.Context, img *image, room room) error {
	if r.e.vault == nil {
		return errNoSnapshots
	}
	state, err := r.e.store.SnapshotState(ctx, r.of.ID)
	switch {
	case err != nil:
		return err
	case state.Place == "":
		return errNoSnapshot
	}
	place := parsePlace(state.Place)
	s, err := r.e.vault.Stat(ctx, place, r.id)
	if err != nil {
		return err
	}
	if err := img.claim(ctx, room, s.Size); err != nil {
		return err
	}
	total := s.Size
	r.told(0, total)
	s, err = img.fetch(ctx, place, s, func(done int64) { r.told(done, total) })
	if err != nil {
		return err
	}
	return img.claim(ctx, room, s.Size) // there are objects that do not say how much they hold
}

// copyReplaced makes the image of what an earlier restore has put away, if it is on
// this machine still. Errors: errNoSnapshot if it is not.
func (r *restore) copyReplaced(ctx context.Context, img *image, room room) error {
	kept, err := r.e.store.ReplacedOf(ctx, r.of.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(kept, func(k store.Replaced) bool { return k.Snapshot == r.id })
	if i < 0 {
		return errNoSnapshot
	}
	k := kept[i]
	if err := img.claim(ctx, room, k.Size); err != nil {
		return err
	}
	r.told(0, k.Size)
	err = img.copy(ctx, fileOfReplaced(k), r.e.cfg.Snapshots.Method)
	if errors.Is(err, hosting.ErrMissing) { // it has just been uploaded
		return errors.Join(errNoSnapshot, os.Remove(img.path()))
	}
	if err == nil {
		r.told(k.Size, k.Size)
	}
	return err
}
