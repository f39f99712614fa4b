//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// secretFiles are the files that the test makes, by the name of the attempt to read
// them.
func secretFiles() map[string]string {
	return map[string]string{
		"config":    "the server's configuration",
		"key":       "the server's key",
		"metadata":  "the metadata",
		"neighbour": "a database of another owner",
		"file":      "a file that everybody may read",
	}
}

// fileAttempts go for files.
func fileAttempts() []attempt {
	var list []attempt
	for _, name := range slices.Sorted(maps.Keys(secretFiles())) {
		list = append(list, attempt{name: "read-" + name, what: "reads " + secretFiles()[name], do: func(t *target) error { return t.read(t.Files[name]) }})
	}
	return slices.Concat(list, pathAttempts(), procAttempts(), deviceAttempts(), writeAttempts())
}

// pathAttempts go round about.
func pathAttempts() []attempt {
	return []attempt{
		{name: "read-passwd", what: "reads /etc/passwd", do: func(*target) error { _, err := os.ReadFile("/etc/passwd"); return err }},
		{name: "list-owners", what: "lists the directories of all owners", do: func(t *target) error {
			_, err := os.ReadDir(filepath.Dir(filepath.Dir(t.Own)))
			return err
		}},
		{name: "symlink-out", what: "makes a symbolic link to a secret and reads through it", do: symlinkOut},
		{name: "planted-symlink", what: "reads through a symbolic link that lies in its directory", do: func(t *target) error { return t.read(t.Planted) }},
		{name: "hard-link-out", what: "makes a hard link to a secret and reads that", do: linkOut},
		{name: "dot-dot", what: "climbs out of its directory by ..", do: dotDot},
		{name: "open-by-handle", what: "opens a secret by the handle that the kernel knows it by", do: openByHandle},
		{name: "magic-link", what: "reads a secret through /proc/self/root", do: func(t *target) error { return t.read("/proc/self/root" + t.Files["file"]) }},
		{name: "rename-in", what: "moves another owner's database into its own directory", do: renameIn},
		{name: "hand-down", what: "reads from descriptors that the server had open when it started the worker", do: handedDown},
	}
}

func symlinkOut(t *target) error {
	place := filepath.Join(t.Own, "symlink")
	defer os.Remove(place)
	if err := os.Symlink(t.Files["file"], place); err != nil {
		return err
	}
	return t.read(place)
}

func linkOut(t *target) error {
	place := filepath.Join(t.Own, "link")
	defer os.Remove(place)
	if err := os.Link(t.Files["file"], place); err != nil {
		return err
	}
	return t.read(place)
}

