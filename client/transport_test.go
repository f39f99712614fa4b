package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ayb/client"
	"ayb/fault"
)

func TestNew_refuses(t *testing.T) {
	for address, part := range map[string]string{
		"":                             "for example https://ayb.example.org",
		"localhost:5433":               "begins with http:// or https://",
		"127.0.0.1:5433":               "begins with http:// or https://",
		"ayb.example.org":              "begins with http:// or https://",
		"ftp://ayb.example.org":        "begins with http:// or https://",
		"http://":                      "begins with http:// or https://",
		"http:///path":                 "begins with http:// or https://",
		"http://a b":                   "begins with http:// or https://",
		"http://[::1":                  "begins with http:// or https://",
		"http://host:99999":            "from 1 to 65535",
		"http://host:0":                "from 1 to 65535",
		"http://host:http":             "begins with http:// or https://",
		"http://host/?a=b":             "behind its path",
		"http://host/#a":               "behind its path",
		"http://alice:verysecret@host": "can't hold a name or password",
		"http://verysecret\x7f@host":   "",
	} {
		c, err := client.New(client.Config{URL: address})
		if isRefusal(t, err, fault.Invalid, part); c != nil {
			t.Errorf("%q: a client all the same", address)
		}
	}
	for _, token := range []string{"ayb_verysecret_\n", " ayb_verysecret_x", "ayb_verysecret_é"} {
		_, err := client.New(client.Config{URL: "http://host", Token: token})
		isRefusal(t, err, fault.Unauthenticated, "characters that no token has")
		c := newClient(t, client.Config{URL: "http://host.invalid"}).WithToken(token)
		isRefusal(t, c.Health(t.Context()), fault.Unauthenticated, "characters that no token has")
		isRefusal(t, query(c), fault.Unauthenticated, "characters that no token has")
	}
}

func TestNew_takes(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:5433": "http://127.0.0.1:5433", "HTTP://Host/": "http://Host", "https://[::1]:1/": "https://[::1]:1",
		"https://example.org/ayb//": "https://example.org/ayb", "http://host/a%2Fb/": "http://host/a%2Fb",
	} {
		c, err := client.New(client.Config{URL: address})
		if err != nil || c.URL() != want {
			t.Errorf("%s: %v, %v", address, c, err)
		}
	}
}

func TestClient_does_not_tell_its_token(t *testing.T) {
	c := newClient(t, client.Config{URL: "http://host", Token: secret})
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("calling", "client", c)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("calling", "client", c)
	if text := fmt.Sprintf("%v %+v %s", c, c, c) + b.String(); strings.Contains(text, "verysecret") || !strings.Contains(text, "http://host") {
		t.Error(text)
	}
}

func TestPrefix_of_the_path(t *testing.T) {
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.EscapedPath())
		says(200, "application/json", `{"status":"ok","fields":[],"rows":[]}`)(w, r)
	}))
	defer server.Close()
	c := newClient(t, client.Config{URL: server.URL + "/some%2Fwhere/"})
	if err := c.Health(t.Context()); err != nil {
		t.Error(err)
	}
	if err := query(c); err != nil {
		t.Error(err)
	}
	if err := c.RevokeToken(t.Context(), "a/../b?c"); err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(paths, " "), "/some%2Fwhere/health /some%2Fwhere/v1/a/b/query /some%2Fwhere/v1/tokens/a%2F..%2Fb%3Fc"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestTransport_failures has what goes wrong on the way, each with a sentence that
// says what to do. Nothing was sent, so nothing can have been done.
func TestTransport_failures(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	free.Close()
	plain := httptest.NewServer(says(200, "application/json", `{"status":"ok"}`))
	defer plain.Close()
	private := httptest.NewUnstartedServer(says(200, "application/json", `{"status":"ok"}`))
	private.Config.ErrorLog = log.New(io.Discard, "", 0)
	private.StartTLS()
	defer private.Close()
	address := strings.TrimPrefix(private.URL, "https://")
	_, port, _ := net.SplitHostPort(address)

	for name, c := range map[string]struct {
		url  string
		http *http.Client
		part string
	}{
		"nobody listens":              {"http://" + nobody, nil, "No server answers at http://" + nobody + "; check the URL, and that the server is running"},
		"no such name":                {"http://ayb.invalid:1", &http.Client{Transport: &http.Transport{DialContext: noName}}, "There is no host of the name ayb.invalid"},
		"no network for names":        {"http://ayb.invalid:1", &http.Client{Transport: &http.Transport{DialContext: noNames}}, "could not be looked up"},
		"https to http":               {strings.Replace(plain.URL, "http:", "https:", 1), nil, "speaks http, not https"},
		"http to https":               {"http://" + address, nil, "begin with https://"},
		"an authority not trusted":    {private.URL, nil, "not signed by an authority that this machine trusts"},
		"a certificate of another":    {"https://localhost:" + port, trusting(private), "is for another name"},
		"a certificate out of date":   {private.URL, atYear(private, 3000), "has expired, or is not valid yet"},
		"a proxy that is not there":   {"https://ayb.invalid", through("http://" + nobody), "The proxy on the way"},
		"a host that does not answer": {"http://ayb.invalid", &http.Client{Transport: &http.Transport{DialContext: noRoute}}, "could not be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newClient(t, client.Config{URL: c.url, Token: secret, HTTP: c.http, Retries: -1})
			isRefusal(t, cl.Health(t.Context()), fault.Unavailable, c.part)
			isRefusal(t, cl.DeleteDatabase(t.Context(), "a/b"), fault.Unavailable, c.part)
			_, err := cl.Query(t.Context(), "a/b", "DELETE FROM t")
			isRefusal(t, err, fault.Unavailable, c.part)
		})
	}
}

func noName(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "ayb.invalid", IsNotFound: true}}
}

func noNames(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "ayb.invalid", IsTemporary: true}}
}

func noRoute(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
}

// trusting returns what trusts a server's certificate.
func trusting(server *httptest.Server) *http.Client {
	return &http.Client{Transport: server.Client().Transport.(*http.Transport).Clone()}
}

// atYear is trusting, in another year.
func atYear(server *httptest.Server, year int) *http.Client {
	c := trusting(server)
	c.Transport.(*http.Transport).TLSClientConfig.Time = func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	return c
}

// through returns what goes by way of a proxy.
func through(proxy string) *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }}}
}
