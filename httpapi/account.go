package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"math"
	"net/http"
	"strings"

	"ayb"
	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// register begins the way to an account: the rest is in an e-mail.
func (x *exchange) register() (any, error) {
	var sent [3]string
	for i, name := range []string{"entity", "email-address", "entity-type"} {
		var err error
		if sent[i], err = x.header(name); err != nil {
			return nil, err
		}
	}
	if _, err := catalog.ParseEntitySlug(sent[0]); err != nil {
		return nil, as(wire.InvalidSlug, err)
	}
	kind, unknown := catalog.ParseEntityKind(sent[2])
	if unknown != nil {
		kind = math.MaxUint8 // is refused too, in its turn: after what is wrong with the name
	}
	err := x.eng.Register(x.ctx(), x.caller, ayb.Registration{Entity: sent[0], Email: sent[1], Kind: kind})
	if unknown != nil && errors.Is(err, fault.Invalid) && !errors.Is(err, ayb.ErrReserved) {
		return nil, unknown
	}
	return empty{}, err
}

// logIn begins the way to a token of an account that is there.
func (x *exchange) logIn() (any, error) {
	entity, err := x.header("entity")
	if err != nil {
		return nil, err
	}
	if _, err := catalog.ParseEntitySlug(entity); err != nil { // nobody is called so, and that is all there is to say
		return nil, fault.New(fault.NotFound, "No account or email authentication method for %s", strings.ToLower(entity))
	}
	return empty{}, x.eng.LogIn(x.ctx(), x.caller, entity)
}

// confirm takes the token from an e-mail and gives an API token for it.
func (x *exchange) confirm() (any, error) {
	token, err := x.header("authentication-token")
	if err != nil {
		return nil, err
	}
	ent, secret, _, err := x.eng.Confirm(x.ctx(), x.caller, token)
	if err != nil {
		return nil, asIf(fault.Unauthenticated, wire.Other, err)
	}
	x.secret = true
	return wire.Confirmed{Entity: ent.Slug, Secret: secret}, nil
}

// oauthToken is where applications will get their tokens.
func (x *exchange) oauthToken() (any, error) {
	return nil, fault.New(fault.Unsupported, "This server can't authorize applications yet; make a token for the application with POST /v1/_/tokens")
}

//go:embed confirm.html
var confirmHTML string

var (
	confirmTemplate = template.Must(template.New("confirm").Parse(confirmHTML))
	confirmPolicy   = contentPolicy(confirmHTML)
)

// contentPolicy returns what browsers may do on a page: to show it in its own
// style, and to send its own form.
func contentPolicy(html string) string {
	_, style, _ := strings.Cut(html, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A confirmView is what the page about an e-mail token shows.
type confirmView struct {
	Entity, Secret, Problem string
}

// confirmPage shows a button. To look at the page uses nothing up, because
// programs that check e-mails for harm look at every link in them.
func (x *exchange) confirmPage() (any, error) {
	return x.showConfirm(http.StatusOK, confirmView{})
}

// confirmFromPage takes the token from the address.
func (x *exchange) confirmFromPage() (any, error) {
	ent, secret, _, err := x.eng.Confirm(x.ctx(), x.caller, x.param(0))
	if errors.Is(err, fault.Unauthenticated) || errors.Is(err, fault.Exists) {
		return x.showConfirm(http.StatusBadRequest, confirmView{Problem: fault.Message(err)})
	}
	if err != nil {
		return nil, err
	}
	return x.showConfirm(http.StatusOK, confirmView{Entity: string(ent.Slug), Secret: secret})
}

func (x *exchange) showConfirm(status int, view confirmView) (any, error) {
	x.secret = view.Secret != ""
	header := x.w.Header()
	header.Set("Content-Security-Policy", confirmPolicy)
	header.Set("Referrer-Policy", "no-referrer") // the address holds the token
	var b bytes.Buffer
	if err := confirmTemplate.Execute(&b, view); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "internal error")
	}
	return page{status, b.Bytes()}, nil
}
