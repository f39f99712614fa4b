package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

var databaseTests = []test{
	{"what_was_stored_comes_back", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "keeper")
		d := catalog.Database{
			ID: f.newID(), Owner: owner.ID, OwnerSlug: "keeper", Slug: "Test.SQLite", Kind: catalog.DuckDB,
			Public: catalog.PublicFork, AnonymousQueries: true, Version: f.newID(), Written: true,
			Created: f.stored(f.clock.Now()),
		}
		must(t, f.CreateDatabase(ctx, d))
		for range 2 { // read, then cached
			got, err := f.Database(ctx, owner.ID, "tEST.sqlite")
			must(t, err)
			same(t, got, d)
			got, err = f.DatabaseByID(ctx, d.ID)
			must(t, err)
			same(t, got, d)
		}
	}},
	{"an_unknown_database_is_not_found", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "empty-handed")
		_, err := f.Database(ctx, owner.ID, "x")
		refused(t, err, fault.NotFound)
		_, err = f.DatabaseByID(ctx, f.newID())
		refused(t, err, fault.NotFound)
		for _, change := range changesOf(f, f.newID()) {
			refused(t, change(), fault.NotFound)
		}
		refused(t, f.MoveDatabase(ctx, f.newID(), store.Move{From: f.newID(), Owner: owner.ID, Version: f.newID()}), fault.NotFound)
		refused(t, f.PurgeDatabase(ctx, f.newID()), fault.NotFound)
		_, err = f.UndeleteDatabase(ctx, owner.ID, "x", time.Time{})
		refused(t, err, fault.NotFound)
		refused(t, f.CreateDatabase(ctx, catalog.Database{ID: f.newID(), Owner: f.newID(), Slug: "x", Version: f.newID()}), fault.NotFound)
	}},
	{"a_name_is_unique_per_owner_regardless_of_case", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		a, b := f.newEntity(t, "unique-a"), f.newEntity(t, "unique-b")
		f.newDatabase(t, a, "One")
		two := f.newDatabase(t, a, "Two")
		f.newDatabase(t, b, "ONE") // another owner's
		refused(t, f.CreateDatabase(ctx, catalog.Database{ID: f.newID(), Owner: a.ID, Slug: "oNE", Version: f.newID()}), fault.Exists)
		refused(t, f.RenameDatabase(ctx, two.ID, "one"), fault.Exists)
		must(t, f.RenameDatabase(ctx, two.ID, "TWO")) // itself in another case
		got, err := f.Database(ctx, a.ID, "two")
		must(t, err)
		same(t, got.Slug, catalog.Slug("TWO"))
	}},
	{"a_name_that_is_too_long_is_invalid", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "wordy")
		long := strings.Repeat("X", catalog.MaxSlugBytes)
		d := f.newDatabase(t, owner, long)
		refused(t, f.RenameDatabase(ctx, d.ID, catalog.Slug(long+"x")), fault.Invalid)
	}},
	{"every_change_shows_at_once", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		d := f.newDatabase(t, f.newEntity(t, "changer"), "old")
		step := func(err error, slug catalog.Slug) {
			t.Helper()
			must(t, err)
			got, err := f.Database(ctx, d.Owner, slug)
			must(t, err)
			same(t, got, d)
		}
		step(nil, "old")
		d.Public = catalog.PublicReadOnly
		step(f.SetPublic(ctx, d.ID, d.Public), "old")
		d.AnonymousQueries = true
		step(f.SetAnonymousQueries(ctx, d.ID, true), "old")
		d.AnonymousQueries = false
		step(f.SetAnonymousQueries(ctx, d.ID, false), "old")
		d.Written = true
		step(f.MarkWritten(ctx, d.ID, f.newID()), "old")
		step(f.MarkWritten(ctx, d.ID, f.newID()), "old") // twice is fine
		d.Slug = "New"
		step(f.RenameDatabase(ctx, d.ID, "New"), "new")
		_, err := f.Database(ctx, d.Owner, "old")
		refused(t, err, fault.NotFound)
	}},
	{"a_deleted_database_is_gone_until_it_is_undeleted", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "remover")
		d := f.newDatabase(t, owner, "Gone")
		_, err := f.Database(ctx, owner.ID, "gone")
		must(t, err)
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		_, err = f.Database(ctx, owner.ID, "gone")
		refused(t, err, fault.NotFound)
		_, err = f.DatabaseByID(ctx, d.ID)
		refused(t, err, fault.NotFound)
		for _, change := range changesOf(f, d.ID) {
			refused(t, change(), fault.NotFound)
		}
		refused(t, f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: owner.ID, Version: f.newID()}), fault.NotFound)
		got, err := f.UndeleteDatabase(ctx, owner.ID, "GONE", time.Time{})
		must(t, err)
		same(t, got, d)
		got, err = f.Database(ctx, owner.ID, "gone")
		must(t, err)
		same(t, got, d)
	}},
	{"the_last_deleted_of_a_name_comes_back", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "repeater")
		var all []catalog.Database
		for range 3 { // the name of a deleted one is free
			d := f.newDatabase(t, owner, "again")
			d.Deleted = f.stored(f.clock.advance(time.Second))
			must(t, f.DeleteDatabase(ctx, d.ID, d.Deleted))
			all = append(all, d)
		}
		deleted := collect(t, 2, func(p catalog.Page) (catalog.List[catalog.Database], error) {
			return f.DeletedDatabases(ctx, owner.ID, p)
		})
		same(t, deleted, []catalog.Database{all[2], all[1], all[0]})
		_, err := f.UndeleteDatabase(ctx, owner.ID, "again", all[2].Deleted.Add(time.Microsecond))
		refused(t, err, fault.NotFound) // too long ago
		got, err := f.UndeleteDatabase(ctx, owner.ID, "again", all[2].Deleted)
		must(t, err)
		same(t, got.ID, all[2].ID)
		_, err = f.UndeleteDatabase(ctx, owner.ID, "again", time.Time{})
		refused(t, err, fault.Exists)
	}},
	{"a_purge_removes_grants_and_limited_tokens", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner, reader := f.newEntity(t, "purging"), f.newEntity(t, "reading")
		d := f.newDatabase(t, owner, "x")
		limited := f.newToken(t, owner, catalog.Scope{Database: d.ID})
		whole := f.newToken(t, owner, catalog.Scope{})
		must(t, f.SetGrant(ctx, d.ID, reader.ID, catalog.Manager))
		for _, short := range []string{limited.Short, whole.Short} {
			_, _, err := f.Token(ctx, short)
			must(t, err)
		}
		refused(t, f.PurgeDatabase(ctx, d.ID), fault.NotFound) // it lives
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		expired, err := f.ExpiredDatabases(ctx, f.clock.advance(time.Second), catalog.Page{Size: 1000})
		must(t, err)
		if last := expired.Items[len(expired.Items)-1]; last.ID != d.ID {
			t.Errorf("the last deleted of the expired is %v, want %v", last.Slug, d.Slug)
		}
		must(t, f.PurgeDatabase(ctx, d.ID))
		_, _, err = f.Token(ctx, limited.Short)
		refused(t, err, fault.NotFound) // a token must never lose its limit
		_, _, err = f.Token(ctx, whole.Short)
		must(t, err)
		access, err := f.Grant(ctx, d.ID, reader.ID)
		must(t, err)
		same(t, access, catalog.NoAccess)
		_, err = f.UndeleteDatabase(ctx, owner.ID, "x", time.Time{})
		refused(t, err, fault.NotFound)
	}},
	{"expired_are_those_deleted_before", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "expirer")
		d := f.newDatabase(t, owner, "x")
		d.Deleted = f.stored(f.clock.advance(time.Hour))
		must(t, f.DeleteDatabase(ctx, d.ID, d.Deleted))
		got, err := f.ExpiredDatabases(ctx, d.Deleted, catalog.Page{Size: 1000})
		must(t, err)
		for _, e := range got.Items {
			if e.ID == d.ID {
				t.Error("one that was deleted at the instant itself is there")
			}
		}
		got, err = f.ExpiredDatabases(ctx, d.Deleted.Add(time.Microsecond), catalog.Page{Size: 1000})
		must(t, err)
		same(t, got.Items[len(got.Items)-1], d)
		for range 3 { // of one instant, so that only their ids tell them apart
			more := f.newDatabase(t, owner, "x")
			must(t, f.DeleteDatabase(ctx, more.ID, d.Deleted))
		}
		all, err := f.ExpiredDatabases(ctx, d.Deleted.Add(time.Microsecond), catalog.Page{Size: 1000})
		must(t, err)
		var paged []catalog.Database
		for page := (catalog.Page{Size: 1}); len(paged) == 0 || page.After != ""; {
			one, err := f.ExpiredDatabases(ctx, d.Deleted.Add(time.Microsecond), page)
			must(t, err)
			paged, page.After = append(paged, one.Items...), one.Next
		}
		same(t, paged, all.Items)
	}},
	{"a_move_changes_owner_and_version", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		from, to := f.newEntity(t, "giver"), f.newEntity(t, "taker")
		d := f.newDatabase(t, from, "Gift")
		must(t, f.SetGrant(ctx, d.ID, to.ID, catalog.ReadWrite))
		_, err := f.Grant(ctx, d.ID, to.ID)
		must(t, err)
		_, err = f.Database(ctx, from.ID, "gift")
		must(t, err)

		version := f.newID()
		refused(t, f.MoveDatabase(ctx, d.ID, store.Move{From: f.newID(), Owner: to.ID, Version: version}), fault.Conflict)
		refused(t, f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: f.newID(), Version: version}), fault.NotFound)
		must(t, f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: to.ID, Version: version}))
		refused(t, f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: to.ID, Version: version}), fault.Conflict)

		_, err = f.Database(ctx, from.ID, "gift")
		refused(t, err, fault.NotFound)
		d.Owner, d.OwnerSlug, d.Version = to.ID, to.Slug, version
		got, err := f.Database(ctx, to.ID, "gift")
		must(t, err)
		same(t, got, d)
		access, err := f.Grant(ctx, d.ID, to.ID)
		must(t, err)
		same(t, access, catalog.NoAccess)

		restored := f.newID() // a new version of the same owner
		must(t, f.MoveDatabase(ctx, d.ID, store.Move{From: version, Owner: to.ID, Version: restored}))
		got, err = f.Database(ctx, to.ID, "gift")
		must(t, err)
		same(t, got.Version, restored)
	}},
	{"a_private_move_takes_everybody's_access_away", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		from, to, friend := f.newEntity(t, "opener"), f.newEntity(t, "closer"), f.newEntity(t, "friend")
		d := f.newDatabase(t, from, "Open")
		must(t, f.SetGrant(ctx, d.ID, friend.ID, catalog.Manager))
		must(t, f.SetPublic(ctx, d.ID, catalog.PublicReadOnly))
		must(t, f.SetAnonymousQueries(ctx, d.ID, true))
		_, err := f.Grant(ctx, d.ID, friend.ID) // so that it is cached
		must(t, err)
		must(t, f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: to.ID, Version: f.newID(), Private: true}))
		got, err := f.DatabaseByID(ctx, d.ID)
		must(t, err)
		access, err := f.Grant(ctx, d.ID, friend.ID)
		must(t, err)
		if access != catalog.NoAccess || got.Public != catalog.PublicNoAccess || got.AnonymousQueries || got.Owner != to.ID {
			t.Errorf("%v; %+v", access, got)
		}
	}},
	{"a_move_onto_a_taken_name_is_refused", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		from, to := f.newEntity(t, "giver-2"), f.newEntity(t, "taker-2")
		d := f.newDatabase(t, from, "same")
		f.newDatabase(t, to, "SAME")
		must(t, f.SetGrant(ctx, d.ID, to.ID, catalog.ReadWrite))
		refused(t, f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: to.ID, Version: f.newID()}), fault.Exists)
		got, err := f.Database(ctx, from.ID, "same")
		must(t, err)
		same(t, got, d)
		access, err := f.Grant(ctx, d.ID, to.ID)
		must(t, err)
		same(t, access, catalog.ReadWrite) // a move that fails changes nothing
	}},
	{"a_list_shows_what_the_filter_selects", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner, viewer := f.newEntity(t, "shower"), f.newEntity(t, "viewer")
		private, granted := f.newDatabase(t, owner, "private"), f.newDatabase(t, owner, "granted")
		fork, public := f.newDatabase(t, owner, "fork"), f.newDatabase(t, owner, "public")
		gone := f.newDatabase(t, owner, "gone")
		must(t, f.SetPublic(ctx, fork.ID, catalog.PublicFork))
		must(t, f.SetPublic(ctx, public.ID, catalog.PublicReadOnly))
		must(t, f.SetPublic(ctx, gone.ID, catalog.PublicReadOnly))
		must(t, f.SetGrant(ctx, granted.ID, viewer.ID, catalog.ReadOnly))
		must(t, f.DeleteDatabase(ctx, gone.ID, f.clock.Now()))
		for _, c := range []struct {
			filter store.DatabaseFilter
			want   []catalog.Database
		}{
			{store.DatabaseFilter{}, []catalog.Database{fork, public}},
			{store.DatabaseFilter{All: true}, []catalog.Database{private, granted, fork, public}},
			{store.DatabaseFilter{Viewer: viewer.ID}, []catalog.Database{granted, fork, public}},
			{store.DatabaseFilter{Viewer: owner.ID}, []catalog.Database{fork, public}},
			{store.DatabaseFilter{All: true, Only: private.ID}, []catalog.Database{private}},
			{store.DatabaseFilter{Only: private.ID}, nil},
			{store.DatabaseFilter{Viewer: viewer.ID, Only: granted.ID}, []catalog.Database{granted}},
			{store.DatabaseFilter{All: true, Only: gone.ID}, nil},
		} {
			got := collect(t, 1, func(p catalog.Page) (catalog.List[catalog.Database], error) {
				return f.Databases(ctx, owner.ID, c.filter, p)
			})
			ids := map[catalog.ID]bool{}
			for i, d := range got {
				ids[d.ID] = true
				if i > 0 && got[i-1].ID.String() <= d.ID.String() {
					t.Errorf("filter %+v: not by descending id", c.filter)
				}
			}
			for _, d := range c.want {
				if !ids[d.ID] {
					t.Errorf("filter %+v: %s is missing", c.filter, d.Slug)
				}
			}
			same(t, len(got), len(c.want))
		}
	}},
}

// changesOf are the changes of a database that only a live one takes.
func changesOf(f *fixture, id catalog.ID) []func() error {
	ctx := context.Background()
	return []func() error{
		func() error { return f.RenameDatabase(ctx, id, "renamed") },
		func() error { return f.SetPublic(ctx, id, catalog.PublicFork) },
		func() error { return f.SetAnonymousQueries(ctx, id, true) },
		func() error { return f.MarkWritten(ctx, id, f.newID()) },
		func() error { return f.DeleteDatabase(ctx, id, f.clock.Now()) },
	}
}
