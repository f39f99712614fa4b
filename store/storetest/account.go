package storetest

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

// confirmation returns what confirms an account of that name and address, by an
// e-mail token of its own.
func (f *fixture) confirmation(name, email string) store.Confirmation {
	short := rand.Text()[:11]
	return store.Confirmation{
		UsedToken: hashOf(rand.Text()[:20]), KeepUntil: f.clock.Now().Add(time.Hour),
		Entity: catalog.Entity{ID: f.newID(), Slug: catalog.Slug(name), Created: f.stored(f.clock.Now())}, Email: email,
		Token: catalog.Token{Short: short, Created: f.stored(f.clock.Now())}, TokenHash: hashOf(short),
	}
}

// leftNothing fails the test if anything of a confirmation was kept.
func (f *fixture) leftNothing(t *testing.T, c store.Confirmation) {
	t.Helper()
	ctx := context.Background()
	_, err := f.EntityByID(ctx, c.Entity.ID)
	refused(t, err, fault.NotFound)
	_, _, err = f.Token(ctx, c.Token.Short)
	refused(t, err, fault.NotFound)
}

var accountTests = []test{
	{"a_confirmation_makes_entity_address_and_token", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		c := f.confirmation("Made", "made@example.org")
		c.Entity.Kind = catalog.Organization
		want := c.Entity
		want.Slug = "made"
		got, err := f.Confirm(ctx, c)
		must(t, err)
		same(t, got, want)
		account, err := f.Account(ctx, "mADE")
		must(t, err)
		same(t, account, store.Account{Entity: want, Emails: []string{"made@example.org"}})
		holder, err := f.EmailHolder(ctx, "made@example.org")
		must(t, err)
		same(t, holder, want)
		token, hash, err := f.Token(ctx, c.Token.Short)
		must(t, err)
		c.Token.Entity = want.ID
		same(t, token, c.Token)
		same(t, hash, c.TokenHash)
	}},
	{"a_second_one_is_a_log_in", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		first, err := f.Confirm(ctx, f.confirmation("again", "again@example.org"))
		must(t, err)
		c := f.confirmation("again", "again@example.org")
		got, err := f.Confirm(ctx, c)
		must(t, err)
		same(t, got, first)
		token, _, err := f.Token(ctx, c.Token.Short)
		must(t, err)
		same(t, token.Entity, first.ID)
	}},
	{"an_email_token_works_once", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		c := f.confirmation("once", "once@example.org")
		_, err := f.Confirm(ctx, c)
		must(t, err)
		again := f.confirmation("once", "once@example.org")
		again.UsedToken = c.UsedToken
		for _, s := range []*store.Store{f.Store, f.open(t, nil)} {
			_, err = s.Confirm(ctx, again)
			refused(t, err, fault.Unauthenticated)
			f.leftNothing(t, again)
		}
	}},
	{"a_name_or_an_address_of_somebody_else_leaves_nothing", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		_, err := f.Confirm(ctx, f.confirmation("holder", "holder@example.org"))
		must(t, err)
		f.newEntity(t, "without-address")
		for _, c := range []store.Confirmation{
			f.confirmation("holder", "other@example.org"), // the name
			f.confirmation("other", "holder@example.org"), // the address
			f.confirmation("without-address", "other@example.org"),
		} {
			_, err := f.Confirm(ctx, c)
			refused(t, err, fault.Exists)
			f.leftNothing(t, c)
			c.Entity.Slug, c.Email = "free-"+c.Entity.Slug, "free-"+string(c.Entity.Slug)+c.Email
			_, err = f.Confirm(ctx, c) // not even its e-mail token is used up
			must(t, err)
		}
		_, err = f.EmailHolder(ctx, "other@example.org")
		refused(t, err, fault.NotFound)
		_, err = f.Account(ctx, "other")
		refused(t, err, fault.NotFound)
	}},
	{"a_step_that_fails_undoes_those_before_it", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		taken := f.newToken(t, f.newEntity(t, "bearer-of-short"), catalog.Scope{})
		c := f.confirmation("half", "half@example.org")
		c.Token.Short = taken.Short // the last step
		_, err := f.Confirm(ctx, c)
		if err == nil {
			t.Fatal("two tokens have one short half")
		}
		_, err = f.Account(ctx, "half")
		refused(t, err, fault.NotFound)
		_, err = f.EmailHolder(ctx, "half@example.org")
		refused(t, err, fault.NotFound)
		c.Token.Short = rand.Text()[:11]
		_, err = f.Confirm(ctx, c)
		must(t, err)
	}},
	{"a_deleted_account_keeps_name_and_address_until_it_is_purged", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e, err := f.Confirm(ctx, f.confirmation("leaving", "leaving@example.org"))
		must(t, err)
		must(t, f.DeleteEntity(ctx, e.ID, f.clock.Now()))
		account, err := f.Account(ctx, "leaving")
		must(t, err)
		same(t, account.Deleted.IsZero() || account.HasEmail("leaving@example.org"), false)
		holder, err := f.EmailHolder(ctx, "leaving@example.org")
		must(t, err)
		same(t, holder.ID, e.ID)
		for _, name := range []string{"leaving", "leaving-2"} {
			_, err := f.Confirm(ctx, f.confirmation(name, "leaving@example.org"))
			refused(t, err, fault.Exists)
		}
		must(t, f.PurgeEntity(ctx, e.ID))
		_, err = f.EmailHolder(ctx, "leaving@example.org")
		refused(t, err, fault.NotFound)
		_, err = f.Confirm(ctx, f.confirmation("leaving", "leaving@example.org"))
		must(t, err)
	}},
	{"names_and_addresses_of_full_length_fit", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		_, err := f.Confirm(ctx, f.confirmation(strings.Repeat("n", 128), strings.Repeat("a", 240)+"@example.org"))
		must(t, err)
		_, err = f.Confirm(ctx, f.confirmation("too-long", strings.Repeat("a", 250)+"@example.org"))
		refused(t, err, fault.Invalid)
	}},
	{"used_tokens_are_forgotten_in_time_and_not_before", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		c := f.confirmation("forgetful", "forgetful@example.org")
		_, err := f.Confirm(ctx, c)
		must(t, err)
		_, err = f.ForgetUsedTokens(ctx, c.KeepUntil)
		must(t, err)
		c.Token.Short = rand.Text()[:11]
		_, err = f.Confirm(ctx, c)
		refused(t, err, fault.Unauthenticated)
		removed, err := f.ForgetUsedTokens(ctx, c.KeepUntil.Add(time.Second))
		must(t, err)
		same(t, removed > 0, true)
		_, err = f.Confirm(ctx, c)
		must(t, err)
	}},
	{"of_those_who_confirm_at_once", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		stores := []*store.Store{f.Store, f.open(t, nil)}
		for round := range 5 {
			name := "raced-" + string(rune('a'+round))
			one := f.confirmation(name, name+"@example.org")
			t.Run("with_one_token_one_wins", func(t *testing.T) {
				oneWins(t, fault.Unauthenticated, func(i int) error {
					c := f.confirmation(name, name+"@example.org")
					c.UsedToken = one.UsedToken
					_, err := stores[i%2].Confirm(ctx, c)
					return err
				})
			})
			t.Run("with_one_address_for_several_names_one_wins", func(t *testing.T) {
				oneWins(t, fault.Exists, func(i int) error {
					_, err := stores[i%2].Confirm(ctx, f.confirmation(name+string(rune('0'+i)), name+"-2@example.org"))
					return err
				})
			})
			t.Run("with_several_addresses_for_one_name_one_wins", func(t *testing.T) {
				oneWins(t, fault.Exists, func(i int) error {
					_, err := stores[i%2].Confirm(ctx, f.confirmation(name+"-3", name+string(rune('0'+i))+"@example.net"))
					return err
				})
			})
			t.Run("one_account_by_several_tokens_all_get_the_same", func(t *testing.T) { f.confirmOneAccount(t, stores, name+"-4") })
		}
	}},
}

// confirmOneAccount sends several e-mail tokens for one account at once.
func (f *fixture) confirmOneAccount(t *testing.T, stores []*store.Store, name string) {
	entities := make([]catalog.Entity, 8)
	var all sync.WaitGroup
	for i := range entities {
		all.Go(func() {
			var err error
			if entities[i], err = stores[i%2].Confirm(context.Background(), f.confirmation(name, name+"@example.org")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, e := range entities {
		same(t, e, entities[0])
	}
}
