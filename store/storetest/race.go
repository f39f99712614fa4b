package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

var raceTests = []test{
	{"of_those_who_create_one_name_at_once_one_wins", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		stores := []*store.Store{f.Store, f.open(t, nil)}
		owner := f.newEntity(t, "contested-owner")
		for round := range 5 {
			oneWins(t, fault.Exists, func(i int) error {
				return stores[i%2].CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: catalog.Slug(fmt.Sprintf("contested-%d", round))})
			})
			oneWins(t, fault.Exists, func(i int) error {
				name := fmt.Sprintf("contested-%d", round)
				if i%3 == 0 {
					name = strings.ToUpper(name)
				}
				return stores[i%2].CreateDatabase(ctx, catalog.Database{ID: f.newID(), Owner: owner.ID, Slug: catalog.Slug(name), Version: f.newID()})
			})
		}
	}},
	{"of_those_who_move_one_version_at_once_one_wins", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		stores := []*store.Store{f.Store, f.open(t, nil)}
		d := f.newDatabase(t, f.newEntity(t, "raced"), "x")
		for range 5 {
			d, err := f.DatabaseByID(ctx, d.ID)
			must(t, err)
			oneWins(t, fault.Conflict, func(i int) error {
				return stores[i%2].MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: d.Owner, Version: f.newID()})
			})
		}
	}},
	{"no_count_is_lost", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		stores := []*store.Store{f.Store, f.open(t, nil)}
		a, b := f.newID(), f.newID()
		counts := []catalog.QueryCount{
			{Minute: f.clock.Now(), Database: a, Count: 1}, {Minute: f.clock.Now(), Database: b, Count: 2},
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for range 10 {
					if err := stores[i%2].AppendAudit(ctx, nil, counts); err != nil {
						t.Error(err)
					}
					counts := []catalog.QueryCount{counts[1], counts[0]} // the other way round
					if err := stores[i%2].AppendAudit(ctx, nil, counts); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		for database, want := range map[catalog.ID]int64{a: 160, b: 320} {
			list, err := f.QueryCounts(ctx, store.AuditFilter{Database: database}, catalog.Page{})
			must(t, err)
			same(t, list.Items[0].Count, want)
		}
	}},
	{"grants_and_tokens_made_at_once_are_all_kept", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		stores := []*store.Store{f.Store, f.open(t, nil)}
		d := f.newDatabase(t, f.newEntity(t, "popular"), "x")
		var fans []catalog.Entity
		for i := range 16 {
			fans = append(fans, f.newEntity(t, fmt.Sprintf("fan-%d", i)))
		}
		var all sync.WaitGroup
		for i, fan := range fans {
			all.Go(func() {
				short := fmt.Sprintf("fan%d", i)
				for _, err := range []error{
					stores[i%2].SetGrant(ctx, d.ID, fan.ID, catalog.ReadOnly),
					stores[i%2].SetGrant(ctx, d.ID, fan.ID, catalog.ReadWrite),
					stores[i%2].CreateToken(ctx, catalog.Token{Short: short, Entity: d.Owner}, hashOf(short)),
				} {
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		grants := collect(t, 3, func(p catalog.Page) (catalog.List[catalog.Grant], error) { return f.Grants(ctx, d.ID, p) })
		same(t, len(grants), len(fans))
		tokens := collect(t, 3, func(p catalog.Page) (catalog.List[catalog.Token], error) {
			return f.Tokens(ctx, d.Owner, f.clock.Now(), p)
		})
		same(t, len(tokens), len(fans))
	}},
}

// oneWins runs try eight times at once: one must succeed, the others must be
// refused with that kind.
func oneWins(t *testing.T, kind fault.Kind, try func(i int) error) {
	t.Helper()
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = try(i) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			refused(t, err, kind)
		}
	}
	same(t, won, 1)
}
