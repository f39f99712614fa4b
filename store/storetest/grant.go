package storetest

import (
	"context"
	"fmt"
	"testing"

	"ayb/catalog"
	"ayb/fault"
)

var grantTests = []test{
	{"the_level_last_set_holds", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		d := f.newDatabase(t, f.newEntity(t, "lender"), "x")
		friend := f.newEntity(t, "friend")
		for _, access := range []catalog.Access{
			catalog.NoAccess, catalog.ReadOnly, catalog.ReadWrite, catalog.Manager, catalog.ReadOnly, catalog.NoAccess,
		} {
			must(t, f.SetGrant(ctx, d.ID, friend.ID, access))
			for range 2 { // read, then cached
				got, err := f.Grant(ctx, d.ID, friend.ID)
				must(t, err)
				same(t, got, access)
			}
		}
	}},
	{"a_grant_to_or_on_the_unknown_is_refused", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "careful")
		d := f.newDatabase(t, owner, "x")
		refused(t, f.SetGrant(ctx, d.ID, f.newID(), catalog.ReadOnly), fault.NotFound)
		refused(t, f.SetGrant(ctx, f.newID(), owner.ID, catalog.ReadOnly), fault.NotFound)
		must(t, f.SetGrant(ctx, f.newID(), owner.ID, catalog.NoAccess)) // nothing to take away
	}},
	{"grants_are_listed_in_the_order_they_were_given", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		d := f.newDatabase(t, f.newEntity(t, "generous"), "x")
		var want []catalog.Grant
		for i := range 7 { // the clock stands still meanwhile
			e := f.newEntity(t, fmt.Sprintf("guest-%d", 7-i))
			must(t, f.SetGrant(ctx, d.ID, e.ID, catalog.ReadOnly))
			want = append(want, catalog.Grant{Entity: e.ID, Slug: e.Slug, Access: catalog.ReadOnly, Granted: f.stored(f.clock.Now())})
		}
		must(t, f.SetGrant(ctx, d.ID, want[2].Entity, catalog.Manager)) // keeps its place
		want[2].Access = catalog.Manager
		must(t, f.SetGrant(ctx, d.ID, want[0].Entity, catalog.NoAccess)) // loses it
		must(t, f.SetGrant(ctx, d.ID, want[0].Entity, catalog.ReadOnly))
		want = append(want[1:], want[0])
		must(t, f.DeleteEntity(ctx, want[3].Entity, f.clock.Now())) // is not shown
		want = append(want[:3], want[4:]...)
		same(t, collect(t, 2, func(p catalog.Page) (catalog.List[catalog.Grant], error) {
			return f.Grants(ctx, d.ID, p)
		}), want)
	}},
	{"shared_shows_what_can_be_reached_newest_first", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner, leaving, friend := f.newEntity(t, "sharer"), f.newEntity(t, "leaver"), f.newEntity(t, "sharee")
		var want []catalog.Share
		for i, who := range []catalog.Entity{owner, leaving, owner, owner, owner} {
			d := f.newDatabase(t, who, fmt.Sprintf("db-%d", i))
			must(t, f.SetGrant(ctx, d.ID, friend.ID, catalog.ReadWrite))
			want = append([]catalog.Share{{Database: d, Access: catalog.ReadWrite}}, want...)
		}
		list := func(p catalog.Page) (catalog.List[catalog.Share], error) { return f.Shared(ctx, friend.ID, p) }
		same(t, collect(t, 2, list), want)
		must(t, f.DeleteEntity(ctx, leaving.ID, f.clock.Now()))
		want = append(want[:3], want[4:]...)
		must(t, f.DeleteDatabase(ctx, want[0].Database.ID, f.clock.Now()))
		want = want[1:]
		must(t, f.SetGrant(ctx, want[0].Database.ID, friend.ID, catalog.NoAccess))
		want = want[1:]
		same(t, collect(t, 1, list), want)
	}},
}
