package ayb

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/durable"
	"ayb/store"
)

// TransferDatabase gives a database to another entity, under the same name and
// with its grants; the old owner keeps no access. It does so at once if the caller
// may create databases for that entity, as admin of an organization say; queries
// wait meanwhile, sessions end, and the Offer is zero. Every other entity is only
// offered the database, for 7 days, and has to accept it with AcceptOffer, which
// takes all grants away; the offer takes the place of an earlier one. For the
// owner. Errors: [ErrInvalid] (the entity owns it already), [ErrNotFound], [ErrBusy] (a query is running that
// does not end, or too many offers wait), and of a transfer at once [ErrExists]
// (the entity has a database of that name) and [ErrTooLarge] (it has no room for
// this one, or may have no more).
func (e *Engine) TransferDatabase(ctx context.Context, p Principal, ref, toEntity string) (_ Offer, err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.TransferDatabase, ref)
	defer c.done(&err)
	if err != nil {
		return Offer{}, err
	}
	slug, err := catalog.ParseEntitySlug(toEntity)
	if err != nil {
		return Offer{}, err
	}
	to, err := e.store.Entity(ctx, slug)
	switch {
	case err != nil:
		return Offer{}, orMissing(err, noEntity(slug))
	case to.ID == c.database.Owner:
		return Offer{}, fault.New(fault.Invalid, "%s owns %s already", slug, c.ref)
	}
	db, unlock, err := c.hold(ctx)
	if err != nil {
		return Offer{}, err
	}
	defer unlock()
	direct, err := c.mayCreateFor(ctx, to)
	switch {
	case err != nil:
		return Offer{}, err
	case !direct:
		return c.offer(ctx, to)
	}
	return Offer{}, orTaken(e.transfer(ctx, db, store.Move{Owner: to.ID}))
}

// hold keeps the database of the call from being moved until unlock is called, and
// returns it as it is now. It is not found if it was given away since the call was
// allowed: what its old owner and managers say about it does not hold any more.
func (c *call) hold(ctx context.Context) (_ Database, unlock func(), _ error) {
	unlock, err := c.e.moving.lock(ctx, c.database.ID)
	if err != nil {
		return Database{}, nil, err
	}
	db, err := c.e.store.DatabaseByID(ctx, c.database.ID)
	switch {
	case err != nil:
		err = c.changed(err)
	case db.Owner != c.database.Owner:
		err = noDatabase(c.ref)
	}
	if err != nil {
		unlock()
		return Database{}, nil, err
	}
	return db, unlock, nil
}

// mayCreateFor reports whether the caller may create databases for an entity, and
// so may put one there without asking.
func (c *call) mayCreateFor(ctx context.Context, ent Entity) (bool, error) {
	other := &call{e: c.e, action: auth.CreateDatabase, caller: c.caller, entity: ent}
	err := other.findRole(ctx, ent)
	return err == nil && other.may(auth.CreateDatabase), err
}

// A transfer is a move of a database's files from one owner's directory to
// another's. It is noted on disk before anything else happens, so that after a
// crash at any point the metadata says which of the two versions is current, and
// the note says where to find the other one.
//
// A restore is such a move within one directory. What it puts away is not removed
// but given another name, Keep.
type transfer struct {
	From, To hosting.DB
	Keep     ID `json:",omitzero"`
}

// transfer moves a database whose lock is held; of the move its versions are set
// here. The new version is made whole while nothing runs on the old one, then the
// metadata changes in one step.
func (e *Engine) transfer(ctx context.Context, db Database, move store.Move) error {
	if err := e.requireRoom(ctx, db, move.Owner); err != nil {
		return err
	}
	t := transfer{From: fileOf(db), To: hosting.DB{Owner: move.Owner, Database: db.ID, Version: e.ids.next()}}
	move.From, move.Version = t.From.Version, t.To.Version
	return e.replace(ctx, t, func() error { return unmovable(e.copyVersion(t, db.Written)) }, func() error {
		return e.store.MoveDatabase(ctx, db.ID, move)
	})
}

// replace puts one version of a database, whose lock is held, in the place of
// another while nothing runs on either: make makes its files, and flip makes it
// current in the metadata, in one step.
func (e *Engine) replace(ctx context.Context, t transfer, make, flip func() error) error {
	// Both are released, so that the Runner measures both owners anew.
	var resumes []func()
	resume := func() {
		for _, resume := range resumes {
			resume()
		}
	}
	defer func() { resume() }()
	for _, version := range []hosting.DB{t.From, t.To} {
		again, err := e.release(ctx, version)
		if err != nil {
			return err
		}
		resumes = append(resumes, again)
	}
	database := t.From.Database
	// A note that an earlier transfer has left behind is settled first.
	if err := e.settle(ctx, database); err != nil {
		return err
	}
	if err := e.note(t); err != nil {
		return unmovable(err)
	}
	err := make()
	if err == nil {
		err = flip()
	}
	// Whether or not it was moved, and even if that is not known, what is not
	// current goes; the caller's impatience does not matter for it.
	if unsettled := e.settle(context.WithoutCancel(ctx), database); unsettled != nil {
		// Until then nobody gets in: both versions are the same file, and what is
		// written by way of the one that goes would be lost.
		e.log.Warn("a transfer could not be completed yet", "database", database, "error", unsettled)
		later := resume
		resume = func() {}
		e.background.Go(func() { e.settleLater(database, later) })
	}
	return err
}

