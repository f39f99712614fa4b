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
)

// ImportOptions are the optional settings of Import.
type ImportOptions struct {
	Format ExportFormat // what is sent; default: ExportSQLite
}

// Import makes a database of what it reads from r to its end: a SQLite file, or a
// text of SQL as .dump of the sqlite3 shell writes it. The database must not exist,
// in which case it is created, or must never have been written: what somebody has
// written is never replaced. What is sent is checked first: the file is
// sound, and there is nothing in its schema that could not have been made by SQL here.
// It happens as a whole or not at all.
//
// For the owner and managers of a database that exists, and for who may create one
// otherwise. Errors: [ErrInvalid] (what was sent is no such file, cut short or
// damaged, or SQL that is wrong), [ErrDenied] (also for what no database may have in
// it), [ErrTooLarge] (Limits.ImportBytes, or a quota), [ErrConflict] (the database has
// been written), [ErrUnsupported], [ErrTimedOut], [ErrBusy], those of r.
func (e *Engine) Import(ctx context.Context, p Principal, ref string, r io.Reader, opt *ImportOptions) (_ Database, err error) {
	c, err := e.authorizeImport(ctx, p, ref)
	defer c.done(&err)
	if err != nil {
		return Database{}, err
	}
	if opt == nil {
		opt = &ImportOptions{}
	}
	give, err := e.copying.take(charged(c.caller))
	if err != nil {
		return Database{}, err
	}
	defer give()
	if c.database.Written {
		return Database{}, errWritten(c.ref)
	}
	upload := hosting.Upload{ID: e.ids.next()}
	if opt.Format == ExportSQL {
		upload.Format = hosting.UploadSQL
	}
	remove, err := c.receive(ctx, upload.ID, r)
	defer remove()
	if err == nil {
		err = c.adopt(ctx, upload)
	}
	return c.database, err
}

func errWritten(ref Ref) error {
	return fault.New(fault.Conflict, "Database %s has been written already, and an import replaces nothing; import into a database of another name, and rename the two if it is to take the place of this one", ref)
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
	if err := c.find(ctx); err != nil {
		return c, err
	}
	if !c.database.ID.IsZero() {
		return c, c.allowHere(ctx)
	}
	// Who may create databases there may know that there is none of this name.
	owner, err := e.store.Entity(ctx, c.ref.Entity)
	if err == nil {
		c.entity = owner
		if c.may(auth.CreateDatabase) {
			c.verdict, c.decided = auth.Allowed, true
			return c, nil
		}
	} else if !errors.Is(err, fault.NotFound) {
		return c, err
	}
	return c, c.allowHere(ctx)
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
	n, err := io.Copy(diskWriter{f}, io.LimitReader(contextReader{limited, r}, bound+1))
	switch {
	case err != nil && errors.Is(context.Cause(limited), errSlowCopy):
		return fault.New(fault.TimedOut, "What was sent did not arrive within limits.stream_time (%v); compress it, or use a faster connection", most)
	case err == nil && n > bound:
		return fault.New(fault.TooLarge, "What was sent is larger than limits.import_bytes or the quota allows: %d bytes", bound)
	}
	return err
}

// adopt makes a database of an upload: the file of one that has none, or a new
// database together with its file.
func (c *call) adopt(ctx context.Context, upload hosting.Upload) error {
	if c.database.ID.IsZero() {
		return c.adoptNew(ctx, upload)
	}
	db, unlock, err := c.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	switch {
	case db.Written:
		return errWritten(c.ref)
	case db.Version != c.database.Version:
		return errMoving
	}
	if err := c.e.runner.Adopt(ctx, fileOf(db), upload, c.quota()); err != nil {
		return err
	}
	// From here on there is the file, whoever still waits for the answer.
	ctx = context.WithoutCancel(ctx)
	if err := c.noteChange(func(mark ID) error { return c.e.store.MarkWritten(ctx, db.ID, mark) }); err != nil {
		return err
	}
	c.database.Written = true
	return nil
}

// adoptNew makes the file first and the database second, so that nobody ever sees
// it without its content.
func (c *call) adoptNew(ctx context.Context, upload hosting.Upload) error {
	e := c.e
	db := Database{
		ID: e.ids.next(), Owner: c.entity.ID, OwnerSlug: c.entity.Slug, Slug: c.ref.Database,
		Version: e.ids.next(), Written: true, Created: c.at,
	}
	err := e.runner.Adopt(ctx, fileOf(db), upload, c.quota())
	if err == nil {
		err = orTaken(e.store.CreateDatabase(ctx, db))
	}
	if err == nil {
		c.database = db
		return nil
	}
	resume, released := e.release(context.WithoutCancel(ctx), fileOf(db)) // the Runner measures the owner anew
	if released == nil {
		defer resume()
		err = errors.Join(err, unmovable(e.removeVersion(fileOf(db))))
	}
	return err
}

// sweepUploads removes what uploads of an earlier process have left behind.
func (e *Engine) sweepUploads() error {
	dirs, err := filepath.Glob(filepath.Join(e.cfg.owners(), "*", "*", incomingDir))
	for _, dir := range dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
