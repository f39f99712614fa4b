package ayb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/snapshot"
	"ayb/store"
)

// recoveredAtOnce is how many databases are brought back at once. Each waits for the
// bucket most of the time.
const recoveredAtOnce = 8

// A RecoveredDatabase says what became of one database in a recovery.
type RecoveredDatabase struct {
	ID       ID
	Ref      Ref
	Place    string // in the bucket; empty: it had none
	IsEmpty  bool   // nothing was ever written to it
	Deleted  bool   // and can be brought back with UndeleteDatabase
	Adopted  bool   // it was made of a place that the metadata did not know
	Snapshot string // the id of the snapshot that it has come back from; empty: it has not
	Taken    time.Time

	// Changed says that it is known to have been changed after that snapshot: what is
	// missing can't be brought back.
	Changed bool

	// Damaged are newer snapshots that could not be used.
	Damaged []string

	// Failure says why it is not back; empty: it is.
	Failure string

	// IsPending says that it may yet come back: call Recover again.
	IsPending bool
}

// isLost reports whether there was something that is not back. What had been
// deleted, and has no snapshot, nobody misses.
func (d RecoveredDatabase) isLost() bool {
	return d.Failure != "" && !d.Deleted && !d.IsPending || len(d.Damaged) > 0
}

// tell hands out the outcome of a database. One at a time calls it.
func (r *recovery) tell(d RecoveredDatabase) {
	switch {
	case d.IsPending:
		r.result.Pending++
	case d.isLost():
		r.result.Lost++
	}
	if d.Failure == "" {
		r.result.Back++
	}
	if r.opt.Told != nil {
		r.opt.Told(d)
	}
}

// databases brings all databases back, and learns which places the metadata know.
func (r *recovery) databases(ctx context.Context) error {
	r.known = map[string]ID{}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan store.SnapshotState)
	var workers sync.WaitGroup
	var telling sync.Mutex
	for range recoveredAtOnce {
		workers.Go(func() {
			for state := range next {
				d, err := r.database(ctx, state)
				if err != nil {
					stop(err)
					continue
				}
				telling.Lock()
				r.tell(d)
				telling.Unlock()
			}
		})
	}
	err := r.eachDatabase(ctx, func(state store.SnapshotState) {
		if state.Place != "" {
			r.known[state.Place] = state.ID
		}
		if r.isFilled {
			return
		}
		select {
		case next <- state:
		case <-ctx.Done():
		}
	})
	close(next)
	workers.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (r *recovery) eachDatabase(ctx context.Context, do func(store.SnapshotState)) error {
	for page := (Page{Size: catalog.MaxPageSize}); ; {
		list, err := r.e.store.SnapshotStates(ctx, page)
		if err != nil {
			return err
		}
		for _, state := range list.Items {
			do(state)
		}
		if page.After = list.Next; list.Next == "" {
			return ctx.Err()
		}
	}
}

// database brings one database back, if it is not already. An error ends the
// recovery; what is wrong with this database alone is in the outcome.
func (r *recovery) database(ctx context.Context, state store.SnapshotState) (RecoveredDatabase, error) {
	d := RecoveredDatabase{ID: state.ID, Ref: state.Ref(), Place: state.Place, Deleted: !state.Deleted.IsZero(), IsEmpty: !state.Written}
	if d.IsEmpty {
		return d, nil
	}
	noted, ok := r.notes.of(d.ID)
	switch isThere := r.hasFile(state.Database); {
	case ok && (noted.Failure != "" || isThere):
		return noted, nil
	case isThere:
		return d, nil
	}
	switch {
	case slices.Contains(r.opt.Skip, d.Ref.String()):
		d.Failure = "left out, as you said; its snapshots stay in the bucket, and can be restored by its owner"
		return d, r.note(d)
	case state.Place == "":
		d.Failure = "no snapshot of it had been taken when the metadata were copied"
		return d, r.note(d)
	}
	d.Changed = !state.Changed.IsZero()
	if ok { // an earlier call has noted a change by then, or given it its place
		d.Changed, d.Adopted = noted.Changed, noted.Adopted
	}
	err := r.restore(ctx, &d, parsePlace(state.Place), func(img *image) error {
		if err := r.note(d); err != nil {
			return err
		}
		if len(d.Damaged) > 0 { // what it has now is not what its newest snapshot says
			if err := orMissing(r.e.store.MarkChanged(ctx, state.ID, r.e.ids.next()), nil); err != nil {
				return err
			}
		}
		return unmovable(r.e.renameVersion(img.file, state.Version))
	}, state.Database)
	return d, err
}

