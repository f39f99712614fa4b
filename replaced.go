package ayb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/snapshot"
	"ayb/store"
)

// What a restore or an import puts away stays where it is, under the name of an
// image, and is noted in the metadata, until a snapshot of it is in the bucket or,
// if there is none, for as long as such a snapshot would be kept. So nothing that
// can go wrong with a bucket, or with the machine in between, loses it.

// What was put away counts for nobody's quota, so there are bounds of what the
// server keeps itself: of the states of one database, and of the bytes of those of
// one owner, as a multiple of what all of the owner's databases may have. It is
// enough to undo a restore, and that again, before anything is in the bucket.
const (
	mostReplaced  = 10
	replacedQuota = 4
)

// beginReplacing lets a restore or an import go on to replace what is in a database,
// once at a time, until end is called. Errors: [ErrConflict] (another is under way),
// [ErrTooLarge] (too much was put away already).
func (e *Engine) beginReplacing(ctx context.Context, db Database, quota hosting.Quota) (end func(), err error) {
	end, ok := e.restoring.tryLock(db.ID)
	if !ok {
		return nil, fault.New(fault.Conflict, "Another restore or import of %s is under way; wait until it has ended, and look at what it has done", db.Ref())
	}
	if err := e.roomToReplace(ctx, db, quota); err != nil { // or all that follows is for nothing
		end()
		return nil, err
	}
	return end, nil
}

// roomToReplace refuses to put away more than the server keeps itself.
func (e *Engine) roomToReplace(ctx context.Context, db Database, quota hosting.Quota) error {
	if !db.Written {
		return nil // there is nothing to put away
	}
	kept, err := e.store.ReplacedBy(ctx, db.Owner)
	if err != nil {
		return err
	}
	states := 0
	present, err := hosting.Size(e.cfg.owners(), fileOf(db))
	sum := present
	for _, k := range kept {
		if k.Database == db.ID {
			states++
		}
		size, failed := hosting.Size(e.cfg.owners(), fileOfReplaced(k))
		sum, err = sum+size, errors.Join(err, failed)
	}
	switch {
	case err != nil:
		return err
	case states >= mostReplaced:
		return fault.New(fault.TooLarge, "The server keeps %d earlier states of %s that were replaced, and no more until some are in the bucket or have lapsed; the owner can delete one with delete_snapshot", states, db.Ref())
	case quota.OwnerBytes > 0 && sum > replacedQuota*max(quota.OwnerBytes, present):
		return fault.New(fault.TooLarge, "What the server keeps of databases of %s that were replaced has too many bytes to add to, until some of it is in the bucket or has lapsed; the owner can delete some with delete_snapshot", db.OwnerSlug)
	}
	return nil
}

// flip makes the image the current version of a database, in one step, and returns
// the database and what was put away. allowed looks at the database as it is then.
func (img *image) flip(ctx context.Context, of Database, quota hosting.Quota, allowed func(Database) error) (Database, store.Replaced, error) {
	e := img.e
	for _, l := range []struct {
		*locks
		of ID
	}{{&e.snapshotting, of.ID}, {&e.moving, of.ID}, {&e.replacing, of.Owner}} {
		unlock, err := l.lock(ctx, l.of)
		if err != nil {
			return Database{}, store.Replaced{}, err
		}
		defer unlock()
	}
	db, err := e.store.DatabaseByID(ctx, of.ID)
	switch {
	case err != nil:
		err = orMissing(err, noDatabase(of.Ref()))
	case db.Owner != of.Owner:
		err = fault.New(fault.Conflict, "The database was given to somebody else meanwhile, and nothing was replaced")
	default:
		err = allowed(db)
	}
	if err == nil {
		err = e.roomToReplace(ctx, db, quota)
	}
	if err != nil {
		return Database{}, store.Replaced{}, err
	}
	t := transfer{From: fileOf(db), To: fileOf(db)}
	t.To.Version = e.ids.next()
	to := store.Restore{From: t.From.Version, Version: t.To.Version, Mark: e.ids.next()}
	if db.Written {
		t.Keep = hosting.ImageID(e.ids.next())
		to.Kept = store.Replaced{Database: db.ID, Owner: db.Owner, Image: t.Keep, At: e.now()}
	}
	err = e.replace(ctx, t, func() error { return unmovable(e.renameVersion(img.file, t.To.Version)) }, func() error {
		return e.store.RestoreDatabase(ctx, db.ID, to)
	})
	if err != nil {
		return Database{}, store.Replaced{}, err
	}
	img.unclaim()
	db.Version, db.Written = to.Version, true
	return db, to.Kept, nil
}

