package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"ayb/catalog"
	"ayb/httpapi/wire"
)

// TokenOptions limit a new token. Zero fields set no limit.
type TokenOptions struct {
	Database string         // entity/database, the only one that the token is for
	Access   catalog.Access // the most it may do with a database: ReadOnly, ReadWrite or Manager
	AppName  string         // the application it is for, at most 100 characters
	Expires  time.Time      // when it lapses
}

// TokenDetails is what an API token stands for. Of the token, Short, AppName,
// Scope.Access, Created, Expires and Revoked are set.
type TokenDetails struct {
	catalog.Token

	// Database is the only one that the token is for, entity/database, or
	// "(deleted database)"; empty: all that its entity may use.
	Database string
}

func newToken(t wire.Token) (TokenDetails, error) {
	details := TokenDetails{
		Token: catalog.Token{
			Short: t.Short, AppName: deref(t.AppName),
			Created: time.Time(t.Created), Expires: time.Time(t.Expires), Revoked: time.Time(t.Revoked),
		},
		Database: deref(t.Database),
	}
	access := t.Access
	if access == nil {
		access = t.Level // all that the existing ayb sends
	}
	var err error
	if access != nil {
		details.Scope.Access, err = catalog.ParseAccess(*access)
	}
	return details, err
}

// CreateToken makes an API token for an entity, empty for the caller's own, and
// returns its secret, which is shown this once. opt may be nil. For the entity and
// the owners of an organization, with a token that nothing limits. Errors:
// [fault.Invalid], [fault.NotFound], [fault.Conflict] (it has too many; revoke some).
func (c *Client) CreateToken(ctx context.Context, entity string, opt *TokenOptions) (secret string, _ TokenDetails, err error) {
	sent := map[string]any{}
	set := func(name, value string) {
		if value != "" {
			sent[name] = value
		}
	}
	set("entity", entity)
	if opt != nil {
		set("database", opt.Database)
		set("app_name", opt.AppName)
		if opt.Access != catalog.NoAccess {
			set("access", opt.Access.String())
		}
		if !opt.Expires.IsZero() {
			sent["expires_at"] = opt.Expires
		}
	}
	r, err := request{method: http.MethodPost, path: "/v1/_/tokens"}.jsonBody(sent)
	if err != nil {
		return "", TokenDetails{}, err
	}
	var made wire.CreatedToken
	if err := c.do(ctx, r, &made, func() bool { return made.Secret != "" && made.Short != "" }); err != nil {
		return "", TokenDetails{}, err
	}
	details, err := newToken(made.Token)
	return made.Secret, details, err
}

// Tokens returns a page of the caller's valid API tokens, newest first.
func (c *Client) Tokens(ctx context.Context, page catalog.Page) (catalog.List[TokenDetails], error) {
	return getList(ctx, c, "/v1/tokens", page, func(a *wire.Tokens) ([]wire.Token, string) { return a.Tokens, a.Next }, newToken)
}

// An Identity is whom a token stands for.
type Identity struct {
	Slug  catalog.Slug // of the entity
	Kind  catalog.EntityKind
	Token TokenDetails
}

// WhoAmI returns whom the client's token stands for, and what the token may do.
// Every token may ask. Errors: [fault.Unauthenticated]; [fault.Unsupported] from a
// server that is too old to say.
func (c *Client) WhoAmI(ctx context.Context) (Identity, error) {
	var a wire.Identity
	whole := func() bool { return a.Entity != "" }
	if err := c.do(ctx, request{method: http.MethodGet, path: "/v1/_/me"}, &a, whole); err != nil {
		return Identity{}, err
	}
	kind, err := catalog.ParseEntityKind(a.Kind)
	if err != nil {
		return Identity{}, err
	}
	token, err := newToken(a.Token)
	return Identity{Slug: a.Entity, Kind: kind, Token: token}, err
}

// AllTokens goes through the whole list of Tokens.
func (c *Client) AllTokens(ctx context.Context) iter.Seq2[TokenDetails, error] {
	return all(ctx, c.Tokens)
}

// RevokeToken ends a token of the caller at once, named by the middle part of its
// secret. Errors: [fault.NotFound].
func (c *Client) RevokeToken(ctx context.Context, short string) error {
	return c.change(ctx, http.MethodDelete, "/v1/tokens/"+url.PathEscape(short), nil)
}
