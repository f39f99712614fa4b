package hosting

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"ayb/catalog"
)

// The names below a Runner's directory. Paths are made of ids, never of slugs,
// so that renaming touches no file.
const (
	fileName = "db"       // the SQLite file in a version's directory; -wal and -shm stand beside it
	tmpName  = "tmp"      // of an owner: unlinked temporary files, and directories on their way to their place
	incoming = "incoming" // of an owner: files being uploaded
)

// OwnerPath returns the directory that holds everything of an owner.
func OwnerPath(dir string, owner catalog.ID) string {
	return filepath.Join(dir, shard(owner), owner.String())
}

// DatabasePath returns the directory that holds the versions of a database.
func DatabasePath(dir string, owner, database catalog.ID) string {
	return filepath.Join(OwnerPath(dir, owner), shard(database), database.String())
}

// VersionPath returns the directory of the file that db names.
func VersionPath(dir string, db DB) string {
	return filepath.Join(DatabasePath(dir, db.Owner, db.Database), db.Version.String())
}

// An image of a database, on its way to a snapshot or from one, stands beside its
// versions, so that Check can be asked about it. It is recognized by its name, an
// id of UUID version 8 in place of 7, and counts towards nobody's sizes.

// ImageID makes the name of an image out of a new id.
func ImageID(id catalog.ID) catalog.ID {
	id[6] = id[6]&0x0f | 0x80
	return id
}

// IsImage reports whether ImageID has made the id.
func IsImage(id catalog.ID) bool { return id[6]>>4 == 8 }

// FilePath returns the path of the SQLite file that db names.
func FilePath(dir string, db DB) string { return filepath.Join(VersionPath(dir, db), fileName) }

// OpenFile opens the SQLite file that db names for reading, although whoever runs the
// owner's SQL may have put something else there: it follows no link out of the
// owner's directory, waits for no pipe, and opens nothing but a file. Errors: those
// of the system.
func OpenFile(dir string, db DB) (*os.File, error) {
	root, err := os.OpenRoot(OwnerPath(dir, db.Owner))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name, err := filepath.Rel(OwnerPath(dir, db.Owner), FilePath(dir, db))
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|noFollow|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("hosting: this is no file"), f.Close())
	}
	return f, nil
}

// Sweep removes what a process that was killed has left in the directories of an owner
// for temporary files and for uploads. No Runner may be running anything of the
// owner's. What can't be removed does not keep the rest; the errors are joined.
func Sweep(dir string, owner catalog.ID) error {
	found, err := Unswept(dir, owner)
	errs := []error{err}
	for _, path := range found {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}

// Unswept returns the paths of what Sweep would remove. Links are not followed: whoever
// runs SQL may write to the owner's directory.
func Unswept(dir string, owner catalog.ID) (paths []string, err error) {
	isTemporary := func(name string) bool { return strings.HasPrefix(name, tmpName) || name == incoming }
	err = eachDir(OwnerPath(dir, owner), isTemporary, func(temporary string) error {
		entries, err := os.ReadDir(temporary)
		for _, e := range entries {
			paths = append(paths, filepath.Join(temporary, e.Name()))
		}
		return err
	})
	return paths, err
}

// Owners calls f with each owner that has a directory below dir. It takes time with
// their number.
func Owners(dir string, f func(owner catalog.ID) error) error {
	return eachDir(dir, isShard, func(shard string) error {
		return eachDir(shard, isID, func(path string) error {
			owner, err := catalog.ParseID(filepath.Base(path))
			if err != nil {
				return err
			}
			return f(owner)
		})
	})
}

// shard spreads ids over 256 directories. An id begins with the time it was
// made, so its end is what differs.
func shard(id catalog.ID) string {
	s := id.String()
	return s[len(s)-2:]
}
