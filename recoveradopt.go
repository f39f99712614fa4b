package ayb

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ayb/catalog"
	"ayb/fault"
	"ayb/snapshot"
	"ayb/store"
)

// mostNames bounds how many names are tried for a database that is adopted.
const mostNames = 1000

// An adoption is a wish to make a database of a place in the bucket.
type adoption struct {
	place snapshot.Place
	to    Ref // zero: the name of the place, or one like it
}

// parse reads the options.
func (r *recovery) parse() error {
	for _, text := range r.opt.Adopt {
		a, err := parseAdoption(text)
		if err != nil {
			return err
		}
		r.adopt = append(r.adopt, a)
	}
	for _, text := range r.opt.Skip {
		if _, err := catalog.ParseRef(text); err != nil {
			return err
		}
	}
	return nil
}

func parseAdoption(text string) (a adoption, err error) {
	from, to, named := strings.Cut(text, "=")
	if a.place, err = snapshot.ParsePlace(from); err == nil && named {
		a.to, err = catalog.ParseRef(to)
	}
	return a, err
}

// findUnknown goes through the bucket for places that the metadata do not know.
func (r *recovery) findUnknown(ctx context.Context) error {
	for find, err := range r.e.vault.Walk(ctx) {
		if err != nil {
			return err
		}
		if place := find.Place.String(); r.known[place].IsZero() {
			r.result.Unknown = append(r.result.Unknown, UnknownPlace{place, len(find.IDs), find.Stored, find.Newest})
		}
	}
	return nil
}

// adoptAll adopts what is to be adopted. What can't be has an outcome that says why.
func (r *recovery) adoptAll(ctx context.Context) error {
	wishes := r.adopt
	if r.opt.AdoptUnknown {
		for _, u := range r.result.Unknown {
			place := parsePlace(u.Place)
			if !slices.ContainsFunc(wishes, func(a adoption) bool { return a.place == place }) {
				wishes = append(wishes, adoption{place: place})
			}
		}
	}
	for _, a := range wishes {
		if noted, _ := r.notes.of(r.known[a.place.String()]); noted.Adopted && noted.Failure == "" {
			continue // by an earlier call, and told already
		}
		d, err := r.adoptOne(ctx, a)
		if err != nil {
			return err
		}
		r.tell(d)
		if d.Failure == "" {
			r.result.Unknown = slices.DeleteFunc(r.result.Unknown, func(u UnknownPlace) bool { return u.Place == a.place.String() })
		}
	}
	return nil
}

// adoptOne makes a database of a place.
func (r *recovery) adoptOne(ctx context.Context, a adoption) (RecoveredDatabase, error) {
	d := RecoveredDatabase{Ref: a.to, Place: a.place.String(), Adopted: true}
	if d.Ref == (Ref{}) {
		d.Ref = a.place.Ref()
	}
	if id := r.known[d.Place]; !id.IsZero() {
		err := r.readopt(ctx, &d, a.place, id)
		return d, err
	}
	if !slices.ContainsFunc(r.result.Unknown, func(u UnknownPlace) bool { return u.Place == d.Place }) {
		d.Failure = "there is nothing of it in the bucket"
		return d, nil
	}
	owner, err := r.e.store.Entity(ctx, d.Ref.Entity)
	if errors.Is(err, fault.NotFound) {
		d.Failure = fmt.Sprintf("there is no account %s; have it registered first, or say whose it is to be: --adopt %s=ENTITY/DATABASE", d.Ref.Entity, d.Place)
		return d, nil
	}
	if err != nil {
		return d, err
	}
	taker, err := r.taker(ctx, owner, &d.Ref, a.to != Ref{})
	switch {
	case errors.Is(err, fault.Exists):
		d.Failure = Message(err)
		return d, nil
	case err != nil:
		return d, err
	}
	err = r.adoptAs(ctx, &d, a.place, taker)
	return d, err
}

