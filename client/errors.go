package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	RecordType string         // and what that is: entity, database, api_token, member or offer
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

// maxErrorBytes bounds the body of an answer that is not a success.
const maxErrorBytes = 1 << 20

// refusal reads an answer that is not a success.
func (c *Client) refusal(ctx, limited context.Context, r request, resp *http.Response) error {
	if resp.StatusCode/100 == 3 {
		return c.redirected(r, resp)
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
	e := &ResponseError{Status: resp.StatusCode, RequestID: printable(resp.Header.Get("X-Request-Id"))}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(min(seconds, 1<<20)) * time.Second
	}
	return e
}

// newFault returns the error that an envelope stands for.
func newFault(e wire.Error, cause *ResponseError) error {
	cause.Type, cause.ID, cause.RecordType = wire.ErrorType(printable(string(e.Type))), printable(e.ID), printable(e.RecordType)
	kind := e.Kind
	if !slices.Contains(fault.Kinds(), kind) {
		kind = guessKind(e.Type, cause.Status)
	}
	f := fault.Wrap(kind, cause, "%s", printable(orMessage(e)))
	f.Code, f.Statement = e.Code, max(e.Statement, 0)
	return f
}

// maxMessageBytes bounds what is shown of a server's words.
const maxMessageBytes = 16 << 10

// printable returns a server's words without what could rewrite a terminal or a
// log. Line ends and tabs stay: SQL has them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), maxMessageBytes)], "\ufffd"))
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
func (c *Client) redirected(r request, resp *http.Response) error {
	cause := response(resp)
	to, err := resp.Location()
	if err != nil || to.Scheme == c.base.Scheme && to.Host == c.base.Host {
		return fault.Wrap(fault.Unavailable, cause, "%s leads on to another address; check the path in the server's URL", c.server())
	}
	path, _, _ := strings.Cut(r.path, "?")
	address := url.URL{Scheme: to.Scheme, Host: to.Host}
	if prefix, ok := strings.CutSuffix(to.Path, path); ok {
		address.Path = prefix
	}
	return fault.Wrap(fault.Unavailable, cause, "%s leads on to %s; if you trust that address, use it as the server's URL", c.server(), printable(address.String()))
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
	case resp.StatusCode == http.StatusBadRequest && c.base.Scheme == "http":
		return fault.Wrap(fault.Unavailable, cause, "%s does not understand the request (%s); if the server speaks https, let the URL begin with https://", c.server(), status)
	case kind == fault.Unavailable:
		return fault.Wrap(kind, cause, "%s is not available (%s); try again later", c.server(), status)
	case excerpt != "":
		return fault.Wrap(kind, cause, "%s refused the request: %s (%s)", c.server(), excerpt, status)
	}
	return fault.Wrap(kind, cause, "What %s answers is not an answer of ayb (%s); check the server's URL", c.server(), status)
}

// excerpt returns the text of an answer that is short, plain text.
func excerpt(resp *http.Response, text []byte) string {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	s := strings.TrimSpace(string(text))
	if media != "text/plain" || len(s) > 200 || printable(s) != s {
		return ""
	}
	return s
}
