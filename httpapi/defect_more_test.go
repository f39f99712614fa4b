package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"ayb/httpapi/wire"
)

func TestDefect_01_a_cookie_is_nobody(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, cookie := range []string{"auth=alice:x", "auth=alice:" + alice, "auth=" + alice, "token=" + alice} {
		for _, r := range []request{
			{method: get, path: "/v1/tokens"}, {method: post, path: "/v1/_/tokens", body: "{}"}, {method: post, path: "/v1/alice/test/query", body: "SELECT 1"},
			{method: get, path: "/v1/alice/test/details"}, {method: patch, path: "/v1/entity/alice", body: `{"display_name":"x"}`},
		} {
			r.headers = []string{"Cookie: " + cookie}
			if answer := f.call(r); answer.status != 401 {
				t.Errorf("%s %s with %s: %d %s", r.method, r.path, cookie, answer.status, answer.body)
			}
		}
	}
	f.call(request{method: post, path: "/v1/oauth/token", body: `{"code":"x"}`}).refused(t, 501, wire.Other, "unsupported", "")
}

func TestDefect_05_links_lead_nobody_into_the_network_of_the_server(t *testing.T) {
	var hits atomic.Int64
	web := aWeb(t, &hits)
	f := serve(t, nil, nil) // with the checker as it is in the server
	alice := f.token("alice", nil)
	port := web.URL[strings.LastIndex(web.URL, ":"):]
	var links []map[string]string
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001"} {
		links = append(links, map[string]string{"url": "https://" + host + port + "/good"})
	}
	inner, err := json.Marshal(links)
	must(t, err)
	body, err := json.Marshal(map[string]string{"links": string(inner)})
	must(t, err)
	if r := f.call(request{method: patch, path: "/v1/entity/alice", token: alice, body: string(body)}); r.status != 200 && r.status != 400 {
		t.Errorf("answered %d %s", r.status, r.body)
	}
	if r := f.call(request{method: get, path: "/v1/entity/alice"}); hits.Load() > 0 || strings.Contains(r.body, `"verified":true`) {
		t.Errorf("%d connections, and %s", hits.Load(), r.body)
	}
}

func TestDefect_13_names_and_tokens_of_any_bytes_harm_nothing(t *testing.T) {
	f := serve(t, nil, nil)
	for _, bytes := range []string{"%ff", "%00", "é", "%e2%80%ae", "..", strings.Repeat("a", 5000), "%0d%0aX-Injected:%20x"} {
		for _, r := range []request{{method: get, path: "/confirm/" + bytes}, {method: post, path: "/confirm/" + bytes}, {method: get, path: "/v1/entity/" + bytes}, {method: get, path: "/v1/" + bytes + "/" + bytes + "/details"}} {
			if answer := f.call(r); answer.status >= 500 || answer.header.Get("X-Injected") != "" {
				t.Errorf("%s %.40s: %d %s", r.method, r.path, answer.status, answer.body)
			}
		}
		header := strings.NewReplacer("%ff", "\xff", "%e2%80%ae", "\u202e", "%00", "", "%0d%0a", " ").Replace(bytes)
		for _, path := range []string{"/v1/register", "/v1/log_in", "/v1/confirm"} {
			answer := f.call(request{method: post, path: path, headers: []string{"entity: " + header, "email-address: " + header, "entity-type: user", "authentication-token: " + header}})
			if answer.status < 400 || answer.status >= 500 {
				t.Errorf("%s with %.40q: %d %s", path, header, answer.status, answer.body)
			}
		}
	}
}

func TestDefect_19_every_value_can_be_read(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	got := f.query(alice, "alice/test", "SELECT x'ff00' AS a, CAST(x'61ff' AS TEXT) AS b, x'61' AS c, zeroblob(2) AS d, char(0) || 'x' AS e")
	if want := `{"fields":["a","b","c","d","e"],"rows":[["X'FF00'","a\ufffd","a","\u0000\u0000","\u0000x"]]}`; got != want {
		t.Errorf("answered %s\nwant %s", got, want)
	}
}

func TestDefect_20_no_mistake_of_a_user_is_500(t *testing.T) {
	f := serve(t, nil, nil)
	alice, bob := f.token("alice", nil), f.token("bob", nil)
	f.MustDatabase("alice/test", "CREATE TABLE t(a)")
	for _, c := range []struct {
		request request
		status  int
	}{
		{request{method: patch, path: "/v1/entity/alice", token: bob, body: `{"display_name":"x"}`}, 403},
		{request{method: get, path: "/v1/entity/nobody"}, 404},
		{request{method: post, path: "/v1/alice/test/create", token: alice, headers: []string{"db-type: sqlite"}}, 409},
		{request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT * FROM nope"}, 400},
		{request{method: post, path: "/v1/alice/test/query", token: bob, body: "SELECT 1"}, 403},
		{request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT 1; BEGIN"}, 400},
		{request{method: post, path: "/v1/alice/test/query", token: "ayb_x_y", body: "SELECT 1"}, 401},
		{request{method: post, path: "/v1/alice/test/query", token: alice, body: "{", headers: []string{"Content-Type: application/json"}}, 400},
		{request{method: post, path: "/v1/alice/test/restore_snapshot", token: alice, body: strings.Repeat("0", 64)}, 501}, // never "done"
	} {
		r := f.call(c.request)
		if r.status != c.status || r.envelope(t).Kind == "internal" {
			t.Errorf("%s %s %q: %d %s, want %d", c.request.method, c.request.path, c.request.body, r.status, r.body, c.status)
		}
	}
}

func TestDefect_39_lists_have_an_order_and_an_end(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	var want []string
	for i := range 7 { // in an order that is neither that of names nor its reverse
		name := fmt.Sprintf("user%d", i*3%7)
		f.MustEntity(name)
		f.call(request{method: post, path: "/v1/alice/test/share", token: alice, headers: []string{"entity-for-permission: " + name, "sharing-level: read-only"}}).want(t, 204, ``)
		want = append(want, name)
	}
	var got []string
	for after := ""; ; {
		r := f.call(request{method: get, path: "/v1/alice/test/permissions?limit=3&after=" + after, token: alice})
		var page wire.Grants
		must(t, json.Unmarshal([]byte(r.body), &page))
		for _, grant := range page.Permissions {
			got = append(got, string(grant.Entity))
		}
		if after = page.Next; after == "" || len(page.Permissions) == 0 {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("listed %v, want the order in which they were made: %v", got, want)
	}
}
