package client

import (
	"context"
	"net/http"
	"strings"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// A Confirmation is an account with a new API token for it.
type Confirmation struct {
	Entity catalog.Slug
	Token  string // the secret, shown this once
}

// Register asks for an account: the server sends an e-mail with a token that
// Confirm takes. For the account that has the name and the address already, it is
// a log-in. Whether an address is known to the server is not told. Errors:
// [fault.Invalid], [fault.Exists], [fault.Busy], [fault.Unavailable].
func (c *Client) Register(ctx context.Context, entity, email string, kind catalog.EntityKind) error {
	return c.do(ctx, request{method: http.MethodPost, path: "/v1/register", header: [][2]string{
		{"Entity", entity}, {"Email-Address", email}, {"Entity-Type", kind.String()},
	}}, &struct{}{}, nil)
}

// LogIn has the server send an e-mail with a token that Confirm takes, to the
// address of an account. Errors: [fault.NotFound], [fault.Busy],
// [fault.Unavailable].
func (c *Client) LogIn(ctx context.Context, entity string) error {
	return c.do(ctx, request{method: http.MethodPost, path: "/v1/log_in", header: [][2]string{{"Entity", entity}}}, &struct{}{}, nil)
}

// Confirm takes the token from an e-mail, which works once, and returns the
// account with a new API token; see [Client.WithToken]. Errors:
// [fault.Unauthenticated], [fault.Exists], [fault.OutcomeUnknown] (the token may
// have been used up: ask for another e-mail).
func (c *Client) Confirm(ctx context.Context, token string) (Confirmation, error) {
	var confirmed wire.Confirmed
	err := c.do(ctx, request{method: http.MethodPost, path: "/v1/confirm", header: [][2]string{{"Authentication-Token", token}}},
		&confirmed, func() bool { return confirmed.Entity != "" && confirmed.Secret != "" })
	return Confirmation{Entity: confirmed.Entity, Token: confirmed.Secret}, err
}

// LogOut revokes the token that the client calls with. Errors:
// [fault.Unauthenticated] (there is none, or it is not valid any more).
func (c *Client) LogOut(ctx context.Context) error {
	parts := strings.Split(c.cfg.Token, "_")
	if len(parts) != 3 || parts[1] == "" {
		return fault.New(fault.Unauthenticated, "There is no API token to log out with")
	}
	return c.RevokeToken(ctx, parts[1])
}
