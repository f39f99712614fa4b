package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"ayb"
	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
	"ayb/internal/walls"
)

// An exchange is one request and its answer. It belongs to the goroutine that
// serves the request.
type exchange struct {
	*api
	w       http.ResponseWriter
	r       *http.Request
	control http.ResponseController
	began   time.Time
	ended   time.Time

	id      string // of the request
	queryID string // of the query, if it is one

	// Kept here so that they take no memory of their own.
	values [3]string // of headers
	seed   [requestIDBytes + queryIDBytes]byte
	asked  queryContext

	address string // of the caller
	proxied bool   // the request came by way of a trusted proxy

	route  *route
	params [maxParams]string
	caller ayb.Principal

	reserved int64 // memory for the body, as far as it is counted

	read   bool // the body, to its end
	secret bool // the answer has a secret, which compressing it could give away by its length
	left   bool // a part of the body, which is still to be taken from the connection
	status int  // 0: nothing has been answered yet
	sent   int64
	err    error // what the caller was told, or could not be told any more
}

// param returns what a parameter of the route's pattern stands for, by its
// place.
func (x *exchange) param(i int) string { return x.params[i] }

// ref returns the name of the database in the path. Errors: Invalid.
func (x *exchange) ref() (string, error) {
	entity, err := x.slug()
	if err != nil {
		return "", err
	}
	if _, err := catalog.ParseDatabaseSlug(x.param(1)); err != nil {
		return "", as(wire.InvalidSlug, err)
	}
	return entity + "/" + x.param(1), nil
}

// slug returns the name of the entity in the path. Errors: Invalid.
func (x *exchange) slug() (string, error) {
	slug, err := catalog.ParseEntitySlug(x.param(0))
	return string(slug), as(wire.InvalidSlug, err)
}

// header returns a header that the request must have. Errors: Invalid.
func (x *exchange) header(name string) (string, error) {
	values := x.r.Header[http.CanonicalHeaderKey(name)]
	switch {
	case len(values) == 0:
		return "", fault.New(fault.Invalid, "Missing required `%s` header", name)
	case len(values) > 1 && !x.opt.Walls.Has(walls.OneHeader):
		return "", fault.New(fault.Invalid, "The `%s` header was sent more than once", name)
	case !utf8.ValidString(values[0]):
		return "", fault.New(fault.Invalid, "The `%s` header is not valid UTF-8", name)
	}
	return values[0], nil
}

// How many random bytes ids are made of: three for each four characters. Those
// of requests are only to differ, those of queries not to be guessed.
const (
	requestIDBytes = 12
	queryIDBytes   = 18
)

// newIDs makes an id for the request and one for the query that it may be, of
// letters, digits, - and _.
func (x *exchange) newIDs() {
	if _, err := io.ReadFull(x.opt.Random, x.seed[:]); err != nil {
		panic("httpapi: no randomness for an id: " + err.Error())
	}
	var text [(requestIDBytes + queryIDBytes) / 3 * 4]byte
	base64.RawURLEncoding.Encode(text[:], x.seed[:])
	ids := string(text[:])
	x.id, x.queryID = ids[:requestIDBytes*4/3], ids[requestIDBytes*4/3:]
}

// cleanID reports whether an id that a client made is short and harmless enough
// to be repeated in headers and logs.
func cleanID(id string, shortest int) bool {
	if len(id) < shortest || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// body reads the whole body, valid UTF-8 of at most limit bytes. Errors: Invalid,
// TooLarge, TimedOut.
func (x *exchange) body(limit int64) ([]byte, error) {
	switch {
	case x.r.ContentLength == 0:
		return nil, nil
	case x.r.ContentLength > limit:
		return nil, errBody(limit)
	}
	x.control.SetReadDeadline(time.Now().Add(x.opt.Stall))
	text, err := readAll(x.r.Body, x.r.ContentLength, limit, x.reserve)
	switch {
	case errors.Is(err, fault.TooLarge), errors.Is(err, fault.Busy):
		return nil, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fault.New(fault.TimedOut, "The body did not arrive within limits.write_stall (%v)", x.opt.Stall)
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "The body was cut short")
	}
	x.allRead()
	if !utf8.Valid(text) {
		return nil, fault.New(fault.Invalid, "Can not decode body: it is not valid UTF-8")
	}
	return text, nil
}

