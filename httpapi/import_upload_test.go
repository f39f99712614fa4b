package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"ayb"
)

func TestImport(t *testing.T) {
	f := serve(t, &ayb.Config{Limits: ayb.Limits{ImportBytes: 1 << 20}}, nil)
	token := f.token("alice", nil)
	send := func(query, body string, headers ...string) reply {
		return f.call(request{method: post, path: "/v1/alice/db/import" + query, token: token, body: body, headers: headers})
	}
	zipped := func(r io.Reader) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := io.Copy(w, r)
		must(t, errors.Join(err, w.Close()))
		return b.String()
	}
	bomb := zipped(io.LimitReader(zeros{}, 200<<20))
	for name, c := range map[string]struct {
		answer reply
		status int
	}{
		"no SQLite file":             {send("", "hello"), 400},
		"a wrong text":               {send("?format=sql", "CREATE TABEL t(a)"), 400},
		"something denied":           {send("?format=sql", "ATTACH 'x' AS y"), 403},
		"a bomb":                     {send("", bomb, "Content-Encoding: gzip"), 413},
		"too large":                  {send("", strings.Repeat("x", 1<<20+1)), 413},
		"not what it says":           {send("", "hello", "Content-Encoding: gzip"), 400},
		"not what it says, zstd":     {send("", "hello, hello, hello", "Content-Encoding: zstd"), 400},
		"a coding that we know not":  {send("", "hello", "Content-Encoding: br"), 501},
		"a format that there is not": {send("?format=xml", "hello"), 400},
	} {
		if c.answer.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, c.answer.status, c.answer.body, c.status)
		}
	}
	if got := f.call(request{method: get, path: "/v1/alice/db/details", token: token}); got.status != 404 {
		t.Errorf("after refusals: %d %s", got.status, got.body)
	}
	got := send("?format=sql", zipped(strings.NewReader("CREATE TABLE t(a); INSERT INTO t VALUES (1)")), "Content-Encoding: gzip")
	if got.status != 201 || got.body != `{"entity":"alice","database":"db","database_type":"sqlite"}` {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := send("?format=sql", "SELECT 1"); got.status != 409 {
		t.Errorf("once more: %d %s", got.status, got.body)
	}
	if got := f.query(token, "alice/db", "SELECT a FROM t"); got != `{"fields":["a"],"rows":[["1"]]}` {
		t.Error(got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestImport_ends_with_its_client(t *testing.T) {
	f := serve(t, nil, nil)
	token := f.token("alice", nil)
	const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;"
	limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := f.try(limited, request{method: post, path: "/v1/alice/db/import?format=sql", token: token, body: endless}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	// Another of the same owner comes when that has ended, and not before.
	began := time.Now()
	if got := f.call(request{method: post, path: "/v1/alice/db/import?format=sql", token: token, body: "CREATE TABLE t(a)"}); got.status != 201 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the one before went on for %v", took)
	}
}

func TestImport_in_place_of_what_is_there(t *testing.T) {
	f := serve(t, nil, nil)
	token := f.token("alice", nil)
	send := func(query, body string) reply {
		return f.call(request{method: post, path: "/v1/alice/db/import" + query, token: token, body: body})
	}
	if got := send("?format=sql&replace=false", "CREATE TABLE t(a)"); got.status != 201 {
		t.Errorf("%d %s", got.status, got.body)
	}
	for query, status := range map[string]int{
		"?format=sql": 409, "?format=sql&replace=false": 409, "?format=sql&replace=yes": 400, "?format=csv&table=t&replace=true": 400, "?replace=true": 400,
	} {
		if got := send(query, "CREATE TABLE u(a)"); got.status != status {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	got := send("?format=sql&replace=true", "CREATE TABLE u(a); INSERT INTO u VALUES (1)")
	undo := regexp.MustCompile(`^\{"entity":"alice","database":"db","database_type":"sqlite","undo_snapshot_id":"([0-9a-f]{64})"\}$`).FindStringSubmatch(got.body)
	if got.status != 201 || undo == nil {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := f.query(token, "alice/db", "SELECT a FROM u"); got != `{"fields":["a"],"rows":[["1"]]}` {
		t.Error(got)
	}
	if got := f.call(request{method: post, path: "/v1/alice/db/restore_snapshot", token: token, body: undo[1]}); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := f.query(token, "alice/db", "SELECT name FROM sqlite_schema"); got != `{"fields":["name"],"rows":[["t"]]}` {
		t.Error(got)
	}
}
