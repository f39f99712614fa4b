package httpapi_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"ayb/httpapi"
)

// rowsOf answers so many rows.
func rowsOf(n int) string {
	return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT i, 'some text' AS s FROM n", n)
}

// TestCompression_of_every_form compares what a client that accepts an encoding
// reads with what one gets that does not.
func TestCompression_of_every_form(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test", "CREATE TABLE t(i INTEGER PRIMARY KEY, s); INSERT INTO t "+rowsOf(20_000))
	post := func(accept, sql string) request {
		return request{method: post, path: "/v1/alice/test/query", token: alice, body: sql, headers: []string{"Accept: " + accept}}
	}
	exported := func(query string) request {
		return request{method: get, path: "/v1/alice/test/export" + query, token: alice}
	}
	for name, c := range map[string]struct {
		request
		small bool
	}{
		"classic": {post("*/*", rowsOf(5000)), false}, "classic, small": {post("*/*", rowsOf(3)), true},
		"csv": {post("text/csv", rowsOf(5000)), false}, "csv, small": {post("text/csv", rowsOf(3)), true},
		"jsonl": {post("application/jsonl", rowsOf(5000)), false}, "jsonl, small": {post("application/jsonl", rowsOf(3)), true},
		"json":   {post("application/vnd.ayb.rows+json", rowsOf(5000)), false},
		"export": {exported(""), false}, "export as SQL": {exported("?format=sql"), false},
	} {
		plain := c.request
		plain.headers = append(plain.headers[:len(plain.headers):len(plain.headers)], "Accept-Encoding: identity")
		want := f.call(plain)
		for _, encoding := range []string{"gzip", "zstd"} {
			r := c.request
			r.headers = append(r.headers[:len(r.headers):len(r.headers)], "Accept-Encoding: "+encoding)
			got := f.call(r)
			if (got.header.Get("Content-Encoding") == encoding) == c.small || got.status != 200 || want.status != 200 {
				t.Errorf("%s: %d, %v", name, got.status, got.header)
			}
			if body := decompress(t, got); body != want.body {
				t.Errorf("%s, %s: %d bytes, and without %d", name, encoding, len(body), len(want.body))
			}
			if !c.small && len(got.body) > len(want.body)/2 {
				t.Errorf("%s: %d bytes are %d as %s", name, len(want.body), len(got.body), encoding)
			}
		}
	}
}

func TestCompression_of_what_is_small(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for accept, want := range map[string]string{
		"gzip, identity;q=0": "gzip", "zstd, *;q=0": "zstd", "gzip": "", "gzip, *;q=0, identity": "", "br, identity;q=0": "", "*;q=0": "", "identity;q=0": "",
	} {
		for _, form := range []string{"*/*", "text/csv", "application/x-ndjson"} {
			r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT 1 AS a", headers: []string{"Accept: " + form, "Accept-Encoding: " + accept}})
			if got := r.header.Get("Content-Encoding"); got != want || r.status != 200 || !strings.Contains(decompress(t, r), "1") {
				t.Errorf("%s, %s: %d as %q, want %q", accept, form, r.status, got, want)
			}
		}
	}
}

func TestCompression_never_of_secrets(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	r := f.call(request{method: post, path: "/v1/_/tokens", token: alice, body: `{"entity":"alice"}`, headers: []string{"Accept-Encoding: gzip, identity;q=0"}})
	if r.status != 201 || r.header.Get("Content-Encoding") != "" || !strings.Contains(r.body, "ayb_") {
		t.Errorf("%d %v", r.status, r.header)
	}
}

// TestCompression_rows_do_not_wait_for_others reads a row of each form while the
// query is still looking for the next.
func TestCompression_rows_do_not_wait_for_others(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, form := range []string{"text/csv", "application/jsonl", "application/x-ndjson"} {
		for _, encoding := range []string{"identity", "gzip", "zstd"} {
			ctx, cancel := context.WithCancel(ctx)
			resp, err := f.send(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, headers: []string{"Accept: " + form, "Accept-Encoding: " + encoding},
				body: "SELECT 'here' UNION ALL SELECT * FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n)"})
			must(t, err)
			lines := bufio.NewScanner(expand(t, resp))
			for found := false; !found; found = strings.Contains(lines.Text(), "here") && !strings.Contains(lines.Text(), "'here'") || form == "application/jsonl" {
				if !lines.Scan() {
					t.Fatalf("%s, %s: no row came: %v", form, encoding, lines.Err())
				}
			}
			cancel()
			resp.Body.Close()
		}
	}
}

// expand returns the body of an answer as it was before it was compressed.
func expand(t *testing.T, resp *http.Response) io.Reader {
	t.Helper()
	var from io.Reader = resp.Body
	var err error
	switch resp.Header.Get("Content-Encoding") {
	case "gzip":
		from, err = gzip.NewReader(from)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(from); err == nil {
			t.Cleanup(z.Close)
		}
		from = z
	}
	must(t, err)
	return from
}

func TestCompression_is_bounded(t *testing.T) {
	if taken, again := httpapi.TakeSqueezers(1000); taken != 128 || again != 128 {
		t.Errorf("%d answers are compressed at once, and %d afterwards", taken, again)
	}
}
