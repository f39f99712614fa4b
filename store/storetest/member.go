package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

func (f *fixture) newOrganization(t *testing.T, name string) catalog.Entity {
	t.Helper()
	e := catalog.Entity{ID: f.newID(), Slug: catalog.Slug(name), Kind: catalog.Organization, Created: f.stored(f.clock.Now())}
	must(t, f.CreateEntity(context.Background(), e))
	return e
}

var memberTests = []test{
	{"a_role_is_there_until_it_is_taken_away", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		org, e := f.newOrganization(t, "org"), f.newEntity(t, "one")
		role := catalog.NoRole
		for _, next := range []catalog.Role{catalog.Member, catalog.OwnerRole, catalog.OwnerRole, catalog.NoRole, catalog.Admin, catalog.NoRole, catalog.NoRole} {
			if role == catalog.OwnerRole && next != role {
				must(t, f.ChangeMember(ctx, org.ID, f.newEntity(t, "stays").ID, catalog.NoRole, catalog.OwnerRole))
			}
			must(t, f.ChangeMember(ctx, org.ID, e.ID, role, next))
			role = next
			for range 2 { // read, then cached
				got, err := f.Role(ctx, org.ID, e.ID)
				must(t, err)
				same(t, got, role)
			}
		}
	}},
	{"a_change_of_what_is_no_longer_so_is_a_conflict", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		org, e := f.newOrganization(t, "moved-on"), f.newEntity(t, "mover")
		must(t, f.ChangeMember(ctx, org.ID, e.ID, catalog.NoRole, catalog.Member))
		for _, from := range []catalog.Role{catalog.NoRole, catalog.Admin, catalog.OwnerRole} {
			refused(t, f.ChangeMember(ctx, org.ID, e.ID, from, catalog.Admin), fault.Conflict)
			refused(t, f.ChangeMember(ctx, org.ID, e.ID, from, catalog.NoRole), fault.Conflict)
		}
		role, err := f.CurrentRole(ctx, org.ID, e.ID)
		must(t, err)
		same(t, role, catalog.Member)
	}},
	{"the_unknown_and_the_deleted_do_not_join", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		org, e := f.newOrganization(t, "closed"), f.newEntity(t, "late")
		must(t, f.DeleteEntity(ctx, e.ID, f.clock.Now()))
		for _, id := range []catalog.ID{e.ID, f.newID()} {
			refused(t, f.ChangeMember(ctx, org.ID, id, catalog.NoRole, catalog.Member), fault.NotFound)
			refused(t, f.ChangeMember(ctx, id, org.ID, catalog.NoRole, catalog.Member), fault.NotFound)
		}
	}},
	{"the_last_living_owner_stays", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		org, last, ghost := f.newOrganization(t, "owned"), f.newEntity(t, "last"), f.newEntity(t, "ghost")
		for _, e := range []catalog.Entity{last, ghost} {
			must(t, f.ChangeMember(ctx, org.ID, e.ID, catalog.NoRole, catalog.OwnerRole))
		}
		must(t, f.ChangeMember(ctx, f.newOrganization(t, "elsewhere").ID, f.newEntity(t, "owner-elsewhere").ID, catalog.NoRole, catalog.OwnerRole))
		must(t, f.DeleteEntity(ctx, ghost.ID, f.clock.Now()))
		for to := catalog.NoRole; to < catalog.OwnerRole; to++ {
			refused(t, f.ChangeMember(ctx, org.ID, last.ID, catalog.OwnerRole, to), fault.Conflict)
		}
		_, err := f.UndeleteEntity(ctx, ghost.Slug, time.Time{})
		must(t, err)
		must(t, f.ChangeMember(ctx, org.ID, last.ID, catalog.OwnerRole, catalog.Admin))
	}},
	{"lists_are_in_the_order_of_joining_and_show_the_living", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		org := f.newOrganization(t, "listed")
		var want []catalog.Membership
		for i := range 7 { // the clock stands still meanwhile
			e := f.newEntity(t, fmt.Sprintf("listed-%d", 6-i))
			must(t, f.ChangeMember(ctx, org.ID, e.ID, catalog.NoRole, catalog.Member))
			want = append(want, catalog.Membership{
				Organization: org.ID, OrganizationSlug: org.Slug, Entity: e.ID, EntitySlug: e.Slug,
				Role: catalog.Member, Joined: f.stored(f.clock.Now()),
			})
		}
		f.clock.advance(time.Hour)
		must(t, f.ChangeMember(ctx, org.ID, want[2].Entity, catalog.Member, catalog.Admin)) // keeps its place
		want[2].Role = catalog.Admin
		must(t, f.DeleteEntity(ctx, want[4].Entity, f.clock.Now()))
		want = append(want[:4], want[5:]...)
		list := func() []catalog.Membership {
			return collect(t, 2, func(p catalog.Page) (catalog.List[catalog.Membership], error) { return f.Members(ctx, org.ID, p) })
		}
		same(t, list(), want)

		second := f.newOrganization(t, "a-listed")
		must(t, f.ChangeMember(ctx, second.ID, want[0].Entity, catalog.NoRole, catalog.OwnerRole))
		memberships := func() (slugs []catalog.Slug) {
			for _, m := range collect(t, 1, func(p catalog.Page) (catalog.List[catalog.Membership], error) {
				return f.Memberships(ctx, want[0].Entity, p)
			}) {
				slugs = append(slugs, m.OrganizationSlug)
			}
			return slugs
		}
		same(t, memberships(), []catalog.Slug{"listed", "a-listed"})
		must(t, f.DeleteEntity(ctx, org.ID, f.clock.Now()))
		same(t, memberships(), []catalog.Slug{"a-listed"})
		_, err := f.Members(ctx, org.ID, catalog.Page{After: "x"})
		refused(t, err, fault.Invalid)
		_, err = f.Memberships(ctx, org.ID, catalog.Page{After: "x"})
		refused(t, err, fault.Invalid)
	}},
	{"a_purge_ends_memberships_on_either_side", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		org, e, other := f.newOrganization(t, "purged-org"), f.newEntity(t, "purged-member"), f.newEntity(t, "purged-not")
		for _, id := range []catalog.ID{e.ID, other.ID} {
			must(t, f.ChangeMember(ctx, org.ID, id, catalog.NoRole, catalog.Member))
		}
		for _, id := range []catalog.ID{e.ID, org.ID} {
			must(t, f.DeleteEntity(ctx, id, f.clock.Now()))
			must(t, f.PurgeEntity(ctx, id))
		}
		for _, id := range []catalog.ID{e.ID, other.ID} {
			role, err := f.Role(ctx, org.ID, id)
			must(t, err)
			same(t, role, catalog.NoRole)
		}
	}},
	{"owners_who_dismiss_each_other_at_once_leave_one", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		stores := []*store.Store{f.Store, f.open(t, nil)}
		for round := range 5 {
			org := f.newOrganization(t, fmt.Sprintf("contested-%d", round))
			var owners []catalog.Entity
			for i := range 8 {
				owners = append(owners, f.newEntity(t, fmt.Sprintf("contested-%d-%d", round, i)))
				must(t, f.ChangeMember(ctx, org.ID, owners[i].ID, catalog.NoRole, catalog.OwnerRole))
			}
			errs := make([]error, len(owners))
			var all sync.WaitGroup
			for i, owner := range owners {
				all.Go(func() { errs[i] = stores[i%2].ChangeMember(ctx, org.ID, owner.ID, catalog.OwnerRole, catalog.NoRole) })
			}
			all.Wait()
			stayed := 0
			for _, err := range errs {
				if err != nil {
					refused(t, err, fault.Conflict)
					stayed++
				}
			}
			same(t, stayed, 1)
		}
	}},
	{"another_store_sees_a_dismissal_within_the_ttl", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		org, e := f.newOrganization(t, "two-stores"), f.newEntity(t, "dismissed")
		must(t, f.ChangeMember(ctx, org.ID, e.ID, catalog.NoRole, catalog.Admin))
		other := f.open(t, &store.Options{CacheTTL: 5 * time.Second})
		role := func() catalog.Role {
			role, err := other.Role(ctx, org.ID, e.ID)
			must(t, err)
			return role
		}
		same(t, role(), catalog.Admin)
		must(t, f.ChangeMember(ctx, org.ID, e.ID, catalog.Admin, catalog.NoRole))
		same(t, role(), catalog.Admin) // the test would prove nothing without a stale row
		f.clock.advance(5 * time.Second)
		same(t, role(), catalog.NoRole)
	}},
}
