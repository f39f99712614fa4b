package ayb

import (
	"context"
	"time"

	"ayb/auth"
	"ayb/fault"
	"ayb/internal/walls"
)

// maxAppName bounds TokenOptions.AppName, in characters.
const maxAppName = 100

// maxTokenSubject bounds what the audit trail shows, in bytes, of the name of a
// token that is to be revoked, which can be anything.
const maxTokenSubject = 64

// TokenOptions are the optional settings of CreateToken.
type TokenOptions struct {
	// Database limits the token to one database, named entity/database; empty:
	// all that the entity may use, and the account.
	Database string

	// Access is the most the token may do with a database: ReadOnly, ReadWrite
	// or Manager. NoAccess (zero) sets no limit.
	Access Access

	// AppName is the application the token is for, at most 100 characters.
	AppName string

	// Expires is when the token lapses; zero: never. A token that is made by
	// way of another one lapses with that one at the latest.
	Expires time.Time
}

// TokenDetails is a token as its holder sees it.
type TokenDetails struct {
	Token

	// Database is what the database of the token's scope is called now; zero if
	// there is none, if it has been deleted, or if the entity may not see it any
	// more.
	Database Ref
}

// An Identity is whom a principal stands for, and by what right.
type Identity struct {
	Slug  Slug // of the entity
	Kind  EntityKind
	Token TokenDetails // zero if the principal came without a token
}

// CreateToken makes an API token for an entity and returns its secret, which is
// stored nowhere and can't be shown again. For the entity itself; a token that
// is limited in any way can't make tokens. Errors: [ErrInvalid], [ErrConflict] (the
// entity has Limits.Tokens valid ones; revoke some).
func (e *Engine) CreateToken(ctx context.Context, p Principal, entity string, opt *TokenOptions) (secret string, _ Token, err error) {
	c, err := e.authorizeAccount(ctx, p, auth.CreateToken, entity, "")
	defer c.done(&err)
	if err != nil {
		return "", Token{}, err
	}
	token, err := e.newToken(ctx, c, opt)
	if err != nil {
		return "", Token{}, err
	}
	made, err := auth.NewSecret(e.cfg.Random)
	if err != nil {
		return "", Token{}, err
	}
	token.Short = made.Short
	if err := e.store.CreateToken(ctx, token, made.Hash()); err != nil {
		return "", Token{}, err
	}
	return made.Text(), token, nil
}

// newToken returns the token that the options describe.
func (e *Engine) newToken(ctx context.Context, c *call, opt *TokenOptions) (Token, error) {
	if opt == nil {
		opt = &TokenOptions{}
	}
	token := Token{
		Entity: c.entity.ID, Scope: Scope{Access: opt.Access}, AppName: opt.AppName,
		Created: c.at, Expires: opt.Expires.UTC().Truncate(time.Microsecond),
	}
	if opt.Expires.IsZero() {
		token.Expires = time.Time{}
	}
	switch {
	case opt.Access > Manager:
		return Token{}, fault.New(fault.Invalid, "A token can't be limited to access %s", opt.Access)
	case !token.Expires.IsZero() && !token.Expires.After(c.at):
		return Token{}, fault.New(fault.Invalid, "The token would expire before it exists; choose a later time")
	}
	if err := checkText("name of the application", opt.AppName, maxAppName); err != nil {
		return Token{}, err
	}
	if opt.Database != "" {
		db, err := e.Database(ctx, c.caller, opt.Database)
		if err != nil {
			return Token{}, err
		}
		token.Scope.Database = db.ID
	}
	return token, e.capExpiry(ctx, c.caller, &token)
}

// capExpiry makes a token lapse no later than the one it is made by way of:
// otherwise who finds an old one could live on for ever.
func (e *Engine) capExpiry(ctx context.Context, p Principal, token *Token) error {
	if p.Token == "" || e.cfg.Walls.Has(walls.Expiry) {
		return nil
	}
	own, _, err := e.store.Token(ctx, p.Token)
	if err != nil {
		return orMissing(err, errBadToken)
	}
	if limit := own.Expires; !limit.IsZero() && (token.Expires.IsZero() || token.Expires.After(limit)) {
		token.Expires = limit
	}
	return nil
}

// Tokens lists the caller's valid tokens, newest first.
func (e *Engine) Tokens(ctx context.Context, p Principal, page Page) (_ List[TokenDetails], err error) {
	c, err := e.authorizeSelf(ctx, p, auth.ListTokens)
	defer c.done(&err)
	if err != nil {
		return List[TokenDetails]{}, err
	}
	tokens, err := e.store.Tokens(ctx, c.entity.ID, c.at, page)
	if err != nil {
		return List[TokenDetails]{}, err
	}
	list := List[TokenDetails]{Items: make([]TokenDetails, len(tokens.Items)), Next: tokens.Next}
	for i, token := range tokens.Items {
		if list.Items[i], err = c.details(ctx, token); err != nil {
			return List[TokenDetails]{}, err
		}
	}
	return list, nil
}

// WhoAmI returns whom the caller stands for, and the token by which it came. Every
// token may ask, however limited it is. Errors: [ErrUnauthenticated].
func (e *Engine) WhoAmI(ctx context.Context, p Principal) (_ Identity, err error) {
	c, err := e.authorizeSelf(ctx, p, auth.WhoAmI)
	defer c.done(&err)
	if err != nil {
		return Identity{}, err
	}
	ent, err := e.store.EntityByID(ctx, c.entity.ID)
	if err != nil {
		return Identity{}, orMissing(err, errNoBody)
	}
	me := Identity{Slug: ent.Slug, Kind: ent.Kind}
	if p.Token == "" {
		return me, nil
	}
	token, _, err := e.store.Token(ctx, p.Token)
	if err != nil {
		return Identity{}, orMissing(err, errBadToken)
	}
	me.Token, err = c.details(ctx, token)
	return me, err
}

// details returns a token of the caller with the name of its database. What that
// is called now is no business of somebody who may not see it any more.
func (c *call) details(ctx context.Context, token Token) (TokenDetails, error) {
	details := TokenDetails{Token: token}
	if token.Scope.Database.IsZero() {
		return details, nil
	}
	db, err := c.e.store.DatabaseByID(ctx, token.Scope.Database)
	if err != nil {
		return details, orMissing(err, nil)
	}
	other := &call{e: c.e, caller: c.caller, ref: db.Ref()}
	if err := other.find(ctx); err != nil {
		return details, err
	}
	if other.may(auth.Details) {
		details.Database = db.Ref()
	}
	return details, nil
}

// RevokeToken ends a token of the caller, named by its short half, at once and
// for good. Every token may revoke itself; one that is limited, no other.
// Errors: [ErrNotFound] if the caller has no such token, or it was revoked
// before.
func (e *Engine) RevokeToken(ctx context.Context, p Principal, short string) (err error) {
	c, err := e.begin(ctx, p, auth.RevokeToken)
	defer c.done(&err)
	if err != nil {
		return err
	}
	c.token, c.subject, c.entity.ID = short, short[:min(len(short), maxTokenSubject)], p.Entity
	if err := c.allow(); err != nil {
		return err
	}
	if !auth.IsShort(short) {
		return noToken(short) // the store could not even be asked for some of what this can be
	}
	if p.System || e.cfg.Walls.Has(walls.OwnTokens) {
		token, _, err := e.store.Token(ctx, short)
		if err != nil {
			return orMissing(err, noToken(short))
		}
		c.entity.ID = token.Entity
	}
	return orMissing(e.store.RevokeToken(ctx, c.entity.ID, short, c.at), noToken(short))
}
