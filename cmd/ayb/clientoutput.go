package main

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ayb/fault"
)

// An outputFile is a file that gets its name when it is complete. What is under
// the name before stays until then.
type outputFile struct {
	file   *os.File
	name   string // as a person has given it
	path   string // with links followed
	part   string // where the file is while it is not complete
	beside bool   // whether the file is written beside its name: it is for all but devices and pipes
}

// createOutput begins to write a file. Errors: Invalid, Unavailable.
func createOutput(name string) (*outputFile, error) {
	o := &outputFile{name: name, path: name, beside: true}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		o.path = target
	}
	// Nobody who can write to the directory can guess the name of the file that is
	// not complete, and have it be a link to another one.
	dir, base := filepath.Split(o.path)
	o.part = dir + "." + base + "." + rand.Text()[:10] + ".part"
	mode := fs.FileMode(0o666)
	info, err := os.Stat(o.path)
	switch {
	case err == nil && info.IsDir():
		return nil, fault.New(fault.Invalid, "%s is a directory, so the rows can't be written to it", name)
	case err == nil && info.Mode().IsRegular():
		mode = info.Mode().Perm()
	case err == nil:
		o.beside = false
	case !errors.Is(err, fs.ErrNotExist):
		return nil, o.failure(err)
	}
	if o.beside {
		o.file, err = os.OpenFile(o.part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	} else {
		o.file, err = os.OpenFile(o.path, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, o.failure(err)
	}
	return o, nil
}

var _ io.Writer = (*outputFile)(nil)

// Write writes to the file.
func (o *outputFile) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if err != nil && !isBrokenPipe(err) {
		err = o.failure(err)
	}
	return n, err
}

// commit gives the file its name.
func (o *outputFile) commit() error {
	if !o.beside {
		if err := o.file.Close(); err != nil {
			return o.failure(err)
		}
		return nil
	}
	err := errors.Join(o.file.Sync(), o.file.Close())
	if err == nil {
		err = os.Rename(o.part, o.path)
	}
	if err != nil {
		_ = os.Remove(o.part)
		return o.failure(err)
	}
	return nil
}

// discard removes what was written.
func (o *outputFile) discard() {
	o.file.Close()
	if o.beside {
		_ = os.Remove(o.part)
	}
}

func (o *outputFile) failure(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The file %s can't be written: %s", o.name, reason(err))
}
