package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"ayb"
	"ayb/auth"
	"ayb/fault"
	"ayb/httpapi/wire"
	"ayb/internal/walls"
)

// statusGone is what the log says of a request whose client went away, before the
// answer or within it.
const statusGone = 499

// empty is the body of a success that has nothing to say.
type empty struct{}

// A delivered body has been sent by the endpoint itself.
type delivered struct{}

// A page is a body of HTML, with the status that goes with it.
type page struct {
	status int
	html   []byte
}

// ServeHTTP answers a request: it is the adapter between HTTP and endpoints.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{api: a, w: w, r: r, control: *http.NewResponseController(w), began: a.opt.Now()}
	if a.opt.Traffic != nil {
		a.opt.Traffic.begin()
		defer x.count()
	}
	defer x.end()
	x.introduce()
	if x.crossOrigin() {
		return
	}
	asked := r.URL.EscapedPath()
	if a.opt.Walls.Has(walls.ExactPaths) {
		asked = path.Clean(r.URL.Path)
	}
	if x.route, x.params = a.router.match(r.Method, asked); x.route == nil {
		x.sendNothing(http.StatusNotFound)
		return
	}
	body, err := x.do()
	if err != nil {
		x.fail(err)
		return
	}
	x.answer(body)
}

// do finds out who is calling and does what the route is for.
func (x *exchange) do() (any, error) {
	var err error
	if x.caller, err = x.identify(); err != nil {
		return nil, err
	}
	return x.route.do(x)
}

// identify returns who is calling. A token that is not valid is an error also
// where none is needed. Errors: Unauthenticated.
func (x *exchange) identify() (ayb.Principal, error) {
	anonymous := ayb.Anonymous.From(x.address)
	headers := x.r.Header["Authorization"]
	switch {
	case x.route.caller == nobody || len(headers) == 0 && x.route.caller == optional:
		return anonymous, nil
	case len(headers) == 0:
		return anonymous, fault.New(fault.Unauthenticated, "This endpoint requires authentication")
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	if len(headers) > 1 && !x.opt.Walls.Has(walls.OneHeader) || !ok || !strings.EqualFold(scheme, "Bearer") {
		return anonymous, as(wire.Other, fault.New(fault.Unauthenticated, "Invalid Authorization header: expected `Bearer <token>`"))
	}
	token = strings.TrimSpace(token)
	p, err := x.eng.Authenticate(x.ctx(), token)
	if err != nil {
		if _, malformed := auth.ParseToken(token); malformed != nil {
			return anonymous, as(wire.Other, malformed)
		}
	}
	return p.From(x.address), asIf(fault.Unauthenticated, wire.InvalidToken, err)
}

// answer sends the body of a success.
func (x *exchange) answer(body any) {
	header := x.w.Header()
	switch body := body.(type) {
	case delivered:
	case *result:
		defer body.release()
		header["Content-Type"] = contentJSON
		x.send(x.route.status, body.size, body.pieces...)
	case page:
		header["Content-Type"] = contentHTML
		x.send(body.status, int64(len(body.html)), body.html)
	case nil:
		x.sendNothing(x.route.status)
	default:
		text, err := wire.Encode(body)
		if err != nil {
			x.fail(err)
			return
		}
		header["Content-Type"] = contentJSON
		x.send(x.route.status, int64(len(text)), text)
	}
}

// The values of headers that do not change; nobody writes to them.
var (
	contentJSON = []string{"application/json"}
	contentHTML = []string{"text/html; charset=utf-8"}
)

// fail answers with an error.
func (x *exchange) fail(err error) {
	x.err = err
	if x.gone(err) {
		x.status = statusGone
		panic(http.ErrAbortHandler) // nobody is there to read
	}
	status, e := envelope(err)
	text, err := wire.Encode(e)
	if err != nil {
		panic(err) // strings always encode
	}
	header := x.w.Header()
	switch status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests:
		header.Set("Retry-After", strconv.Itoa(retryAfter(x.err)))
	}
	header["Content-Type"] = contentJSON
	x.send(status, int64(len(text)), text)
}

// sendNothing answers without a body.
func (x *exchange) sendNothing(status int) {
	x.leaveBody()
	x.status = status
	if status != http.StatusNoContent {
		x.w.Header().Set("Content-Length", "0")
	}
	x.w.WriteHeader(status)
}

