package iofault

import "golang.org/x/sys/unix"

// A call is one of the kernel's, by which files are used.
type call struct {
	number  uintptr
	name    string
	where   where
	changes bool // something, unless it is an open that makes nothing
	room    bool // it may need room on the disk
}

// where says how a call names its file.
type where uint8

const (
	descriptor where = iota // the first argument
	into                    // a descriptor, the third argument
	named                   // a directory and a path, the first two arguments
	renamed                 // the same, the third and the fourth
)

// calls are all that are looked at.
var calls = []call{
	{unix.SYS_OPENAT, "open", named, true, true},
	{unix.SYS_READ, "read", descriptor, false, false},
	{unix.SYS_PREAD64, "read", descriptor, false, false},
	{unix.SYS_GETDENTS64, "readdir", descriptor, false, false},
	{unix.SYS_WRITE, "write", descriptor, true, true},
	{unix.SYS_PWRITE64, "write", descriptor, true, true},
	{unix.SYS_COPY_FILE_RANGE, "write", into, true, true},
	{unix.SYS_SPLICE, "write", into, true, true},
	{unix.SYS_SENDFILE, "write", descriptor, true, true},
	{unix.SYS_FTRUNCATE, "truncate", descriptor, true, true},
	{unix.SYS_FALLOCATE, "allocate", descriptor, true, true},
	{unix.SYS_FSYNC, "sync", descriptor, true, false},
	{unix.SYS_FDATASYNC, "sync", descriptor, true, false},
	{unix.SYS_MKDIRAT, "mkdir", named, true, true},
	{unix.SYS_RENAMEAT, "rename", renamed, true, true},
	{unix.SYS_RENAMEAT2, "rename", renamed, true, true},
	{unix.SYS_LINKAT, "link", renamed, true, true},
	{unix.SYS_UNLINKAT, "remove", named, true, false},
}

// find returns the call of a number.
func find(number int32) (call, bool) {
	for _, c := range calls {
		if c.number == uintptr(number) {
			return c, true
		}
	}
	return call{}, false
}