// The memory that is taken for a body before any of it has arrived: what it is
// said to be long, but no more than a client may have for a mere promise.
const (
	leastBody   = 512
	promiseBody = 32 << 10
)

// readAll reads a body of the length that it is said to have, -1 if that is not
// known. It reserves the memory that it takes. Errors: TooLarge, if there are more
// than limit bytes; those of reserve and r.
func readAll(r io.Reader, length, limit int64, reserve func(int64) error) ([]byte, error) {
	room := min(length+1, promiseBody) // one more, to see the end
	if length < 0 {
		room = leastBody
	}
	text := make([]byte, 0, room)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
			if err := reserve(int64(cap(text))); err != nil {
				return nil, err
			}
		}
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case int64(len(text)) > limit:
			return nil, errBody(limit)
		case err == io.EOF:
			return text, nil
		case err != nil:
			return nil, err
		}
	}
}

// reserve sees to it that n bytes of the body are counted, if it is a large one;
// they are until the request ends. Errors: Busy.
func (x *exchange) reserve(n int64) error {
	more := n - x.reserved
	if n <= uncountedBody || more <= 0 {
		return nil
	}
	if !x.bodies.take(x.caller.Entity, more) {
		return fault.Refuse(fault.Memory, "This server is reading too many large bodies just now; try again")
	}
	x.reserved += more
	return nil
}

func errBody(limit int64) error {
	return fault.New(fault.TooLarge, "payload reached size limit: a body can't be larger than %d bytes", limit)
}

// decode reads a body that is one JSON object, whatever its content type.
// Errors: as body.
func (x *exchange) decode(into any) error {
	text, err := x.body(x.opt.MaxBodyBytes)
	if err != nil {
		return err
	}
	return decodeJSON(text, into)
}

// decodeJSON reads one JSON object without fields that are not known. Errors:
// Invalid.
func decodeJSON(text []byte, into any) error {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return fault.New(fault.Invalid, "The body must be a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil && dec.InputOffset() < int64(len(text)) {
		return fault.New(fault.Invalid, "The body must be one JSON object, and there is more behind it")
	}
	return badJSON(err)
}

// badJSON words what was wrong with JSON.
func badJSON(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.Wrap(fault.Invalid, err, "Json deserialize error: %v", err)
}

// maxAfter is the longest cursor that is looked at.
const maxAfter = 2048

// page reads which part of a list is wanted. Without a limit it is as much as
// there can be on one page, for those who know of no pages. Errors: Invalid.
func (x *exchange) page() (ayb.Page, error) {
	if x.r.URL.RawQuery == "" {
		return ayb.Page{Size: catalog.MaxPageSize}, nil
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return ayb.Page{}, fault.Wrap(fault.Invalid, err, "The part of the address behind the question mark can't be read")
	}
	page := ayb.Page{Size: catalog.MaxPageSize, After: query.Get("after")}
	if limit := query.Get("limit"); limit != "" {
		page.Size, err = strconv.Atoi(limit)
	}
	if err != nil || page.Size < 1 || page.Size > catalog.MaxPageSize {
		return ayb.Page{}, fault.New(fault.Invalid, "limit must be a number from 1 to %d", catalog.MaxPageSize)
	}
	if len(page.After) > maxAfter || !utf8.ValidString(page.After) {
		return ayb.Page{}, fault.New(fault.Invalid, "after must be what the page before gave as next")
	}
	return page, nil
}

// linkNext says in a header where the next page is, if there is one, and returns
// what names it.
func (x *exchange) linkNext(page ayb.Page, next string) string {
	if next != "" {
		address := "?" + url.Values{"after": {next}, "limit": {strconv.Itoa(page.Size)}}.Encode()
		if base := x.knownURL(); base != "" {
			address = base + x.r.URL.EscapedPath() + address
		}
		x.w.Header().Set("Link", "<"+address+`>; rel="next"`)
	}
	return next
}

// ctx returns the context of the request, which ends when the client goes away.
func (x *exchange) ctx() context.Context { return x.r.Context() }
