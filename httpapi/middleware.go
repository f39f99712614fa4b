package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"

	"ayb/fault"
	"ayb/internal/walls"
)

// introduce does what comes before every request: it finds out where it comes
// from, gives it an id, and sets the headers that every answer has.
func (x *exchange) introduce() {
	x.address, x.proxied = clientAddress(x.r, x.opt.TrustedProxies)
	x.newIDs()
	if ids := x.r.Header["X-Request-Id"]; len(ids) > 0 && (cleanID(ids[0], 1) || x.opt.Walls.Has(walls.CleanIDs)) {
		x.id = ids[0]
	}
	header := x.w.Header()
	x.setHeader(0, "X-Request-Id", x.id)
	header["Cache-Control"] = noStore
	header["X-Content-Type-Options"] = noSniff
}

// setHeader sets a header, by its canonical name, to a value that is kept in a
// place of the exchange.
func (x *exchange) setHeader(place int, name, value string) {
	x.values[place] = value
	x.w.Header()[name] = x.values[place : place+1 : place+1]
}

// The values of headers that do not change; nobody writes to them.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// corsVary is what answers depend on besides the request itself.
const corsVary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"

// corsMethods are the methods that a page of another origin may use.
const corsMethods = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"

// crossOrigin says to browsers which pages may read the answer, if any are to.
// It reports whether the request was only a question about that, and has been
// answered.
func (x *exchange) crossOrigin() bool {
	if x.opt.CORSOrigin == "" {
		return false
	}
	header := x.w.Header()
	header.Add("Vary", corsVary)
	origin := x.r.Header.Get("Origin")
	admitted := origin != "" && (x.opt.CORSOrigin == "*" || x.opt.CORSOrigin == origin)
	if admitted {
		header.Set("Access-Control-Allow-Origin", origin)
	}
	wanted := x.r.Header["Access-Control-Request-Method"]
	if x.r.Method != http.MethodOptions || len(wanted) == 0 {
		return false
	}
	if !admitted {
		x.fail(fault.New(fault.Invalid, "Pages of this origin may not call the API"))
		return true
	}
	header.Set("Access-Control-Allow-Methods", corsMethods)
	if asked := x.r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		header.Set("Access-Control-Allow-Headers", asked)
	}
	header.Set("Access-Control-Max-Age", "7200")
	x.sendNothing(http.StatusOK)
	return true
}

// panicked writes a panic to the log, with its stack.
func (x *exchange) panicked(v any) {
	x.opt.Logger.LogAttrs(x.ctx(), slog.LevelError, "panic",
		slog.String("request", x.id), slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
}

// methodName returns a method as the log shows it: what a client makes up stays
// out of it.
func methodName(method string) string {
	if slices.Contains(knownMethods[:], method) {
		return method
	}
	return OtherMethod
}

var knownMethods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace,
}
