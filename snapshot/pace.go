package snapshot

import (
	"context"
	"sync"
	"time"
)

// pieceSize is how much is transferred in one step, in bytes: what may be
// transferred at once after a pause, and how often it is looked whether anybody
// still wants it.
const pieceSize = 256 << 10

// A pace bounds the bytes per second of everybody who shares it. It promises each
// caller a time, one after the other, so that nobody waits for ever.
type pace struct {
	perSecond int64 // 0: no bound
	now       func() time.Time

	mu   sync.Mutex
	free time.Time // when all that was promised will have been transferred
}

func newPace(perSecond int64, now func() time.Time) *pace {
	return &pace{perSecond: perSecond, now: now}
}

// wait returns when n more bytes may be transferred, or ctx ends.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.perSecond <= 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := p.now()
	// A clock that was put back must not halt everything until it has caught up.
	if latest := now.Add(time.Hour); p.free.Before(now) || p.free.After(latest) {
		p.free = now
	}
	delay := p.free.Sub(now)
	p.free = p.free.Add(p.duration(n))
	p.mu.Unlock()
	if delay <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spend is for bytes that were transferred although nobody had waited for them: who
// comes next does.
func (p *pace) spend(n int) {
	if p.perSecond <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = p.free.Add(p.duration(n))
}

func (p *pace) duration(n int) time.Duration {
	return time.Duration(float64(n) / float64(p.perSecond) * float64(time.Second))
}

// A transfer ends its context when it has stood still for too long. Waiting for
// the pace is no standing still.
type transfer struct {
	context.Context
	v      *Vault
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func (v *Vault) transfer(ctx context.Context) *transfer {
	t := &transfer{v: v}
	t.Context, t.cancel = context.WithCancelCause(ctx)
	t.timer = time.AfterFunc(v.opt.Patience, func() { t.cancel(errImpatient) })
	return t
}

// step lets n bytes pass, or fails when the transfer has ended.
func (t *transfer) step(n int) error {
	t.timer.Stop()
	err := t.v.pace.wait(t, n)
	t.timer.Reset(t.v.opt.Patience)
	return err
}

// end ends the transfer.
func (t *transfer) end() {
	t.timer.Stop()
	t.cancel(context.Canceled)
}
