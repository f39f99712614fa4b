package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ayb/aybtest"
	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/httpapi"
	"ayb/httpapi/wire"
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

// TestHTTP2 is about a server behind TLS, where many calls share a connection.
func TestHTTP2(t *testing.T) {
	f := &fixture{Fixture: aybtest.New(t, nil), t: t}
	var calls, notHTTP2 atomic.Int64
	api := httpapi.New(f.Engine, nil)
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1); r.ProtoMajor != 2 {
			notHTTP2.Add(1)
		}
		api.ServeHTTP(w, r)
	}))
	f.Server.EnableHTTP2 = true
	f.Server.StartTLS()
	t.Cleanup(f.Server.Close)
	secret, _ := f.MustToken(f.MustEntity("alice"), nil)
	alice := newClient(t, client.Config{URL: f.URL, Token: secret, HTTP: f.Server.Client()})
	f.MustDatabase("alice/db")

	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			rows := 0
			_, err := alice.Stream(ctx, "alice/db", catalog.Statement{SQL: endless}, onRow(func(catalog.Row) error {
				if rows++; rows == 1000 {
					cancel()
				}
				return nil
			}))
			if err != context.Canceled {
				t.Errorf("%v after %d rows", err, rows)
			}
			if result, err := alice.Query(t.Context(), "alice/db", "SELECT 1"); err != nil || len(result.Rows) != 1 {
				t.Errorf("%v, %v", result, err)
			}
		})
	}
	group.Wait()
	if calls.Load() < 16 || notHTTP2.Load() > 0 {
		t.Errorf("%d calls, %d not over HTTP/2", calls.Load(), notHTTP2.Load())
	}
}

// TestNothing_is_left_behind looks at the goroutines and connections after queries
// that ended in every way.
func TestNothing_is_left_behind(t *testing.T) {
	f := serve(t)
	alice := f.as("alice")
	f.MustDatabase("alice/db")
	before := runtime.NumGoroutine()
	full := errors.New("full")
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		alice.Stream(ctx, "alice/db", catalog.Statement{SQL: endless}, onRow(func(catalog.Row) error { cancel(); return nil }))
		alice.Stream(t.Context(), "alice/db", catalog.Statement{SQL: endless}, onRow(func(catalog.Row) error { return full }))
		alice.Query(t.Context(), "alice/db", "SELECT nope")
		alice.Query(t.Context(), "alice/db", "SELECT 1")
		alice.Database(t.Context(), "alice/nope")
	}
	alice.Close()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// TestAll goes through a list of several pages.
func TestAll(t *testing.T) {
	const pages, size = 3, 4
	c := against(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.FormValue("after"))
		if r.FormValue("limit") != "1000" {
			t.Errorf("asked for %s", r.URL)
		}
		answer := wire.Shared{Databases: make([]wire.Share, size)}
		for i := range answer.Databases {
			answer.Databases[i] = wire.Share{Entity: "a", Database: catalog.Slug(fmt.Sprint(page*size + i)), Type: "sqlite", Access: "manager"}
		}
		if page++; page < pages {
			answer.Next = strconv.Itoa(page)
		}
		text, _ := wire.Encode(answer)
		says(200, "application/json", string(text))(w, r)
	})
	seen := 0
	for share, err := range c.AllShared(t.Context()) {
		if err != nil || share.Database.Ref().String() != fmt.Sprintf("a/%d", seen) || share.Access != catalog.Manager {
			t.Fatalf("%d: %+v, %v", seen, share, err)
		}
		seen++
	}
	if seen != pages*size {
		t.Errorf("%d items", seen)
	}
}

func TestLogOut(t *testing.T) {
	f := serve(t)
	alice := f.as("alice")
	if err := alice.LogOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	isRefusal(t, alice.LogOut(t.Context()), fault.Unauthenticated, "revoked")
	isRefusal(t, alice.WithToken("").LogOut(t.Context()), fault.Unauthenticated, "no API token to log out with")
}

func TestSnapshots_of_a_server_that_takes_none(t *testing.T) {
	f := serve(t)
	alice := f.as("alice")
	f.MustDatabase("alice/db")
	for snapshot, err := range alice.AllSnapshots(t.Context(), "alice/db") {
		t.Errorf("%+v, %v", snapshot, err)
	}
	_, err := alice.RestoreSnapshot(t.Context(), "alice/db", "x", nil)
	isRefusal(t, err, fault.Invalid, "64 hexadecimal digits")
	_, err = alice.RestoreSnapshot(t.Context(), "alice/db", strings.Repeat("a", 64), nil)
	isRefusal(t, err, fault.Unsupported, "takes no snapshots")
}
