package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"ayb/fault"
	"ayb/httpapi/wire"
)

// RunningQueries returns how many queries a handler of New is running.
func RunningQueries(h http.Handler) int {
	r := h.(*api).running
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queries)
}

// RouteNames returns method and pattern of every route.
func RouteNames() (names []string) {
	for _, r := range routes() {
		names = append(names, r.method+" "+r.pattern)
	}
	return names
}

// ClientAddress is clientAddress.
func ClientAddress(r *http.Request, trusted []netip.Prefix) (string, bool) {
	return clientAddress(r, trusted)
}

// Answered returns the status and type with which a kind of failure is answered.
func Answered(kind fault.Kind) (int, wire.ErrorType, bool) {
	row, ok := kinds[kind]
	return row.status, row.typ, ok
}

// VerifyLinks looks at links with a checker that connects to admitted addresses
// only, each for at most limit.
func VerifyLinks(ctx context.Context, admitted func(netip.Addr) bool, transport *http.Transport, limit time.Duration, links []string, profile string) (verified []string) {
	c := newLinkCheckerFor(admitted, transport)
	c.client.Timeout = limit
	for _, link := range c.look(ctx, links, profile) {
		if link.Verified {
			verified = append(verified, link.URL)
		}
	}
	return verified
}

// IsPublic is isPublic, after what is done to an address before.
func IsPublic(addr netip.Addr) bool { return isPublic(plain(addr)) }

// CheckLinks makes a handler of New connect to admitted addresses only when it
// looks at links.
func CheckLinks(h http.Handler, admitted func(netip.Addr) bool, transport *http.Transport) {
	h.(*api).links = newLinkCheckerFor(admitted, transport)
}

// FillBudget leaves a handler of New no room for large results.
func FillBudget(h http.Handler) { h.(*api).held.total = 0 }

// SetBodies sets how much memory large bodies may take in a handler of New.
func SetBodies(h http.Handler, total int64) { h.(*api).bodies = newBudget(total) }

// TakeSqueezers takes so many squeezers, as far as there are, gives them back, and
// does so again. It returns how many there were.
func TakeSqueezers(n int) (taken, again int) {
	all := newSqueezers()
	take := func() (count int) {
		var list []*squeezer
		for i := range n {
			if s := all.get([]string{"gzip", "zstd"}[i%2]); s != nil {
				list = append(list, s)
			}
		}
		for _, s := range list {
			all.put(s)
		}
		return len(list)
	}
	return take(), take()
}
