package ayb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/durable"
	"ayb/snapshot"
)

// An image is a copy of a database on its way to a snapshot, or from one: a file
// of SQLite that stands beside the versions of its database, so that the Runner
// can be asked to check it behind its walls. The engine itself only moves its
// bytes.
//
// Before the image is made, it is noted in the directory images of the data path,
// and the note goes after the image. So what a crash leaves behind is found
// without looking through all directories.
type image struct {
	e    *Engine
	file hosting.DB

	// claimed is by how many bytes the image will make its owner's databases larger.
	claimed int64

	// read is the file, for who reads all of it; nil: nobody has.
	read *os.File

	// first is the version that the image becomes of a database that does not exist
	// before; zero: it becomes none, or that of a database that exists.
	first ID
}

// newImage makes the place of an image of a database. The caller removes it. The
// file is still to be made, at path. Errors: [ErrUnavailable].
func (e *Engine) newImage(db Database) (*image, error) {
	img, err := e.noteImage(db)
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(filepath.Dir(img.path())); err != nil {
		return nil, img.unmade(err)
	}
	return img, nil
}

// noteImage is newImage for whoever has the Runner make the file and its place.
func (e *Engine) noteImage(db Database) (*image, error) {
	img := &image{e: e, file: hosting.DB{Owner: db.Owner, Database: db.ID, Version: hosting.ImageID(e.ids.next())}}
	if err := img.note(); err != nil {
		return nil, img.unmade(err)
	}
	return img, nil
}

func (img *image) unmade(err error) error {
	return errors.Join(diskError(err), img.remove())
}

func (img *image) note() error {
	if err := durable.MkdirAll(img.e.imageNotes()); err != nil {
		return err
	}
	note, err := os.OpenFile(img.notePath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(note.Close(), durable.SyncDir(img.e.imageNotes()))
}

// path is where the file of the image is.
func (img *image) path() string { return hosting.FilePath(img.e.cfg.owners(), img.file) }

// check has the Runner look for damage. Afterwards nobody has the file open.
// Errors: as hosting.Runner.Check.
func (img *image) check(ctx context.Context, depth hosting.CheckDepth) error {
	return errors.Join(img.e.runner.Check(ctx, img.file, depth), img.letGo(ctx))
}

// letGo has the Runner close the image before anybody removes or moves it.
func (img *image) letGo(ctx context.Context) error {
	resume, err := img.e.release(context.WithoutCancel(ctx), img.file)
	if err == nil {
		resume()
	}
	return err
}

// open opens the image for reading, until close. What is read is then one file,
// whatever is done to the image's place.
func (img *image) open() (*os.File, error) {
	if img.read != nil {
		return img.read, nil
	}
	f, err := hosting.OpenFile(img.e.cfg.owners(), img.file)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The server can't read the copy of the database; please tell whoever runs it")
	}
	img.read = f
	return f, nil
}

func (img *image) close() {
	if img.read != nil {
		img.read.Close()
		img.read = nil
	}
}

// remove removes the image and then its note. It can be called again, and after
// the image has become a version of the database.
func (img *image) remove() error {
	img.close()
	img.unclaim()
	if err := img.e.removeVersion(img.file); err != nil {
		return err
	}
	return ignoreMissing(os.Remove(img.notePath()))
}

// discard removes the image for a caller who can't do anything about a failure: the
// next start tries again.
func (img *image) discard() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := img.sweep(ctx); err != nil {
		img.e.log.Warn("a temporary copy of a database is removed later", "database", img.file.Database, "error", err)
	}
}

// copyOf makes an image of a database as it is now. It fails with what the Runner
// says of the database: damage to its file, for one, can keep it from being copied.
func (e *Engine) copyOf(ctx context.Context, db Database, method hosting.CopyMethod) (_ *image, err error) {
	img, err := e.noteImage(db)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			img.discard()
		}
	}()
	if err := img.copy(ctx, fileOf(db), method); err != nil {
		return nil, err
	}
	return img, nil
}

// copy has the Runner make the file of the image out of a version of a database.
// Errors: as hosting.Runner.CopyTo.
func (img *image) copy(ctx context.Context, from hosting.DB, method hosting.CopyMethod) error {
	size, give, err := img.e.claimCopies(1, from)
	if err != nil {
		return err
	}
	defer give()
	end, err := img.e.working.begin(from.Owner)
	if err != nil {
		return err
	}
	defer end()
	err = img.e.disk.watched(ctx, func(ctx context.Context) error {
		_, err := img.e.runner.CopyTo(ctx, from, method, img.file.Version)
		return err
	})
	if err != nil {
		return err
	}
	f, err := img.open()
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return diskError(err)
	}
	// The database may have grown. But a file can also say that it is larger than any
	// disk, and reading it would have no end.
	more, err := img.e.disk.claim(max(0, info.Size()-size))
	if err != nil {
		return err
	}
	more()
	return nil
}

