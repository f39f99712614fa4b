package hosting

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"ayb/fault"
	"ayb/internal/durable"
	"ayb/internal/walls"
)

// A jail is the file system as one connection sees it: its database's own files
// and unlinked temporary files, and nothing else. Whatever SQL manages to ask
// for, no other path can be opened, looked at or removed. It also meters the
// write-ahead log of the database and the temporary files of its owner, and
// remembers what the operating system said, for SQLite passes on a number alone.
//
// The driver knows a file system by name, so each jail has one.
type jail struct {
	db   *database
	base vfs.VFS
	name string

	ownerBytes int64 // what all databases of the owner may have together; 0: no bound
	claimed    int64 // by how much the transaction that is about to commit makes the database larger

	copying string    // the file that the host is copying to; empty: none
	rested  time.Time // when it began to copy, or has last given way
	commits uint64    // to the database, until then
	trouble error     // of the last failure since the connection was armed, or of a full disk before
}

// jailNames numbers the jails of this process.
var jailNames atomic.Uint64

// newJail makes a jail and its name known to the driver, until it is closed.
func newJail(db *database) *jail {
	j := &jail{db: db, base: db.r.disk, name: "ayb-" + strconv.FormatUint(jailNames.Add(1), 10)}
	vfs.Register(j.name, j)
	return j
}

func (j *jail) close() { vfs.Unregister(j.name) }

// failed remembers what went wrong. What follows a full disk, like a rollback that
// can't be written either, tells less.
func (j *jail) failed(err error) {
	if !durable.IsFull(j.trouble) {
		j.trouble = err
	}
}

// FullPathname implements vfs.VFS. Links are not followed: the file itself is
// opened with O_NOFOLLOW, and the directories above it are ours.
func (j *jail) FullPathname(name string) (string, error) {
	if !j.inside(name) {
		return "", sqlite3.CANTOPEN
	}
	if j.db.r.down.Has(walls.NoFollow) {
		return filepath.EvalSymlinks(name)
	}
	return name, nil
}

// inside reports whether name is one of the database's own files, or the file
// that the host is copying it to.
func (j *jail) inside(name string) bool {
	switch name {
	case j.db.path, j.db.path + "-wal", j.db.path + "-journal":
		return true
	}
	if down := &j.db.r.down; down.Has(walls.Jail) && down.Scratch != "" && strings.HasPrefix(name, down.Scratch+"/") {
		return true
	}
	return j.copying != "" && (name == j.copying || name == j.copying+"-journal" || name == j.copying+"-wal")
}

// Delete implements vfs.VFS.
func (j *jail) Delete(name string, syncDir bool) error {
	if !j.inside(name) || name == j.db.path {
		return sqlite3.IOERR_DELETE
	}
	return j.base.Delete(name, syncDir)
}

// Access implements vfs.VFS. What lies outside does not exist.
func (j *jail) Access(name string, flags vfs.AccessFlag) (bool, error) {
	if !j.inside(name) {
		return false, nil
	}
	return j.base.Access(name, flags)
}

// Open implements vfs.VFS; SQLite calls OpenFilename instead.
func (j *jail) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, 0, sqlite3.CANTOPEN
}

// OpenFilename implements vfs.VFSFilename.
func (j *jail) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if name == nil {
		f, err := j.db.owner.tempFile()
		if err != nil {
			j.failed(err)
			return nil, 0, sqlite3.IOERR
		}
		return &tempFile{File: f, jail: j}, flags, nil
	}
	path := name.String()
	if !j.inside(path) {
		return nil, 0, sqlite3.CANTOPEN
	}
	if !j.db.r.down.Has(walls.NoFollow) && (flags&vfs.OPEN_CREATE != 0 || flags&vfs.OPEN_MAIN_DB != 0) {
		if err := private(path, flags); err != nil {
			j.failed(err)
			return nil, 0, sqlite3.CANTOPEN
		}
	}
	file, out, err := vfsutil.WrapOpenFilename(j.base, name, flags)
	if err != nil {
		j.failed(err)
		return nil, 0, err
	}
	return &storedFile{File: file, shm: vfsutil.WrapSharedMemory(file), jail: j, path: path, log: flags&vfs.OPEN_WAL != 0}, out, nil
}

