//go:build unix

package durable

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// isFull recognizes a full disk, a quota of the file system, and a bound on the
// size of files.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// Free returns how many bytes a user without privileges can still write to the disk
// of a directory. Errors: those of the system, and errors.ErrUnsupported if the file
// system does not tell.
func Free(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	if stat.Blocks == 0 {
		return 0, errors.ErrUnsupported
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil
}
