package ayb

import (
	"context"
	"sync"
)

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

// tryLock takes the lock on id if it is free.
func (l *locks) tryLock(id ID) (unlock func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[id] != nil {
		return nil, false
	}
	return l.take(id), true
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