// readopt goes on with a place that a database has got already. Its file is missing
// if an earlier call was interrupted.
func (r *recovery) readopt(ctx context.Context, d *RecoveredDatabase, place snapshot.Place, id ID) error {
	state, err := r.e.store.SnapshotState(ctx, id)
	if err != nil {
		return err
	}
	d.ID, d.Ref = id, state.Ref()
	if !state.Written || !state.Deleted.IsZero() || r.hasFile(state.Database) {
		return nil
	}
	return r.fill(ctx, d, place, state)
}

// taker returns the database that a place becomes: one that has lost its file and has
// no snapshots of its own is the one that it was; otherwise it is a new one.
func (r *recovery) taker(ctx context.Context, owner Entity, ref *Ref, named bool) (store.SnapshotState, error) {
	wanted := *ref
	for n := 2; n <= mostNames; n++ {
		db, err := r.e.store.Database(ctx, owner.ID, ref.Database)
		if errors.Is(err, fault.NotFound) {
			return store.SnapshotState{Database: Database{
				Owner: owner.ID, OwnerSlug: owner.Slug, Slug: ref.Database, Kind: SQLite, Written: true, Created: r.e.now(),
			}}, nil
		}
		if err != nil {
			return store.SnapshotState{}, err
		}
		state, err := r.e.store.SnapshotState(ctx, db.ID)
		if err != nil || db.Written && state.Place == "" && !r.hasFile(db) {
			return state, err
		}
		if named {
			break
		}
		ref.Database = numbered(wanted.Database, n)
	}
	return store.SnapshotState{}, fault.New(fault.Exists, "%s has a database %s already; say what it is to be called: --adopt PLACE=ENTITY/DATABASE", wanted.Entity, wanted.Database)
}

// numbered returns another name like one that is taken: db-2, or file-2.sqlite.
func numbered(slug Slug, n int) Slug {
	ending := path.Ext(string(slug))
	base := strings.TrimSuffix(string(slug), ending)
	number := fmt.Sprintf("-%d", n)
	base = base[:min(len(base), max(0, catalog.MaxSlugBytes-len(number)-len(ending)))]
	return Slug(base + number + ending)
}

// adoptAs makes a place the content of a database. If that is a new one, it comes to
// be together with its place.
func (r *recovery) adoptAs(ctx context.Context, d *RecoveredDatabase, place snapshot.Place, state store.SnapshotState) error {
	if !state.ID.IsZero() {
		d.ID, d.Ref = state.ID, state.Ref()
		return r.fill(ctx, d, place, state)
	}
	e, db := r.e, state.Database
	db.ID, db.Version = e.ids.next(), e.ids.next()
	d.ID, d.Ref = db.ID, db.Ref()
	var refused error
	err := r.restore(ctx, d, place, func(img *image) error {
		if err := r.note(*d); err != nil {
			return err
		}
		if err := img.makeFirst(ctx, db); err != nil {
			return err
		}
		refused = e.store.AdoptDatabase(ctx, db, place.String())
		return refused
	}, db)
	if kind := fault.KindOf(refused); kind == fault.TooLarge || kind == fault.Exists {
		d.Failure, d.Snapshot, err = Message(refused), "", nil
	}
	return err
}

// fill gives a database that has lost its file the content of a place.
func (r *recovery) fill(ctx context.Context, d *RecoveredDatabase, place snapshot.Place, state store.SnapshotState) error {
	former, _ := r.notes.of(state.ID)
	err := r.restore(ctx, d, place, func(img *image) error {
		if err := r.e.store.ClaimPlace(ctx, state.ID, place.String()); err != nil {
			return err
		}
		if err := r.note(*d); err != nil {
			return err
		}
		return unmovable(r.e.renameVersion(img.file, state.Version))
	}, state.Database)
	if err == nil && d.Failure == "" && former.isLost() {
		r.result.Lost-- // it was told as lost, since the metadata know of no snapshot
	}
	return err
}
