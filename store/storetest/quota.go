package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

var quotaTests = []test{
	{"a_quota_shows_at_once_wherever_it_is_looked_up", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "measured")
		d := f.newDatabase(t, e, "db")
		quotas := []catalog.Quota{{}, {Bytes: 10 << 40, DatabaseBytes: catalog.NoLimit, Databases: 3}, {Databases: catalog.NoLimit}, {DatabaseBytes: 1}, {}}
		for _, q := range quotas {
			must(t, f.SetQuota(ctx, e.ID, q))
			e.Quota = q
			got, err := f.Entity(ctx, e.Slug)
			must(t, err)
			same(t, got, e)
			got, err = f.EntityByID(ctx, e.ID)
			must(t, err)
			same(t, got, e)
		}
		for _, limit := range []catalog.Limit{5 << 30, catalog.NoLimit, catalog.ByDefault} {
			must(t, f.SetLimit(ctx, d.ID, limit))
			d.Limit = limit
			got, err := f.Database(ctx, e.ID, "db")
			must(t, err)
			same(t, got, d)
		}
	}},
	{"nonsense_and_what_is_gone_are_refused", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "refusing")
		d := f.newDatabase(t, e, "db")
		refused(t, f.SetQuota(ctx, e.ID, catalog.Quota{Bytes: -2}), fault.Invalid)
		refused(t, f.SetLimit(ctx, d.ID, -2), fault.Invalid)
		refused(t, f.SetQuota(ctx, f.newID(), catalog.Quota{}), fault.NotFound)
		refused(t, f.SetLimit(ctx, f.newID(), 1), fault.NotFound)
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		refused(t, f.SetLimit(ctx, d.ID, 1), fault.NotFound)
	}},
	{"the_number_of_databases_is_that_of_those_who_live", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owners := []catalog.Entity{f.newEntity(t, "first"), f.newEntity(t, "second")}
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				slug := catalog.Slug(fmt.Sprintf("db%d", i%2)) // some meet one another
				for range 40 {
					from, to := owners[random.IntN(2)], owners[random.IntN(2)]
					d, err := f.Database(ctx, from.ID, slug)
					if err != nil {
						id := f.newID()
						if random.IntN(2) == 0 {
							err = f.CreateDatabase(ctx, catalog.Database{ID: id, Owner: from.ID, Slug: slug, Version: id})
						} else {
							_, err = f.UndeleteDatabase(ctx, from.ID, slug, time.Time{})
						}
					} else if random.IntN(2) == 0 {
						err = f.DeleteDatabase(ctx, d.ID, f.clock.Now())
					} else {
						err = f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Version: f.newID(), Owner: to.ID})
					}
					if kind := fault.KindOf(err); err != nil && kind != fault.Exists && kind != fault.NotFound && kind != fault.Conflict {
						t.Errorf("%v", err)
					}
				}
			})
		}
		all.Wait()
		for _, e := range owners {
			list, err := f.Databases(ctx, e.ID, store.DatabaseFilter{All: true}, catalog.Page{})
			must(t, err)
			n, err := f.CountDatabases(ctx, e.ID)
			must(t, err)
			if n != int64(len(list.Items)) {
				t.Errorf("%s is told to have %d databases, and has %d", e.Slug, n, len(list.Items))
			}
		}
	}},
	{"an_entity_has_no_more_databases_than_it_may", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e, other := f.newEntity(t, "collector"), f.newEntity(t, "giver")
		create := func() error {
			id := f.newID()
			return f.CreateDatabase(ctx, catalog.Database{ID: id, Owner: e.ID, Slug: catalog.Slug(id.String()), Version: f.newID()})
		}
		must(t, create())
		must(t, f.SetQuota(ctx, e.ID, catalog.Quota{Databases: 2}))
		gone := f.newDatabase(t, e, "gone")
		refused(t, create(), fault.TooLarge)
		must(t, f.DeleteDatabase(ctx, gone.ID, f.clock.Now()))
		must(t, create()) // a deleted one doesn't count
		_, err := f.UndeleteDatabase(ctx, e.ID, "gone", time.Time{})
		refused(t, err, fault.TooLarge)
		gift := f.newDatabase(t, other, "gift")
		refused(t, f.MoveDatabase(ctx, gift.ID, store.Move{From: gift.Version, Owner: e.ID, Version: f.newID()}), fault.TooLarge)
		must(t, f.SetQuota(ctx, e.ID, catalog.Quota{Databases: 3}))
		_, err = f.UndeleteDatabase(ctx, e.ID, "gone", time.Time{})
		must(t, err)
		version := f.newID()
		must(t, f.MoveDatabase(ctx, gone.ID, store.Move{From: gone.Version, Owner: e.ID, Version: version})) // it stays with its owner
		must(t, f.SetQuota(ctx, e.ID, catalog.Quota{}))
		must(t, f.MoveDatabase(ctx, gift.ID, store.Move{From: gift.Version, Owner: e.ID, Version: f.newID()}))
	}},
	{"what_is_configured_holds_unless_a_quota_says_otherwise", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		s := f.open(t, &store.Options{Databases: 1})
		e := f.newEntity(t, "configured")
		create := func(name string) error {
			return s.CreateDatabase(ctx, catalog.Database{ID: f.newID(), Owner: e.ID, Slug: catalog.Slug(name), Version: f.newID()})
		}
		must(t, create("one"))
		refused(t, create("two"), fault.TooLarge)
		must(t, f.SetQuota(ctx, e.ID, catalog.Quota{Databases: catalog.NoLimit}))
		must(t, create("two"))
		must(t, create("three"))
	}},
	{"of_many_at_once_no_more_are_made_than_may_be", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		stores := []*store.Store{f.Store, f.open(t, nil)}
		e := f.newEntity(t, "hurried")
		must(t, f.SetQuota(ctx, e.ID, catalog.Quota{Databases: 3}))
		var made atomic.Int64
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				err := stores[i%2].CreateDatabase(ctx, catalog.Database{ID: f.newID(), Owner: e.ID, Slug: catalog.Slug(fmt.Sprintf("d%d", i)), Version: f.newID()})
				switch {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, fault.TooLarge):
					t.Error(err)
				}
			})
		}
		all.Wait()
		same(t, made.Load(), int64(3))
	}},
}
