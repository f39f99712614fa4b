package httpapi_test

import (
	"strings"
	"testing"
)

func TestQuery_as_a_file(t *testing.T) {
	f := serve(t, nil, nil)
	token := f.token("alice", nil)
	f.MustDatabase("alice/db", "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x, \"y\"'), (NULL, X'00FF')")
	ask := func(accept, sql string) reply {
		return f.call(request{method: post, path: "/v1/alice/db/query", token: token, body: sql, headers: []string{"Accept: " + accept}})
	}
	for _, c := range []struct{ accept, sql, media, body string }{
		{"text/csv", "SELECT * FROM t", "text/csv; charset=utf-8", "a,b\n1,\"x, \"\"y\"\"\"\nNULL,X'00FF'\n"},
		{"text/csv", "SELECT * FROM t WHERE 0", "text/csv; charset=utf-8", "a,b\n"},
		{"application/jsonl", "SELECT * FROM t", "application/jsonl", "{\"a\":1,\"b\":\"x, \\\"y\\\"\"}\n{\"a\":null,\"b\":{\"blob\":\"AP8=\"}}\n"},
		{"application/vnd.ayb.rows+json", "SELECT a FROM t", "application/vnd.ayb.rows+json", "[\n{\"a\":1},\n{\"a\":null}\n]\n"},
		{"application/vnd.ayb.rows+json", "SELECT a FROM t WHERE 0", "application/vnd.ayb.rows+json", "[]\n"},
		{"*/*", "SELECT a FROM t", "application/json", `{"fields":["a"],"rows":[["1"],[null]]}`},
		{"text/csv;q=0, application/json", "SELECT 1 AS a", "application/json", `{"fields":["a"],"rows":[["1"]]}`},
	} {
		got := ask(c.accept, c.sql)
		if got.status != 200 || got.body != c.body || got.header.Get("Content-Type") != c.media {
			t.Errorf("%s of %s: %d %s %q, want %q", c.accept, c.sql, got.status, got.header.Get("Content-Type"), got.body, c.body)
		}
	}
	if got := ask("text/csv", "SELECT * FROM absent"); got.status != 400 || !strings.Contains(got.body, "no such table: absent") {
		t.Errorf("%d %s", got.status, got.body)
	}
	large := ask("text/csv", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i FROM n")
	if lines := strings.Count(large.body, "\n"); lines != 100_001 {
		t.Errorf("%d lines", lines)
	}
	late := request{method: post, path: "/v1/alice/db/query", token: token, headers: []string{"Accept: text/csv"},
		body: "WITH RECURSIVE n(i) AS (SELECT 100000 UNION ALL SELECT i - 1 FROM n) SELECT i, CASE WHEN i < 1 THEN abs(-9223372036854775808) END FROM n"}
	if got, err := f.try(ctx, late); err == nil {
		t.Errorf("an error within the rows ends well: %d, %d bytes", got.status, len(got.body))
	}
}
