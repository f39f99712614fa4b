package httpapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"ayb/catalog"
)

// The bounds of looking at the pages that a profile links to.
const (
	maxLinkedPages  = 20
	linkParallel    = 4                // of one profile
	linksParallel   = 16               // of all
	linkTime        = 5 * time.Second  // for one page
	linksTime       = 15 * time.Second // for all
	linkBytes       = 1 << 20          // of a page; what is behind is not looked at
	linkHeaderBytes = 64 << 10
	linkRedirects   = 3
)

// A linkChecker looks whether pages link back to a profile. The addresses come
// from strangers, so it fetches only what everybody can fetch: over https, from
// public addresses, and with no credentials or proxy of ours.
type linkChecker struct {
	client *http.Client
	places chan struct{} // one is held for each page that is being fetched
}

func newLinkChecker() *linkChecker {
	return newLinkCheckerFor(isPublic, &http.Transport{})
}

// newLinkCheckerFor returns a checker that connects to admitted addresses only.
// The address is looked at when the connection is made, after its name has been
// resolved, so that no name can stand for a public address first and for another
// one then.
func newLinkCheckerFor(admitted func(netip.Addr) bool, transport *http.Transport) *linkChecker {
	dialer := &net.Dialer{
		Timeout: linkTime,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !admitted(plain(to.Addr())) {
				return errNotPublic
			}
			return nil
		},
	}
	transport.Proxy = nil
	transport.DialContext = dialer.DialContext
	transport.DisableKeepAlives = true
	transport.TLSHandshakeTimeout = linkTime
	transport.ResponseHeaderTimeout = linkTime
	transport.MaxResponseHeaderBytes = linkHeaderBytes
	return &linkChecker{places: make(chan struct{}, linksParallel), client: &http.Client{
		Transport: transport,
		Timeout:   linkTime,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > linkRedirects || r.URL.Scheme != "https" {
				return errRedirect
			}
			return nil
		},
	}}
}

var (
	errNotPublic = errors.New("httpapi: the address is not public")
	errRedirect  = errors.New("httpapi: too many redirects, or one to http")
)

// look returns the links, each with whether its page has an <a rel="me"> to the
// profile. Those for which there is no time are not verified.
func (c *linkChecker) look(ctx context.Context, links []string, profile string) []catalog.Link {
	ctx, cancel := context.WithTimeout(ctx, linksTime)
	defer cancel()
	looked := make([]catalog.Link, min(len(links), maxLinkedPages))
	own := make(chan struct{}, linkParallel)
	var all sync.WaitGroup
	for i := range looked {
		looked[i].URL = links[i]
		own <- struct{}{}
		all.Go(func() {
			defer func() { <-own }()
			select {
			case c.places <- struct{}{}:
				looked[i].Verified = c.linksBack(ctx, links[i], profile)
				<-c.places
			case <-ctx.Done():
			}
		})
	}
	all.Wait()
	return looked
}

// linksBack reports whether a page links back. Whatever goes wrong is a no.
func (c *linkChecker) linksBack(ctx context.Context, link, profile string) bool {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return false
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("User-Agent", "ayb (looks for a link with rel=me)")
	answer, err := c.client.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK && hasLinkTo(io.LimitReader(answer.Body, linkBytes), profile)
}

// hasLinkTo reports whether a page has a link to the profile that says it is
// about the same person.
func hasLinkTo(body io.Reader, profile string) bool {
	tokens := html.NewTokenizer(body)
	tokens.SetMaxBuf(linkBytes)
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return false // the end, as a rule
		case html.StartTagToken, html.SelfClosingTagToken:
			if token := tokens.Token(); token.DataAtom == atom.A && isLinkTo(token.Attr, profile) {
				return true
			}
		}
	}
}

func isLinkTo(attributes []html.Attribute, profile string) bool {
	me, there := false, false
	for _, attribute := range attributes {
		switch attribute.Key {
		case "rel":
			me = slices.ContainsFunc(strings.Fields(attribute.Val), func(rel string) bool { return strings.EqualFold(rel, "me") })
		case "href":
			there = attribute.Val == profile
		}
	}
	return me && there
}

// normalURL returns an address as browsers write it: the host in lower case, and
// no port that goes without saying.
func normalURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Host = strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		u.Host = strings.TrimSuffix(u.Host, port)
	}
	return u.String()
}

// reserved are the networks that are not part of the public internet although
// nothing else about their addresses says so, or that lead to other addresses.
var reserved = func() (networks []netip.Prefix) {
	for _, network := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", // the last is Azure's own service for its machines
		"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		networks = append(networks, netip.MustParsePrefix(network))
	}
	return networks
}()

// globalIPv6 is all of IPv6 that has been given to the public internet.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// isPublic reports whether an address is one of the public internet.
func isPublic(addr netip.Addr) bool {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is6() && !globalIPv6.Contains(addr) {
		return false
	}
	return !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(addr) })
}
