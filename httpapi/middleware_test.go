package httpapi_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"ayb/httpapi"
)

func TestCORS(t *testing.T) {
	preflight := func(f *fixture, origin string) reply {
		headers := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization, db-type"}
		if origin != "" {
			headers = append(headers, "Origin: "+origin)
		}
		return f.call(request{method: http.MethodOptions, path: "/v1/alice/test/query", headers: headers})
	}
	const page = "https://app.example.org"
	vary := func(r reply) string { return strings.Join(r.header.Values("Vary"), ", ") }
	t.Run("any origin is echoed", func(t *testing.T) {
		f := serve(t, nil, &httpapi.Options{CORSOrigin: "*"})
		r := preflight(f, page)
		r.want(t, 200, ``)
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": page, "Access-Control-Allow-Headers": "authorization, db-type", "Access-Control-Max-Age": "7200",
			"Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS", "Access-Control-Allow-Credentials": "", "Access-Control-Expose-Headers": "",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		for _, path := range []string{"/health", "/v1/nothing", "/v1/tokens"} { // failures too
			r := f.call(request{method: get, path: path, headers: []string{"Origin: " + page}})
			if r.header.Get("Access-Control-Allow-Origin") != page || !strings.Contains(vary(r), "Origin, Access-Control-Request-Method, Access-Control-Request-Headers") {
				t.Errorf("%s: %v", path, r.header)
			}
		}
		if r := f.call(request{method: get, path: "/health"}); r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("without an origin: %v", r.header)
		}
		if r := f.call(request{method: http.MethodOptions, path: "/health", headers: []string{"Origin: " + page}}); r.status != 404 {
			t.Errorf("OPTIONS that is no question: %d", r.status)
		}
	})
	t.Run("one origin is compared exactly", func(t *testing.T) {
		f := serve(t, nil, &httpapi.Options{CORSOrigin: page})
		preflight(f, page).want(t, 200, ``)
		for _, origin := range []string{"https://APP.example.org", "http://app.example.org", "null", ""} {
			if r := preflight(f, origin); r.status != 400 || r.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %d %v", origin, r.status, r.header)
			}
			if r := f.call(request{method: get, path: "/health", headers: []string{"Origin: " + origin}}); r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %d %v", origin, r.status, r.header)
			}
		}
	})
	t.Run("without the option there is none", func(t *testing.T) {
		f := serve(t, nil, nil)
		if r := preflight(f, page); r.status != 404 || r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%d %v", r.status, r.header)
		}
	})
}

func TestCompression(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	const long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) SELECT i FROM n"
	plain := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: long, headers: []string{"Accept-Encoding: identity"}})
	for _, c := range []struct{ accept, want string }{
		{"gzip", "gzip"}, {"zstd", "zstd"}, {"gzip, zstd", "zstd"}, {"gzip;q=1.0, zstd;q=0.5", "gzip"}, {"br, deflate", ""}, {"*", "zstd"}, {"*;q=0.1, zstd;q=0", "gzip"},
		{"gzip;q=0", ""}, {"gzip;q=x", ""}, {"identity, gzip;q=0.5", ""}, {"GZIP", "gzip"}, {";;,,", ""}, {"identity;q=0.5, gzip", "gzip"},
	} {
		for _, accept := range []string{"", acceptStream} {
			headers := []string{"Accept-Encoding: " + c.accept}
			if accept != "" {
				headers = append(headers, accept)
			}
			r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: long, headers: headers})
			if got := r.header.Get("Content-Encoding"); got != c.want || r.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: compressed as %q, want %q (%v)", c.accept, got, c.want, r.header)
				continue
			}
			body := decompress(t, r)
			if accept == "" && body != plain.body || accept != "" && (!strings.HasPrefix(body, "{\"columns\":[{\"name\":\"i\"") || strings.Count(body, "\n") != 5002) {
				t.Errorf("%s, %q: the answer differs", c.accept, accept)
			}
		}
	}
	for _, accept := range []string{"Accept: */*", acceptStream} {
		r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT 1", headers: []string{"Accept-Encoding: gzip", accept}})
		if r.header.Get("Content-Encoding") != "" {
			t.Errorf("a short answer is compressed (%s)", accept)
		}
	}
	off := serve(t, nil, &httpapi.Options{NoCompression: true})
	off.MustEntity("alice")
	off.MustDatabase("alice/test")
	if r := off.call(request{method: post, path: "/v1/alice/test/query", token: off.token("alice", nil), body: long, headers: []string{"Accept-Encoding: gzip"}}); r.body != plain.body || r.header.Get("Content-Encoding") != "" {
		t.Errorf("compressed although it is switched off")
	}
}

