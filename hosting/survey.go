package hosting

import (
	"context"
	"time"

	"ayb/fault"
)

// A survey adds the sizes of an owner's databases up, file by file, while others go on
// writing: each file counts as it is when the survey comes to it, or when its database is
// first written before that, and what databases grow by from then on is added to the
// sum as ever.
type survey struct {
	began   time.Time
	at      string              // the file that was looked at last; files come in the order of their paths
	counted map[string]struct{} // files behind it that have been counted because they are written
	files   int64
	spoiled bool // files were moved meanwhile, nobody knows on which side of it
	err     error
	done    chan struct{} // closed when it is over
}

// errUnsurveyed is what a write gets that can't wait until it is known how much its
// owner has.
var errUnsurveyed = fault.New(fault.Busy, "The server is still adding up the sizes of this owner's databases, for which there is a bound; try again in a moment")

// ready waits until the sum is known: limits.queue_time after the survey has begun, nobody
// waits any more. Errors: Busy, Unavailable, the context's.
func (o *owner) ready(ctx context.Context) error {
	var patience *time.Timer
	for {
		s := o.survey()
		if s == nil {
			return nil
		}
		if patience == nil { // one that is made again is no reason to wait for longer
			patience = time.NewTimer(time.Until(s.began.Add(o.r.limits.QueueTime)))
			defer patience.Stop()
		}
		select {
		case <-s.done:
			if s.err != nil {
				return s.err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return errUnsurveyed
		}
	}
}

// survey returns the survey that is under way, begun if need be, or nil if the sum is
// known.
func (o *owner) survey() *survey {
	o.sizing.Lock()
	defer o.sizing.Unlock()
	if !o.known() {
		return o.surveying
	}
	return nil
}

// known reports whether the sum is, and begins a survey otherwise, unless one is under
// way. The caller holds o.sizing.
func (o *owner) known() bool {
	if !o.measured && o.surveying == nil {
		o.begin()
	}
	return o.measured
}

// begin begins a survey. The caller holds o.sizing.
func (o *owner) begin() {
	s := o.prepare()
	o.r.keep(o)
	o.r.crew.Do(func() {
		err := eachFile(o.path, func(path string) error { return o.look(s, path) })
		o.conclude(s, err)
		o.r.unkeep(o)
	})
}

// prepare makes a survey that has counted the databases which are open for writing, of
// which more is known than their files say. The caller holds o.sizing.
func (o *owner) prepare() *survey {
	o.surveying = &survey{began: time.Now(), counted: map[string]struct{}{}, done: make(chan struct{})}
	o.sum = 0
	o.open.Range(func(db, _ any) bool {
		if db := db.(*database); db.sized {
			o.count(db, false)
		}
		return true
	})
	return o.surveying
}

// look counts a file.
func (o *owner) look(s *survey, path string) error {
	if o.r.closing.Load() {
		return errClosed
	}
	o.sizing.Lock()
	defer o.sizing.Unlock()
	s.at = path
	s.files++
	if _, ok := s.counted[path]; ok {
		delete(s.counted, path)
		return nil
	}
	size, _, err := fileSize(path)
	o.sum += size
	return err
}

// conclude ends a survey.
func (o *owner) conclude(s *survey, err error) {
	o.sizing.Lock()
	defer o.sizing.Unlock()
	if o.surveying, s.err = nil, err; err != errClosed {
		s.err = unsized(err)
	}
	if o.measured = err == nil && !s.spoiled; o.measured { // else who waits begins another
		o.measures++
		o.files.Store(s.files)
	}
	close(s.done)
}

// count adds a database to the sum whose size has just become known: at once if it is
// new or a survey will come to it, which then does not count it. The caller holds
// o.sizing.
func (o *owner) count(db *database, fresh bool) {
	if _, open := o.open.Load(db); !open || IsImage(db.id.Version) {
		return // an upload or an image, which is no database of the owner's
	}
	s := o.surveying
	if s == nil || db.path <= s.at {
		if fresh {
			o.sum += db.size
		}
		return
	}
	if _, ok := s.counted[db.path]; !ok {
		s.counted[db.path] = struct{}{}
		o.sum += db.size
	}
}
