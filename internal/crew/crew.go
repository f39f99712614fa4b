// Package crew keeps goroutines that have nothing to do for what there is to do
// next. Their stacks are as large already as their work needs: SQL needs one that a new
// goroutine makes by copying it several times.
package crew

import "sync/atomic"

// A Crew is goroutines, none at first. It is safe for concurrent use.
type Crew struct {
	work chan func()
	most int32
	idle atomic.Int32
	over chan struct{}
}

// New returns a Crew of which at most so many wait for work.
func New(most int) *Crew {
	return &Crew{work: make(chan func()), most: int32(most), over: make(chan struct{})}
}

// Do has a goroutine do something: one that waits for work, or a new one. It does not
// wait.
func (c *Crew) Do(work func()) {
	select {
	case c.work <- work:
	default:
		go c.serve(work)
	}
}

// Dismiss ends those that wait for work, and the others when they have done theirs. It is
// called once. Do may be called ever after.
func (c *Crew) Dismiss() { close(c.over) }

func (c *Crew) serve(work func()) {
	for {
		work()
		if c.idle.Add(1) > c.most {
			c.idle.Add(-1)
			return
		}
		select {
		case work = <-c.work:
			c.idle.Add(-1)
		case <-c.over:
			return
		}
	}
}
