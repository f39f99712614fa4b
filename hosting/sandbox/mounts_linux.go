package sandbox

import (
	"cmp"
	"errors"
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
	root, err := newRoot()
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

// newRoot makes an empty file system in memory.
func newRoot() (int, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "mode", "0755"); err != nil {
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
		place := filepath.Join(".", t.path)
		if err := os.MkdirAll(place, 0o755); err != nil {
			return err
		}
		if err := unix.MoveMount(t.fd, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return err
		}
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
