package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"ayb/fault"
)

// SocketName is the name of the socket in the data path.
const SocketName = "operator.sock"

// maxSocketPath is how long the path of a socket may be on every system, in bytes.
const maxSocketPath = 103

// errNoSockets says that this system's sockets can't be kept from other users by
// the rights of their files.
var errNoSockets = errors.New("no sockets with rights on this system")

// Listen makes the socket at path, which nobody but this user (and root) can
// open, and listens on it. A socket that a process which has ended left there is
// replaced, so two that live must be kept apart by other means: the lock on the
// data path. The socket goes when the listener is closed. Errors: Unsupported
// (Windows), Unavailable.
func Listen(path string) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return nil, fault.Wrap(fault.Unsupported, errNoSockets, "There is no socket for the operator on this system; stop the server to use ayb admin")
	}
	dir, base := filepath.Split(path)
	listener, err := listenPrivately(filepath.Clean(dir), base)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The operator's socket %s can't be made", path)
	}
	return &listening{Listener: listener, path: path}, nil
}

// newSocket is what the names of directories begin with in which sockets are made.
const newSocket = ".operator-"

// listenPrivately makes the socket where nobody else gets in, and moves it to its
// place once it has its rights: there is no moment at which it has others.
func listenPrivately(dir, base string) (net.Listener, error) {
	left, _ := filepath.Glob(filepath.Join(dir, newSocket+"*")) // by a process that was killed
	for _, private := range left {
		os.RemoveAll(private)
	}
	private, err := os.MkdirTemp(dir, newSocket)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	made := filepath.Join(private, "s")
	var listener net.Listener
	err = reach(made, func(address string) (err error) {
		listener, err = net.Listen("unix", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // the name is another one
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, filepath.Join(dir, base))); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// A listening is a listener whose socket goes with it.
type listening struct {
	net.Listener
	path string
	once sync.Once
}

// Close removes the socket and stops listening.
func (l *listening) Close() error {
	l.once.Do(func() { os.Remove(l.path) })
	return l.Listener.Close()
}

func dialSocket(ctx context.Context, path string) (conn net.Conn, err error) {
	if runtime.GOOS == "windows" {
		return nil, errNoSockets
	}
	if _, err := os.Lstat(path); err != nil {
		return nil, err
	}
	err = reach(path, func(address string) (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", address)
		return err
	})
	return conn, err
}

// reach calls use with an address of a socket. A path that is too long for one is
// reached by way of its directory, where the system has a short name for that.
func reach(path string, use func(address string) error) error {
	if len(path) <= maxSocketPath {
		return use(path)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a path of %d bytes is too long for a socket, %d are possible; choose a shorter data path", len(path), maxSocketPath)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}