// settleLater settles a transfer as soon as that is possible, and then lets
// requests for its versions in again.
func (e *Engine) settleLater(database ID, resume func()) {
	defer resume()
	again := time.NewTicker(settleEvery)
	defer again.Stop()
	for e.settle(e.life, database) != nil {
		select {
		case <-again.C:
		case <-e.life.Done():
			return
		}
	}
}

func unmovable(err error) error {
	return durable.Fault(err, "The database's files can't be moved; please tell whoever runs this server")
}

// copyVersion makes the new version of the same files, as links where the file
// system has them. Nothing needs to be there if the database is unwritten.
func (e *Engine) copyVersion(t transfer, written bool) error {
	from, to := hosting.VersionPath(e.cfg.owners(), t.From), hosting.VersionPath(e.cfg.owners(), t.To)
	files, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) && !written {
		return nil
	}
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(to); err != nil {
		return err
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), "-shm") {
			continue // an index of the log, made anew
		}
		if err := linkFile(filepath.Join(from, file.Name()), filepath.Join(to, file.Name())); err != nil {
			return err
		}
	}
	return durable.SyncDir(to)
}

// linkFile gives a file a second name, or copies it if that can't be done.
func linkFile(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Sync(), dst.Close())
}

func (e *Engine) notes() string { return filepath.Join(e.cfg.DataPath, "transfers") }

func (e *Engine) notePath(database ID) string { return filepath.Join(e.notes(), database.String()) }

// note writes down a transfer that is about to begin.
func (e *Engine) note(t transfer) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(e.notes()); err != nil {
		return err
	}
	return replaceFile(e.notePath(t.From.Database), text)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// readNote reads the note about a database's transfer; ok is false if there is
// none.
func (e *Engine) readNote(database ID) (t transfer, ok bool, err error) {
	text, err := os.ReadFile(e.notePath(database))
	if errors.Is(err, fs.ErrNotExist) {
		return t, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	return t, err == nil, err
}

// settle puts away the version that a noted transfer has not made current, or no
// longer, and then removes the note. As long as the database is deleted nothing is
// done.
func (e *Engine) settle(ctx context.Context, database ID) error {
	t, ok, err := e.readNote(database)
	if err != nil {
		return unmovable(err)
	}
	if !ok {
		return nil
	}
	db, err := e.store.DatabaseByID(ctx, database)
	if err != nil {
		return orMissing(err, nil)
	}
	for _, version := range []hosting.DB{t.From, t.To} {
		if version == fileOf(db) {
			continue
		}
		putAway := e.removeVersion
		if version == t.From && !t.Keep.IsZero() {
			putAway = func(version hosting.DB) error { return ignoreMissing(e.renameVersion(version, t.Keep)) }
		}
		if err := putAway(version); err != nil {
			return unmovable(err)
		}
	}
	return unmovable(os.Remove(e.notePath(database)))
}

// removeVersion removes a version's files, and the database's directory at that
// owner if nothing else is in it.
func (e *Engine) removeVersion(version hosting.DB) error {
	if err := os.RemoveAll(hosting.VersionPath(e.cfg.owners(), version)); err != nil {
		return err
	}
	os.Remove(hosting.DatabasePath(e.cfg.owners(), version.Owner, version.Database)) // fails if not empty
	return nil
}

// renameVersion gives the files of a version to another version of the database.
func (e *Engine) renameVersion(version hosting.DB, to ID) error {
	from := hosting.VersionPath(e.cfg.owners(), version)
	version.Version = to
	if err := os.Rename(from, hosting.VersionPath(e.cfg.owners(), version)); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(from))
}

// sweepTransfers settles what earlier transfers have left behind. What can't be
// settled does not keep the rest; its errors are joined.
func (e *Engine) sweepTransfers(ctx context.Context) error {
	files, err := os.ReadDir(e.notes())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{unmovable(err)}
	for _, file := range files {
		name, isHalf := strings.CutSuffix(file.Name(), halfFile)
		id, err := catalog.ParseID(name)
		if err != nil {
			continue
		}
		unlock, err := e.moving.lock(ctx, id)
		if err != nil {
			return err
		}
		if isHalf { // of a transfer that did not begin
			errs = append(errs, unmovable(ignoreMissing(os.Remove(e.notePath(id)+halfFile))))
		} else {
			errs = append(errs, e.settle(ctx, id))
		}
		unlock()
	}
	return errors.Join(errs...)
}
