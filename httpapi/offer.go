package httpapi

import (
	"ayb/catalog"
	"ayb/httpapi/wire"
)

// offers lists the databases that an entity has offered and been offered.
func (x *exchange) offers() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Offers(x.ctx(), x.caller, slug, page)
	if err != nil {
		return nil, err
	}
	return wire.Offers{Offers: wire.List(list.Items, wire.NewOffer), Next: x.linkNext(page, list.Next)}, nil
}

// acceptOffer takes a database that the caller, or the entity in the body, has
// been offered.
func (x *exchange) acceptOffer() (any, error) {
	ref, answer, err := x.offerAnswer()
	if err != nil {
		return nil, err
	}
	if answer.Slug != "" {
		if _, err := catalog.ParseDatabaseSlug(answer.Slug); err != nil {
			return nil, as(wire.InvalidSlug, err)
		}
	}
	db, err := x.eng.AcceptOffer(x.ctx(), x.caller, answer.Entity, ref, answer.Slug)
	if err != nil {
		return nil, err
	}
	return wire.NewCreatedDatabase(db), nil
}

// declineOffer refuses it.
func (x *exchange) declineOffer() (any, error) {
	ref, answer, err := x.offerAnswer()
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.DeclineOffer(x.ctx(), x.caller, answer.Entity, ref)
}

// offerAnswer reads what an answer to an offer is about. There need not be a
// body.
func (x *exchange) offerAnswer() (ref string, answer wire.OfferAnswer, err error) {
	if ref, err = x.ref(); err != nil {
		return "", answer, err
	}
	body, err := x.body(x.opt.MaxBodyBytes)
	if err == nil && len(body) > 0 {
		err = decodeJSON(body, &answer)
	}
	if answer.Entity == "" {
		answer.Entity = string(x.caller.Slug)
	}
	if _, invalid := catalog.ParseEntitySlug(answer.Entity); err == nil && invalid != nil {
		err = as(wire.InvalidSlug, invalid)
	}
	return ref, answer, err
}

// withdrawOffer takes an offer of the caller back.
func (x *exchange) withdrawOffer() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.WithdrawOffer(x.ctx(), x.caller, ref)
}
