package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

var entityTests = []test{
	{"what_was_stored_comes_back", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := catalog.Entity{
			ID: f.newID(), Slug: "whole", Kind: catalog.Organization,
			Profile: catalog.Profile{
				DisplayName: "O'Neil \"the\" ?1 \\ $1", Description: strings.Repeat("ü", 100),
				Organization: "ωmega", Location: "a\nb",
				Links: []catalog.Link{{URL: "https://example.com/?a='b'", Verified: true}, {URL: "http://x"}},
			},
			Created: f.stored(f.clock.Now()),
		}
		must(t, f.CreateEntity(ctx, e))
		for range 2 { // read, then cached
			got, err := f.Entity(ctx, "whole")
			must(t, err)
			same(t, got, e)
			got, err = f.EntityByID(ctx, e.ID)
			must(t, err)
			same(t, got, e)
		}
	}},
	{"a_name_is_found_in_any_case", func(t *testing.T, f *fixture) {
		e := f.newEntity(t, "Cased")
		got, err := f.Entity(context.Background(), "cASED")
		must(t, err)
		same(t, got.ID, e.ID)
		same(t, got.Slug, catalog.Slug("cased"))
	}},
	{"an_unknown_entity_is_not_found", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		_, err := f.Entity(ctx, "nobody")
		refused(t, err, fault.NotFound)
		_, err = f.EntityByID(ctx, f.newID())
		refused(t, err, fault.NotFound)
		refused(t, f.RenameEntity(ctx, f.newID(), "nobody"), fault.NotFound)
		refused(t, f.SetProfile(ctx, f.newID(), catalog.Profile{}), fault.NotFound)
		refused(t, f.DeleteEntity(ctx, f.newID(), f.clock.Now()), fault.NotFound)
		refused(t, f.PurgeEntity(ctx, f.newID()), fault.NotFound)
	}},
	{"a_taken_name_is_refused", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		a, b := f.newEntity(t, "taken"), f.newEntity(t, "other")
		refused(t, f.CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: "TAKEN"}), fault.Exists)
		refused(t, f.RenameEntity(ctx, b.ID, "taken"), fault.Exists)
		must(t, f.DeleteEntity(ctx, a.ID, f.clock.Now()))
		refused(t, f.CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: "taken"}), fault.Exists)
		refused(t, f.RenameEntity(ctx, b.ID, "taken"), fault.Exists)
		got, err := f.Entity(ctx, "other")
		must(t, err)
		same(t, got, b)
	}},
	{"a_text_with_a_nul_is_invalid", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "nul")
		nul := catalog.Profile{Location: "a\x00b"}
		refused(t, f.SetProfile(ctx, e.ID, nul), fault.Invalid)
		refused(t, f.CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: "nul-2", Profile: nul}), fault.Invalid)
		refused(t, f.CreateToken(ctx, catalog.Token{Short: "nul", Entity: e.ID, AppName: "a\x00b"}, hashOf("nul")), fault.Invalid)
	}},
	{"a_text_that_is_too_long_is_invalid", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		long := catalog.Slug(strings.Repeat("x", catalog.MaxSlugBytes))
		refused(t, f.CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: long + "x"}), fault.Invalid)
		e := f.newEntity(t, string(long))
		for _, p := range []catalog.Profile{
			{DisplayName: strings.Repeat("ü", 36)}, {Description: strings.Repeat("ü", 101)},
			{Organization: strings.Repeat("x", 36)}, {Location: strings.Repeat("x", 36)},
		} {
			refused(t, f.SetProfile(ctx, e.ID, p), fault.Invalid)
		}
	}},
	{"a_rename_moves_the_old_name_to_the_new", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "before")
		d := f.newDatabase(t, e, "db")
		_, err := f.Entity(ctx, "before")
		must(t, err)
		_, err = f.Database(ctx, e.ID, "db")
		must(t, err)
		must(t, f.RenameEntity(ctx, e.ID, "After"))
		_, err = f.Entity(ctx, "before")
		refused(t, err, fault.NotFound)
		e.Slug, d.OwnerSlug = "after", "after"
		got, err := f.Entity(ctx, "after")
		must(t, err)
		same(t, got, e)
		got, err = f.EntityByID(ctx, e.ID)
		must(t, err)
		same(t, got, e)
		gotDB, err := f.Database(ctx, e.ID, "db")
		must(t, err)
		same(t, gotDB, d)
		f.newEntity(t, "before") // is free again
	}},
	{"a_profile_is_replaced_as_a_whole", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "profiled")
		for _, p := range []catalog.Profile{
			{DisplayName: "A", Links: []catalog.Link{{URL: "https://a"}}},
			{Description: "B"},
			{},
		} {
			must(t, f.SetProfile(ctx, e.ID, p))
			got, err := f.Entity(ctx, e.Slug)
			must(t, err)
			same(t, got.Profile, p)
		}
	}},
	{"a_deleted_entity_is_gone_until_it_is_undeleted", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "lazarus")
		must(t, f.DeleteEntity(ctx, e.ID, f.clock.Now()))
		_, err := f.Entity(ctx, "lazarus")
		refused(t, err, fault.NotFound)
		_, err = f.EntityByID(ctx, e.ID)
		refused(t, err, fault.NotFound)
		refused(t, f.DeleteEntity(ctx, e.ID, f.clock.Now()), fault.NotFound)
		refused(t, f.RenameEntity(ctx, e.ID, "x"), fault.NotFound)
		refused(t, f.SetProfile(ctx, e.ID, catalog.Profile{}), fault.NotFound)
		refused(t, f.CreateDatabase(ctx, catalog.Database{ID: f.newID(), Owner: e.ID, Slug: "x", Version: f.newID()}), fault.NotFound)

		_, err = f.UndeleteEntity(ctx, "lazarus", f.clock.Now().Add(time.Second))
		refused(t, err, fault.NotFound) // too long ago
		got, err := f.UndeleteEntity(ctx, "Lazarus", time.Time{})
		must(t, err)
		same(t, got, e)
		got, err = f.Entity(ctx, "lazarus")
		must(t, err)
		same(t, got, e)
		_, err = f.UndeleteEntity(ctx, "lazarus", time.Time{})
		refused(t, err, fault.NotFound)
		_, err = f.UndeleteEntity(ctx, "never-was", time.Time{})
		refused(t, err, fault.NotFound)
	}},
	{"expired_are_those_deleted_before", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		var want []catalog.Entity
		for _, name := range []string{"expired-1", "expired-2", "expired-3"} {
			e := f.newEntity(t, name)
			e.Deleted = f.stored(f.clock.advance(time.Microsecond))
			must(t, f.DeleteEntity(ctx, e.ID, e.Deleted))
			want = append(want, e)
		}
		got, err := f.ExpiredEntities(ctx, want[2].Deleted, catalog.Page{Size: 1000})
		must(t, err)
		all := got.Items
		same(t, all[len(all)-2:], want[:2])
		var paged []catalog.Entity
		for page := (catalog.Page{Size: 1}); len(paged) == 0 || page.After != ""; {
			one, err := f.ExpiredEntities(ctx, want[2].Deleted, page)
			must(t, err)
			paged, page.After = append(paged, one.Items...), one.Next
		}
		same(t, paged, all)
		none, err := f.ExpiredEntities(ctx, time.Time{}, catalog.Page{})
		must(t, err)
		same(t, none.Items, []catalog.Entity{})
	}},
	{"a_purge_removes_what_hangs_on_it", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e, other := f.newEntity(t, "purged"), f.newEntity(t, "purger")
		own, shared := f.newDatabase(t, e, "own"), f.newDatabase(t, other, "shared")
		token := f.newToken(t, e, catalog.Scope{})
		must(t, f.SetGrant(ctx, shared.ID, e.ID, catalog.ReadOnly))
		_, err := f.Grant(ctx, shared.ID, e.ID)
		must(t, err)

		refused(t, f.PurgeEntity(ctx, e.ID), fault.NotFound) // it lives
		must(t, f.DeleteEntity(ctx, e.ID, f.clock.Now()))
		refused(t, f.PurgeEntity(ctx, e.ID), fault.Conflict) // with a live database
		must(t, f.DeleteDatabase(ctx, own.ID, f.clock.Now()))
		refused(t, f.PurgeEntity(ctx, e.ID), fault.Conflict) // with a deleted one
		_, _, err = f.Token(ctx, token.Short)
		must(t, err) // a purge that fails removes nothing
		must(t, f.PurgeDatabase(ctx, own.ID))
		must(t, f.PurgeEntity(ctx, e.ID))

		_, _, err = f.Token(ctx, token.Short)
		refused(t, err, fault.NotFound)
		access, err := f.Grant(ctx, shared.ID, e.ID)
		must(t, err)
		same(t, access, catalog.NoAccess)
		_, err = f.UndeleteEntity(ctx, "purged", time.Time{})
		refused(t, err, fault.NotFound)
		f.newEntity(t, "purged") // is free again
	}},
}
