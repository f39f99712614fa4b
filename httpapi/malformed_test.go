package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ayb/httpapi"
	"ayb/httpapi/wire"
)

// raw sends bytes and reads the answer to them.
func (f *fixture) raw(t *testing.T, text string) (reply, error) {
	t.Helper()
	return rawTo(t, f.Listener.Addr().String(), text)
}

func rawTo(t *testing.T, address, text string) (reply, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	must(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(conn, text) // the server need not read it to its end
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

// TestRouter holds that what is not exactly a route does not exist: nothing is
// cleaned, redirected or answered with 405.
func TestRouter(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, line := range []string{
		"POST /health", "HEAD /health", "OPTIONS /health", "GET /health/", "GET //health", "GET /./health", "GET /x/../health", "GET /Health", "GET /%68ealth/",
		"GET /", "GET /v1", "GET /v1/", "GET /v1/nothing", "GET /v1/register", "GET /v1/log_in", "PUT /v1/confirm", "HEAD /v1/entity/alice", "GET /v1/entity/alice/", "GET /v1/entity//",
		"GET /v1/entity/", "GET /v1//alice/test/details", "GET /v1/alice//details", "GET /v1/alice/test/details/", "HEAD /v1/alice/test/details", "POST /v1/alice/test/details",
		"GET /v1/alice/test/query", "PUT /v1/alice/test/query", "BREW /v1/alice/test/query", "GET /v1/alice%2Ftest/details", "GET /v1/alice/test%2fdetails", "GET /v1/../v1/alice/test/details",
		"GET /v1/alice/test/details/%2e%2e/details", "GET /alice/test/details", "GET /alice", "GET /confirm", "GET /confirm/", "HEAD /confirm/x", "GET /confirm/x/y", "DELETE /v1/tokens", "DELETE /v1/tokens/",
	} {
		r, err := f.raw(t, line+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: Bearer "+alice+"\r\n\r\n")
		if err != nil && !strings.HasPrefix(line, "HEAD") {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if r.status != 404 || r.body != "" || r.header.Get("Location") != "" || r.header.Get("Allow") != "" {
			t.Errorf("%s: %d %q %v, want 404 and nothing", line, r.status, r.body, r.header)
		}
	}
	for line, slug := range map[string]string{
		"/v1/alice%2Ftest/x/details": "alice/test", "/v1/%2e%2e/x/details": "..", "/v1/./x/details": ".", "/v1/a%00b/x/details": "ab", "/v1/%ff/x/details": "\ufffd", "/v1/-x/x/details": "-x",
	} {
		r := f.call(request{method: get, path: line})
		r.refused(t, 400, wire.InvalidSlug, "invalid", "")
		if !strings.Contains(r.envelope(t).Message, slug) {
			t.Errorf("%s: %s", line, r.body)
		}
	}
	f.call(request{method: get, path: "/v1/%61lice/%74est/details", token: alice}).want(t, 200, `...`)
}

func TestAuthorization(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	const malformed = "Invalid Authorization header: expected `Bearer <token>`"
	for _, c := range []struct {
		header, message string
		typ             wire.ErrorType
	}{
		{"", malformed, wire.Other}, {"Bearer", malformed, wire.Other}, {"Bearer" + alice, malformed, wire.Other}, {"Basic " + alice, malformed, wire.Other}, {alice, malformed, wire.Other},
		{"Bearer  ", malformed, wire.Other}, {"Bearer x", "The token is malformed", wire.Other}, {"Bearer " + alice + "1", "Invalid API token", wire.InvalidToken},
		{"Bearer " + alice + " " + alice, "The token is malformed", wire.Other}, {"Bearer ayb_a_b_c", "The token is malformed", wire.Other},
		{"Bearer ayb_unknown_secret", "Invalid API token", wire.InvalidToken}, {"Bearer " + strings.Repeat("a", 10_000), "The token is malformed", wire.Other},
	} {
		for _, path := range []string{"/v1/tokens", "/v1/entity/alice"} { // one that needs a token, and one that does not
			r := f.call(request{method: get, path: path, headers: []string{"Authorization: " + c.header}})
			r.refused(t, 401, c.typ, "unauthenticated", c.message)
			if r.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%q: WWW-Authenticate is %q", c.header, r.header.Get("WWW-Authenticate"))
			}
		}
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer   "} {
		if r := f.call(request{method: get, path: "/v1/tokens", headers: []string{"Authorization: " + scheme + alice}}); r.status != 200 {
			t.Errorf("%q: %d %s", scheme, r.status, r.body)
		}
	}
	r := f.call(request{method: get, path: "/v1/tokens", headers: []string{"Authorization: Bearer " + alice, "Authorization: Bearer " + alice}})
	r.refused(t, 401, wire.Other, "unauthenticated", malformed)
	f.call(request{method: get, path: "/v1/tokens"}).refused(t, 401, wire.Unauthorized, "unauthenticated", "This endpoint requires authentication")
	f.call(request{method: get, path: "/v1/tokens", headers: []string{"Cookie: auth=alice:" + alice}}).refused(t, 401, wire.Unauthorized, "unauthenticated", "This endpoint requires authentication")
}

func TestHeaders_sent_twice_or_garbled_are_refused(t *testing.T) {
	f := serve(t, nil, nil)
	f.call(request{method: post, path: "/v1/log_in", headers: []string{"entity: alice", "entity: bob"}}).refused(t, 400, wire.Other, "invalid", "The `entity` header was sent more than once")
	r, err := f.raw(t, "POST /v1/log_in HTTP/1.1\r\nHost: x\r\nentity: \xff\xfe\r\nContent-Length: 0\r\n\r\n")
	must(t, err)
	r.refused(t, 400, wire.Other, "invalid", "The `entity` header is not valid UTF-8")
	r, err = f.raw(t, "POST /v1/log_in HTTP/1.1\r\nHost: x\r\nentity: é\r\nContent-Length: 0\r\n\r\n")
	must(t, err)
	r.refused(t, 404, wire.Other, "not_found", "No account or email authentication method for é")
}

func TestBody_malformed(t *testing.T) {
	f := serve(t, nil, &httpapi.Options{MaxSQLBytes: 1000, MaxBodyBytes: 500, Stall: 300 * time.Millisecond})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	query := func(headers, body string) string {
		return "POST /v1/alice/test/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + alice + "\r\n" + headers + "\r\n\r\n" + body
	}
	for _, c := range []struct {
		name, text string
		status     int
		kind       string
	}{
		{"too large", query("Content-Length: 1001", strings.Repeat("x", 1001)), 413, "too_large"},
		{"too large, announced and not sent", query("Content-Length: 1000000000000", ""), 413, "too_large"},
		{"too large, in chunks", query("Transfer-Encoding: chunked", "3e9\r\n"+strings.Repeat("x", 1001)+"\r\n0\r\n\r\n"), 413, "too_large"},
		{"not UTF-8", query("Content-Length: 10", "SELECT '\xff'"), 400, "invalid"},
		{"slower than the bound, and nobody reads it", "POST /v1/register HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", 400, "invalid"},
		{"slower than the bound, and larger than another", query("Content-Length: 1001", "SELECT"), 413, "too_large"},
		{"slower than the bound", query("Content-Length: 10", "SELECT"), 504, "timed_out"},
		{"bad chunks", query("Transfer-Encoding: chunked", "xyz\r\n"), 400, "invalid"},
		{"JSON that nests deeply", query("Content-Type: application/json\r\nContent-Length: 903", `{"args":`+strings.Repeat("[", 895)), 400, "invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := f.raw(t, c.text)
			must(t, err)
			r.refused(t, c.status, wire.Other, c.kind, "")
		})
	}
	t.Run("cut in the middle", func(t *testing.T) {
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		must(t, err)
		defer conn.Close()
		io.WriteString(conn, query("Content-Length: 100", "CREATE TABLE half(a)"))
		must(t, conn.(*net.TCPConn).CloseWrite())
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		reply{resp.StatusCode, resp.Header, string(body)}.refused(t, 400, wire.Other, "invalid", "The body was cut short")
		if got := f.query(alice, "alice/test", "SELECT count(*) AS n FROM sqlite_schema"); got != `{"fields":["n"],"rows":[["0"]]}` {
			t.Errorf("half a body was run: %s", got)
		}
	})
	for _, body := range []string{"", " ", "x", "[]", "null", `"slug"`, `{"slug":5}`, `{"slug":"a"`, `{"slug":"a"}x`, `{"slug":"a"} {"slug":"b"}`, `{"slug":"a","x":1}`, `{"a":` + strings.Repeat("[", 400)} {
		f.call(request{method: post, path: "/v1/alice/test/rename", token: alice, body: body}).refused(t, 400, wire.Other, "invalid", "")
	}
}

// TestServer_holds_out looks at the handler in a server with the timeouts that
// the package's documentation asks for.
func TestServer_holds_out(t *testing.T) {
	f := serve(t, nil, nil)
	bounded := &http.Server{Handler: f.Server.Config.Handler, ReadHeaderTimeout: 200 * time.Millisecond, MaxHeaderBytes: 64 << 10}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go bounded.Serve(listener)
	defer bounded.Close()
	address := listener.Addr().String()
	t.Run("1 MB of headers", func(t *testing.T) {
		var b strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&b, "X-Filler-%d: %s\r\n", i, strings.Repeat("x", 1000))
		}
		r, err := rawTo(t, address, "GET /health HTTP/1.1\r\nHost: x\r\n"+b.String()+"\r\n")
		if err == nil && r.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answered %d %s", r.status, r.body)
		}
	})
	t.Run("headers that never end", func(t *testing.T) {
		conn, err := net.Dial("tcp", address)
		must(t, err)
		defer conn.Close()
		io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if b, err := io.ReadAll(conn); err != nil {
			t.Errorf("the connection stays open: %q, %v", b, err)
		}
	})
	r, err := rawTo(t, address, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	must(t, err)
	r.want(t, 200, `{"status":"ok"}`)
}