// send answers with a body of size bytes, in pieces, compressed if that is
// wanted and worth it.
func (x *exchange) send(status int, size int64, pieces ...[]byte) {
	x.leaveBody()
	if x.worthSqueezing(size) {
		if s := x.squeezer(); s != nil {
			x.status = status
			x.w.WriteHeader(status)
			x.sendSqueezed(s, pieces)
			return
		}
	}
	x.status = status
	x.setHeader(2, "Content-Length", strconv.FormatInt(size, 10))
	x.w.WriteHeader(status)
	for _, piece := range pieces {
		if _, err := x.Write(piece); err != nil {
			x.abandon(err)
		}
	}
	x.finish()
}

func (x *exchange) sendSqueezed(s *squeezer, pieces [][]byte) {
	defer x.squeezers.put(s)
	for _, piece := range pieces {
		if _, err := s.Write(piece); err != nil {
			x.abandon(err)
		}
	}
	if err := s.Close(); err != nil {
		x.abandon(err)
	}
	x.finish()
}

// Write sends a piece of the body; the client has a while to accept it.
func (x *exchange) Write(p []byte) (int, error) {
	x.control.SetWriteDeadline(time.Now().Add(x.opt.Stall))
	n, err := x.w.Write(p)
	x.sent += int64(n)
	return n, err
}

// finish sends what is left of the answer and takes the deadline away: what
// comes next on the connection may not be ours.
func (x *exchange) finish() {
	if err := x.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		x.abandon(err)
	}
	x.control.SetWriteDeadline(time.Time{})
}

// gone reports whether an error comes from the client's going away.
func (x *exchange) gone(err error) bool {
	return errors.Is(err, context.Canceled) && x.ctx().Err() != nil
}

// abandon ends an answer that has begun and can't be ended well, so that the
// client sees that it is broken. It is the client who is gone or has stopped
// reading, which is nothing for the log to complain about.
func (x *exchange) abandon(err error) {
	x.err, x.status = err, statusGone
	panic(http.ErrAbortHandler)
}

// end leaves the line in the log. It answers a panic, if that can still be done.
func (x *exchange) end() {
	v := recover()
	if x.reserved > 0 {
		x.bodies.give(x.caller.Entity, x.reserved)
		x.reserved = 0
	}
	if v != nil && v != any(http.ErrAbortHandler) {
		x.panicked(v)
		if x.status == 0 {
			x.fail(fault.New(fault.Internal, "internal error"))
		} else {
			v = http.ErrAbortHandler // it is in the log once, with its stack
		}
	}
	x.ended = x.opt.Now()
	x.log()
	if v == any(http.ErrAbortHandler) {
		panic(v)
	}
	if x.left {
		x.linger()
	}
}

// count counts the request, whatever has become of it.
func (x *exchange) count() {
	if x.ended.IsZero() {
		x.ended = x.opt.Now()
	}
	x.opt.Traffic.end(x.place(), x.status, x.sent, x.ended.Sub(x.began), x.err)
}

// place returns what names the route of the request, whose words are not the
// client's.
func (x *exchange) place() place {
	if x.route == nil {
		return place{methodName(x.r.Method), NoRoute}
	}
	return place{x.route.method, x.route.pattern}
}

// log writes the line of the request. It does what slog.Logger does, except that
// it does not look for the place in the source, which costs as much as the rest
// and is always this one.
func (x *exchange) log() {
	level := slog.LevelInfo
	switch fault.KindOf(x.err) {
	case fault.Internal, fault.Unavailable, fault.OutcomeUnknown:
		if x.status != statusGone {
			level = slog.LevelError
		}
	}
	ctx := context.WithoutCancel(x.ctx())
	handler := x.opt.Logger.Handler()
	if !handler.Enabled(ctx, level) {
		return
	}
	at := x.place()
	line := slog.NewRecord(x.ended, level, "request", 0)
	line.AddAttrs(
		slog.String("method", at.method), slog.String("route", at.pattern), slog.Int("status", x.status),
		slog.Int64("bytes", x.sent), slog.Duration("duration", x.ended.Sub(x.began)),
		slog.String("entity", string(x.caller.Slug)), slog.String("request", x.id), slog.String("address", x.address),
	)
	if level == slog.LevelError {
		line.AddAttrs(slog.Any("error", x.err))
	}
	_ = handler.Handle(ctx, line) // a log that can't be written has nobody to tell
}
