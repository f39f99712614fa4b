package ayb

import (
	"context"
	"errors"
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
	// there is none, or if it has been deleted.
	Database Ref
}

// CreateToken makes an API token for an entity and returns its secret, which is
// stored nowhere and can't be shown again. For the entity itself; a token that
// is limited in any way can't make tokens. Errors: [ErrInvalid].
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
		list.Items[i].Token = token
		if token.Scope.Database.IsZero() {
			continue
		}
		db, err := e.store.DatabaseByID(ctx, token.Scope.Database)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return List[TokenDetails]{}, err
		}
		list.Items[i].Database = db.Ref()
	}
	return list, nil
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