// fileOfReplaced names what was put away to the Runner.
func fileOfReplaced(k store.Replaced) hosting.DB {
	return hosting.DB{Owner: k.Owner, Database: k.Database, Version: k.Image}
}

// nameReplaced makes a snapshot of what has just been put away, and returns its id;
// empty: there was nothing, or it is damaged and can't be copied. The upload goes
// on in the background.
func (e *Engine) nameReplaced(ctx context.Context, k store.Replaced) (id string) {
	if k.Image.IsZero() {
		return ""
	}
	ctx = context.WithoutCancel(ctx) // impatience does not matter for what can be undone
	unlock, ok := e.keeping.tryLock(k.Image)
	if !ok {
		return ""
	}
	img, made, err := e.imageReplaced(ctx, k)
	if err != nil {
		unlock()
		e.log.Error("what was replaced can't be copied to a snapshot; its files are kept on the server", "database", k.Database, "path", hosting.VersionPath(e.cfg.owners(), fileOfReplaced(k)), "until", k.At.Add(e.cfg.Snapshots.KeepReplaced), "error", err)
		return ""
	}
	if e.vault == nil {
		img.discard()
		unlock()
		return made.ID
	}
	e.background.Go(func() {
		defer unlock()
		defer img.discard()
		if err := e.uploadReplaced(e.life, k, made); err != nil && e.life.Err() == nil {
			e.log.Warn("what was replaced is not in the bucket yet; it is kept on the server, and uploaded later", "database", k.Database, "snapshot", made.ID, "error", err)
		}
	})
	return made.ID
}

// imageReplaced makes an image of what was put away, checks it and notes which
// snapshot it becomes.
func (e *Engine) imageReplaced(ctx context.Context, k store.Replaced) (*image, snapshot.Image, error) {
	img, made, err := e.soundImage(ctx, Database{ID: k.Database, Owner: k.Owner, Version: k.Image})
	if err != nil {
		return nil, made, err
	}
	if err := e.store.NameReplaced(ctx, k.Image, made.ID, made.Size); err != nil {
		img.discard()
		return nil, made, err
	}
	return img, made, nil
}

// uploadReplaced puts the image of what was put away into the bucket, and removes
// what is then needed no more. It keeps nobody from taking or restoring a snapshot
// meanwhile.
func (e *Engine) uploadReplaced(ctx context.Context, k store.Replaced, made snapshot.Image) error {
	state, err := e.store.SnapshotState(ctx, k.Database)
	if err != nil {
		return err
	}
	place, err := e.placeOf(ctx, state)
	if err != nil {
		return err
	}
	list, err := e.vault.All(ctx, place)
	if err != nil {
		return err
	}
	if _, err := e.vault.Put(ctx, place, made, snapshot.Taking{Kind: catalog.Replaced, Taken: snapshot.Stamp(list, k.At)}); err != nil {
		return err
	}
	if err := e.forgetReplaced(ctx, k); err != nil {
		return err
	}
	return orMissing(e.lapse(ctx, k.Database), nil) // notes when it lapses
}

// forgetReplaced removes what was put away from this machine: the files first, so
// that nothing is left that nobody knows of.
func (e *Engine) forgetReplaced(ctx context.Context, k store.Replaced) error {
	file := fileOfReplaced(k)
	resume, err := e.release(context.WithoutCancel(ctx), file)
	if err != nil {
		return err
	}
	defer resume()
	if err := e.removeVersion(file); err != nil {
		return fault.Wrap(fault.Unavailable, err, "What was replaced can't be removed")
	}
	return e.store.ForgetReplaced(ctx, k.Image)
}

