package sandbox

import (
	"github.com/landlock-lsm/go-landlock/landlock"
	abi "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// What may be done with files in directories of a policy: no programs, devices,
// sockets or symbolic links.
const (
	landlockRead  = landlock.AccessFSSet(abi.AccessFSReadFile | abi.AccessFSReadDir)
	landlockWrite = landlockRead | landlock.AccessFSSet(abi.AccessFSWriteFile|abi.AccessFSTruncate|abi.AccessFSRefer|
		abi.AccessFSMakeReg|abi.AccessFSMakeDir|abi.AccessFSRemoveFile|abi.AccessFSRemoveDir)
)

// enterLandlock restricts files to the policy's directories, and denies TCP,
// signals and abstract sockets as far as the kernel's version of Landlock goes.
func enterLandlock(p Policy) (remark string, err error) {
	version, err := abi.LandlockGetABIVersion()
	switch {
	case err != nil || version < 1:
		return "", reason("This kernel has no Landlock, or it was not switched on when the machine started")
	case version < 2:
		return "", reason("The Landlock of Linux before 5.19 can't let a worker rename files from one directory to another")
	}
	if err := threadsReachable(); err != nil {
		return "", err
	}
	err = landlock.V11.BestEffort().Restrict(
		landlock.PathAccess(landlockWrite, p.Dirs...),
		landlock.PathAccess(landlockRead, p.ReadOnly...),
	)
	if err != nil {
		return "", err
	}
	switch {
	case version < 3:
		remark = "Before Linux 6.2 it lets a worker cut off files outside its directories, and knows nothing of TCP, signals and abstract sockets."
	case version < 4:
		remark = "Before Linux 6.7 it knows nothing of TCP, signals and abstract sockets."
	case version < 6:
		remark = "Before Linux 6.12 it knows nothing of signals and abstract sockets."
	}
	return remark, nil
}