// fetch makes the file of the image out of a snapshot in the bucket, and returns that
// with its size, which not every object says beforehand. Errors: as
// snapshot.Vault.Fetch.
func (img *image) fetch(ctx context.Context, place snapshot.Place, s Snapshot, told func(done int64)) (Snapshot, error) {
	give, err := img.e.disk.claim(max(s.Size, s.Stored))
	if err != nil {
		return s, err
	}
	defer give()
	return img.e.vault.Fetch(ctx, place, s.ID, img.path(), told)
}

// adopt makes sure that the image, which is of a snapshot, is a sound database that
// the Runner can work on. Errors: [ErrUnavailable], with the cause snapshot.ErrDamaged
// if it is not.
func (img *image) adopt(ctx context.Context, depth hosting.CheckDepth) error {
	img.close() // some systems move no file that is open
	err := hosting.UseLog(img.path())
	if err == nil {
		err = img.check(ctx, depth)
	}
	if kind := fault.KindOf(err); kind == fault.Invalid || kind == fault.Internal {
		return fault.Wrap(fault.Unavailable, errors.Join(snapshot.ErrDamaged, err), "The snapshot holds a damaged database and was not used; choose another one, and tell whoever runs the server")
	}
	return err
}

// makeFirst makes the image the first version of a database that is created after
// it. If it never is, because the machine fails, the note says what to remove.
func (img *image) makeFirst(ctx context.Context, db Database) error {
	was := img.notePath()
	img.first = db.Version
	if err := os.Rename(was, img.notePath()); err != nil {
		return unmovable(err)
	}
	if err := durable.SyncDir(img.e.imageNotes()); err != nil {
		return unmovable(err)
	}
	return img.e.whileReleased(ctx, fileOf(db), func() error { return unmovable(img.e.renameVersion(img.file, db.Version)) })
}

// whileReleased has the Runner know that a file comes or goes.
func (e *Engine) whileReleased(ctx context.Context, file hosting.DB, do func() error) error {
	resume, err := e.release(ctx, file)
	if err != nil {
		return err
	}
	defer resume()
	return do()
}

func (e *Engine) imageNotes() string { return filepath.Join(e.cfg.DataPath, "images") }

// notePath is where the image is noted: the name of the note says where it is.
func (img *image) notePath() string {
	name := img.file.Owner.String() + "." + img.file.Database.String() + "." + img.file.Version.String()
	if !img.first.IsZero() {
		name += "." + img.first.String()
	}
	return filepath.Join(img.e.imageNotes(), name)
}

// sweepImages removes what images a crash has left behind. Call it before new ones
// are made. What can't be removed does not keep the rest; its errors are joined.
func (e *Engine) sweepImages(ctx context.Context) error {
	notes, err := os.ReadDir(e.imageNotes())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, note := range notes {
		if img, ok := e.parseImageNote(note.Name()); ok {
			errs = append(errs, img.sweep(ctx))
		}
	}
	return errors.Join(errs...)
}

// sweep removes what is left of an image, also if it has been made the first
// version of a database that does not exist after all.
func (img *image) sweep(ctx context.Context) error {
	if !img.first.IsZero() {
		switch _, err := img.e.store.SnapshotState(ctx, img.file.Database); {
		case errors.Is(err, fault.NotFound):
			first := img.file
			first.Version = img.first
			if err := img.e.whileReleased(ctx, first, func() error { return img.e.removeVersion(first) }); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return img.remove()
}

// parseImageNote reads the name of a note. Nothing else is taken for one, so that
// no version can be removed for an image.
func (e *Engine) parseImageNote(name string) (*image, bool) {
	img := &image{e: e}
	ids := []*catalog.ID{&img.file.Owner, &img.file.Database, &img.file.Version, &img.first}
	parts := strings.Split(name, ".")
	if len(parts) != 3 && len(parts) != 4 {
		return nil, false
	}
	for i, part := range parts {
		id, err := catalog.ParseID(part)
		if err != nil {
			return nil, false
		}
		*ids[i] = id
	}
	return img, hosting.IsImage(img.file.Version)
}