func dotDot(t *target) error {
	dir, err := unix.Open(t.Own, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	up := strings.Repeat("../", strings.Count(t.Own, "/"))
	fd, err := unix.Openat(dir, up+t.Files["file"][1:], unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return t.readDescriptor(fd)
}

// readDescriptor reads the beginning of an open file for the secret.
func (t *target) readDescriptor(fd int) error {
	text := make([]byte, 4096)
	n, err := unix.Pread(fd, text, 0)
	return t.secret(text[:max(n, 0)], err)
}

func openByHandle(t *target) error {
	dir, err := unix.Open(t.Own, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	fd, err := unix.OpenByHandleAt(dir, unix.NewFileHandle(t.Kind, t.Handle), unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return t.readDescriptor(fd)
}

func renameIn(t *target) error {
	place := filepath.Join(t.Own, "moved")
	if err := os.Rename(t.Files["neighbour"], place); err != nil {
		return err
	}
	return os.Rename(place, t.Files["neighbour"])
}

// handedDown looks at every descriptor that there might be.
func handedDown(t *target) error {
	for fd := range 1024 {
		if t.readDescriptor(fd) == nil {
			return nil
		}
	}
	return errEmpty
}

// procAttempts go for what /proc tells and gives.
func procAttempts() []attempt {
	parent := func(name string) func(t *target) error {
		return func(t *target) error {
			_, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", t.Parent, name))
			return err
		}
	}
	return []attempt{
		{name: "init-environ", what: "reads the environment of process 1", do: func(t *target) error { _, err := os.ReadFile("/proc/1/environ"); return err }},
		{name: "own-memory", what: "writes to its own code by way of /proc/self/mem", do: func(*target) error { return open("/proc/self/mem", unix.O_RDWR) }},
		{name: "parent-environ", what: "reads the server's environment", do: parent("environ")},
		{name: "parent-cmdline", what: "reads the server's arguments", do: parent("cmdline")},
		{name: "parent-maps", what: "reads where things are in the server's memory", do: parent("maps")},
		{name: "parent-memory", what: "opens the server's memory", do: func(t *target) error { return open(fmt.Sprintf("/proc/%d/mem", t.Parent), unix.O_RDWR) }},
		{name: "parent-file", what: "opens a file that the server has open", do: func(t *target) error {
			return t.read(fmt.Sprintf("/proc/%d/fd/%d", t.Parent, t.ParentFile))
		}},
		{name: "parent-root", what: "reads a secret through the server's root directory", do: func(t *target) error {
			return t.read(fmt.Sprintf("/proc/%d/root%s", t.Parent, t.Files["file"]))
		}},
		{name: "bystander-memory", what: "reads another process's memory by way of /proc", do: bystanderMemory},
		{name: "mounts", what: "reads where file systems are mounted", do: func(*target) error { _, err := os.ReadFile("/proc/self/mountinfo"); return err }},
		{name: "core-pattern", what: "opens the setting of what the kernel runs when a program crashes", do: func(*target) error { return open("/proc/sys/kernel/core_pattern", unix.O_WRONLY) }},
		{name: "sysrq", what: "opens the kernel's emergency switches", do: func(*target) error { return open("/proc/sysrq-trigger", unix.O_WRONLY) }},
	}
}

func bystanderMemory(t *target) error {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", t.Bystander))
	if err != nil {
		return err
	}
	defer memory.Close()
	text := make([]byte, len(t.Token))
	_, err = memory.ReadAt(text, int64(t.Address))
	return t.secret(text, err)
}

// deviceAttempts go for devices.
func deviceAttempts() []attempt {
	var list []attempt
	for _, name := range []string{"null", "kmsg", "mem", "ptmx", "fuse", "kvm", "net/tun"} {
		list = append(list, attempt{name: "dev-" + filepath.Base(name), what: "opens /dev/" + name, do: func(*target) error { return open("/dev/"+name, unix.O_RDWR) }})
	}
	return append(list,
		attempt{name: "make-device", what: "makes a device in its directory and opens it", do: makeDevice},
		attempt{name: "push-input", what: "types into a terminal that the server has open (TIOCSTI)", do: pushInput},
	)
}

func makeDevice(t *target) error {
	place := filepath.Join(t.Own, "device")
	defer os.Remove(place)
	const null = 1<<8 | 3
	if err := unix.Mknod(place, unix.S_IFCHR|0o666, null); err != nil {
		return err
	}
	return open(place, unix.O_RDWR)
}

// pushInput looks for a terminal among all descriptors, makes it its own, and types.
func pushInput(*target) error {
	err := error(errEmpty)
	for fd := range 1024 {
		if _, e := unix.IoctlGetTermios(fd, unix.TCGETS); e == unix.EPERM {
			err = e
		} else if e != nil {
			continue
		}
		_ = unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0)
		letter := byte('x')
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSTI, uintptr(unsafe.Pointer(&letter))); errno == 0 {
			return nil
		}
	}
	return err
}

// writeAttempts change what is not theirs.
func writeAttempts() []attempt {
	return []attempt{
		{name: "write-outside", what: "makes a file outside its directory", do: func(t *target) error {
			place := filepath.Join(t.Drop, "made")
			defer os.Remove(place)
			return os.WriteFile(place, nil, 0o600)
		}},
		{name: "write-neighbour", what: "opens another owner's database for writing", do: func(t *target) error { return open(t.Files["neighbour"], unix.O_RDWR) }},
		{name: "cut-neighbour", what: "cuts off another owner's database", do: func(t *target) error {
			info, err := os.Stat(t.Files["neighbour"])
			if err != nil {
				return err
			}
			return os.Truncate(t.Files["neighbour"], info.Size()) // to what it is
		}},
		{name: "remove-outside", what: "removes a file outside its directory", do: func(t *target) error {
			place := filepath.Join(t.Drop, "doomed")
			err := os.Remove(place)
			if err == nil {
				err = os.WriteFile(place, nil, 0o666) // for the next who tries
			}
			return err
		}},
		{name: "move-out", what: "moves a file of its own out of its directory", do: func(t *target) error {
			mine, out := filepath.Join(t.Own, "mine"), filepath.Join(t.Drop, "moved")
			defer os.Remove(mine)
			defer os.Remove(out)
			if err := os.WriteFile(mine, nil, 0o600); err != nil {
				return err
			}
			return os.Rename(mine, out)
		}},
		{name: "change-mode", what: "lets everybody into its directory", do: func(t *target) error { return os.Chmod(t.Own, 0o700) }},
		{name: "change-owner", what: "gives a file to another user", do: func(t *target) error {
			mine := filepath.Join(t.Own, "given")
			defer os.Remove(mine)
			if err := os.WriteFile(mine, nil, 0o600); err != nil {
				return err
			}
			return os.Chown(mine, 12345, 12345)
		}},
		{name: "attributes", what: "gives a file capabilities", do: func(t *target) error {
			mine := filepath.Join(t.Own, "capable")
			defer os.Remove(mine)
			if err := os.WriteFile(mine, nil, 0o600); err != nil {
				return err
			}
			const revision2 = 0x02000000
			capability := binary.LittleEndian.AppendUint32(nil, revision2)
			return unix.Setxattr(mine, "security.capability", append(capability, make([]byte, 16)...), 0)
		}},
		{name: "named-pipe", what: "makes a named pipe, on which others would hang", do: func(t *target) error {
			place := filepath.Join(t.Own, "pipe")
			defer os.Remove(place)
			return unix.Mkfifo(place, 0o600)
		}},
	}
}
