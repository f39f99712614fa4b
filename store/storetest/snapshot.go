package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

// changedOf lists the databases of an owner that have a change noted.
func (f *fixture) changedOf(t *testing.T, owner catalog.Entity) (slugs []catalog.Slug) {
	t.Helper()
	all := collect(t, 1, func(p catalog.Page) (catalog.List[store.SnapshotState], error) {
		return f.ChangedDatabases(context.Background(), p)
	})
	for _, s := range all {
		if s.Owner == owner.ID {
			slugs = append(slugs, s.Slug)
		}
	}
	return slugs
}

var snapshotTests = []test{
	{"a_change_stays_noted_until_it_is_cleared_by_its_name", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "changing")
		first, second := f.newDatabase(t, e, "first"), f.newDatabase(t, e, "second")
		same(t, len(f.changedOf(t, e)), 0)
		old, mark := f.newID(), f.newID()
		must(t, f.MarkWritten(ctx, second.ID, old))
		f.clock.advance(time.Second)
		must(t, f.MarkWritten(ctx, first.ID, f.newID()))
		same(t, f.changedOf(t, e), []catalog.Slug{"second", "first"})
		must(t, f.MarkChanged(ctx, second.ID, mark))
		state, err := f.SnapshotState(ctx, second.ID)
		must(t, err)
		second.Written = true
		same(t, state, store.SnapshotState{Database: second, Changed: mark})

		cleared, err := f.ClearChanged(ctx, second.ID, old)
		must(t, err)
		same(t, cleared, false)
		cleared, err = f.ClearChanged(ctx, second.ID, mark)
		must(t, err)
		same(t, cleared, true)
		same(t, f.changedOf(t, e), []catalog.Slug{"first"})
		refused(t, f.MarkChanged(ctx, f.newID(), mark), fault.NotFound)
	}},
	{"in_another_bucket_there_is_nothing_yet", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "moving")
		d := f.newDatabase(t, e, "written")
		f.newDatabase(t, e, "unwritten")
		use := func(name string, want bool) {
			t.Helper()
			isNew, err := f.UseBucket(ctx, name)
			must(t, err)
			same(t, isNew, want)
		}
		use("one", true)
		mark := f.newID()
		must(t, f.MarkWritten(ctx, d.ID, mark))
		_, err := f.ClearChanged(ctx, d.ID, mark)
		must(t, err)
		use("one", false)
		same(t, len(f.changedOf(t, e)), 0)
		use("two", true)
		same(t, f.changedOf(t, e), []catalog.Slug{"written"})
		use("two", false)
	}},
	{"what_is_deleted_is_not_looked_for", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "vanishing")
		d, other := f.newDatabase(t, e, "gone"), f.newDatabase(t, e, "other")
		for _, d := range []catalog.Database{d, other} {
			f.clock.advance(time.Second)
			must(t, f.MarkWritten(ctx, d.ID, f.newID()))
			must(t, f.SetSnapshotsDue(ctx, d.ID, f.clock.Now()))
		}
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		same(t, f.changedOf(t, e), []catalog.Slug{"other"})
		due, err := f.DueDatabases(ctx, f.clock.Now(), 10)
		must(t, err)
		same(t, len(due), 1)
		_, err = f.SnapshotState(ctx, d.ID) // it can come back
		must(t, err)
		_, err = f.UndeleteDatabase(ctx, e.ID, "gone", time.Time{})
		must(t, err)
		same(t, f.changedOf(t, e), []catalog.Slug{"gone", "other"})
		must(t, f.DeleteEntity(ctx, e.ID, f.clock.Now()))
		same(t, len(f.changedOf(t, e)), 0)
	}},
	{"a_place_has_one_database_for_good", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "placing")
		d, other := f.newDatabase(t, e, "a"), f.newDatabase(t, e, "b")
		must(t, f.ClaimPlace(ctx, d.ID, "placing/a"))
		must(t, f.ClaimPlace(ctx, d.ID, "placing/b")) // has one
		refused(t, f.ClaimPlace(ctx, other.ID, "placing/A"), fault.Exists)
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		refused(t, f.ClaimPlace(ctx, other.ID, "placing/a"), fault.Exists)
		must(t, f.ClaimPlace(ctx, other.ID, "placing/a~2"))
		refused(t, f.ClaimPlace(ctx, f.newID(), "placing/c"), fault.NotFound)
		state, err := f.SnapshotState(ctx, d.ID)
		must(t, err)
		same(t, state.Place, "placing/a")
		must(t, f.PurgeDatabase(ctx, d.ID))
		_, err = f.SnapshotState(ctx, d.ID)
		refused(t, err, fault.NotFound)
	}},
	{"a_database_is_adopted_with_its_place_or_not_at_all", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "adopting")
		d := f.newDatabase(t, e, "a")
		must(t, f.ClaimPlace(ctx, d.ID, "adopting/a"))
		other := d
		other.ID, other.Version, other.Slug, other.Written = f.newID(), f.newID(), "b", true
		refused(t, f.AdoptDatabase(ctx, other, "adopting/A"), fault.Exists)
		_, err := f.Database(ctx, e.ID, "b")
		refused(t, err, fault.NotFound)
		must(t, f.AdoptDatabase(ctx, other, "adopting/a~2"))
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		all := collect(t, 1, func(p catalog.Page) (catalog.List[store.SnapshotState], error) { return f.SnapshotStates(ctx, p) })
		d.Deleted = f.stored(f.clock.Now())
		for i, want := range []store.SnapshotState{{Database: d, Place: "adopting/a"}, {Database: other, Place: "adopting/a~2", Changed: other.Version}} {
			at := slices.IndexFunc(all, func(s store.SnapshotState) bool { return s.ID == want.ID })
			if at < i {
				t.Fatalf("%s is not among %+v, or not in order", want.Ref(), all)
			}
			same(t, all[at], want)
		}
	}},
	{"what_shows_a_key_is_kept", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		for _, proof := range []string{"one", strings.Repeat("2", 500)} {
			must(t, f.SetKeyProof(ctx, proof))
			state, err := f.State(ctx)
			must(t, err)
			same(t, state.KeyProof, proof)
		}
		refused(t, f.SetKeyProof(ctx, strings.Repeat("3", 501)), fault.Invalid)
	}},
	{"lapses_and_proofs_are_kept", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "lapsing")
		d := f.newDatabase(t, e, "db")
		at := f.stored(f.clock.Now())
		must(t, f.SetSnapshotsDue(ctx, d.ID, at.Add(time.Hour)))
		must(t, f.SetProven(ctx, d.ID, at))
		state, err := f.SnapshotState(ctx, d.ID)
		must(t, err)
		same(t, state, store.SnapshotState{Database: d, Due: at.Add(time.Hour), Proven: at})
		for want, now := range []time.Time{at, at.Add(time.Hour)} {
			due, err := f.DueDatabases(ctx, now, 100)
			must(t, err)
			same(t, len(due), want)
		}
		must(t, f.SetSnapshotsDue(ctx, d.ID, time.Time{}))
		due, err := f.DueDatabases(ctx, at.Add(time.Hour), 100)
		must(t, err)
		same(t, len(due), 0)
	}},
}
