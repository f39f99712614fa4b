package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// inert are the attributes of every mount of a worker.
const inert = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// A tree is a directory that was detached from the file system, on its way into
// the worker's own.
type tree struct {
	fd   int
	path string
}

// enterMounts makes a new file system that holds the policy's directories, at
// their paths, and nothing else, and gives up the old one. The process is in a
// mount namespace of its own already.
func enterMounts(p Policy) error {
	if p.Jail.Kind != "" {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	trees, err := cloneTrees(p)
	defer func() {
		for _, t := range trees {
			unix.Close(t.fd)
		}
	}()
	if err != nil {
		return err
	}
	root, err := newFileSystem("tmpfs", "mode", "0755")
	if err != nil {
		return err
	}
	defer unix.Close(root)
	if err := moveInto(root, trees); err != nil {
		return errors.Join(errHalfway, err)
	}
	return nil
}

// cloneTrees detaches copies of the policy's directories. Outer ones come first,
// so that inner ones can be laid over them.
func cloneTrees(p Policy) (trees []tree, err error) {
	attach := func(paths []string, attributes uint64) {
		for _, path := range paths {
			if err != nil {
				return
			}
			var fd int
			fd, err = unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
			if err != nil {
				return
			}
			trees = append(trees, tree{fd, path})
			err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes})
		}
	}
	attach(p.ReadOnly, inert|unix.MOUNT_ATTR_RDONLY)
	attach(p.Dirs, inert)
	slices.SortStableFunc(trees, func(a, b tree) int { return cmp.Compare(len(a.path), len(b.path)) })
	return trees, err
}

// newFileSystem makes a file system that is attached nowhere yet.
func newFileSystem(kind, option, value string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, option, value); err != nil {
		return -1, err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, inert)
}

// moveInto lays the new root over the old one, the trees into it, and takes the
// old one away. Paths are relative to the working directory, which is the new
// root by then: the name "/" still means the old one.
func moveInto(root int, trees []tree) error {
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return err
	}
	if err := unix.Fchdir(root); err != nil {
		return err
	}
	for _, t := range trees {
		if err := attach(t.fd, t.path); err != nil {
			return err
		}
	}
	if threadsNeedProc {
		// Where this is refused, the layers that need it say so.
		_ = attachThreads()
	}
	if err := unix.MountSetattr(root, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil { // the old root, now on top
		return err
	}
	return unix.Chdir("/")
}

// attach lays a detached mount over a path below the working directory.
func attach(fd int, path string) error {
	place := filepath.Join(".", path)
	if err := os.MkdirAll(place, 0o755); err != nil {
		return err
	}
	return unix.MoveMount(fd, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// attachThreads lays the list of this process's threads, and nothing else of
// /proc, over its usual place below the working directory. The list is cut out
// of a new /proc, because only that one knows the threads by the numbers they
// have in this process's namespace.
func attachThreads() error {
	proc, err := newFileSystem("proc", "subset", "pid")
	if err != nil {
		return err
	}
	defer unix.Close(proc)
	if err := attach(proc, "/whole"); err != nil {
		return err
	}
	list := fmt.Sprintf("%d/task", os.Getpid())
	threads, err := unix.OpenTree(unix.AT_FDCWD, "whole/"+list, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err == nil {
		defer unix.Close(threads)
		err = attach(threads, "/proc/"+list)
	}
	return errors.Join(err, unix.Unmount("whole", unix.MNT_DETACH), os.Remove("whole"))
}
