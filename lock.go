package ayb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"ayb/fault"
)

// lockFile takes the lock on a data path, which lasts until the file is closed
// or the process ends, however it ends. The file is never removed: another
// process could be about to lock it. Errors: Conflict, naming the process that
// holds it; Unavailable.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The data path can't be locked")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.Wrap(fault.Conflict, err, "The data path is in use by %s; stop it first, or choose another data path", holder(path))
		}
		return nil, fault.Wrap(fault.Unavailable, err, "The data path can't be locked")
	}
	if err := errors.Join(f.Truncate(0), writePid(f)); err != nil {
		f.Close()
		return nil, fault.Wrap(fault.Unavailable, err, "The data path can't be written")
	}
	return f, nil
}

func writePid(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// holder names the process that holds the lock.
func holder(path string) string {
	text, _ := os.ReadFile(path)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}

// locks are exclusive locks by id. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[ID]chan struct{} // closed when the lock is free
}

// lock waits for the lock on id and takes it. Errors: the context's.
func (l *locks) lock(ctx context.Context, id ID) (unlock func(), err error) {
	for {
		l.mu.Lock()
		taken := l.held[id]
		if taken == nil {
			defer l.mu.Unlock()
			return l.take(id), nil
		}
		l.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *locks) take(id ID) (unlock func()) {
	if l.held == nil {
		l.held = map[ID]chan struct{}{}
	}
	free := make(chan struct{})
	l.held[id] = free
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, id)
		close(free)
	}
}
