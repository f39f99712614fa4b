package httpapi

import "net/netip"

// health says that the server answers; to an operator who asks for it, more.
func (x *exchange) health() (any, error) {
	if x.opt.Health != nil && x.r.URL.RawQuery == "verbose" && x.isLocal() {
		return x.opt.Health(), nil
	}
	return struct {
		Status string `json:"status"`
	}{"ok"}, nil
}

// isLocal reports whether the request was sent on this machine, and not by a
// proxy for somebody else.
func (x *exchange) isLocal() bool {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via"} {
		if len(x.r.Header[name]) > 0 {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(x.r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}
