package ayb

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/walls"
)

// ImportOptions are the optional settings of Import.
type ImportOptions struct {
	Format ExportFormat // what is sent; default: ExportSQLite
	Size   int64        // how many bytes that is at least, if it is known: what there is no room for is not read; default: 0

	// Replace says that what is sent takes the place of what has been written to the
	// database, which can be undone.
	Replace bool
}

// importCopies is how often what is imported is on disk at once, at most: as it was
// sent, as a database, and written anew or as a log.
const importCopies = 3

// Imported is what an import has led to.
type Imported struct {
	Database Database // that has the content now

	// Undo is the snapshot of what the import has replaced, see [Restored]. Empty:
	// there was nothing.
	Undo string
}

// Import makes the content of a database of what it reads from r to its end: a
// SQLite file, or a text of SQL as .dump of the sqlite3 shell writes it. A database
// that does not exist is created. One that has been written is left alone, unless
// [ImportOptions] say otherwise: then it is replaced as by RestoreSnapshot, and as
// that can be undone, also if the engine takes no snapshots. What is sent is checked
// first: the file is sound, and there is nothing in its schema that could not have
// been made by SQL here. It happens as a whole or not at all.
//
// For the owner and managers of a database that exists, and for who may create one
// otherwise. Errors: [ErrInvalid] (what was sent is no such file, cut short or
// damaged, or SQL that is wrong), [ErrDenied] (also for what no database may have in
// it), [ErrTooLarge] (Limits.ImportBytes, a quota, or too much was replaced lately),
// [ErrConflict] (the database has been written, or another import or restore of it is
// under way), [ErrUnsupported], [ErrTimedOut], [ErrBusy], [ErrUnavailable] (cause
// [ErrDiskFull]: there is no room), those of r.
func (e *Engine) Import(ctx context.Context, p Principal, ref string, r io.Reader, opt *ImportOptions) (_ Imported, err error) {
	c, err := e.authorizeImport(ctx, p, ref)
	defer c.done(&err)
	if err != nil {
		return Imported{}, err
	}
	ctx, end := e.untilClose(ctx)
	defer end()
	if opt == nil {
		opt = &ImportOptions{}
	}
	im := &importing{c: c, replace: opt.Replace, upload: hosting.Upload{ID: e.ids.next()}}
	if opt.Format == ExportSQL {
		im.upload.Format = hosting.UploadSQL
	}
	imported, err := im.run(ctx, r, opt.Size)
	return imported, e.orClosing(err)
}

// authorizeImport begins a call that fills a database, which is another one if
// it does not exist.
func (e *Engine) authorizeImport(ctx context.Context, p Principal, ref string) (*call, error) {
	c, err := e.begin(ctx, p, auth.Import)
	if err != nil {
		return c, err
	}
	if c.ref, err = catalog.ParseRef(ref); err != nil {
		return c, err
	}
	return c, c.allowImport(ctx)
}

// allowImport looks the database up and asks the policy.
func (c *call) allowImport(ctx context.Context) error {
	if err := c.find(ctx); err != nil {
		return err
	}
	if !c.database.ID.IsZero() {
		return c.allowHere(ctx)
	}
	// Who may create databases there may know that there is none of this name.
	owner, err := c.e.store.Entity(ctx, c.ref.Entity)
	if err == nil {
		c.entity = owner
		if c.may(auth.CreateDatabase) {
			c.verdict, c.decided = auth.Allowed, true
			return nil
		}
	} else if !errors.Is(err, fault.NotFound) {
		return err
	}
	return c.allowHere(ctx)
}

// recheck looks at the caller's rights again, by way of what has allowed the call:
// what was sent may have taken long to arrive.
func (c *call) recheck(ctx context.Context, allow func(context.Context) error) (err error) {
	before := c.database.ID
	if c.caller, err = c.e.identify(ctx, c.caller, c.e.now()); err == nil {
		err = allow(ctx)
	}
	c.refused = c.refused || errors.Is(err, fault.Unauthenticated)
	switch {
	case err != nil && c.refused && c.e.cfg.Walls.Has(walls.Recheck):
		return nil
	case err == nil && c.database.ID != before:
		return fault.New(fault.Conflict, "While the file arrived, a database %s was made, renamed or deleted, so nothing was imported; look, and send it again", c.ref)
	}
	return err
}

// claimImport claims what an import of so many bytes takes.
func (c *call) claimImport(size int64) (give func(), err error) {
	if size > c.e.cfg.Limits.ImportBytes {
		return nil, errLargeImport(c.e.cfg.Limits.ImportBytes)
	}
	return c.e.disk.claim(importCopies * max(size, 0))
}

func errLargeImport(bound int64) error {
	return fault.New(fault.TooLarge, "What was sent is larger than limits.import_bytes or the quota allows: %d bytes", bound)
}

// receive writes what r has to where the Runner finds it. The caller calls remove.
func (c *call) receive(ctx context.Context, upload ID, r io.Reader) (remove func(), err error) {
	path := hosting.UploadPath(c.e.cfg.owners(), c.database.Owner, upload)
	remove = func() { os.RemoveAll(filepath.Dir(path)) }
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return remove, unspooled(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return remove, unspooled(err)
	}
	bound := c.e.cfg.Limits.ImportBytes
	if quota := c.quota().DatabaseBytes; quota > 0 {
		bound = min(bound, dumpRoom(quota)) // a text may be larger than what it makes
	}
	return remove, errors.Join(c.gather(ctx, f, r, bound), f.Close())
}