// private makes the files that are about to be opened for the first time,
// readable by ayb alone; SQLite would make them for everybody.
func private(path string, flags vfs.OpenFlag) error {
	if flags&vfs.OPEN_MAIN_DB != 0 {
		path += "-shm"
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// A storedFile is one of the database's own files: the file itself or its log.
type storedFile struct {
	vfs.File
	shm    vfs.SharedMemory // of the file; SQLite asks for it many times a query
	jail   *jail
	path   string
	log    bool
	synced bool // the directory has been synced since the file was opened
}

var (
	_ vfs.FileSharedMemory       = &storedFile{}
	_ vfs.FileSizeHint           = &storedFile{}
	_ vfs.FileLockState          = &storedFile{}
	_ vfs.FilePersistWAL         = &storedFile{}
	_ vfs.FilePowersafeOverwrite = &storedFile{}
	_ vfs.FileHasMoved           = &storedFile{}
)

func (f *storedFile) SharedMemory() vfs.SharedMemory { return f.shm }
func (f *storedFile) LockState() vfs.LockLevel       { return vfsutil.WrapLockState(f.File) }
func (f *storedFile) PersistWAL() bool               { return vfsutil.WrapPersistWAL(f.File) }
func (f *storedFile) SetPersistWAL(keep bool)        { vfsutil.WrapSetPersistWAL(f.File, keep) }
func (f *storedFile) PowersafeOverwrite() bool       { return vfsutil.WrapPowersafeOverwrite(f.File) }
func (f *storedFile) SetPowersafeOverwrite(safe bool) {
	vfsutil.WrapSetPowersafeOverwrite(f.File, safe)
}
func (f *storedFile) HasMoved() (bool, error) { return vfsutil.WrapHasMoved(f.File) }

// SizeHint is refused: it would grow the file before the write is metered.
func (f *storedFile) SizeHint(int64) error { return nil }

func (f *storedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if err != nil && err != io.EOF {
		f.jail.failed(err)
	}
	return n, err
}

func (f *storedFile) WriteAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	if limit := f.jail.db.r.limits.WALBytes; f.log && end > limit {
		f.jail.db.logFull.Store(true)
		f.jail.failed(fault.Wrap(fault.TooLarge, ErrLogFull, "The transaction needs a log larger than limits.wal_bytes (%d MiB) allows; nothing was written. Do it in smaller steps", limit>>20))
		return 0, sqlite3.FULL
	}
	if f.log && len(p) == frameHeader {
		if pages := commitFrame(p); pages > 0 {
			if err := f.jail.claim(pages); err != nil {
				f.jail.failed(err)
				return 0, sqlite3.FULL
			}
		}
	}
	if f.path == f.jail.copying {
		f.jail.giveWay()
	}
	n, err := f.File.WriteAt(p, off)
	if err != nil {
		f.jail.failed(err)
		if durable.IsFull(err) {
			return n, sqlite3.FULL
		}
		return n, err
	}
	return n, nil
}

// Sync makes what was written durable. The first time it also syncs the
// directory, without which a new log, and the commits in it, may be lost with
// the power although every one of them was synced.
//
// A copy is not synced here: most are read once and thrown away, and who keeps one
// syncs it when it is whole.
func (f *storedFile) Sync(flags vfs.SyncFlag) error {
	if copying := f.jail.copying; copying != "" && strings.HasPrefix(f.path, copying) {
		return nil
	}
	f.jail.db.r.stats.syncs.Add(1)
	err := f.File.Sync(flags)
	if err == nil && !f.synced {
		f.synced = true
		err = durable.SyncDir(filepath.Dir(f.path))
	}
	if err != nil {
		f.jail.failed(err)
		return sqlite3.IOERR_FSYNC
	}
	return nil
}

// A tempFile is an unlinked file of a sort or a temporary table.
type tempFile struct {
	*os.File
	jail *jail
	size int64
}

func (f *tempFile) WriteAt(p []byte, off int64) (int, error) {
	if grow := off + int64(len(p)) - f.size; grow > 0 {
		if err := f.jail.db.owner.growTemp(grow); err != nil {
			f.jail.failed(err)
			return 0, sqlite3.FULL
		}
		f.size += grow
	}
	n, err := f.File.WriteAt(p, off)
	if err != nil {
		f.jail.failed(err)
		if durable.IsFull(err) {
			return n, sqlite3.FULL
		}
	}
	return n, err
}

func (f *tempFile) Truncate(size int64) error {
	err := f.File.Truncate(size)
	if err == nil && size < f.size {
		f.jail.db.owner.shrinkTemp(f.size - size)
		f.size = size
	}
	return err
}

func (f *tempFile) Close() error {
	f.jail.db.owner.shrinkTemp(f.size)
	f.size = 0
	return f.File.Close()
}

func (f *tempFile) Size() (int64, error)             { return f.size, nil }
func (f *tempFile) Sync(vfs.SyncFlag) error          { return nil }
func (f *tempFile) Lock(vfs.LockLevel) error         { return nil }
func (f *tempFile) Unlock(vfs.LockLevel) error       { return nil }
func (f *tempFile) CheckReservedLock() (bool, error) { return false, nil }
func (f *tempFile) SectorSize() int                  { return 0 }
func (f *tempFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
}
