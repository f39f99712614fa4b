package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ayb/fault"
)

// What a probe is bounded by: large enough for Go, small enough to be tried.
const (
	probeDataBytes = 512 << 20
	probeFileBytes = 1 << 20
	probeOpenFiles = 64
)

// linkOut is the name of a link from the worker's own directory to the secret.
const linkOut = "out"

// A shootingRange is a place for probes: the targets, a directory that is theirs,
// and a process that stands by to be signalled.
type shootingRange struct {
	exe    string
	policy Policy
	target target

	dir       string
	secret    *os.File
	listeners []io.Closer
	bystander *exec.Cmd
	release   io.Closer // ends the bystander
	shared    []byte
}

// newRange sets up the targets.
func newRange(ctx context.Context, exe string, p Policy) (r *shootingRange, err error) {
	r = &shootingRange{exe: exe, policy: p}
	defer func() {
		if err != nil {
			r.close()
			err = fault.Wrap(fault.Unavailable, err, "The sandbox could not be tried out on this machine")
		}
	}()
	for _, setUp := range []func() error{r.makeFiles, r.listen, r.share, r.look} {
		if err := setUp(); err != nil {
			return r, err
		}
	}
	return r, r.standBy(ctx)
}

// within returns the policy with the directory and the bounds of the range.
func (r *shootingRange) within(p Policy) Policy {
	p.Dirs, p.ReadOnly = []string{filepath.Join(r.dir, "own")}, nil
	p.DataBytes, p.FileBytes, p.OpenFiles, p.Threads = probeDataBytes, probeFileBytes, probeOpenFiles, 0
	return p
}

// makeFiles makes a directory of the worker's own, one that everybody may write
// to, and files that it has no business with.
func (r *shootingRange) makeFiles() (err error) {
	if r.dir, err = os.MkdirTemp("", "ayb-sandbox-"); err != nil {
		return err
	}
	if err := os.Chmod(r.dir, 0o711); err != nil { // the worker may be another user
		return err
	}
	own := filepath.Join(r.dir, "own")
	r.target.Secret, r.target.Drop = filepath.Join(r.dir, "secret"), filepath.Join(r.dir, "drop")
	for dir, mode := range map[string]os.FileMode{own: 0o777, r.target.Drop: 0o777} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := os.Chmod(dir, mode); err != nil {
			return err
		}
	}
	if err := os.WriteFile(r.target.Secret, []byte("secret"), 0o644); err != nil {
		return err
	}
	if err := os.Symlink(r.target.Secret, filepath.Join(own, linkOut)); err != nil {
		return err
	}
	if err := r.makeForeign(); err != nil {
		return err
	}
	r.target.Descriptor = 4
	r.secret, err = os.Open(r.target.Secret)
	return err
}

// makeForeign makes a file that only root, and the user that it is given to, can
// read, if this process may give files away.
func (r *shootingRange) makeForeign() error {
	place := filepath.Join(r.dir, "foreign")
	if err := os.WriteFile(place, []byte("secret"), 0o600); err != nil {
		return err
	}
	if os.Chown(place, r.policy.UID+12345, r.policy.GID+12345) == nil {
		r.target.Foreign = place
	}
	return nil
}

// listen opens the servers.
func (r *shootingRange) listen() error {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.listeners = append(r.listeners, tcp)
	r.target.Port = tcp.Addr().(*net.TCPAddr).Port
	r.target.Abstract = "@" + r.dir
	abstract, err := net.Listen("unix", r.target.Abstract)
	if err != nil {
		return err
	}
	r.listeners = append(r.listeners, abstract)
	return nil
}

// share makes a piece of shared memory that goes when the last process does that
// is attached to it, this one for a start. A kernel without is no obstacle.
func (r *shootingRange) share() error {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, os.Getpagesize(), 0o600)
	if err != nil {
		r.target.Shared = -1
		return nil
	}
	r.target.Shared = id
	r.shared, err = unix.SysvShmAttach(id, 0, 0)
	if _, removed := unix.SysvShmCtl(id, unix.IPC_RMID, nil); err == nil {
		err = removed
	}
	return err
}

// look takes down where this process is.
func (r *shootingRange) look() error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	r.target.Host = unix.ByteSliceToString(name.Nodename[:])
	r.target.Users, _ = os.Readlink("/proc/self/ns/user")
	r.target.Variable = "AYB_SANDBOX_PROBE"
	r.target.Program = r.exe
	return nil
}

// standBy starts a process in a group of its own.
func (r *shootingRange) standBy(ctx context.Context) error {
	text, err := json.Marshal(question{})
	if err != nil {
		return err
	}
	r.bystander = exec.CommandContext(ctx, r.exe, probeArgument+string(text))
	if err := (Policy{Layers: []Layer{}}).Command(r.bystander); err != nil {
		return err
	}
	if r.release, err = r.bystander.StdinPipe(); err != nil {
		return err
	}
	if err := r.bystander.Start(); err != nil {
		return fmt.Errorf("starting a probe: %w", err)
	}
	r.target.Group = r.bystander.Process.Pid
	return nil
}

// close takes the range down.
func (r *shootingRange) close() {
	if r.bystander != nil && r.bystander.Process != nil {
		r.release.Close()
		_ = r.bystander.Wait()
	}
	if r.shared != nil {
		_ = unix.SysvShmDetach(r.shared)
	}
	for _, l := range r.listeners {
		l.Close()
	}
	if r.secret != nil {
		r.secret.Close()
	}
	if r.dir != "" {
		os.RemoveAll(r.dir)
	}
}