// hasFile reports whether the file of a database is in its place.
func (r *recovery) hasFile(db Database) bool {
	_, err := os.Lstat(hosting.FilePath(r.e.cfg.owners(), fileOf(db)))
	return err == nil
}

// restore makes an image of the newest snapshot of a place that is whole and sound,
// and hands it to settle. If there is none, the outcome says why, and is noted.
func (r *recovery) restore(ctx context.Context, d *RecoveredDatabase, place snapshot.Place, settle func(*image) error, db Database) error {
	list, err := r.e.vault.All(ctx, place)
	if err != nil {
		return r.postpone(ctx, d, err)
	}
	for _, s := range restorable(list) {
		if r.opt.DryRun {
			d.Snapshot, d.Taken = s.ID, s.Taken
			return nil
		}
		img, err := r.fetch(ctx, db, place, s)
		if isDamaged(err) {
			r.e.log.Error("a snapshot can't be used; taking the one before", "database", d.Ref, "snapshot", s.ID, "error", err)
			d.Damaged = append(d.Damaged, s.ID)
			continue
		}
		if err != nil {
			return r.postpone(ctx, d, err)
		}
		defer img.discard()
		d.Snapshot, d.Taken = s.ID, s.Taken
		return settle(img)
	}
	switch {
	case len(list) == 0:
		d.Failure = "there is no snapshot of it in the bucket any more"
	default:
		d.Failure = fmt.Sprintf("all %d snapshots of it are damaged", len(list))
	}
	return r.note(*d)
}

// note notes the outcome of a database.
func (r *recovery) note(d RecoveredDatabase) error {
	if r.opt.DryRun {
		return nil
	}
	return r.notes.add(d)
}

// fetch makes an image of a snapshot that is whole and sound.
func (r *recovery) fetch(ctx context.Context, db Database, place snapshot.Place, s Snapshot) (*image, error) {
	img, err := r.e.newImage(db)
	if err != nil {
		return nil, err
	}
	if _, err = img.fetch(ctx, place, s, nil); err == nil {
		err = img.adopt(ctx, hosting.QuickCheck)
	}
	if err != nil {
		img.discard()
		return nil, err
	}
	return img, nil
}

// postpone leaves a database for the next call, unless what is wrong is wrong for all
// of them.
func (r *recovery) postpone(ctx context.Context, d *RecoveredDatabase, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, snapshot.ErrDiskFull):
		return err
	}
	if gone := r.e.vault.Check(ctx); gone != nil {
		return gone
	}
	r.e.log.Error("the snapshots of a database can't be fetched now", "database", d.Ref, "error", err)
	d.Failure, d.IsPending = Message(err), true
	return nil
}

// restorable returns the snapshots of a database in the order in which to bring it
// back from them: the newest state that it was in first. What a restore has put
// away was not its state any more, and comes last.
func restorable(list []Snapshot) []Snapshot {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Snapshot) int { return asOf(b).Compare(asOf(a)) })
	return list
}

// asOf is when a database had the content of a snapshot; zero if all that is known is
// that a restore has put it away.
func asOf(s Snapshot) time.Time {
	if s.Replaced.IsZero() || s.Taken.After(s.Replaced) {
		return s.Taken
	}
	return s.Round
}

// replaced forgets what restores had put away on the lost disk. Most of it is in the
// bucket; the rest is told.
func (r *recovery) replaced(ctx context.Context) error {
	if r.isFilled {
		return nil
	}
	var all []store.Replaced
	for page := (Page{}); ; {
		list, err := r.e.store.Replaced(ctx, page)
		if err != nil {
			return err
		}
		all = append(all, list.Items...)
		if page.After = list.Next; list.Next == "" {
			break
		}
	}
	for _, k := range all {
		state, err := r.e.store.SnapshotState(ctx, k.Database)
		if err != nil {
			return err
		}
		_, err = r.e.vault.Stat(ctx, parsePlace(state.Place), k.Snapshot)
		if err != nil && !errors.Is(err, fault.Invalid) && !errors.Is(err, snapshot.ErrNoSnapshot) {
			return err
		}
		if err != nil {
			r.tell(RecoveredDatabase{ID: k.Database, Ref: state.Ref(), Place: state.Place, Failure: fmt.Sprintf("what a restore or an import had replaced at %s was not in the bucket yet", k.At.Format(time.RFC3339))})
		}
		if !r.opt.DryRun {
			if err := r.e.store.ForgetReplaced(ctx, k.Image); err != nil {
				return err
			}
		}
	}
	return nil
}
