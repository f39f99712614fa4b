package httpapi_test

import (
	"strings"
	"testing"

	"ayb"
)

func TestExport(t *testing.T) {
	f := serve(t, nil, nil)
	token := f.token("alice", nil)
	f.MustDatabase("alice/Data.sqlite", "CREATE TABLE t(a); INSERT INTO t VALUES ('it''s')")

	got := f.call(request{method: get, path: "/v1/alice/Data.sqlite/export", token: token})
	if got.status != 200 || !strings.HasPrefix(got.body, "SQLite format 3\x00") ||
		got.header.Get("Content-Type") != "application/vnd.sqlite3" || got.header.Get("Content-Disposition") != "attachment; filename=Data.sqlite" {
		t.Errorf("a file: %d %v %.20q", got.status, got.header, got.body)
	}
	got = f.call(request{method: get, path: "/v1/alice/Data.sqlite/export?format=sql", token: token})
	want := "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(a);\nINSERT INTO \"t\" VALUES('it''s');\nCOMMIT;\n"
	if got.status != 200 || got.body != want || got.header.Get("Content-Type") != "application/sql" ||
		got.header.Get("Content-Disposition") != "attachment; filename=Data.sql" {
		t.Errorf("SQL: %d %v %q", got.status, got.header, got.body)
	}
	for _, bad := range []string{"?format=xlsx", "?fromat=sql", "?format=sql&format=sql", "?%zz"} {
		if got := f.call(request{method: get, path: "/v1/alice/Data.sqlite/export" + bad, token: token}); got.status != 400 {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
	anonymous := f.call(request{method: get, path: "/v1/alice/Data.sqlite/export"})
	if anonymous.status != 401 {
		t.Errorf("anonymous: %d", anonymous.status)
	}
	alice, err := f.Entity(ctx, ayb.System, "alice")
	must(t, err)
	must(t, f.SetPublic(ctx, f.Owner(alice), "alice/Data.sqlite", ayb.PublicReadOnly))
	must(t, f.SetAnonymousQueries(ctx, f.Owner(alice), "alice/Data.sqlite", true))
	if got := f.call(request{method: get, path: "/v1/alice/Data.sqlite/export"}); got.status != 200 {
		t.Errorf("anonymous, where that is allowed: %d %s", got.status, got.body)
	}
}
