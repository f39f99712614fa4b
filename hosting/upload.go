package hosting

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/durable"
)

// UploadFormat says what an upload is.
type UploadFormat uint8

// The formats: a SQLite file, and a text of SQL that makes a database.
const (
	UploadSQLite UploadFormat = iota
	UploadSQL
)

// An Upload is a file that was put at [UploadPath], alone in its directory, which is
// its owner's to remove.
type Upload struct {
	ID     catalog.ID
	Format UploadFormat
}

// UploadPath returns where an upload of an owner is.
func UploadPath(dir string, owner, upload catalog.ID) string {
	return filepath.Join(OwnerPath(dir, owner), incoming, upload.String(), fileName)
}

// Adopt implements Runner. Nothing of an upload is used as it came: what is in it is
// written anew into a file of ours, after SQLite has found it sound and the guard
// has accepted all of its schema.
func (r *InProcess) Adopt(ctx context.Context, job Job, upload Upload) error {
	db, err := r.enter(ctx, job.DB)
	if err != nil {
		return err
	}
	defer r.leave(db)
	if db.exists() {
		return fault.New(fault.Conflict, "The database has just been written by somebody else; look again")
	}
	err = db.adopt(ctx, job, upload)
	if errors.Is(err, fault.TimedOut) {
		return fault.Wrap(fault.TimedOut, err, "It took longer than limits.maintenance_time (%v) to make a database of what was sent, so nothing was imported; send it in parts", r.limits.MaintenanceTime)
	}
	return err
}

func (db *database) adopt(ctx context.Context, job Job, upload Upload) error {
	tmp, err := db.owner.tempDir()
	if err == nil {
		tmp, err = os.MkdirTemp(tmp, "")
	}
	if err != nil {
		return unadoptable(err)
	}
	defer os.RemoveAll(tmp)
	source := &adoption{
		db: db, path: UploadPath(db.r.dir, job.Owner, upload.ID), quota: job.Quota, until: time.Now().Add(db.r.limits.MaintenanceTime),
	}
	if upload.Format == UploadSQL {
		text := source.path
		source.path = filepath.Join(tmp, "made")
		if err := source.make(ctx, text); err != nil {
			return err
		}
	} else if err := prepareUpload(source.path); err != nil {
		return err
	}
	place := filepath.Join(tmp, "place")
	if err := os.Mkdir(place, 0o700); err != nil {
		return unadoptable(err)
	}
	fresh := filepath.Join(place, fileName)
	if err := source.rewrite(ctx, fresh); err != nil {
		return err
	}
	return db.settleIn(ctx, place, fresh, job.Quota)
}

func unadoptable(err error) error {
	return durable.Fault(err, "The server can't work on the file that was sent; please tell whoever runs this server")
}

// An adoption is a file that a database is to be made of.
type adoption struct {
	db    *database
	path  string
	quota Quota
	until time.Time // when it must have been made
}

// left returns how long it may take from now on.
func (a *adoption) left() time.Duration { return max(time.Until(a.until), 1) }

// database returns the file at path as a database that nobody else knows.
func (a *adoption) database(path string) *database {
	db := &database{r: a.db.r, id: a.db.id, owner: a.db.owner, path: path, conns: map[*conn]struct{}{}, sessions: map[*session]struct{}{}}
	db.readers.db, db.writer.db = db, db
	return db
}

// rewrite checks the file and writes its content to another one.
func (a *adoption) rewrite(ctx context.Context, to string) error {
	db := a.database(a.path)
	var schema []schemaObject
	err := db.hostWithin(ctx, a.left(), func(c *conn) (err error) {
		if err := c.check(QuickCheck); err != nil {
			return err
		}
		schema, err = c.readSchema()
		return err
	})
	if err != nil {
		return notSound(err)
	}
	if err := a.review(ctx, schema); err != nil {
		return err
	}
	if err := a.use(ctx); err != nil {
		return err
	}
	return notSound(db.hostWithin(ctx, a.left(), func(c *conn) error {
		if err := c.c.Exec("PRAGMA page_size=4096"); err != nil {
			return err
		}
		return c.copyTo(to, CopyVacuum)
	}))
}

// write runs f, as a tenant who may write, on a connection to the file at path.
func (a *adoption) write(ctx context.Context, path string, f func(*conn) error) (err error) {
	db := a.database(path)
	c, err := db.open(toWrite)
	if err != nil {
		return err
	}
	defer c.close()
	defer c.finish()
	defer c.recovered(&err)
	c.start(ctx, writeMode)
	c.intr.allow("limits.maintenance_time", a.left())
	return f(c)
}

