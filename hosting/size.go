package hosting

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"ayb/catalog"
	"ayb/fault"
)

// The sizes of SQLite's file formats, in bytes.
const (
	pageSize    = 4096 // of the databases that are made here
	logHeader   = 32
	frameHeader = 24
)

// farBack is how many frames of a log are looked through for its last commit:
// those of a transaction that is not over, or was rolled back, stand behind it.
const farBack = 1 << 16

// Size returns the size of a database as of its last commit, in bytes, and 0 if
// it has no file. It reads a few bytes of the files, opens nothing with SQLite
// and may be called beside whoever writes. While a transaction of more than
// 256 MiB is under way, the answer may be that of an older commit. Errors:
// Unavailable.
func Size(dir string, id DB) (int64, error) {
	size, _, err := fileSize(filepath.Join(VersionPath(dir, id), fileName))
	return size, unsized(err)
}

// OwnerSize returns the sizes of all databases of an owner together, as Size does
// for one, and how many there are. Those that are deleted and not yet removed for good
// count. Errors: Unavailable, the context's.
func OwnerSize(ctx context.Context, dir string, owner catalog.ID) (sum int64, databases int, err error) {
	err = eachFile(OwnerPath(dir, owner), func(path string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		size, _, err := fileSize(path)
		sum += size
		databases++
		return err
	})
	if ctx.Err() != nil {
		return 0, 0, ctx.Err()
	}
	return sum, databases, unsized(err)
}

func unsized(err error) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "The size of the database's files can't be told; please tell whoever runs this server")
}

// eachFile calls f with the path of the file of each version of each database of
// an owner, whose directory is given. It looks nowhere else; images are no versions.
func eachFile(ownerPath string, f func(path string) error) error {
	return eachDir(ownerPath, isShard, func(shard string) error {
		return eachDir(shard, isID, func(database string) error {
			return eachDir(database, isVersion, func(version string) error {
				return f(filepath.Join(version, fileName))
			})
		})
	})
}

func isShard(name string) bool { return len(name) == 2 }

func isID(name string) bool {
	_, err := catalog.ParseID(name)
	return err == nil
}

func isVersion(name string) bool {
	id, err := catalog.ParseID(name)
	return err == nil && !IsImage(id)
}

// eachDir calls f with the path of each directory in dir whose name is a wanted one.
func eachDir(dir string, wanted func(name string) bool, f func(path string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreAbsent(err)
	}
	for _, e := range entries {
		if e.IsDir() && wanted(e.Name()) {
			if err := f(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fileSize returns the size of a database as of its last commit, and that of its
// pages. The commit may still be in the log; what else the log holds is not
// counted. A file that is missing, or none that SQLite makes, has no size.
func fileSize(path string) (size, page int64, err error) {
	header := make([]byte, 18)
	length, err := readStart(path, header, 0)
	if err != nil || length == 0 {
		return 0, pageSize, err
	}
	page = pageBytes(int64(binary.BigEndian.Uint16(header[16:])))
	logged, err := loggedPages(path+"-wal", page)
	if err != nil {
		return 0, pageSize, err
	}
	if logged > 0 {
		return logged * page, page, nil
	}
	// The log may have been emptied into the file meanwhile.
	info, err := os.Lstat(path)
	if err != nil {
		return 0, pageSize, ignoreAbsent(err)
	}
	return info.Size(), page, nil
}

// pageBytes reads the size of pages as the head of a file has it.
func pageBytes(n int64) int64 {
	switch {
	case n == 1:
		return 64 << 10
	case n < 512 || n&(n-1) != 0:
		return pageSize // it is damaged, and no page can be written
	}
	return n
}

// readStart reads a part of a regular file and returns the length of that file, 0
// if there is none. Links are not followed, and nothing but a file is waited for:
// whoever runs SQL may write to the directory.
func readStart(path string, part []byte, offset int64) (length int64, err error) {
	f, length, err := openRegular(path)
	if f == nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.ReadAt(part, offset); err != nil && err != io.EOF {
		return 0, err
	}
	return length, nil
}

// openRegular opens a file for reading; nil if there is none.
func openRegular(path string) (f *os.File, length int64, err error) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil, 0, ignoreAbsent(err)
	}
	f, err = os.OpenFile(path, os.O_RDONLY|noFollow|nonBlock, 0)
	if err != nil {
		return nil, 0, ignoreAbsent(err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// loggedPages returns how many pages the database has by the last commit in its
// log, 0 if there is none. A log is written from its beginning anew once all of
// it is in the file; what stood there before has other salts.
func loggedPages(path string, page int64) (int64, error) {
	f, length, err := openRegular(path)
	if f == nil {
		return 0, err
	}
	defer f.Close()
	var header [logHeader]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return 0, ignoreEnd(err)
	}
	var frame [frameHeader]byte
	read := func(i int) (ours bool) {
		if _, err = f.ReadAt(frame[:], logHeader+int64(i)*(frameHeader+page)); err != nil {
			return false
		}
		return [8]byte(frame[8:16]) == [8]byte(header[16:24])
	}
	end := sort.Search(int((length-logHeader)/(frameHeader+page)), func(i int) bool { return err != nil || !read(i) })
	for i := end - 1; i >= max(0, end-farBack) && err == nil && read(i); i-- {
		if pages := commitFrame(frame[:]); pages > 0 {
			return pages, nil
		}
	}
	return 0, ignoreEnd(err)
}

func ignoreEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// commitFrame returns how many pages the database has once the frame with this
// header is in its log; 0 if the frame does not commit.
func commitFrame(header []byte) int64 { return int64(binary.BigEndian.Uint32(header[4:8])) }
