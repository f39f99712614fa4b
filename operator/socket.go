package operator

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
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

// KeySuffix is what the name of the file has behind the socket's in which the key
// is.
const KeySuffix = ".key"

// A Listener listens on the operator's socket, and knows the key of its door.
type Listener struct {
	net.Listener
	path string
	key  string
	once sync.Once
}

// Listen makes the socket at path, which nobody but this user (and root) can
// open, with a new key beside it, and listens. What a process which has ended left
// there is replaced, so two that live must be kept apart by other means: the lock on
// the data path. Socket and key go when the listener is closed. Errors: Unsupported
// (Windows), Unavailable.
//
// The key is there because a process of the same user may be kept from opening
// files and not from opening sockets, as a worker that was taken over is where only
// Landlock stands around it.
func Listen(path string) (*Listener, error) {
	if runtime.GOOS == "windows" {
		return nil, fault.Wrap(fault.Unsupported, errNoSockets, "There is no socket for the operator on this system; stop the server to use ayb admin")
	}
	l := &Listener{path: path, key: rand.Text()}
	var err error
	dir, base := filepath.Split(path)
	if l.Listener, err = listenPrivately(filepath.Clean(dir), base, l.key); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The operator's socket %s can't be made", path)
	}
	return l, nil
}

// Guard returns a handler that hands on the requests which bring the key.
func (l *Listener) Guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(authorization(l.key))) != 1 {
			send(w, nil, fault.New(fault.Denied, "The request does not bring the key of this server's operator, which is in %s; if the server was started anew meanwhile, try again", l.path+KeySuffix))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// authorization is the header by which a request brings the key.
func authorization(key string) string { return "Bearer " + key }

// newSocket is what the names of directories begin with in which sockets are made.
const newSocket = ".operator-"

// listenPrivately makes the socket where nobody else gets in, and moves it to its
// place once it has its rights: there is no moment at which it has others, nor one
// at which it has no key.
func listenPrivately(dir, base, key string) (net.Listener, error) {
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
	err = os.WriteFile(made+KeySuffix, []byte(key), 0o600)
	if err == nil {
		err = os.Rename(made+KeySuffix, filepath.Join(dir, base+KeySuffix))
	}
	if err == nil {
		err = os.Chmod(made, 0o600)
	}
	if err == nil {
		err = os.Rename(made, filepath.Join(dir, base))
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// Close removes the socket and its key, and stops listening.
func (l *Listener) Close() error {
	l.once.Do(func() {
		os.Remove(l.path)
		os.Remove(l.path + KeySuffix)
	})
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