// notSound words what SQLite finds wrong with a file that somebody has sent: it is
// not the server's file that is damaged.
func notSound(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && (f.Kind == fault.Internal || f.Code&0xff == int(sqlite3.CORRUPT) || f.Code&0xff == int(sqlite3.NOTADB)) {
		cause := "it is no SQLite file, or encrypted"
		if f.Err != nil && f.Code == 0 {
			cause = f.Err.Error() // a finding of the check
		}
		return fault.Wrap(fault.Invalid, err, "The file is damaged, so nothing was imported: %.300s. Repair it with the command .recover of the sqlite3 shell", cause)
	}
	return err
}

// prepareUpload looks at the head of a file before SQLite does, and has it opened
// without a log: what was in one has not been sent.
func prepareUpload(path string) error {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return unadoptable(errors.Join(err, errors.New("no regular file")))
	}
	f, err := os.OpenFile(path, os.O_RDWR|noFollow|nonBlock, 0)
	if err != nil {
		return unadoptable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unadoptable(err)
	}
	var head [headBytes]byte
	if _, err := f.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return unadoptable(err)
	}
	if err := checkHead(head[:], info.Size()); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte{withJournal, withJournal}, headWrite); err != nil {
		return unadoptable(err)
	}
	return nil
}

// checkHead refuses a file that is none of SQLite's, or not all of one. Errors:
// Invalid, Unsupported.
func checkHead(head []byte, size int64) error {
	invalid := func(text string, args ...any) error { return fault.New(fault.Invalid, text, args...) }
	page := int64(binary.BigEndian.Uint16(head[headPage:]))
	if page == 1 {
		page = 64 << 10
	}
	pages := int64(binary.BigEndian.Uint32(head[headPages:]))
	counted := binary.BigEndian.Uint32(head[headChanges:]) == binary.BigEndian.Uint32(head[headValidFor:])
	switch {
	case size == 0:
		return invalid("The file is empty; create an empty database instead")
	case string(head[:len(headMagic)]) != headMagic:
		return invalid("This is no SQLite file, or an encrypted one; a text of SQL or a table is imported with its own format")
	case page < 512 || page&(page-1) != 0 || head[headRead] > withLog || head[headWrite] > withLog:
		return invalid("This is a SQLite file that this version of SQLite can't read")
	case size < page, counted && pages*page > size, size%page != 0:
		return invalid("The file was cut short: it has %d bytes of %d; send all of it", size, max(pages*page, page))
	case head[headReserved] != 0:
		return fault.New(fault.Unsupported, "The file has bytes in its pages that belong to an extension, of encryption or of checksums, which is not supported; import what the command .dump of the sqlite3 shell writes of it")
	case binary.BigEndian.Uint32(head[headEncoding:]) > 1:
		return fault.New(fault.Unsupported, "The file keeps its texts as UTF-16, which is not supported; import what the command .dump of the sqlite3 shell writes of it")
	}
	return nil
}

// settleIn puts a directory with a file that VACUUM INTO has written into the
// database's place, whole and durable, if the quota allows its size.
func (db *database) settleIn(ctx context.Context, place, fresh string, quota Quota) error {
	f, err := os.OpenFile(fresh, os.O_RDWR|noFollow, 0)
	if err != nil {
		return unadoptable(err)
	}
	_, err = f.WriteAt([]byte{withLog, withLog}, headWrite)
	info, err2 := f.Stat()
	if err := errors.Join(err, err2, f.Sync(), f.Close(), durable.SyncDir(place)); err != nil {
		return unadoptable(err)
	}
	o := db.owner
	if quota.OwnerBytes > 0 {
		if err := o.ready(ctx); err != nil {
			return err
		}
	}
	o.sizing.Lock()
	defer o.sizing.Unlock()
	if bound := quota.DatabaseBytes; bound > 0 && info.Size() > bound {
		return fault.New(fault.TooLarge, "The database would have %d bytes, and may have %d; ask whoever runs this server for more", info.Size(), bound)
	}
	if quota.OwnerBytes > 0 {
		if !o.known() {
			return errUnsurveyed
		}
		if o.sum+info.Size() > quota.OwnerBytes {
			return errOwnerFull
		}
	}
	target := filepath.Dir(db.path)
	if err := durable.MkdirAll(filepath.Dir(target)); err != nil {
		return unadoptable(err)
	}
	if err := os.Rename(place, target); err != nil {
		return unadoptable(err)
	}
	if err := errors.Join(durable.SyncDir(filepath.Dir(target)), db.weighed(true)); err != nil {
		return unadoptable(err)
	}
	return nil
}
