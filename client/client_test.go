package client_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"ayb/aybtest"
	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/httpapi"
)

// A fixture is an engine behind the API, and what clients need to call it.
type fixture struct {
	*aybtest.Fixture
	*httptest.Server
	t testing.TB
}

func serve(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{Fixture: aybtest.New(t, nil), t: t}
	f.Server = httptest.NewServer(httpapi.New(f.Engine, nil))
	t.Cleanup(f.Server.Close)
	return f
}

// as makes an entity and a client that calls as it.
func (f *fixture) as(slug string) *client.Client {
	f.t.Helper()
	secret, _ := f.MustToken(f.MustEntity(slug), nil)
	c, err := client.New(client.Config{URL: f.URL, Token: secret})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

func TestClient(t *testing.T) {
	ctx := context.Background()
	f := serve(t)
	alice := f.as("alice")
	if err := alice.Health(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.CreateDatabase(ctx, "alice/db", nil); err != nil {
		t.Fatal(err)
	}
	res, err := alice.Query(ctx, "alice/db", "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (?, NULL) RETURNING a, b, x'00ff', 1.0", 1<<60)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(res)
	strs, err := alice.QueryStrings(ctx, "alice/db", "SELECT * FROM t WHERE a > :x", catalog.Named("x", 5))
	if err != nil || *strs.Rows[0][0] != "1152921504606846976" {
		t.Fatal(strs, err)
	}
	if _, err := alice.Query(ctx, "alice/db", "SELECT nope"); !errors.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	for db, err := range alice.AllDatabases(ctx, "alice") {
		t.Log(db, err)
	}
	if _, err := alice.Database(ctx, "alice/nope"); !errors.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
}
