package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

var tokenTests = []test{
	{"what_was_stored_comes_back", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "bearer")
		d := f.newDatabase(t, e, "x")
		want := catalog.Token{
			Short: "eV2jD7PJvzU", Entity: e.ID, AppName: "Über app",
			Scope:   catalog.Scope{Database: d.ID, Access: catalog.ReadWrite},
			Created: f.stored(f.clock.Now()), Expires: f.stored(f.clock.Now().Add(time.Hour)),
		}
		must(t, f.CreateToken(ctx, want, hashOf(want.Short)))
		for range 2 { // read, then cached
			got, hash, err := f.Token(ctx, want.Short)
			must(t, err)
			same(t, got, want)
			same(t, hash, hashOf(want.Short))
		}
		refused(t, f.CreateToken(ctx, want, hashOf("other")), fault.Exists)
	}},
	{"short_halves_differ_by_case", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "case-bearer")
		for _, short := range []string{"aBc", "AbC"} {
			must(t, f.CreateToken(ctx, catalog.Token{Short: short, Entity: e.ID}, hashOf(short)))
		}
		_, hash, err := f.Token(ctx, "AbC")
		must(t, err)
		same(t, hash, hashOf("AbC"))
		_, _, err = f.Token(ctx, "abc")
		refused(t, err, fault.NotFound)
	}},
	{"a_token_for_or_of_the_unknown_is_refused", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "no-bearer")
		refused(t, f.CreateToken(ctx, catalog.Token{Short: "a1", Entity: f.newID()}, hashOf("a1")), fault.NotFound)
		refused(t, f.CreateToken(ctx, catalog.Token{Short: "a1", Entity: e.ID, Scope: catalog.Scope{Database: f.newID()}}, hashOf("a1")), fault.NotFound)
		_, _, err := f.Token(ctx, "a1")
		refused(t, err, fault.NotFound)
	}},
	{"a_hash_of_the_wrong_length_is_invalid", func(t *testing.T, f *fixture) {
		e := f.newEntity(t, "bad-bearer")
		refused(t, f.CreateToken(context.Background(), catalog.Token{Short: "a2", Entity: e.ID}, "secret"), fault.Invalid)
	}},
	{"a_revoked_token_comes_back_revoked", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e, other := f.newEntity(t, "revoker"), f.newEntity(t, "stranger")
		token := f.newToken(t, e, catalog.Scope{})
		_, _, err := f.Token(ctx, token.Short)
		must(t, err)
		refused(t, f.RevokeToken(ctx, other.ID, token.Short, f.clock.Now()), fault.NotFound)
		refused(t, f.RevokeToken(ctx, e.ID, "unknown", f.clock.Now()), fault.NotFound)
		token.Revoked = f.stored(f.clock.advance(time.Second))
		must(t, f.RevokeToken(ctx, e.ID, token.Short, token.Revoked))
		got, _, err := f.Token(ctx, token.Short)
		must(t, err)
		same(t, got, token)
		refused(t, f.RevokeToken(ctx, e.ID, token.Short, f.clock.Now()), fault.NotFound)
	}},
	{"a_use_is_recorded_once_an_hour", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		token := f.newToken(t, f.newEntity(t, "user-of-token"), catalog.Scope{})
		used := func() time.Time {
			got, _, err := f.Token(ctx, token.Short)
			must(t, err)
			return got.Used
		}
		same(t, used(), time.Time{})
		first := f.stored(f.clock.Now())
		must(t, f.TouchToken(ctx, token.Short, first))
		same(t, used(), first)
		for _, later := range []time.Duration{-time.Minute, time.Minute, time.Hour - time.Microsecond} {
			must(t, f.TouchToken(ctx, token.Short, first.Add(later)))
			same(t, used(), first)
		}
		must(t, f.TouchToken(ctx, token.Short, first.Add(time.Hour)))
		same(t, used(), first.Add(time.Hour))
		must(t, f.TouchToken(ctx, "unknown", first))
	}},
	{"a_list_shows_live_tokens_newest_first", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "lister")
		d := f.newDatabase(t, e, "x")
		var want []catalog.Token
		for range 5 { // the clock stands still meanwhile
			want = append([]catalog.Token{f.newToken(t, e, catalog.Scope{Database: d.ID})}, want...)
		}
		f.newToken(t, f.newEntity(t, "lister-2"), catalog.Scope{})
		must(t, f.RevokeToken(ctx, e.ID, want[1].Short, f.clock.Now()))
		want = append(want[:1], want[2:]...)
		now := f.clock.Now()
		for i, expires := range []time.Time{now.Add(-time.Second), now, now.Add(time.Microsecond)} {
			token := catalog.Token{Short: string(rune('p' + i)), Entity: e.ID, Created: f.stored(now), Expires: f.stored(expires)}
			must(t, f.CreateToken(ctx, token, hashOf(token.Short)))
			if expires.After(now) {
				want = append([]catalog.Token{token}, want...)
			}
		}
		same(t, collect(t, 2, func(p catalog.Page) (catalog.List[catalog.Token], error) {
			return f.Tokens(ctx, e.ID, now, p)
		}), want)
	}},
	{"an_entity_has_no_more_valid_tokens_than_it_may", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		s := f.open(t, &store.Options{Tokens: 3, TokenIdle: time.Hour})
		c := f.confirmation("hoarder", "hoarder@example.org")
		e, err := s.Confirm(ctx, c)
		must(t, err)
		create := func(short string, life time.Duration) error {
			token := catalog.Token{Short: short, Entity: e.ID, Created: f.stored(f.clock.Now())}
			if life > 0 {
				token.Expires = f.stored(f.clock.Now().Add(life))
			}
			return s.CreateToken(ctx, token, hashOf(short))
		}
		must(t, create("hoard1", 0))
		must(t, create("hoard2", time.Minute))
		refused(t, create("hoard3", 0), fault.Conflict)
		f.clock.advance(time.Minute) // and the second has expired
		must(t, create("hoard3", 0))
		must(t, s.TouchToken(ctx, c.Token.Short, f.clock.Now()))
		refused(t, create("hoard4", 0), fault.Conflict)

		revoked := func(short string) bool {
			t.Helper()
			token, _, err := s.Token(ctx, short)
			must(t, err)
			return !token.Revoked.IsZero()
		}
		revoked("hoard1") // so that it is cached
		again := f.confirmation("hoarder", "hoarder@example.org")
		_, err = s.Confirm(ctx, again)
		must(t, err)
		for short, want := range map[string]bool{c.Token.Short: false, "hoard1": true, "hoard3": false, again.Token.Short: false} {
			if revoked(short) != want {
				t.Errorf("%s is revoked: %t", short, !want)
			}
		}
		f.clock.advance(time.Hour) // and none was used for so long
		must(t, create("hoard4", 0))
		failed := 0
		stores := []*store.Store{s, f.open(t, &store.Options{Tokens: 3, TokenIdle: time.Hour})}
		errs := make(chan error, 8)
		for i := range cap(errs) {
			go func() {
				short := fmt.Sprintf("hoard-at-once%d", i)
				errs <- stores[i%2].CreateToken(ctx, catalog.Token{Short: short, Entity: e.ID, Created: f.stored(f.clock.Now())}, hashOf(short))
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				refused(t, err, fault.Conflict)
				failed++
			}
		}
		same(t, failed, cap(errs)-2)
	}},
}
