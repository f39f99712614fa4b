package store

import (
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"ayb/internal/durable"
)

// diskName is the name by which the driver knows the disk of metadata.
const diskName = "ayb-metadata"

// A disk is the file system of the driver, which does not tell SQLite when there is
// no room to write: that is no failure after which nobody knows what was kept.
type disk struct{ vfs.VFS }

// useDisk makes the disk known to the driver.
func useDisk() { vfs.Register(diskName, disk{vfs.Find("")}) }

// Open implements vfs.VFS; SQLite calls OpenFilename instead.
func (disk) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, 0, sqlite3.CANTOPEN
}

// OpenFilename implements vfs.VFSFilename.
func (d disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err != nil {
		return nil, 0, err
	}
	return &diskFile{file}, out, nil
}

// A diskFile is a file of the metadata database.
type diskFile struct{ vfs.File }

var (
	_ vfs.FileSharedMemory       = &diskFile{}
	_ vfs.FileSizeHint           = &diskFile{}
	_ vfs.FileLockState          = &diskFile{}
	_ vfs.FilePersistWAL         = &diskFile{}
	_ vfs.FilePowersafeOverwrite = &diskFile{}
	_ vfs.FileHasMoved           = &diskFile{}
)

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	if durable.IsFull(err) {
		err = sqlite3.FULL
	}
	return n, err
}

func (f *diskFile) SharedMemory() vfs.SharedMemory  { return vfsutil.WrapSharedMemory(f.File) }
func (f *diskFile) SizeHint(size int64) error       { return vfsutil.WrapSizeHint(f.File, size) }
func (f *diskFile) LockState() vfs.LockLevel        { return vfsutil.WrapLockState(f.File) }
func (f *diskFile) PersistWAL() bool                { return vfsutil.WrapPersistWAL(f.File) }
func (f *diskFile) SetPersistWAL(keep bool)         { vfsutil.WrapSetPersistWAL(f.File, keep) }
func (f *diskFile) PowersafeOverwrite() bool        { return vfsutil.WrapPowersafeOverwrite(f.File) }
func (f *diskFile) SetPowersafeOverwrite(safe bool) { vfsutil.WrapSetPowersafeOverwrite(f.File, safe) }
func (f *diskFile) HasMoved() (bool, error)         { return vfsutil.WrapHasMoved(f.File) }
