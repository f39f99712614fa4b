package httpapi

import (
	"ayb"
	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// tokens lists the caller's valid tokens.
func (x *exchange) tokens() (any, error) {
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Tokens(x.ctx(), x.caller, page)
	if err != nil {
		return nil, err
	}
	return wire.Tokens{
		Tokens: wire.List(list.Items, func(t ayb.TokenDetails) wire.Token { return wire.NewToken(t.Token, t.Database) }),
		Next:   x.linkNext(page, list.Next),
	}, nil
}

// whoAmI says whom the caller's token stands for.
func (x *exchange) whoAmI() (any, error) {
	me, err := x.eng.WhoAmI(x.ctx(), x.caller)
	if err != nil {
		return nil, err
	}
	return wire.Identity{Entity: me.Slug, Kind: me.Kind.String(), Token: wire.NewToken(me.Token.Token, me.Token.Database)}, nil
}

// createToken makes a token for the caller's own account, or for the one that
// the body names.
func (x *exchange) createToken() (any, error) {
	var sent wire.NewTokenRequest
	if err := x.decode(&sent); err != nil {
		return nil, err
	}
	entity := string(x.caller.Slug)
	if sent.Entity != "" {
		if _, err := catalog.ParseEntitySlug(sent.Entity); err != nil {
			return nil, as(wire.InvalidSlug, err)
		}
		entity = sent.Entity
	}
	opt := ayb.TokenOptions{Database: sent.Database, AppName: sent.AppName}
	if sent.Expires != nil {
		opt.Expires = *sent.Expires
	}
	if sent.Access != "" {
		access, err := catalog.ParseAccess(sent.Access)
		if err != nil {
			return nil, err
		}
		if opt.Access = access; access == catalog.NoAccess {
			return nil, fault.New(fault.Invalid, "A token without any access would be of no use; leave access out to set no limit")
		}
	}
	secret, token, err := x.eng.CreateToken(x.ctx(), x.caller, entity, &opt)
	if err != nil {
		return nil, err
	}
	var database catalog.Ref
	if opt.Database != "" {
		if database, err = catalog.ParseRef(opt.Database); err != nil {
			return nil, err
		}
	}
	x.secret = true
	return wire.CreatedToken{Secret: secret, Token: wire.NewToken(token, database)}, nil
}

// revokeToken ends a token of the caller.
func (x *exchange) revokeToken() (any, error) {
	return empty{}, x.eng.RevokeToken(x.ctx(), x.caller, x.param(0))
}
