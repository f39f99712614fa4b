package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"ayb/fault"
)

// A transportError is the cause of what goes wrong on the way.
type transportError struct {
	error
	sent    bool // the request may have reached the server
	passing bool // it may go better next time
}

// Unwrap returns the error itself.
func (t *transportError) Unwrap() error { return t.error }

// broken words a failure on the way to the server or back. The contexts are those
// of send. Errors: ctx's own, Unavailable, OutcomeUnknown.
func (c *Client) broken(ctx, limited context.Context, r request, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cut := &transportError{error: withoutURL(err), sent: true, passing: true}
	message := c.transportMessage(limited, cut)
	if cut.sent && !r.looks() {
		return fault.Wrap(fault.OutcomeUnknown, cut, "%s; it can't be known whether the request was carried out, so look before you send it again", message)
	}
	return fault.Wrap(fault.Unavailable, cut, "%s", message)
}

// withoutURL leaves out the address of the request, which the message has and
// which may hold a secret.
func withoutURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// transportMessage says what happened, and notes in cut what follows from it.
func (c *Client) transportMessage(limited context.Context, cut *transportError) string {
	server := c.server()
	if message, ok := c.tlsMessage(cut); ok {
		cut.sent, cut.passing = false, false
		return message
	}
	if name, ok := errors.AsType[*net.DNSError](cut.error); ok {
		cut.sent, cut.passing = false, !name.IsNotFound
		if name.IsNotFound {
			return fmt.Sprintf("There is no host of the name %s; check the server's URL", c.base.Hostname())
		}
		return fmt.Sprintf("The name %s could not be looked up; check the connection to the network", c.base.Hostname())
	}
	op, _ := errors.AsType[*net.OpError](cut.error)
	timeout, _ := errors.AsType[net.Error](cut.error)
	switch {
	case op != nil && op.Op == "proxyconnect":
		cut.sent = false
		return fmt.Sprintf("The proxy on the way to %s could not be used; check the settings HTTP_PROXY, HTTPS_PROXY and NO_PROXY", server)
	case op != nil && op.Op == "dial":
		cut.sent = false
		if errors.Is(cut.error, syscall.ECONNREFUSED) {
			return fmt.Sprintf("No server answers at %s; check the URL, and that the server is running", server)
		}
		return fmt.Sprintf("%s could not be reached; check the URL, and the connection to the network", server)
	case errors.Is(context.Cause(limited), errSlow) || timeout != nil && timeout.Timeout():
		cut.passing = false
		return fmt.Sprintf("%s did not answer in time", server)
	}
	return fmt.Sprintf("The connection to %s broke before the answer was complete", server)
}

// tlsMessage words what goes wrong while a connection is made private, before
// anything is sent.
func (c *Client) tlsMessage(cut *transportError) (string, bool) {
	server := c.server()
	if errors.Is(cut.error, http.ErrSchemeMismatch) {
		return fmt.Sprintf("%s speaks http, not https; if you trust the network, use http:// in the URL", server), true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](cut.error); ok {
		return fmt.Sprintf("The certificate of %s is not signed by an authority that this machine trusts", server), true
	}
	if _, ok := errors.AsType[x509.HostnameError](cut.error); ok {
		return fmt.Sprintf("The certificate of %s is for another name; check the server's URL", server), true
	}
	if bad, ok := errors.AsType[x509.CertificateInvalidError](cut.error); ok && bad.Reason == x509.Expired {
		return fmt.Sprintf("The certificate of %s has expired, or is not valid yet by this machine's clock", server), true
	}
	_, refused := errors.AsType[*tls.CertificateVerificationError](cut.error)
	_, noTLS := errors.AsType[tls.RecordHeaderError](cut.error)
	_, alert := errors.AsType[tls.AlertError](cut.error)
	return fmt.Sprintf("A private connection to %s could not be made; check that it speaks https", server), refused || noTLS || alert
}

// server returns how messages name the server.
func (c *Client) server() string { return c.base.Scheme + "://" + c.base.Host }
