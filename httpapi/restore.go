package httpapi

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"ayb"
	"ayb/httpapi/wire"
)

// progressEvery is how often a client hears of a restore that asks to, whether or
// not there is progress: nothing on the way then takes the connection for dead.
const progressEvery = time.Second

// restoreSnapshot puts a database back to the snapshot that the body names, or
// makes another one of it.
func (x *exchange) restoreSnapshot() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	text, err := x.body(x.opt.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(text)
	asked, classic := wire.Restore{ID: string(text)}, !strings.HasPrefix(string(text), "{")
	if !classic {
		asked = wire.Restore{}
		if err := decodeJSON(text, &asked); err != nil {
			return nil, err
		}
	}
	if accept := x.r.Header["Accept"]; len(accept) > 0 && acceptsStream(accept) {
		return x.streamRestore(ref, asked)
	}
	restored, err := x.eng.RestoreSnapshot(x.ctx(), x.caller, ref, asked.ID, &ayb.RestoreOptions{To: asked.To})
	if err != nil || classic {
		return empty{}, err
	}
	return newRestored(restored), nil
}

func newRestored(r ayb.Restored) wire.Restored {
	return wire.Restored{Entity: r.Database.OwnerSlug, Database: r.Database.Slug, Undo: r.Undo}
}

// streamRestore restores and tells meanwhile how far that is.
func (x *exchange) streamRestore(ref string, asked wire.Restore) (any, error) {
	ctx, cancel := context.WithCancel(x.ctx())
	defer cancel()
	p := &restoreProgress{x: x}
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	ended := make(chan struct{})
	var restored ayb.Restored
	var err error
	go func() {
		defer close(ended)
		restored, err = x.eng.RestoreSnapshot(ctx, x.caller, ref, asked.ID, &ayb.RestoreOptions{To: asked.To, Progress: p.note})
	}()
	for {
		select {
		case <-ticker.C:
			if sent := p.send(wire.RestoreProgress{}); sent != nil {
				cancel() // nobody listens any more
				<-ended
				x.abandon(sent)
			}
			continue
		case <-ended:
		}
		return p.end(restored, err)
	}
}

// restoreProgress is how far a restore is.
type restoreProgress struct {
	x     *exchange
	begun bool // the answer has been

	mu          sync.Mutex
	done, total int64
}

// note takes how far the restore is.
func (p *restoreProgress) note(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = done, total
}

// send sends a line.
func (p *restoreProgress) send(line wire.RestoreProgress) error {
	p.mu.Lock()
	line.Done, line.Total = p.done, p.total
	p.mu.Unlock()
	text, err := wire.Encode(line)
	if err != nil {
		return err
	}
	if !p.begun {
		p.begun = true
		p.x.leaveBody()
		p.x.status = p.x.route.status
		p.x.w.Header()["Content-Type"] = contentStream
		p.x.w.WriteHeader(p.x.status)
	}
	if _, err := p.x.Write(append(text, '\n')); err != nil {
		return err
	}
	return p.x.control.Flush()
}

// end sends the last line. What fails before the first one is answered as
// everywhere.
func (p *restoreProgress) end(restored ayb.Restored, err error) (any, error) {
	if err != nil && !p.begun {
		return nil, err
	}
	var last wire.RestoreProgress
	if err != nil {
		p.x.err = err
		_, e := envelope(err)
		last.Error = &e
	} else {
		shape := newRestored(restored)
		last.Restored = &shape
	}
	if err := p.send(last); err != nil {
		p.x.abandon(err)
	}
	p.x.finish()
	return delivered{}, nil
}
