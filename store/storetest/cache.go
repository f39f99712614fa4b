package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

var cacheTests = []test{
	{"what_is_cached_agrees_with_the_database", func(t *testing.T, f *fixture) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		w := &walk{fixture: f, t: t, random: rand.New(rand.NewPCG(seed, 0)), plain: f.open(t, &store.Options{CacheTTL: -1})}
		for i := range 3 {
			w.entities = append(w.entities, f.newEntity(t, fmt.Sprintf("walker-%d", i)))
		}
		for range 6 {
			w.databases = append(w.databases, f.newDatabase(t, w.entities[0], fmt.Sprintf("d%d", len(w.databases))))
			w.tokens = append(w.tokens, f.newToken(t, w.entities[len(w.tokens)%3], catalog.Scope{}))
		}
		for range 100 {
			w.compare()
			w.step()
		}
	}},
	{"a_lookup_under_way_does_not_bring_back_what_was_changed", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "name-0")
		done := make(chan struct{})
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for i := 0; ; i = (i + 1) % 60 {
					select {
					case <-done:
						return
					default:
						_, _ = f.Entity(ctx, catalog.Slug(fmt.Sprintf("name-%d", i)))
						_, _ = f.EntityByID(ctx, e.ID)
					}
				}
			})
		}
		for i := range 60 {
			old, now := catalog.Slug(fmt.Sprintf("name-%d", i)), catalog.Slug(fmt.Sprintf("name-%d", i+1))
			must(t, f.RenameEntity(ctx, e.ID, now))
			_, err := f.Entity(ctx, old)
			refused(t, err, fault.NotFound)
			got, err := f.EntityByID(ctx, e.ID)
			must(t, err)
			same(t, got.Slug, now)
		}
		close(done)
		readers.Wait()
	}},
	{"another_store_sees_a_revocation_within_the_ttl", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "two-stores")
		token := f.newToken(t, e, catalog.Scope{})
		other := f.open(t, &store.Options{CacheTTL: 5 * time.Second})
		_, _, err := other.Token(ctx, token.Short)
		must(t, err)
		f.clock.advance(2 * time.Second)
		must(t, f.RevokeToken(ctx, e.ID, token.Short, f.clock.Now()))
		got, _, err := other.Token(ctx, token.Short)
		must(t, err)
		same(t, got.Revoked.IsZero(), true) // the test would prove nothing without a stale row
		f.clock.advance(3 * time.Second)
		got, _, err = other.Token(ctx, token.Short)
		must(t, err)
		same(t, got.Revoked.IsZero(), false)
	}},
	{"a_store_without_cache_sees_everything_at_once", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		d := f.newDatabase(t, f.newEntity(t, "uncached"), "x")
		other := f.open(t, &store.Options{CacheTTL: -1})
		for _, level := range []catalog.PublicLevel{catalog.PublicFork, catalog.PublicReadOnly, catalog.PublicNoAccess} {
			must(t, f.SetPublic(ctx, d.ID, level))
			got, err := other.Database(ctx, d.Owner, "x")
			must(t, err)
			same(t, got.Public, level)
		}
	}},
	{"a_database_by_id_is_read_past_the_cache", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		d := f.newDatabase(t, f.newEntity(t, "past"), "old")
		other := f.open(t, &store.Options{CacheTTL: 5 * time.Second})
		_, err := other.Database(ctx, d.Owner, "old")
		must(t, err)
		version := f.newID()
		must(t, f.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: d.Owner, Version: version}))
		must(t, f.RenameDatabase(ctx, d.ID, "new"))
		got, err := other.DatabaseByID(ctx, d.ID)
		must(t, err)
		same(t, got.Version, version)
		_, err = other.Database(ctx, d.Owner, "old") // no longer cached
		refused(t, err, fault.NotFound)
	}},
}

// A walk makes random changes through a store with a cache and compares what it
// answers with what one without answers.
type walk struct {
	*fixture
	t         *testing.T
	random    *rand.Rand
	plain     *store.Store
	entities  []catalog.Entity
	databases []catalog.Database
	tokens    []catalog.Token
}

func (w *walk) entity() catalog.ID   { return w.entities[w.random.IntN(len(w.entities))].ID }
func (w *walk) database() catalog.ID { return w.databases[w.random.IntN(len(w.databases))].ID }
func (w *walk) token() catalog.Token { return w.tokens[w.random.IntN(len(w.tokens))] }
func (w *walk) entitySlug() catalog.Slug {
	return catalog.Slug(fmt.Sprintf("walker-%d", w.random.IntN(4)))
}
func (w *walk) role() catalog.Role { return catalog.Role(w.random.IntN(4)) }
func (w *walk) slug() catalog.Slug { return catalog.Slug(fmt.Sprintf("d%d", w.random.IntN(8))) }

