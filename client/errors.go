package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ayb/fault"
	"ayb/httpapi/wire"
)

// A ResponseError is the cause of every error that a server has answered; find it
// with errors.As. The kind and the message are those of the [fault.Error] around
// it.
type ResponseError struct {
	Status     int            // HTTP status; 200 if a stream failed after it had begun
	Type       wire.ErrorType // empty if the answer was not ayb's
	ID         string         // what is missing, if Type is RecordNotFound
	RecordType string         // and what that is: entity, database, api_token or member
	RequestID  string         // what the server's log knows the request by; may be empty
	RetryAfter time.Duration  // what the server asks for; 0: nothing
}

// Error returns status, type and request, for a log.
func (e *ResponseError) Error() string {
	text := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Type != "" {
		text += " " + string(e.Type)
	}
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	return text
}

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

// maxErrorBytes bounds the body of an answer that is not a success.
const maxErrorBytes = 1 << 20

// refusal reads an answer that is not a success.
func (c *Client) refusal(ctx, limited context.Context, r request, resp *http.Response) error {
	if resp.StatusCode/100 == 3 {
		return c.redirected(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	if err != nil && (ctx.Err() != nil || limited.Err() != nil) {
		return c.broken(ctx, limited, r, err)
	}
	var e wire.Error
	if json.Unmarshal(text, &e) != nil || e.Type == "" {
		return c.strange(r, resp, excerpt(resp, text))
	}
	return newFault(e, response(resp))
}

// response returns what a response says beside its body.
func response(resp *http.Response) *ResponseError {
	e := &ResponseError{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id")}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(min(seconds, 1<<20)) * time.Second
	}
	return e
}

// newFault returns the error that an envelope stands for.
func newFault(e wire.Error, cause *ResponseError) error {
	cause.Type, cause.ID, cause.RecordType = e.Type, e.ID, e.RecordType
	kind := e.Kind
	if !slices.Contains(fault.Kinds(), kind) {
		kind = guessKind(e.Type, cause.Status)
	}
	return fault.Wrap(kind, cause, "%s", orMessage(e))
}

// orMessage returns the message of an envelope. Of some types the existing ayb
// sends none.
func orMessage(e wire.Error) string {
	switch {
	case e.Message != "":
		return e.Message
	case e.Type == wire.RecordNotFound && e.RecordType != "":
		name := strings.ReplaceAll(e.RecordType, "_", " ")
		return fmt.Sprintf("There is no %s %s", name, e.ID)
	case e.Type == wire.SnapshotDoesNotExistError:
		return "The snapshot does not exist"
	}
	return fmt.Sprintf("The server refused: %s", e.Type)
}

// guessKind returns the kind of an error of a server that sends none, as the
// existing ayb does, or one that is not known here. That ayb answers nearly
// everything that a caller does wrong with status 500 and type Other.
func guessKind(typ wire.ErrorType, status int) fault.Kind {
	switch typ {
	case wire.RecordNotFound, wire.SnapshotDoesNotExistError:
		return fault.NotFound
	case wire.NoWriteAccessError:
		return fault.ReadOnly
	case wire.InvalidToken:
		return fault.Unauthenticated
	case wire.EmailError, wire.S3ConnectionError, wire.S3ExecutionError:
		return fault.Unavailable
	case wire.ConfigurationError, wire.SnapshotError:
		return fault.Internal
	}
	if status == http.StatusInternalServerError {
		return fault.Invalid
	}
	return kindOfStatus(status)
}

// kindOfStatus returns the kind that a status stands for.
func kindOfStatus(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusForbidden:
		return fault.Denied
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		return fault.TooLarge
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return fault.TimedOut
	case http.StatusTooManyRequests:
		return fault.Busy
	case http.StatusNotImplemented:
		return fault.Unsupported
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return fault.Unavailable
	case http.StatusInternalServerError:
		return fault.Internal
	}
	if status/100 == 4 {
		return fault.Invalid
	}
	return fault.Unavailable
}

// redirected words a redirect, which is not followed.
func (c *Client) redirected(resp *http.Response) error {
	cause := response(resp)
	if to, err := resp.Location(); err == nil && to.Host != "" {
		return fault.Wrap(fault.Unavailable, cause, "%s leads on to %.200q; if that is the server, use it as the server's URL", c.server(), to.Scheme+"://"+to.Host)
	}
	return fault.Wrap(fault.Unavailable, cause, "%s leads on to another address; check the server's URL", c.server())
}

// strange words an answer that is not ayb's: that of a proxy, of another program,
// or of an ayb that does not know the request. excerpt is what it says, if a
// person can read that.
func (c *Client) strange(r request, resp *http.Response, excerpt string) error {
	cause := response(resp)
	kind := kindOfStatus(resp.StatusCode)
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch {
	case resp.StatusCode/100 == 2 && !r.looks():
		return fault.Wrap(fault.OutcomeUnknown, cause, "What %s answers is not an answer of ayb; check the server's URL, and whether the request was carried out", c.server())
	case resp.StatusCode/100 == 2:
		return fault.Wrap(fault.Unavailable, cause, "What %s answers is not an answer of ayb; check the server's URL", c.server())
	case resp.StatusCode == http.StatusNotFound:
		return fault.Wrap(fault.Unsupported, cause, "%s does not know this request: either the URL is not that of an ayb server, or the server is older than this client", c.server())
	case resp.StatusCode == http.StatusUnauthorized:
		return fault.Wrap(kind, cause, "%s asks for an API token, or for another one", c.server())
	case kind == fault.Unavailable:
		return fault.Wrap(kind, cause, "%s is not available (%s); try again later", c.server(), status)
	case excerpt != "":
		return fault.Wrap(kind, cause, "%s refused the request: %s (%s)", c.server(), excerpt, status)
	}
	return fault.Wrap(kind, cause, "What %s answers is not an answer of ayb (%s); check the server's URL, and whether it begins with https://", c.server(), status)
}

// excerpt returns the text of an answer that is short, plain text.
func excerpt(resp *http.Response, text []byte) string {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	s := strings.TrimSpace(string(text))
	if media != "text/plain" || len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }) {
		return ""
	}
	return s
}