// tendEvery is how often it is tried to upload what restores have put away.
const tendEvery = 5 * time.Minute

// tendOften tends what restores have put away, from the start on, until ctx ends.
func (e *Engine) tendOften(ctx context.Context) {
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for {
		if err := e.tendReplaced(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("What restores and imports have replaced is on the server alone; trying again in some minutes", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tendReplaced uploads what restores have put away and is in no bucket yet, and
// removes what was kept for long enough. A failure does not keep the rest; the
// errors are joined.
func (e *Engine) tendReplaced(ctx context.Context) error {
	var errs []error
	for page := (Page{}); ; {
		list, err := e.store.Replaced(ctx, page)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, k := range list.Items {
			if err := e.tendOne(ctx, k); err != nil && len(errs) < purgeErrors {
				errs = append(errs, err)
			}
		}
		if page.After = list.Next; list.Next == "" {
			return errors.Join(errs...)
		}
	}
}

func (e *Engine) tendOne(ctx context.Context, k store.Replaced) error {
	unlock, ok := e.keeping.tryLock(k.Image)
	if !ok {
		return nil // somebody is about it
	}
	defer unlock()
	// While it is noted, the files have not all got the name yet under which they
	// are kept. The note has to be looked for first: once it is gone, they have.
	switch _, err := os.Lstat(e.notePath(k.Database)); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return unmovable(err)
	}
	switch _, err := os.Lstat(hosting.FilePath(e.cfg.owners(), fileOfReplaced(k))); {
	case errors.Is(err, fs.ErrNotExist), e.now().Sub(k.At) >= e.cfg.Snapshots.KeepReplaced:
		return e.forgetReplaced(ctx, k)
	case e.vault == nil:
		return nil
	}
	if err := e.vault.Check(ctx); err != nil {
		return err // before anything is copied for nothing
	}
	img, made, err := e.imageReplaced(ctx, k)
	if err != nil {
		return err
	}
	defer img.discard()
	return e.uploadReplaced(ctx, k, made)
}

// replacedSnapshots returns those snapshots of a database that are on this machine
// still, the last first.
func (e *Engine) replacedSnapshots(ctx context.Context, database ID) (list []Snapshot, err error) {
	kept, err := e.store.ReplacedOf(ctx, database)
	for _, k := range kept {
		if k.Snapshot != "" {
			at := k.At.Truncate(time.Millisecond)
			list = append(list, Snapshot{ID: k.Snapshot, Taken: at, Size: k.Size, Kind: catalog.Replaced, Replaced: at})
		}
	}
	return list, err
}

// orReplaced adds to a failure of the bucket what can be restored without it.
func orReplaced(err error, replaced []Snapshot) error {
	if err == nil || len(replaced) == 0 || !errors.Is(err, fault.Unavailable) {
		return err
	}
	last := replaced[0]
	return fault.Wrap(fault.Unavailable, err, "%s. What was replaced on %s is on the server and can be restored meanwhile: snapshot %s",
		Message(err), last.Taken.Format(time.RFC3339), last.ID)
}

// deleteReplaced removes what was put away and becomes the snapshot id. Errors:
// errNoSnapshot if it is not on this machine, or no longer.
func (e *Engine) deleteReplaced(ctx context.Context, database ID, id string) error {
	kept, err := e.store.ReplacedOf(ctx, database)
	if err != nil {
		return err
	}
	err = errNoSnapshot
	for _, k := range kept {
		if k.Snapshot != id {
			continue
		}
		unlock, free := e.keeping.tryLock(k.Image)
		if !free {
			return fault.New(fault.Busy, "This snapshot is just being uploaded; delete it in a moment")
		}
		err = e.forgetReplaced(ctx, k)
		unlock()
		if err != nil {
			return err
		}
	}
	return err
}
