package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// TransferDatabase gives a database to another entity, under the same name: at
// once, with a zero offer, if the caller may create databases for that entity;
// every other one is offered it and has to accept. For its owner. Errors:
// [fault.NotFound], [fault.Busy] (too many offers wait), [fault.Exists].
func (c *Client) TransferDatabase(ctx context.Context, ref, toEntity string) (catalog.Offer, error) {
	path, err := databasePath(ref, "/transfer")
	if err != nil {
		return catalog.Offer{}, err
	}
	r, err := request{method: http.MethodPost, path: path}.jsonBody(wire.Transfer{Entity: toEntity})
	if err != nil {
		return catalog.Offer{}, err
	}
	var done wire.Transferred
	if err := c.do(ctx, r, &done, nil); err != nil || done.Offer == nil {
		return catalog.Offer{}, err
	}
	return newOffer(*done.Offer)
}

func newOffer(o wire.Offer) (catalog.Offer, error) {
	db, err := newDatabase(o.Entity, o.Database, o.Type)
	return catalog.Offer{Database: db, ToSlug: o.To, Offered: time.Time(o.Offered), Expires: time.Time(o.Expires)}, err
}

// Offers returns a page of the databases that an entity has offered to others,
// and of those that it has been offered, newest first. ToSlug, Offered, Expires
// and, of the database, OwnerSlug, Slug and Kind are set. For those who may create
// databases for the entity.
func (c *Client) Offers(ctx context.Context, entity string, page catalog.Page) (catalog.List[catalog.Offer], error) {
	path, err := entityPath("/v1/_/offers/", entity)
	if err != nil {
		return catalog.List[catalog.Offer]{}, err
	}
	return getList(ctx, c, path, page, func(a *wire.Offers) ([]wire.Offer, string) { return a.Offers, a.Next }, newOffer)
}

// AllOffers goes through the whole list of Offers.
func (c *Client) AllOffers(ctx context.Context, entity string) iter.Seq2[catalog.Offer, error] {
	return all(ctx, func(ctx context.Context, page catalog.Page) (catalog.List[catalog.Offer], error) {
		return c.Offers(ctx, entity, page)
	})
}

// AcceptOffer takes a database that an entity, empty for the caller, has been
// offered; slug is its name from then on, empty for the one it has. Nobody else has
// access to it then. OwnerSlug, Slug
// and Kind of the result are set. For those who may create databases for the
// entity. Errors: [fault.NotFound] (there is no such offer any more),
// [fault.Exists].
func (c *Client) AcceptOffer(ctx context.Context, entity, ref, slug string) (catalog.Database, error) {
	r, err := answerOffer(ref, "/accept", wire.OfferAnswer{Entity: entity, Slug: slug})
	if err != nil {
		return catalog.Database{}, err
	}
	var taken wire.CreatedDatabase
	if err := c.do(ctx, r, &taken, func() bool { return taken.Entity != "" && taken.Database != "" }); err != nil {
		return catalog.Database{}, err
	}
	return newDatabase(taken.Entity, taken.Database, taken.Type)
}

// DeclineOffer refuses a database that an entity, empty for the caller, has been
// offered. For those who may create databases for the entity. Errors:
// [fault.NotFound] (there is no such offer any more).
func (c *Client) DeclineOffer(ctx context.Context, entity, ref string) error {
	r, err := answerOffer(ref, "/decline", wire.OfferAnswer{Entity: entity})
	if err != nil {
		return err
	}
	return c.do(ctx, r, &struct{}{}, nil)
}

func answerOffer(ref, what string, answer wire.OfferAnswer) (request, error) {
	path, err := offerPath(ref)
	if err != nil {
		return request{}, err
	}
	return request{method: http.MethodPost, path: path + what}.jsonBody(answer)
}

// WithdrawOffer takes back an offer that has not been answered. For the owner of
// the database. Errors: [fault.NotFound] (nobody is offered it, or any more).
func (c *Client) WithdrawOffer(ctx context.Context, ref string) error {
	path, err := offerPath(ref)
	if err != nil {
		return err
	}
	return c.change(ctx, http.MethodDelete, path, nil)
}

func offerPath(ref string) (string, error) {
	r, err := catalog.ParseRef(ref)
	return "/v1/_/offers/" + r.String(), err
}