// gather copies what r has to a file, within Limits.StreamTime.
func (c *call) gather(ctx context.Context, f *os.File, r io.Reader, bound int64) error {
	most := c.e.cfg.Limits.WithDefaults().StreamTime
	limited, cancel := context.WithTimeoutCause(ctx, most, errSlowCopy)
	defer cancel()
	n, err := io.Copy(c.e.disk.writer(f, 0), io.LimitReader(contextReader{limited, r}, bound+1))
	switch {
	case err != nil && errors.Is(context.Cause(limited), errSlowCopy):
		return fault.New(fault.TimedOut, "What was sent did not arrive within limits.stream_time (%v); compress it, or use a faster connection", most)
	case err == nil && n > bound:
		return errLargeImport(bound)
	}
	return err
}

// An importing is one call of Import.
type importing struct {
	c       *call
	upload  hosting.Upload
	replace bool
}

// run carries the import out.
func (im *importing) run(ctx context.Context, r io.Reader, size int64) (Imported, error) {
	c, e := im.c, im.c.e
	give, err := e.copying.take(charged(c.caller))
	if err != nil {
		return Imported{}, err
	}
	defer give()
	if err := im.allowed(c.database); err != nil {
		return Imported{}, err
	}
	unclaim, err := c.claimImport(size)
	if err != nil {
		return Imported{}, err
	}
	defer unclaim()
	end, err := e.working.begin(c.database.Owner)
	if err != nil {
		return Imported{}, err
	}
	defer end()
	remove, err := c.receive(ctx, im.upload.ID, r)
	defer remove()
	if err != nil {
		return Imported{}, err
	}
	// Until it is a database, an import counts for no quota, so there is one at a time.
	unlock, err := e.adopting.lock(ctx, c.database.Owner)
	if err != nil {
		return Imported{}, err
	}
	defer unlock()
	if err := c.recheck(ctx, c.allowImport); err != nil {
		return Imported{}, err
	}
	if c.database.ID.IsZero() {
		return im.create(ctx)
	}
	return im.fill(ctx)
}

// allowed refuses to replace what nobody asked to replace.
func (im *importing) allowed(db Database) error {
	if !db.Written || im.replace {
		return nil
	}
	return fault.New(fault.Conflict, "Database %s has been written already, and an import replaces nothing unless it is told to (replace); what it replaces then can be restored. Or import into a database of another name", im.c.ref)
}

// create makes the content first and the database second, so that nobody ever sees
// it without. What a crash in between leaves is noted with the image.
func (im *importing) create(ctx context.Context) (Imported, error) {
	c, e := im.c, im.c.e
	db := Database{
		ID: e.ids.next(), Owner: c.entity.ID, OwnerSlug: c.entity.Slug, Slug: c.ref.Database,
		Version: e.ids.next(), Written: true, Created: c.at,
	}
	img, err := im.adopt(ctx, db, c.quota(), room{quota: c.quota()})
	if err != nil {
		return Imported{}, err
	}
	defer img.discard()
	if err := img.makeFirst(ctx, db); err != nil {
		return Imported{}, err
	}
	if err := e.store.CreateDatabase(ctx, db); err != nil {
		return Imported{}, orTaken(err) // also if it is not known whether it was done
	}
	c.database = db
	return Imported{Database: db}, nil
}

// fill gives a database that exists the content of the upload.
func (im *importing) fill(ctx context.Context) (Imported, error) {
	c, e := im.c, im.c.e
	end, err := e.beginReplacing(ctx, c.database, c.quota())
	if err != nil {
		return Imported{}, err
	}
	defer end()
	quota, present, err := c.quotaToReplace(ctx)
	if err != nil {
		return Imported{}, err
	}
	img, err := im.adopt(ctx, c.database, quota, room{c.quota(), present})
	if err != nil {
		return Imported{}, err
	}
	defer img.discard()
	db, kept, err := img.flip(ctx, c.database, c.quota(), im.allowed)
	if err != nil {
		return Imported{}, err
	}
	c.database = db
	return Imported{Database: db, Undo: e.nameReplaced(ctx, kept)}, nil
}

// adopt has the Runner make an image of the upload, within the quota, that finds
// room. The caller discards it.
func (im *importing) adopt(ctx context.Context, db Database, quota hosting.Quota, room room) (*image, error) {
	e := im.c.e
	img, err := e.noteImage(db)
	if err != nil {
		return nil, err
	}
	err = e.runner.Adopt(ctx, hosting.Job{DB: img.file, Caller: charged(im.c.caller), Quota: quota}, im.upload)
	if err == nil {
		err = img.letGo(ctx)
	}
	var size int64
	if err == nil {
		size, err = hosting.Size(e.cfg.owners(), img.file)
	}
	if err == nil { // there may be restores, which the Runner does not know of
		err = img.claim(ctx, room, size)
	}
	if err != nil {
		img.discard()
		return nil, err
	}
	return img, nil
}

// quotaToReplace returns the bounds of what may take the place of the database's
// content, and its size. Who has more already than is allowed may replace it by as much.
func (c *call) quotaToReplace(ctx context.Context) (quota hosting.Quota, present int64, err error) {
	quota = c.quota()
	if present, err = hosting.Size(c.e.cfg.owners(), fileOf(c.database)); err != nil {
		return quota, present, err
	}
	if quota.DatabaseBytes > 0 {
		quota.DatabaseBytes = max(quota.DatabaseBytes, present)
	}
	if quota.OwnerBytes > 0 {
		used, err := c.e.ownerSize(ctx, c.database.Owner)
		if err != nil {
			return quota, present, err
		}
		quota.OwnerBytes = max(quota.OwnerBytes, used) + present
	}
	return quota, present, nil
}
