package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n"

func TestCancel(t *testing.T) {
	f := serve(t)
	plain := f.as("alice")
	f.MustDatabase("alice/db")
	secret, _ := f.MustToken(f.MustEntity("bob"), nil)
	f.MustDatabase("bob/db")
	for ref, api := range map[string]*client.Client{
		"alice/db": plain,
		"bob/db":   newClient(t, client.Config{URL: f.URL, Token: secret, HTTP: &http.Client{}}), // which asks for gzip
	} {
		const id = "an-id-of-our-own"
		rows := 0
		one := catalog.Statement{SQL: "SELECT 1 UNION ALL SELECT count(*) FROM (" + endless + ")"}
		sum, err := api.WithQueryID(id).Stream(t.Context(), ref, one, onRow(func(catalog.Row) error {
			rows++ // it is here although no other follows
			return api.Cancel(t.Context(), id)
		}))
		if isRefusal(t, err, fault.NotApplied, "The query was cancelled"); rows != 1 || sum != (catalog.Summary{}) {
			t.Errorf("%d rows, %+v", rows, sum)
		}
		isRefusal(t, api.Cancel(t.Context(), id), fault.NotFound, "No query with this id is running")
		isRefusal(t, query(api.WithQueryID("short")), fault.Invalid, "16 to 64")
		isRefusal(t, query(api.WithQueryID("an id\nof our own")), fault.Invalid, "control characters")
	}
}

// onRow is a Sink.
type onRow func(catalog.Row) error

func (f onRow) Columns([]catalog.Column) error { return nil }
func (f onRow) Row(row catalog.Row) error      { return f(row) }

// TestQueries_that_are_left_are_cancelled is about a proxy that keeps its own
// connection to the server when the client has gone: the client says so.
func TestQueries_that_are_left_are_cancelled(t *testing.T) {
	full := errors.New("full")
	for name, c := range map[string]struct {
		leave func(*client.Client) error
		want  bool
	}{
		"by the end of a context": {func(c *client.Client) error {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := c.Stream(ctx, "a/b", catalog.Statement{SQL: "SELECT 1"}, onRow(func(catalog.Row) error { cancel(); return nil }))
			return err
		}, true},
		"by an error of the sink": {func(c *client.Client) error {
			_, err := c.Stream(t.Context(), "a/b", catalog.Statement{SQL: "SELECT 1"}, onRow(func(catalog.Row) error { return full }))
			return err
		}, true},
		"by a result that is too large": {func(c *client.Client) error { _, err := c.QueryStrings(t.Context(), "a/b", "SELECT 1"); return err }, true},
		"but not without a token": {func(c *client.Client) error {
			_, err := c.WithToken("").QueryStrings(t.Context(), "a/b", "SELECT 1")
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			running, cancelled := "", ""
			cl := against(t, client.Config{MaxResultBytes: 1 << 10}, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if id, ok := strings.CutPrefix(r.URL.Path, "/v1/_/queries/"); ok {
					cancelled = strings.TrimSuffix(id, "/cancel")
					return
				}
				running = r.Header.Get("Ayb-Query-Id")
				w.Header().Set("Content-Type", ndjson)
				io.WriteString(w, columns)
				for r.Context().Err() == nil {
					io.WriteString(w, "[1,2]\n")
				}
			})
			if err := c.leave(cl); err == nil {
				t.Error("no error")
			}
			cl.Close() // waits until the server has been told
			if len(running) < 16 || (cancelled == running) != c.want {
				t.Errorf("%q was running, %q cancelled", running, cancelled)
			}
		})
	}
	t.Run("what has ended is not", func(t *testing.T) {
		asked := 0
		cl := against(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
			asked++
			says(200, ndjson, columns+`{"error":{"type":"Other","message":"m","kind":"timed_out"}}`+"\n")(w, r)
		})
		isRefusal(t, query(cl), fault.TimedOut, "m")
		if cl.Close(); asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}
