package httpapi_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"ayb/httpapi"
)

// TestQuery_slow_readers_of_large_results asks for results that fill a caller's
// part of the memory, and reads none of them.
func TestQuery_slow_readers_of_large_results(t *testing.T) {
	const large = "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i<14) SELECT hex(zeroblob(260000)) FROM c" // 7 MB
	f := serve(t, nil, &httpapi.Options{MaxResultBytes: 8 << 20})
	alice, bob := f.token("alice", nil), f.token("bob", nil)
	f.MustDatabase("alice/db")
	f.MustDatabase("bob/db")
	var held []net.Conn
	for range 3 { // 6 MB of each are counted, and one caller may have 20
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		must(t, err)
		defer conn.Close()
		must(t, conn.(*net.TCPConn).SetReadBuffer(4096))
		_, err = fmt.Fprintf(conn, "POST /v1/alice/db/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", alice, len(large), large)
		must(t, err)
		_, err = conn.Read(make([]byte, 12)) // the answer has begun
		must(t, err)
		held = append(held, conn)
	}
	ask := func(token, path, sql string) reply {
		return f.call(request{"POST", path, token, sql, nil})
	}
	if r := ask(alice, "/v1/alice/db/query", large); r.status != 429 || r.header.Get("Retry-After") == "" {
		t.Errorf("one more large result: %d %.200s", r.status, r.body)
	}
	if r := ask(alice, "/v1/alice/db/query", "SELECT 1"); r.status != 200 {
		t.Errorf("a small result has room always: %d %.200s", r.status, r.body)
	}
	if r := ask(bob, "/v1/bob/db/query", large); r.status != 200 {
		t.Errorf("another caller has a part of their own: %d %.200s", r.status, r.body)
	}
	for _, conn := range held {
		conn.Close()
	}
	wait(t, "what was held is given back", func() bool { return ask(alice, "/v1/alice/db/query", large).status == 200 })
}

// TestQuery_no_memory_for_what_a_write_answers has the rows of a committed write
// overflow, which must not look like something to send again.
func TestQuery_no_memory_for_what_a_write_answers(t *testing.T) {
	f := serve(t, nil, &httpapi.Options{MaxResultBytes: 8 << 20})
	httpapi.FillBudget(f.Config.Handler)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/db")
	f.query(alice, "alice/db", "CREATE TABLE t (x)")
	r := f.call(request{"POST", "/v1/alice/db/query", alice, "INSERT INTO t VALUES (1), (2), (3) RETURNING hex(zeroblob(400000))", nil})
	if r.status != 413 || !strings.Contains(r.body, "was applied") {
		t.Errorf("answered %d %.300s", r.status, r.body)
	}
}

// TestBodies_that_do_not_come has many clients without an account send large
// bodies but for their last byte.
func TestBodies_that_do_not_come(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/db")
	const each = 1 << 20
	body := strings.Repeat(" ", each)
	httpapi.SetBodies(f.Config.Handler, 16*each)
	send := func(token string) (net.Conn, error) {
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		must(t, err)
		_, err = fmt.Fprintf(conn, "POST /v1/alice/db/query HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", token, each, body[1:])
		return conn, err
	}
	var busy int
	for range 12 { // there is room for eight at the most
		conn, err := send("")
		must(t, err)
		defer conn.Close()
		must(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		if n, _ := bufio.NewReader(conn).ReadString('\n'); strings.Contains(n, "429") {
			busy++
		}
	}
	if busy < 4 {
		t.Errorf("%d of 12 were refused", busy)
	}
	query := func(sql string) reply {
		return f.call(request{method: "POST", path: "/v1/alice/db/query", token: alice, body: sql})
	}
	if r := query("SELECT 1 " + body[100:]); r.status != 200 {
		t.Errorf("an account has a part of its own: %d %.200s", r.status, r.body)
	}
	for range 20 { // it is given back
		if r := query("SELECT 1 " + body[100:]); r.status != 200 {
			t.Fatalf("%d %.200s", r.status, r.body)
		}
	}
}
