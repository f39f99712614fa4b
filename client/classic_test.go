package client_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// TestExistingAyb is about a server that knows the API as it has been: no streams,
// no pages, no kinds of error. What is sent and what is understood is what
// programs written for it send and understand.
func TestExistingAyb(t *testing.T) {
	var sent []string
	answers := map[string]string{
		"POST /v1/a/b/query":         `{"fields":["n","t"],"rows":[["1",null],["2","two"]]}`,
		"GET /v1/entity/a":           `{"slug":"a","profile":{"display_name":null,"description":"d","organization":null,"location":null,"links":[{"url":"https://a","verified":true}]},"databases":[{"slug":"b","database_type":"sqlite"},{"slug":"D","database_type":"duckdb"}],"permissions":{"can_create_database":true}}`,
		"GET /v1/a/b/details":        `{"entity_slug":"a","database_slug":"b","database_type":"sqlite","highest_query_access_level":"ReadWrite","can_manage_database":true,"public_sharing_level":"no-access"}`,
		"POST /v1/a/b/create":        `{"entity":"a","database":"b","database_type":"sqlite"}`,
		"PATCH /v1/a/b/update":       `{}`,
		"PATCH /v1/entity/a":         `{}`,
		"GET /v1/a/b/permissions":    `{"permissions":[{"entity_slug":"bob","sharing_level":"read-only"}]}`,
		"GET /v1/tokens":             `{"tokens":[{"short_token":"eV2","scoped_database":"a/b","permission_level":"read-only","app_name":null,"created_at":"2026-03-15 16:25:56.706720","expires_at":null,"revoked_at":null}]}`,
		"GET /v1/a/b/list_snapshots": `{"snapshots":[{"last_modified_at":"2024-08-18T15:05:04Z","snapshot_id":"ff"}]}`,
	}
	c := against(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		line := r.Method + " " + r.URL.Path
		for _, name := range []string{"Db-Type", "Public-Sharing-Level", "Entity-For-Permission", "Sharing-Level", "Entity", "Email-Address", "Entity-Type", "Content-Type"} {
			if value := r.Header.Get(name); value != "" {
				line += " " + name + "=" + value
			}
		}
		sent = append(sent, strings.TrimSpace(line+" "+string(body)))
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			w.WriteHeader(404)
			return
		}
		says(map[bool]int{true: 201, false: 200}[strings.HasSuffix(r.URL.Path, "/create")], "application/json", answer)(w, r)
	})
	ctx := t.Context()

	result, err := c.Query(ctx, "a/b", "SELECT 1")
	if want := [][]catalog.Value{{catalog.TextValue("1"), catalog.NullValue()}, {catalog.TextValue("2"), catalog.TextValue("two")}}; err != nil ||
		!reflect.DeepEqual(result.Rows, want) || result.Columns[1].Name != "t" || result.Summary.Rows != 2 {
		t.Errorf("%+v, %v", result, err)
	}
	stopped := errors.New("stopped")
	if _, err := c.Stream(ctx, "a/b", catalog.Statement{SQL: "SELECT 1"}, onRow(func(row catalog.Row) error {
		if row.Len() != 2 || string(row.Bytes(0)) != "1" || row.Bytes(1) != nil || row.Type(1) != catalog.Null || row.Int64(0) != 0 || row.Float64(0) != 0 {
			t.Errorf("got %v", row)
		}
		return stopped
	})); err != stopped {
		t.Error(err)
	}
	if strs, err := c.QueryStrings(ctx, "a/b", "SELECT 1"); err != nil || *strs.Rows[1][1] != "two" || strs.Rows[0][1] != nil {
		t.Errorf("%+v, %v", strs, err)
	}
	e, err := c.Entity(ctx, "A")
	if err != nil || e.Slug != "a" || e.Profile.Description != "d" || !e.Profile.Links[0].Verified || !e.CanCreateDatabase {
		t.Errorf("%+v, %v", e, err)
	}
	list, err := c.Databases(ctx, "a", catalog.Page{Size: 1})
	if err != nil || len(list.Items) != 2 || list.Items[1].Kind != catalog.DuckDB || list.Items[1].Ref().String() != "a/D" || list.Next != "" {
		t.Errorf("%+v, %v", list, err)
	}
	if d, err := c.Database(ctx, "a/b"); err != nil || d.Access != catalog.ReadWrite || !d.CanManage {
		t.Errorf("%+v, %v", d, err)
	}
	if db, err := c.CreateDatabase(ctx, "a/b", nil); err != nil || db.Ref().String() != "a/b" {
		t.Errorf("%+v, %v", db, err)
	}
	public, links, unset := catalog.PublicReadOnly, []string{"https://a?b&c"}, ""
	if err := c.UpdateDatabase(ctx, "a/b", client.DatabaseUpdate{Public: &public}); err != nil {
		t.Error(err)
	}
	if err := c.UpdateProfile(ctx, "a", client.ProfileUpdate{Links: &links, Location: &unset}); err != nil {
		t.Error(err)
	}
	tokens, err := c.Tokens(ctx, catalog.Page{})
	if err != nil || tokens.Items[0].Database != "a/b" || tokens.Items[0].Scope.Access != catalog.ReadOnly || !tokens.Items[0].Created.Equal(time.Date(2026, 3, 15, 16, 25, 56, 706720000, time.UTC)) {
		t.Errorf("%+v, %v", tokens, err)
	}
	if grants, err := c.Grants(ctx, "a/b", catalog.Page{}); err != nil || grants.Items[0].Access != catalog.ReadOnly {
		t.Errorf("%+v, %v", grants, err)
	}
	if snapshots, err := c.Snapshots(ctx, "a/b", catalog.Page{}); err != nil || snapshots.Items[0].ID != "ff" || snapshots.Items[0].Taken.Unix() != 1723993504 {
		t.Errorf("%+v, %v", snapshots, err)
	}
	_, err = c.Shared(ctx, catalog.Page{})
	isRefusal(t, err, fault.Unsupported, "older than this client")

	for _, want := range []string{
		"POST /v1/a/b/query Content-Type=text/plain; charset=utf-8 SELECT 1",
		"POST /v1/a/b/create Db-Type=sqlite Public-Sharing-Level=no-access",
		"PATCH /v1/a/b/update Public-Sharing-Level=read-only",
		`PATCH /v1/entity/a Content-Type=application/json {"links":"[{\"url\":\"https://a?b&c\"}]","location":null}`,
	} {
		found := false
		for _, line := range sent {
			found = found || line == want
		}
		if !found {
			t.Errorf("never sent: %s\nbut %s", want, strings.Join(sent, "\n    "))
		}
	}
}