// step makes one change. Most are possible, and those that are not are refused
// in a way that other tests look at.
func (w *walk) step() {
	ctx, now := context.Background(), w.clock.advance(time.Minute)
	steps := []func() error{
		func() error { return w.RenameEntity(ctx, w.entity(), w.entitySlug()) },
		func() error { return w.SetProfile(ctx, w.entity(), catalog.Profile{Location: now.String()[:19]}) },
		func() error { return w.DeleteEntity(ctx, w.entity(), now) },
		func() error { _, err := w.UndeleteEntity(ctx, w.entitySlug(), time.Time{}); return err },
		func() error { _, err := w.UndeleteEntity(ctx, w.entitySlug(), time.Time{}); return err },
		func() error { return w.RenameDatabase(ctx, w.database(), w.slug()) },
		func() error { return w.SetPublic(ctx, w.database(), catalog.PublicLevel(w.random.IntN(3))) },
		func() error { return w.SetAnonymousQueries(ctx, w.database(), w.random.IntN(2) == 0) },
		func() error { return w.MarkWritten(ctx, w.database(), w.newID()) },
		func() error { return w.SetLimit(ctx, w.database(), catalog.Limit(w.random.IntN(3)-1)) },
		func() error {
			return w.SetQuota(ctx, w.entity(), catalog.Quota{Bytes: catalog.Limit(w.random.IntN(3) - 1)})
		},
		func() error { return w.DeleteDatabase(ctx, w.database(), now) },
		func() error { _, err := w.UndeleteDatabase(ctx, w.entity(), w.slug(), time.Time{}); return err },
		func() error { _, err := w.UndeleteDatabase(ctx, w.entity(), w.slug(), time.Time{}); return err },
		func() error {
			d, err := w.plain.DatabaseByID(ctx, w.database())
			if err != nil {
				return err
			}
			return w.MoveDatabase(ctx, d.ID, store.Move{From: d.Version, Owner: w.entity(), Version: w.newID()})
		},
		func() error { return w.SetGrant(ctx, w.database(), w.entity(), catalog.Access(w.random.IntN(4))) },
		func() error { return w.SetGrant(ctx, w.database(), w.entity(), catalog.Access(w.random.IntN(4))) },
		func() error { return w.ChangeMember(ctx, w.entity(), w.entity(), w.role(), w.role()) },
		func() error { return w.ChangeMember(ctx, w.entity(), w.entity(), catalog.NoRole, w.role()) },
		func() error { return w.TouchToken(ctx, w.token().Short, now) },
		func() error {
			if w.random.IntN(10) > 0 {
				return nil
			}
			token := w.token()
			return w.RevokeToken(ctx, token.Entity, token.Short, now)
		},
	}
	err := steps[w.random.IntN(len(steps))]()
	switch fault.KindOf(err) {
	case "", fault.NotFound, fault.Exists, fault.Conflict:
	default:
		w.t.Fatalf("a step failed: %v", err)
	}
}

// compare looks everything up in both stores.
func (w *walk) compare() {
	w.t.Helper()
	ctx := context.Background()
	for i, e := range w.entities {
		agree(w.t, w.Store, w.plain, func(s *store.Store) (any, error) { return s.EntityByID(ctx, e.ID) })
		slug := catalog.Slug(fmt.Sprintf("walker-%d", i))
		agree(w.t, w.Store, w.plain, func(s *store.Store) (any, error) { return s.Entity(ctx, slug) })
		for j := range 8 {
			agree(w.t, w.Store, w.plain, func(s *store.Store) (any, error) {
				return s.Database(ctx, e.ID, catalog.Slug(fmt.Sprintf("d%d", j)))
			})
		}
		for _, o := range w.entities {
			agree(w.t, w.Store, w.plain, func(s *store.Store) (any, error) { return s.Role(ctx, o.ID, e.ID) })
		}
		for _, d := range w.databases {
			agree(w.t, w.Store, w.plain, func(s *store.Store) (any, error) { return s.Grant(ctx, d.ID, e.ID) })
		}
	}
	for _, token := range w.tokens {
		agree(w.t, w.Store, w.plain, func(s *store.Store) (any, error) {
			got, _, err := s.Token(ctx, token.Short)
			return got, err
		})
	}
}

func agree(t *testing.T, cached, plain *store.Store, lookup func(*store.Store) (any, error)) {
	t.Helper()
	got, err := lookup(cached)
	want, wantErr := lookup(plain)
	same(t, got, want)
	same(t, fault.KindOf(err), fault.KindOf(wantErr))
}
