package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"ayb"
	"ayb/httpapi"
	"ayb/httpapi/wire"
)

// The tests of this file and of defect_more_test.go are each about one defect of
// the Rust implementation of ayb, by its number in the list of them, so that ours
// never has it. What the tests of package ayb hold is not tested again here.

func TestDefect_02_a_limited_token_is_limited_everywhere(t *testing.T) {
	f := serve(t, nil, nil)
	f.token("alice", nil)
	f.token("bob", nil)
	f.MustDatabase("alice/here", "CREATE TABLE t(a)")
	f.MustDatabase("alice/elsewhere")
	limited := f.token("alice", &ayb.TokenOptions{Database: "alice/here", Access: ayb.ReadOnly})
	for _, r := range []request{
		{method: post, path: "/v1/alice/here/share", headers: []string{"entity-for-permission: bob", "sharing-level: manager"}},
		{method: post, path: "/v1/alice/new/create", headers: []string{"db-type: sqlite"}},
		{method: patch, path: "/v1/alice/here/update", headers: []string{"public-sharing-level: read-only"}},
		{method: post, path: "/v1/alice/here/restore_snapshot", body: strings.Repeat("0", 64)},
		{method: patch, path: "/v1/entity/alice", body: `{"display_name":"x"}`},
		{method: get, path: "/v1/tokens"}, {method: post, path: "/v1/_/tokens", body: "{}"},
		{method: get, path: "/v1/alice/elsewhere/details"}, {method: post, path: "/v1/alice/elsewhere/query", body: "SELECT 1"},
		{method: post, path: "/v1/alice/here/query", body: "INSERT INTO t VALUES (1)"}, {method: post, path: "/v1/alice/here/delete"}, {method: post, path: "/v1/entity/alice/delete"},
	} {
		r.token = limited
		if answer := f.call(r); answer.status != 403 {
			t.Errorf("%s %s: %d %s", r.method, r.path, answer.status, answer.body)
		}
	}
}

func TestDefect_04_profiles_link_to_web_pages_only(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	for _, link := range []string{"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//example.org", "ftp://example.org", "https://", "x", "java\\tscript:alert(1)", " https://example.org"} {
		inner, err := json.Marshal([]map[string]string{{"url": link}})
		must(t, err)
		body, err := json.Marshal(map[string]string{"links": string(inner)})
		must(t, err)
		f.call(request{method: patch, path: "/v1/entity/alice", token: alice, body: string(body)}).refused(t, 400, wire.Other, "invalid", "")
	}
}

func TestDefect_07_snapshot_ids_are_checked(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, id := range []string{"", "../../bob/secret/" + strings.Repeat("0", 64), strings.Repeat("0", 63), strings.Repeat("A", 64), strings.Repeat("0", 64) + "\n" + strings.Repeat("0", 64)} {
		f.call(request{method: post, path: "/v1/alice/test/restore_snapshot", token: alice, body: id}).refused(t, 400, wire.Other, "invalid", "")
	}
}

func TestDefect_08_a_confirmation_works_once(t *testing.T) {
	f := serve(t, nil, nil)
	f.call(request{method: post, path: "/v1/register", headers: []string{"entity: alice", "email-address: alice@example.org", "entity-type: user"}}).want(t, 200, `{}`)
	confirm := request{method: post, path: "/v1/confirm", headers: []string{"authentication-token: " + f.Mailbox.Token("alice@example.org")}}
	var all sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		all.Go(func() {
			if r, err := f.try(ctx, confirm); err == nil {
				statuses[i] = r.status
			}
		})
	}
	all.Wait()
	won := 0
	for _, status := range statuses {
		if status == 200 {
			won++
		} else if status != 401 {
			t.Errorf("answered %d", status)
		}
	}
	if won != 1 {
		t.Errorf("%d confirmations, want 1: %v", won, statuses)
	}
}

func TestDefect_09_no_answer_tells_whether_an_address_is_known(t *testing.T) {
	f := serve(t, nil, nil)
	f.MustRegister("alice", "alice@example.org", ayb.User)
	for _, address := range []string{"alice@example.org", "unknown@example.org"} {
		f.call(request{method: post, path: "/v1/register", headers: []string{"entity: carol", "email-address: " + address, "entity-type: user"}}).want(t, 200, `{}`)
	}
}

func TestDefect_09_rate_limits_count_the_client_behind_the_proxy(t *testing.T) {
	f := serve(t, &ayb.Config{RequestRate: 2}, nil) // no proxy is trusted
	for i := range 4 {
		r := f.call(request{method: post, path: "/v1/log_in", headers: []string{fmt.Sprintf("entity: user%d", i), fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i)}})
		if want := []int{404, 404, 429, 429}[i]; r.status != want {
			t.Errorf("request %d: %d, want %d", i, r.status, want)
		}
	}
}

