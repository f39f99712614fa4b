package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

// newReplaced returns what a restore of a database puts away now.
func (f *fixture) newReplaced(d catalog.Database) store.Replaced {
	return store.Replaced{Database: d.ID, Owner: d.Owner, Image: f.newID(), At: f.stored(f.clock.Now())}
}

var replacedTests = []test{
	{"a_restore_changes_the_version_once_and_notes_what_it_has_put_away", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		d := f.newDatabase(t, f.newEntity(t, "restorer"), "db")
		first := store.Restore{From: d.Version, Version: f.newID(), Mark: f.newID()} // of an unwritten one
		must(t, f.RestoreDatabase(ctx, d.ID, first))
		got, err := f.Database(ctx, d.Owner, d.Slug)
		must(t, err)
		same(t, []any{got.Version, got.Written}, []any{first.Version, true})
		state, err := f.SnapshotState(ctx, d.ID)
		must(t, err)
		same(t, state.Changed, first.Mark)
		refused(t, f.RestoreDatabase(ctx, d.ID, first), fault.Conflict)
		refused(t, f.RestoreDatabase(ctx, f.newID(), first), fault.NotFound)

		second := store.Restore{From: first.Version, Version: f.newID(), Mark: f.newID(), Kept: f.newReplaced(d)}
		must(t, f.RestoreDatabase(ctx, d.ID, second))
		f.clock.advance(time.Second)
		third := store.Restore{From: second.Version, Version: f.newID(), Mark: f.newID(), Kept: f.newReplaced(d)}
		must(t, f.RestoreDatabase(ctx, d.ID, third))
		lost := store.Restore{From: second.Version, Version: f.newID(), Mark: f.newID(), Kept: f.newReplaced(d)}
		refused(t, f.RestoreDatabase(ctx, d.ID, lost), fault.Conflict)
		list, err := f.ReplacedOf(ctx, d.ID)
		must(t, err)
		same(t, list, []store.Replaced{third.Kept, second.Kept})
		of, err := f.ReplacedBy(ctx, d.Owner)
		if must(t, err); len(of) != 2 {
			t.Errorf("of the owner there are %+v", of)
		}
		of, err = f.ReplacedBy(ctx, f.newID())
		if must(t, err); len(of) != 0 {
			t.Errorf("of somebody else there are %+v", of)
		}
		got, err = f.Database(ctx, d.Owner, d.Slug)
		must(t, err)
		same(t, got.Version, third.Version)
	}},
	{"a_database_that_is_made_with_a_file_has_changed", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		d := f.newDatabase(t, f.newEntity(t, "copier"), "original")
		for written, want := range map[bool]catalog.ID{false: {}, true: f.newID()} {
			other := d
			other.ID, other.Slug, other.Version, other.Written = f.newID(), catalog.Slug(fmt.Sprint(written)), want, written
			if want.IsZero() {
				other.Version = f.newID()
			}
			must(t, f.CreateDatabase(ctx, other))
			state, err := f.SnapshotState(ctx, other.ID)
			must(t, err)
			same(t, []any{state.Changed, state.Written}, []any{want, written})
		}
	}},
	{"what_was_put_away_is_named_and_forgotten", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "keeper")
		var kept []store.Replaced
		for _, name := range []string{"a", "b", "c"} {
			d := f.newDatabase(t, owner, name)
			k := f.newReplaced(d)
			must(t, f.RestoreDatabase(ctx, d.ID, store.Restore{From: d.Version, Version: f.newID(), Mark: f.newID(), Kept: k}))
			kept = append(kept, k)
		}
		kept[1].Snapshot, kept[1].Size = strings.Repeat("ab", 32), 8192
		must(t, f.NameReplaced(ctx, kept[1].Image, kept[1].Snapshot, kept[1].Size))
		refused(t, f.NameReplaced(ctx, f.newID(), kept[1].Snapshot, 1), fault.NotFound)
		of := func(database catalog.ID) (list []store.Replaced) {
			for _, r := range collect(t, 1, func(p catalog.Page) (catalog.List[store.Replaced], error) { return f.Replaced(ctx, p) }) {
				if r.Database == database {
					list = append(list, r)
				}
			}
			return list
		}
		for _, k := range kept {
			same(t, of(k.Database), []store.Replaced{k})
		}
		for range 2 {
			must(t, f.ForgetReplaced(ctx, kept[0].Image))
		}
		same(t, len(of(kept[0].Database)), 0)
		_, err := f.Replaced(ctx, catalog.Page{After: "x"})
		refused(t, err, fault.Invalid)
	}},
	{"it_goes_with_its_database_and_not_with_its_directory's_owner", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		giver, taker := f.newEntity(t, "former"), f.newEntity(t, "present")
		d := f.newDatabase(t, giver, "db")
		to := store.Restore{From: d.Version, Version: f.newID(), Mark: f.newID(), Kept: f.newReplaced(d)}
		must(t, f.RestoreDatabase(ctx, d.ID, to))
		must(t, f.MoveDatabase(ctx, d.ID, store.Move{From: to.Version, Version: f.newID(), Owner: taker.ID}))
		must(t, f.DeleteEntity(ctx, giver.ID, f.clock.Now()))
		must(t, f.PurgeEntity(ctx, giver.ID))
		list, err := f.ReplacedOf(ctx, d.ID)
		must(t, err)
		same(t, list, []store.Replaced{to.Kept})
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		must(t, f.PurgeDatabase(ctx, d.ID))
		list, err = f.ReplacedOf(ctx, d.ID)
		must(t, err)
		same(t, len(list), 0)
	}},
}
