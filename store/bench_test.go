package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"ayb/catalog"
)

// warm returns a store in which one of everything has been looked up, and what
// it was.
func warm(b *testing.B, ttl time.Duration) (*Store, catalog.Database, string) {
	b.Helper()
	ctx := context.Background()
	s, err := Open(ctx, "sqlite://"+b.TempDir()+"/meta.sqlite", &Options{CacheTTL: ttl})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	now := time.Now()
	e := catalog.Entity{ID: catalog.NewID(now, rand.Reader), Slug: "alice", Created: now}
	d := catalog.Database{ID: catalog.NewID(now, rand.Reader), Owner: e.ID, OwnerSlug: e.Slug, Slug: "test.sqlite", Version: catalog.NewID(now, rand.Reader), Created: now}
	t := catalog.Token{Short: "eV2jD7PJvzU", Entity: e.ID, Created: now}
	for _, err := range []error{
		s.CreateEntity(ctx, e), s.CreateDatabase(ctx, d), s.CreateToken(ctx, t, fmt.Sprintf("%064x", 1)),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	return s, d, t.Short
}

func BenchmarkStore_WarmLookup(b *testing.B) {
	for _, ttl := range []time.Duration{0, 5 * time.Second} {
		s, d, short := warm(b, ttl)
		ctx := context.Background()
		for _, lookup := range []struct {
			name string
			do   func() error
		}{
			{"entity", func() error { _, err := s.Entity(ctx, d.OwnerSlug); return err }},
			{"entity_by_id", func() error { _, err := s.EntityByID(ctx, d.Owner); return err }},
			{"database", func() error { _, err := s.Database(ctx, d.Owner, d.Slug); return err }},
			{"grant", func() error { _, err := s.Grant(ctx, d.ID, d.Owner); return err }},
			{"token", func() error { _, _, err := s.Token(ctx, short); return err }},
		} {
			b.Run(fmt.Sprintf("%s/ttl=%v", lookup.name, ttl), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := lookup.do(); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/ttl=%v/parallel", lookup.name, ttl), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := lookup.do(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkStore_Drop measures what a write pays for telling full caches.
func BenchmarkStore_Drop(b *testing.B) {
	s, d, _ := warm(b, 0)
	for i := range 2 * defaultCacheEntries {
		id := catalog.NewID(time.UnixMilli(int64(i)), rand.Reader)
		s.databases.put(s.databases.ticket(), databaseKey{id, "x"}, catalog.Database{ID: id})
		s.permissions.put(s.permissions.ticket(), grantKey{id, id}, catalog.ReadOnly)
		s.tokens.put(s.tokens.ticket(), id.String(), storedToken{})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.forgetDatabase(d.ID)
	}
}

func BenchmarkStore_ColdLookup(b *testing.B) {
	s, d, _ := warm(b, -1)
	ctx := context.Background()
	for b.Loop() {
		if _, err := s.Database(ctx, d.Owner, d.Slug); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStore_Write(b *testing.B) {
	s, d, _ := warm(b, 0)
	ctx := context.Background()
	for b.Loop() {
		if err := s.MarkWritten(ctx, d.ID, d.Version); err != nil {
			b.Fatal(err)
		}
	}
}
