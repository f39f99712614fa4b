package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"ayb"
	"ayb/fault"
	"ayb/internal/durable"
)

// How much room there should be for the data, in bytes.
const (
	littleRoom = 1 << 30
	hardlyAny  = 100 << 20
)

func (c *config) examineDirectory(context.Context) (list []finding) {
	const subject = "data path"
	info, err := os.Stat(c.DataPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return append(c.examineRoom(existing(c.DataPath)), found(fine, subject, "%s is not there yet; the server makes it", c.DataPath))
	case err != nil:
		return []finding{found(broken, subject, "%s can't be looked at (%s); check the rights on the directories above it", c.DataPath, plain(err))}
	case !info.IsDir():
		return []finding{found(broken, subject, "%s is not a directory; move it away, or set data_path", c.DataPath)}
	}
	list = c.examineRoom(c.DataPath)
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		list = append(list, found(warning, subject, "others on this machine may look into %s; run: chmod 700 %s", c.DataPath, c.DataPath))
	}
	for _, name := range []string{"fernet.key", "ayb.sqlite", "emails.jsonl"} {
		if path := filepath.Join(c.DataPath, name); readableByOthers(path) {
			list = append(list, found(warning, subject, "others on this machine may read %s; run: chmod 600 %s", path, path))
		}
	}
	if exists(filepath.Join(c.DataPath, ayb.RecoveringName)) {
		list = append(list, found(broken, subject, "a recovery of %s has not ended, so the server doesn't start; run ayb recover again, and it goes on", c.DataPath))
	}
	return append(list, c.examineLock())
}

// existing returns the nearest directory above path that is there.
func existing(path string) string {
	dir, err := filepath.Abs(path)
	if err != nil {
		return "."
	}
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}

// examineRoom tells whether files can be made in a directory, and how large.
func (c *config) examineRoom(dir string) []finding {
	const subject = "data path"
	if err := tryWriting(dir); err != nil {
		return []finding{found(broken, subject, "%s can't be written (%s); give it to the user who runs the server, or set data_path", dir, plain(err))}
	}
	free, err := durable.Free(dir)
	switch {
	case err != nil:
		return []finding{found(warning, subject, "%s can be written; how much room there is can't be told (%s)", dir, plain(err))}
	case free < hardlyAny:
		return []finding{found(broken, subject, "%s has room for only %s; make room", dir, roughly(free))}
	case free < littleRoom:
		return []finding{found(warning, subject, "%s has room for only %s; make room", dir, roughly(free))}
	}
	return []finding{found(fine, subject, "%s can be written and has room for %s", dir, roughly(free))}
}

// tryWriting makes a file in a directory and removes it.
func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".ayb-doctor-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("ayb doctor was here\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// examineLock tells who uses the data path.
func (c *config) examineLock() finding {
	pid, used, err := ayb.InUse(c.DataPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found(fine, "server", "none has used %s yet", c.DataPath)
	case err != nil:
		return found(broken, "server", "the file lock in %s can't be opened (%s); give it to the user who runs the server", c.DataPath, plain(err))
	case !used:
		return found(fine, "server", "none is running on %s", c.DataPath)
	case pid == 0:
		return found(fine, "server", "a process is running on %s", c.DataPath)
	}
	return found(fine, "server", "process %d is running on %s", pid, c.DataPath)
}

// readableByOthers reports whether a file is there that more than its owner can
// read.
func readableByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

// plain returns what an error says without the path, which is said already; of
// a fault, its sentence and its cause.
func plain(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	f, ok := errors.AsType[*fault.Error](err)
	if ok && f.Err != nil {
		return f.Message + ": " + f.Err.Error()
	}
	return err.Error()
}

// roughly writes a number of bytes for people.
func roughly(n int64) string {
	power := 0
	for n >= 10*1024 && power < len(sizeUnits)-1 {
		n /= 1024
		power++
	}
	return strings.TrimSpace(strconv.FormatInt(n, 10) + " " + sizeUnits[power])
}