func TestDefect_12_errors_tell_nothing_about_the_server(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, sql := range []string{"ATTACH '/etc/passwd' AS x", "VACUUM INTO '/tmp/x'", "SELECT load_extension('x')", "SELECT * FROM nope", "PRAGMA temp_store_directory='/x'", "SELECT readfile('/etc/passwd')", "selec", "INSERT INTO sqlite_schema VALUES (1,2,3,4,5)"} {
		r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: sql})
		if r.status < 400 || r.status >= 500 || strings.Contains(r.body, f.DataPath()) || strings.Contains(r.body, "sqlite3:") || strings.Contains(r.body, "goroutine") {
			t.Errorf("%s: %d %s", sql, r.status, r.body)
		}
	}
}

func TestDefect_16_an_answer_belongs_to_its_request(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				mark := fmt.Sprintf("%d-%d", i, j)
				if j%3 == 0 { // a client that sends and is gone, by a reset
					conn, err := net.Dial("tcp", f.Listener.Addr().String())
					if err != nil {
						t.Error(err)
						return
					}
					fmt.Fprintf(conn, "POST /v1/alice/test/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 14\r\n\r\nSELECT 'wrong'", alice)
					conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
				r, err := f.try(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT '" + mark + "' AS a"})
				if err != nil || r.body != `{"fields":["a"],"rows":[["`+mark+`"]]}` {
					t.Errorf("%s: %s, %v", mark, r.body, err)
				}
			}
		})
	}
	all.Wait()
}

func TestDefect_17_every_statement_runs(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	if got := f.query(alice, "alice/test", "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2); SELECT sum(a) AS s FROM t;"); got != `{"fields":["s"],"rows":[["3"]]}` {
		t.Errorf("answered %s", got)
	}
	f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "INSERT INTO t VALUES (4); INSERT INTO nope VALUES (1)"}).refused(t, 400, wire.Other, "invalid", "no such table: nope")
	if got := f.query(alice, "alice/test", "SELECT sum(a) AS s FROM t"); got != `{"fields":["s"],"rows":[["3"]]}` {
		t.Errorf("half a text was kept: %s", got)
	}
}

func TestDefect_42_a_slow_query_does_not_hold_up_others(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test", "CREATE TABLE t(a)")
	const id = "the-slow-query-of-alice"
	ended := make(chan reply, 1)
	go func() {
		r, err := f.try(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, body: busy, headers: []string{"Ayb-Query-Id: " + id}})
		if err != nil {
			t.Error(err)
		}
		ended <- r
	}()
	wait(t, "it runs", func() bool { return httpapi.RunningQueries(f.Server.Config.Handler) == 1 })
	f.query(alice, "alice/test", "INSERT INTO t VALUES (1)")
	if got := f.query(alice, "alice/test", "SELECT count(*) AS n FROM t"); got != `{"fields":["n"],"rows":[["1"]]}` {
		t.Errorf("answered %s", got)
	}
	f.call(request{method: post, path: "/v1/_/queries/" + id + "/cancel", token: alice}).want(t, 200, `{}`)
	(<-ended).refused(t, 503, wire.Other, "not_applied", "")
}

func TestDefect_32_names_mean_the_same_everywhere(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.token("bob", nil)
	f.call(request{method: post, path: "/v1/ALICE/Data/create", token: alice, headers: []string{"db-type: sqlite"}}).want(t, 201, `{"entity":"alice","database":"Data","database_type":"sqlite"}`)
	f.call(request{method: post, path: "/v1/Alice/dAtA/share", token: alice, headers: []string{"entity-for-permission: BOB", "sharing-level: manager"}}).want(t, 204, ``)
	f.call(request{method: post, path: "/v1/alice/DATA/create", token: alice, headers: []string{"db-type: sqlite"}}).refused(t, 409, wire.Other, "exists", "Database already exists")
	f.query(alice, "aLiCe/data", "SELECT 1")
	long := strings.Repeat("d", 128)
	f.call(request{method: post, path: "/v1/alice/" + long + "/create", token: alice, headers: []string{"db-type: sqlite"}}).want(t, 201, `...,"database":"`+long+`","database_type":"sqlite"}`)
	f.call(request{method: post, path: "/v1/alice/" + long + "d/create", token: alice, headers: []string{"db-type: sqlite"}}).refused(t, 400, wire.InvalidSlug, "invalid", "A database slug can't be longer than 128 bytes, but this one is 129 bytes")
}

func TestDefect_40_a_large_query_is_not_cut_at_256_KiB(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	text := strings.Repeat("x", 900_000)
	if got := f.query(alice, "alice/test", "SELECT length('"+text+"') AS n"); got != `{"fields":["n"],"rows":[["900000"]]}` {
		t.Errorf("answered %s", got)
	}
	f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT '" + strings.Repeat("x", 1_100_000) + "'"}).refused(t, 413, wire.Other, "too_large", "")
	f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: strings.Repeat("x", 3_000_000)}).refused(t, 413, wire.Other, "too_large", "")
}
