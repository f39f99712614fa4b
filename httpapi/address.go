package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// defaultPublicURL is where the API is if nobody says where: also what the
// engine puts into mails then.
const defaultPublicURL = "http://localhost:5433"

// clientAddress returns the IP address that a request comes from, "" if it has
// none, and whether it came by way of a trusted proxy. What X-Forwarded-For says
// is believed as far as trusted proxies have written it: from its end to the
// first address that is not one of them.
func clientAddress(r *http.Request, trusted []netip.Prefix) (address string, proxied bool) {
	if len(trusted) == 0 {
		if host, _, ok := strings.Cut(r.RemoteAddr, ":"); ok {
			if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
				return host, false // there is but one way to write it
			}
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "", false
	}
	client := plain(peer.Addr())
	if !isTrusted(client, trusted) {
		return client.String(), false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		if client = addr; !isTrusted(addr, trusted) {
			break
		}
	}
	return client.String(), true
}

// plain returns an address without what would make it differ from itself.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// parseHop reads an entry of X-Forwarded-For: an address, perhaps with a port.
func parseHop(hop string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(hop, "[]")); err == nil {
		return plain(addr), true
	}
	withPort, err := netip.ParseAddrPort(hop)
	return plain(withPort.Addr()), err == nil
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// publicURL returns the address at which people reach the handler, without a
// stroke at its end. What the client itself says, in Host, is not believed: it
// would let anybody have a link verified that leads to another instance.
func (x *exchange) publicURL() string {
	if base := x.knownURL(); base != "" {
		return base
	}
	return defaultPublicURL
}

// knownURL returns the address at which people reach the handler, or "" if
// nobody has said.
func (x *exchange) knownURL() string {
	if x.opt.PublicURL != "" {
		return x.opt.PublicURL
	}
	if !x.proxied {
		return ""
	}
	proto, host, prefix := x.forwarded("Proto"), x.forwarded("Host"), x.forwarded("Prefix")
	if proto != "https" {
		proto = "http"
	}
	base := url.URL{Scheme: proto, Host: host}
	parsed, err := url.Parse(base.String())
	if host == "" || err != nil || parsed.Host != host || parsed.Path != "" {
		return ""
	}
	if strings.HasPrefix(prefix, "/") && !strings.HasPrefix(prefix, "//") {
		base.Path = strings.TrimRight(prefix, "/")
	}
	return base.String()
}

// forwarded returns the last value of an X-Forwarded header, which the nearest
// proxy has written; those before it may be the client's own.
func (x *exchange) forwarded(what string) string {
	values := strings.Split(strings.Join(x.r.Header.Values("X-Forwarded-"+what), ","), ",")
	return strings.TrimSpace(values[len(values)-1])
}
