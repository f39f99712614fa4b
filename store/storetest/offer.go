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

// roomy are bounds that a test of something else does not reach.
var roomy = store.OfferBounds{Made: 100, Received: 100}

// newOffer returns an offer of a database for a week.
func (f *fixture) newOffer(d catalog.Database, to catalog.Entity) catalog.Offer {
	now := f.stored(f.clock.Now())
	return catalog.Offer{Database: d, To: to.ID, ToSlug: to.Slug, Offered: now, Expires: now.Add(7 * 24 * time.Hour)}
}

// listOffers returns all offers that concern an entity, page by page.
func (f *fixture) listOffers(t *testing.T, e catalog.Entity) []catalog.Offer {
	t.Helper()
	return collect(t, 1, func(p catalog.Page) (catalog.List[catalog.Offer], error) {
		return f.Offers(context.Background(), e.ID, f.clock.Now(), p)
	})
}

var offerTests = []test{
	{"an_offer_is_there_for_both_until_it_ends", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		giver, taker, other := f.newEntity(t, "giver"), f.newEntity(t, "taker"), f.newEntity(t, "other")
		first, second := f.newOffer(f.newDatabase(t, giver, "First"), taker), f.newOffer(f.newDatabase(t, giver, "second"), taker)
		for _, o := range []catalog.Offer{first, second} {
			must(t, f.MakeOffer(ctx, o, roomy))
		}
		same(t, f.listOffers(t, giver), []catalog.Offer{second, first})
		same(t, f.listOffers(t, taker), []catalog.Offer{second, first})
		same(t, len(f.listOffers(t, other)), 0)
		got, err := f.Offer(ctx, giver.ID, "FIRST", taker.ID, f.clock.Now())
		must(t, err)
		same(t, got, first)
		_, err = f.Offer(ctx, giver.ID, "first", other.ID, f.clock.Now())
		refused(t, err, fault.NotFound)

		refused(t, f.EndOffer(ctx, first.Database.ID, other.ID, f.clock.Now()), fault.NotFound)
		must(t, f.EndOffer(ctx, first.Database.ID, taker.ID, f.clock.Now()))
		refused(t, f.EndOffer(ctx, first.Database.ID, taker.ID, f.clock.Now()), fault.NotFound)
		must(t, f.EndOffer(ctx, second.Database.ID, catalog.ID{}, f.clock.Now()))
		same(t, len(f.listOffers(t, taker)), 0)
		_, err = f.Offers(ctx, taker.ID, f.clock.Now(), catalog.Page{After: "x"})
		refused(t, err, fault.Invalid)
	}},
	{"a_later_offer_takes_the_place_of_an_earlier_one", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		giver, one, two := f.newEntity(t, "fickle"), f.newEntity(t, "asked-1"), f.newEntity(t, "asked-2")
		d := f.newDatabase(t, giver, "db")
		must(t, f.MakeOffer(ctx, f.newOffer(d, one), roomy))
		must(t, f.MakeOffer(ctx, f.newOffer(d, two), store.OfferBounds{Made: 1, Received: 1}))
		same(t, len(f.listOffers(t, one)), 0)
		same(t, len(f.listOffers(t, two)), 1)
	}},
	{"an_offer_lapses", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		giver, taker := f.newEntity(t, "patient"), f.newEntity(t, "silent")
		o := f.newOffer(f.newDatabase(t, giver, "db"), taker)
		must(t, f.MakeOffer(ctx, o, roomy))
		f.clock.advance(7 * 24 * time.Hour)
		same(t, len(f.listOffers(t, taker)), 0)
		_, err := f.Offer(ctx, giver.ID, "db", taker.ID, f.clock.Now())
		refused(t, err, fault.NotFound)
		refused(t, f.EndOffer(ctx, o.Database.ID, taker.ID, f.clock.Now()), fault.NotFound)
		must(t, f.MakeOffer(ctx, f.newOffer(f.newDatabase(t, giver, "next"), taker), store.OfferBounds{Made: 1, Received: 1}))
	}},
	{"offers_are_bounded_on_either_side", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		giver, taker := f.newEntity(t, "generous"), f.newEntity(t, "popular")
		offer := func(name string, from, to catalog.Entity, bounds store.OfferBounds) error {
			return f.MakeOffer(ctx, f.newOffer(f.newDatabase(t, from, name), to), bounds)
		}
		must(t, offer("a", giver, taker, roomy))
		must(t, offer("b", giver, f.newEntity(t, "popular-2"), roomy))
		refused(t, offer("c", giver, f.newEntity(t, "popular-3"), store.OfferBounds{Made: 2, Received: 9}), fault.Busy)
		refused(t, offer("d", f.newEntity(t, "generous-2"), taker, store.OfferBounds{Made: 9, Received: 1}), fault.Busy)
	}},
	{"only_what_lives_is_offered_and_by_its_owner", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		giver, taker := f.newEntity(t, "owner-of-it"), f.newEntity(t, "offered-it")
		d := f.newDatabase(t, giver, "db")
		foreign := d
		foreign.Owner = f.newEntity(t, "owner-of-nothing").ID
		refused(t, f.MakeOffer(ctx, f.newOffer(foreign, taker), roomy), fault.Conflict)
		refused(t, f.MakeOffer(ctx, f.newOffer(d, catalog.Entity{ID: f.newID()}), roomy), fault.NotFound)
		refused(t, f.MakeOffer(ctx, f.newOffer(catalog.Database{ID: f.newID(), Owner: giver.ID}, taker), roomy), fault.NotFound)

		must(t, f.MakeOffer(ctx, f.newOffer(d, taker), roomy))
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		same(t, len(f.listOffers(t, taker)), 0)
		refused(t, f.MakeOffer(ctx, f.newOffer(d, taker), roomy), fault.NotFound)
		_, err := f.UndeleteDatabase(ctx, giver.ID, "db", time.Time{})
		must(t, err)
		same(t, len(f.listOffers(t, taker)), 1)
		must(t, f.DeleteEntity(ctx, taker.ID, f.clock.Now()))
		same(t, len(f.listOffers(t, giver)), 0)
		must(t, f.PurgeEntity(ctx, taker.ID))
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		must(t, f.PurgeDatabase(ctx, d.ID))
	}},
	{"a_move_ends_an_offer_and_may_rename", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		giver, taker := f.newEntity(t, "mover-from"), f.newEntity(t, "mover-to")
		d := f.newDatabase(t, giver, "db")
		f.newDatabase(t, taker, "db")
		must(t, f.MakeOffer(ctx, f.newOffer(d, taker), roomy))
		move := store.Move{From: d.Version, Owner: taker.ID, Version: f.newID()}
		refused(t, f.MoveDatabase(ctx, d.ID, move), fault.Exists)
		same(t, len(f.listOffers(t, taker)), 1)
		move.Slug = "Mine"
		must(t, f.MoveDatabase(ctx, d.ID, move))
		same(t, len(f.listOffers(t, taker)), 0)
		moved, err := f.Database(ctx, taker.ID, "mine")
		must(t, err)
		same(t, fmt.Sprint(moved.ID, moved.Slug), fmt.Sprint(d.ID, "Mine"))
		must(t, f.DeleteDatabase(ctx, d.ID, f.clock.Now()))
		must(t, f.PurgeDatabase(ctx, d.ID))
	}},
}
