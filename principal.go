package ayb

import (
	"context"
	"errors"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
)

// Two principals that belong to no entity.
var (
	// System is the host itself: it may do everything.
	System = Principal{System: true}

	// Anonymous is a caller of whom nothing is known.
	Anonymous = Principal{}
)

// touchAfter is how exactly the last use of a token is known.
const touchAfter = time.Hour

var (
	errBadToken = fault.New(fault.Unauthenticated, "Invalid API token")
	errRevoked  = fault.New(fault.Unauthenticated, "API token has been revoked")
	errExpired  = fault.New(fault.Unauthenticated, "API token has expired")
	errIdle     = fault.New(fault.Unauthenticated, "API token has lapsed because it was not used for a long time; make a new one")
	errNoBody   = fault.New(fault.Unauthenticated, "The account has been deleted")
)

// Owner returns the principal that acts as an entity with all its power.
func (e *Engine) Owner(ent Entity) Principal {
	return Principal{Entity: ent.ID, Slug: ent.Slug}
}

// Authenticate returns the principal that an API token stands for. The token is
// looked at again in each call that the principal makes, so a principal may be
// kept. Errors: [ErrUnauthenticated] (malformed, unknown, revoked, expired or
// lapsed token, or its account was deleted).
func (e *Engine) Authenticate(ctx context.Context, secret string) (Principal, error) {
	if err := e.calls.enter(); err != nil {
		return Principal{}, err
	}
	defer e.calls.leave()
	parsed, err := auth.ParseToken(secret)
	if err != nil {
		return Principal{}, err
	}
	token, hash, err := e.store.Token(ctx, parsed.Short)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return Principal{}, err
	}
	// An unknown token is hashed as well, so that it takes as long to refuse.
	if !parsed.Matches(hash) && !e.cfg.Walls.Has(walls.Proof) || err != nil {
		return Principal{}, errBadToken
	}
	p := Principal{Entity: token.Entity, Token: token.Short, Scope: token.Scope}
	if err := e.admit(token, e.now()); err != nil {
		return p, err
	}
	return e.named(ctx, p)
}

// identify makes sure that a principal still stands for someone, and returns it
// with the present name of its entity.
func (e *Engine) identify(ctx context.Context, p Principal, now time.Time) (Principal, error) {
	if p.System || p.Entity.IsZero() {
		return p, nil
	}
	if p.Token != "" {
		if err := e.checkToken(ctx, p, now); err != nil {
			return p, err
		}
	}
	return e.named(ctx, p)
}

// named returns a principal with the present name of its entity.
func (e *Engine) named(ctx context.Context, p Principal) (Principal, error) {
	ent, err := e.store.EntityByID(ctx, p.Entity)
	if err != nil {
		return p, orMissing(err, errNoBody)
	}
	p.Slug = ent.Slug
	return p, nil
}

func (e *Engine) checkToken(ctx context.Context, p Principal, now time.Time) error {
	token, _, err := e.store.Token(ctx, p.Token)
	switch {
	case err != nil:
		return orMissing(err, errBadToken)
	case token.Entity != p.Entity:
		return errBadToken
	}
	return e.admit(token, now)
}

// admit makes sure that a token is valid, and notes that it is used.
func (e *Engine) admit(token catalog.Token, now time.Time) error {
	if err := validToken(token, now, e.cfg.TokenIdle); err != nil && !e.cfg.Walls.Has(walls.Tokens) {
		return err
	}
	if now.Sub(token.Used) >= touchAfter {
		e.journal.touch(token.Short, now)
	}
	return nil
}

// validToken reports why a token is no longer valid, if it is not.
func validToken(token catalog.Token, now time.Time, idle time.Duration) error {
	used := token.Created
	if token.Used.After(used) {
		used = token.Used
	}
	switch {
	case !token.Revoked.IsZero():
		return errRevoked
	case !token.Expires.IsZero() && !now.Before(token.Expires):
		return errExpired
	case idle > 0 && now.Sub(used) >= idle:
		return errIdle
	}
	return nil
}