func decompress(t *testing.T, r reply) string {
	t.Helper()
	var from io.Reader = strings.NewReader(r.body)
	var err error
	switch r.header.Get("Content-Encoding") {
	case "gzip":
		from, err = gzip.NewReader(from)
	case "zstd":
		from, err = zstd.NewReader(from)
	}
	must(t, err)
	body, err := io.ReadAll(from)
	must(t, err)
	return string(body)
}

func TestRequestID(t *testing.T) {
	f := serve(t, nil, nil)
	ids := map[string]bool{}
	for _, sent := range []string{"", "", "abc-123_4.5", strings.Repeat("a", 64), strings.Repeat("a", 65), "a b", `a"b`, "é"} {
		got := f.call(request{method: get, path: "/health", headers: []string{"X-Request-Id: " + sent}}).header.Get("X-Request-Id")
		clean := regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(sent)
		if clean && got != sent || !clean && !regexp.MustCompile(`^[A-Za-z0-9_-]{16}$`).MatchString(got) || ids[got] {
			t.Errorf("%q became %q", sent, got)
		}
		ids[got] = true
	}
}

func TestAnswers_are_not_kept_or_guessed_at(t *testing.T) {
	f := serve(t, nil, nil)
	for _, path := range []string{"/health", "/v1/tokens", "/confirm/x"} {
		r := f.call(request{method: get, path: path})
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
}

func TestLog(t *testing.T) {
	f := serve(t, nil, &httpapi.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/secret-name")
	f.call(request{method: post, path: "/v1/alice/secret-name/query?q=secret", token: alice, body: "SELECT 'secret'", headers: []string{"X-Request-Id: my-id", "X-Forwarded-For: 203.0.113.7"}})
	f.call(request{method: post, path: "/v1/confirm", headers: []string{"authentication-token: secret-token"}})
	f.call(request{method: "SECRET", path: "/v1/secret"})
	f.call(request{method: get, path: "/confirm/secret"})
	wait(t, "there are four lines", func() bool { return strings.Count(f.log.String(), "\n") == 4 })
	log := f.log.String()
	if _, long, _ := strings.Cut(alice, "_"); strings.Contains(log, "secret") || strings.Contains(log, long) || strings.Contains(log, "SECRET") {
		t.Errorf("the log holds a secret:\n%s", log)
	}
	var line map[string]any
	must(t, json.Unmarshal([]byte(strings.Split(log, "\n")[0]), &line))
	for key, want := range map[string]any{
		"msg": "request", "level": "INFO", "method": "POST", "route": "/v1/{entity}/{database}/query", "status": 200.0, "bytes": 43.0,
		"entity": "alice", "request": "my-id", "address": "203.0.113.7",
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if _, ok := line["duration"].(float64); !ok {
		t.Errorf("duration is %v", line["duration"])
	}
}

func TestPanic_is_answered_once_and_logged(t *testing.T) {
	f := serve(t, nil, &httpapi.Options{Random: panicking{}})
	f.call(request{method: get, path: "/health"}).want(t, 500, `{"type":"Other","message":"internal error","kind":"internal"}`)
	wait(t, "the log has both lines", func() bool { return strings.Count(f.log.String(), "\n") == 2 })
	if log := f.log.String(); !strings.Contains(log, `"msg":"panic"`) || !strings.Contains(log, "introduce") || !strings.Contains(log, `"status":500`) {
		t.Errorf("log: %s", log)
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("out of luck") }

func TestClientAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
		proxied   bool
	}{
		{"203.0.113.7:1234", nil, "203.0.113.7", false},
		{"203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7", false},
		{"10.0.0.1:1234", nil, "10.0.0.1", true},
		{"10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"10.0.0.1:1234", []string{"1.1.1.1, 198.51.100.1, 10.9.9.9"}, "198.51.100.1", true},
		{"10.0.0.1:1234", []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1", true},
		{"10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", true},
		{"10.0.0.1:1234", []string{"198.51.100.1, unknown"}, "10.0.0.1", true},
		{"10.0.0.1:1234", []string{"198.51.100.1:55"}, "198.51.100.1", true},
		{"[::ffff:10.0.0.1]:1234", []string{"[2003::1]:80"}, "2003::1", true},
		{"[2001:db8::1]:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1", true},
		{"[fe80::1%eth0]:1234", nil, "fe80::1", false},
		{"@", []string{"198.51.100.1"}, "", false},
		{"", nil, "", false},
	} {
		r := httptest.NewRequest(get, "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		if got, proxied := httpapi.ClientAddress(r, trusted); got != c.want || proxied != c.proxied {
			t.Errorf("%s, %v: %q %v, want %q %v", c.peer, c.forwarded, got, proxied, c.want, c.proxied)
		}
	}
}

// TestAbsoluteURLs looks at the address of a next page behind proxies.
func TestAbsoluteURLs(t *testing.T) {
	local := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, c := range []struct {
		name, publicURL string
		trusted         []netip.Prefix
		headers         []string
		want            string
	}{
		{"nobody says where", "", nil, []string{"X-Forwarded-Host: evil.example"}, ""},
		{"the configuration says where", "https://example.org/ayb/", local, []string{"X-Forwarded-Host: evil.example"}, "https://example.org/ayb"},
		{"a proxy says where", "", local, []string{"X-Forwarded-Proto: https", "X-Forwarded-Host: example.org", "X-Forwarded-Prefix: /ayb/"}, "https://example.org/ayb"},
		{"a proxy appends to what a client says", "", local, []string{"X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example, example.org:8443"}, "https://example.org:8443"},
		{"a proxy says nonsense", "", local, []string{"X-Forwarded-Host: exa mple/path"}, ""},
		{"a proxy says a prefix that is another host", "", local, []string{"X-Forwarded-Host: example.org", "X-Forwarded-Prefix: //evil.example"}, "http://example.org"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := serve(t, nil, &httpapi.Options{PublicURL: c.publicURL, TrustedProxies: c.trusted})
			alice := f.token("alice", nil)
			f.token("alice", nil)
			r := f.call(request{method: get, path: "/v1/tokens?limit=1", token: alice, headers: c.headers})
			got, _, _ := strings.Cut(r.header.Get("Link"), "?")
			want := "<"
			if c.want != "" {
				want += c.want + "/v1/tokens"
			}
			if got != want {
				t.Errorf("%q, want %q", r.header.Get("Link"), want)
			}
		})
	}
}

func TestConfirmPage(t *testing.T) {
	f := serve(t, nil, nil)
	register := func(entity string) string {
		f.call(request{method: post, path: "/v1/register", headers: []string{"entity: " + entity, "email-address: " + entity + "@example.org", "entity-type: user"}}).want(t, 200, `{}`)
		return "/confirm/" + strings.ReplaceAll(f.Mailbox.Token(entity+"@example.org"), "=", "%3D")
	}
	path := register("alice")
	for range 3 { // as programs that check e-mails do
		r := f.call(request{method: get, path: path})
		if r.status != 200 || !strings.Contains(r.body, "<title>Confirm - ayb</title>") || !strings.Contains(r.body, `<form method="post">`) {
			t.Fatalf("GET: %d %s", r.status, r.body)
		}
		policy := r.header.Get("Content-Security-Policy")
		if strings.Contains(r.body, "<script") || !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") ||
			r.header.Get("Referrer-Policy") != "no-referrer" || r.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("GET: %v", r.header)
		}
	}
	r := f.call(request{method: post, path: path})
	secret := regexp.MustCompile(`<code>(ayb_[^<]+)</code>`).FindStringSubmatch(r.body)
	if r.status != 200 || secret == nil || !strings.Contains(r.body, "<title>Confirmation successful - ayb</title>") || !strings.Contains(r.body, "Welcome, alice") {
		t.Fatalf("POST: %d %s", r.status, r.body)
	}
	if r := f.call(request{method: get, path: "/v1/tokens", token: secret[1]}); r.status != 200 {
		t.Errorf("the token on the page: %d %s", r.status, r.body)
	}
	r = f.call(request{method: post, path: path})
	if r.status != 400 || strings.Contains(r.body, "ayb_") || !strings.Contains(r.body, "Invalid or expired token") {
		t.Errorf("POST once more: %d %s", r.status, r.body)
	}
}

// TestRoutes_are_documented holds docs/api.md against the table of routes.
func TestRoutes_are_documented(t *testing.T) {
	text := readFile(t, "../docs/api.md")
	var documented []string
	for _, match := range regexp.MustCompile("(?m)^### `([A-Z]+ /[^`]*)`").FindAllStringSubmatch(text, -1) {
		documented = append(documented, match[1])
	}
	for _, route := range httpapi.RouteNames() {
		if !slices.Contains(documented, route) {
			t.Errorf("docs/api.md has no heading for %s", route)
		}
	}
	for _, route := range documented {
		if !slices.Contains(httpapi.RouteNames(), route) {
			t.Errorf("docs/api.md describes %s, which is no route", route)
		}
	}
}
