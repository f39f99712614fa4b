//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A target is what an attempt goes for: things that the test has made outside the
// walls, and which it harms nobody to get at.
type target struct {
	Own     string            // the worker's directory
	Token   string            // a secret, which every file and memory of the target holds
	Files   map[string]string // paths, by what is there
	Planted string            // a symbolic link out of the worker's directory that is there already
	Drop    string            // a directory that anybody may write to
	Handle  []byte            // by which the kernel knows a secret file
	Kind    int32             // of that handle

	Parent     int    // the server
	ParentFile int    // a descriptor of the server's, of a secret file
	Bystander  int    // a process, and a group of that number
	Address    uint64 // where the secret is in the bystander's memory
	Program    string // that may be run, with the argument beNothing

	TCP, UDP int    // ports on 127.0.0.1
	Unix     string // the path of a socket, as the operator's or docker's
	Abstract string // an abstract socket
	Shared   int    // System V shared memory
	Host     string // the name of the machine

	Memory    int64 // the bound on memory
	OpenFiles int   // the bound on open files

	wire *wire
	call uint32
}

// An attempt is something that a worker which was taken over might try. To try it is
// harmless where it succeeds.
type attempt struct {
	name string // of few words
	what string // completes "the worker ..."
	do   func(t *target) error

	// deadly: the kernel may answer by killing the worker.
	deadly bool
	// open: why it is not stopped, in words of docs/security.md; empty: it is.
	open string
}

// attempts returns all of them.
func attempts() []attempt {
	return slices.Concat(fileAttempts(), socketAttempts(), processAttempts(), kernelAttempts(), resourceAttempts())
}

// errEmpty is the failure of an attempt that was not refused and has found nothing.
var errEmpty = errors.New("there is nothing of it here")

// secret reports whether something that was read holds the secret.
func (t *target) secret(text []byte, err error) error {
	if err == nil && !bytes.Contains(text, []byte(t.Token)) {
		return errEmpty
	}
	return err
}

// read reads a file that holds the secret.
func (t *target) read(path string) error { return t.secret(os.ReadFile(path)) }

// open opens something and closes it again.
func open(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// A rawCall is a system call that no worker needs.
type rawCall struct {
	name, what string
	number     uintptr
	arguments  [6]uintptr
	proofs     []unix.Errno // failures that show, as success does, that the kernel has let it pass
}

// attempt returns the call as an attempt.
func (c rawCall) attempt() attempt {
	return attempt{name: c.name, what: c.what, do: func(*target) error {
		a := c.arguments
		_, _, errno := unix.Syscall6(c.number, a[0], a[1], a[2], a[3], a[4], a[5])
		return passed(errno, c.proofs...)
	}}
}

// passed turns failures that come after the permission into success.
func passed(err error, proofs ...unix.Errno) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok && (errno == 0 || slices.Contains(proofs, errno)) {
		return nil
	}
	return err
}
