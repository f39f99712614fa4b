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

// sendThenRead sends a whole request before it reads anything of the answer, as
// simple clients do, and returns the answer and what ended the connection.
func sendThenRead(t *testing.T, address, text string) (reply, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	must(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return reply{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

// TestBody_left_unread holds that a client reads the refusal of a body that
// nobody reads, and that no part of such a body becomes a request.
func TestBody_left_unread(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	large := strings.Repeat("x", 3<<20)
	for _, c := range []struct {
		line, token string
		status      int
	}{
		{"PATCH /v1/entity/alice", alice, 413},
		{"POST /v1/alice/test/query", alice, 413},
		{"POST /v1/alice/test/restore_snapshot", alice, 413},
		{"POST /v1/alice/test/query", "nonsense", 401},
		{"POST /v1/nothing", alice, 404},
	} {
		for _, connection := range []string{"close", "keep-alive"} {
			for _, length := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(large), large), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(large), large)} {
				r, err := sendThenRead(t, f.Listener.Addr().String(), fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nConnection: %s\r\nAuthorization: Bearer %s\r\n%s", c.line, connection, c.token, length))
				if err != nil || r.status != c.status {
					t.Errorf("%s, %s, %.20s: %d, %v", c.line, connection, length, r.status, err)
				}
			}
		}
	}
	t.Run("by a client that keeps no connections", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for range 5 {
			resp, err := client.Post(f.URL+"/v1/register", "", strings.NewReader(large)) // read by nobody
			must(t, err)
			resp.Body.Close()
			if resp.StatusCode != 400 {
				t.Errorf("answered %d", resp.StatusCode)
			}
		}
	})
	t.Run("a small body in a packet of its own keeps its connection", func(t *testing.T) {
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		must(t, err)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		r := bufio.NewReader(conn)
		for range 3 {
			io.WriteString(conn, "POST /v1/register HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
			io.WriteString(conn, "{}")
			resp, err := http.ReadResponse(r, nil)
			must(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			must(t, err)
			if resp.StatusCode != 400 || resp.Close {
				t.Errorf("answered %d, closing is %v", resp.StatusCode, resp.Close)
			}
		}
	})
	t.Run("the rest of a body is no request", func(t *testing.T) {
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		must(t, err)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(conn, "POST /v1/register HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		r := bufio.NewReader(conn)
		resp, err := http.ReadResponse(r, nil)
		must(t, err)
		io.Copy(io.Discard, resp.Body)
		io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
		if rest, _ := io.ReadAll(r); resp.StatusCode != 400 || len(rest) > 0 {
			t.Errorf("answered %d, then %q", resp.StatusCode, rest)
		}
	})
}

// TestBody_not_UTF8_leaves_the_connection_as_it_was sends request after request
// on one connection.
func TestBody_not_UTF8_leaves_the_connection_as_it_was(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	answers := bufio.NewReader(conn)
	for i := range 20 {
		sql, status := "SELECT 12", 200
		if i%2 == 0 {
			sql, status = "SELECT '\xff", 400
		}
		fmt.Fprintf(conn, "POST /v1/alice/test/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", alice, len(sql), sql)
		resp, err := http.ReadResponse(answers, nil)
		must(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		must(t, err)
		if resp.StatusCode != status || resp.Close {
			t.Fatalf("request %d: %d, closing is %v", i, resp.StatusCode, resp.Close)
		}
	}
}

// TestBody_refused_before_it_is_sent holds that a client that asks first is not
// told to go on.
func TestBody_refused_before_it_is_sent(t *testing.T) {
	f := serve(t, nil, &httpapi.Options{MaxSQLBytes: 10})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	r, err := f.raw(t, "POST /v1/alice/test/query HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\nAuthorization: Bearer "+alice+"\r\n\r\n")
	must(t, err)
	r.refused(t, 413, wire.Other, "too_large", "")
}
