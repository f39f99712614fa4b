package ayb

import (
	"context"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

// offerLife is how long an offer waits for an answer.
const offerLife = 7 * 24 * time.Hour

// offerBounds are how many offers of one entity, and to one, may wait. More than
// five givers are needed to fill the list of somebody.
var offerBounds = store.OfferBounds{Made: 20, Received: 100}

// offer offers the database of the call, which its owner wants to transfer, to an
// entity that has to accept it. Whether that one has a database of the same name
// is not looked at, because it is none of the giver's business.
func (c *call) offer(ctx context.Context, to Entity) (Offer, error) {
	at := c.at.UTC().Truncate(time.Microsecond)
	o := Offer{Database: c.database, To: to.ID, ToSlug: to.Slug, Offered: at, Expires: at.Add(offerLife)}
	if err := c.e.store.MakeOffer(ctx, o, offerBounds); err != nil {
		return Offer{}, orMissing(err, noDatabase(c.ref))
	}
	return o, nil
}

// Offers lists the databases that an entity has offered to others, and those that
// it has been offered, newest first. For those who may create databases for it.
func (e *Engine) Offers(ctx context.Context, p Principal, entity string, page Page) (_ List[Offer], err error) {
	c, err := e.authorizeAccount(ctx, p, auth.ListOffers, entity, "")
	defer c.done(&err)
	if err != nil {
		return List[Offer]{}, err
	}
	return e.store.Offers(ctx, c.entity.ID, c.at, page)
}

// AcceptOffer takes a database that an entity has been offered, under the name
// slug, or under its own if that is empty. Nobody else has access to it then: whom
// the giver had let in, and whether it was public, the new owner decides anew. ref is its name with the giver. For those who may create databases for
// the entity. Errors: [ErrNotFound] (there is no such offer any more),
// [ErrInvalid] (the name), [ErrExists] (the entity has a database of that name),
// [ErrTooLarge] (it has no room for this one, or may have no more), [ErrBusy] (a query is running that does not end).
func (e *Engine) AcceptOffer(ctx context.Context, p Principal, entity, ref, slug string) (_ Database, err error) {
	c, err := e.answerOffer(ctx, p, auth.AcceptOffer, entity, ref)
	defer c.done(&err)
	if err != nil {
		return Database{}, err
	}
	name := c.database.Slug
	if slug != "" {
		if name, err = catalog.ParseDatabaseSlug(slug); err != nil {
			return Database{}, err
		}
	}
	unlock, err := e.moving.lock(ctx, c.database.ID)
	if err != nil {
		return Database{}, err
	}
	defer unlock()
	// It may have been withdrawn or renamed meanwhile; now it can't be withdrawn.
	o, err := e.findOffer(ctx, c, c.database.Ref())
	if err != nil {
		return Database{}, err
	}
	if err := e.transfer(ctx, o.Database, store.Move{Owner: c.entity.ID, Slug: name, Private: true}); err != nil {
		return Database{}, orOtherName(err, c.entity.Slug, name)
	}
	db, err := e.store.DatabaseByID(ctx, o.Database.ID)
	return db, orMissing(err, noDatabase(Ref{Entity: c.entity.Slug, Database: name}))
}

// DeclineOffer refuses a database that an entity has been offered; it stays where
// it is. For those who may create databases for the entity. Errors:
// [ErrNotFound] (there is no such offer any more).
func (e *Engine) DeclineOffer(ctx context.Context, p Principal, entity, ref string) (err error) {
	c, err := e.answerOffer(ctx, p, auth.DeclineOffer, entity, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	return orMissing(e.store.EndOffer(ctx, c.database.ID, c.entity.ID, c.at), noOffer(c.entity.Slug, c.database.Ref()))
}

// answerOffer begins a call about an offer to an entity. The database of the call
// is what is offered.
func (e *Engine) answerOffer(ctx context.Context, p Principal, action auth.Action, entity, ref string) (*call, error) {
	c, err := e.authorizeAccount(ctx, p, action, entity, "")
	if err != nil {
		return c, err
	}
	name, err := catalog.ParseRef(ref)
	if err != nil {
		return c, err
	}
	c.subject = string(c.entity.Slug) + ": " + name.String()
	o, err := e.findOffer(ctx, c, name)
	c.database = o.Database
	return c, err
}

// findOffer looks up the offer of a database to the entity of the call. A
// database that is not offered is told in the same words as one that does not
// exist.
func (e *Engine) findOffer(ctx context.Context, c *call, ref Ref) (Offer, error) {
	giver, err := e.store.Entity(ctx, ref.Entity)
	if err != nil {
		return Offer{}, orMissing(err, noOffer(c.entity.Slug, ref))
	}
	o, err := e.store.Offer(ctx, giver.ID, ref.Database, c.entity.ID, c.at)
	return o, orMissing(err, noOffer(c.entity.Slug, ref))
}

// WithdrawOffer takes back an offer that has not been answered. For the owner of
// the database. Errors: [ErrNotFound] (nobody is offered it, or any more).
func (e *Engine) WithdrawOffer(ctx context.Context, p Principal, ref string) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.WithdrawOffer, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	unlock, err := e.moving.lock(ctx, c.database.ID) // an acceptance that has begun comes first
	if err != nil {
		return err
	}
	defer unlock()
	missing := fault.Wrap(fault.NotFound, &Missing{"offer", c.ref.String()}, "%s is offered to nobody", c.ref)
	return orMissing(e.store.EndOffer(ctx, c.database.ID, ID{}, c.at), missing)
}

func noOffer(to Slug, ref Ref) error {
	return fault.Wrap(fault.NotFound, &Missing{"offer", ref.String()}, "There is no offer of %s to %s, or no longer; ask its owner for another one", ref, to)
}

// orOtherName tells whoever accepts a database that the name is taken.
func orOtherName(err error, entity, slug Slug) error {
	if fault.KindOf(err) == fault.Exists {
		return fault.Wrap(fault.Exists, err, "%s has a database %s already; accept this one under another name", entity, slug)
	}
	return err
}
