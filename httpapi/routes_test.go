package httpapi_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"ayb"
	"ayb/httpapi/wire"
)

const (
	patch = http.MethodPatch
	post  = http.MethodPost
	get   = http.MethodGet
	put   = http.MethodPut
	del   = http.MethodDelete
)

// TestRoutes_classic tells the story of the API that programs written for ayb
// know, with the bytes that they expect.
func TestRoutes_classic(t *testing.T) {
	f := serve(t, nil, nil)
	step := func(r request, status int, body string) reply {
		t.Helper()
		answer := f.call(r)
		answer.want(t, status, body)
		return answer
	}
	step(request{method: get, path: "/health"}, 200, `{"status":"ok"}`)

	step(request{method: post, path: "/v1/register", headers: []string{"entity: Alice", "email-address: Alice@example.org", "entity-type: user"}}, 200, `{}`)
	r := f.call(request{method: post, path: "/v1/confirm", headers: []string{"authentication-token: " + f.Mailbox.Token("alice@example.org")}})
	match := regexp.MustCompile(`^\{"entity":"alice","token":"(ayb_[1-9A-Za-z]+_[1-9A-Za-z]+)"\}$`).FindStringSubmatch(r.body)
	if r.status != 200 || match == nil {
		t.Fatalf("confirm answered %d %s", r.status, r.body)
	}
	alice := match[1]
	step(request{method: post, path: "/v1/log_in", headers: []string{"entity: alice"}}, 200, `{}`)
	bob := f.token("bob", nil)

	create := []string{"db-type: sqlite", "public-sharing-level: no-access"}
	step(request{method: post, path: "/v1/alice/Test.sqlite/create", token: alice, headers: create}, 201,
		`{"entity":"alice","database":"Test.sqlite","database_type":"sqlite"}`)
	step(request{method: post, path: "/v1/alice/second/create", token: alice, headers: create[:1]}, 201,
		`{"entity":"alice","database":"second","database_type":"sqlite"}`)
	step(request{method: get, path: "/v1/Alice/Test.sqlite/details", token: alice}, 200,
		`{"entity_slug":"alice","database_slug":"Test.sqlite","database_type":"sqlite","highest_query_access_level":"ReadWrite","can_manage_database":true,"public_sharing_level":"no-access","anonymous_queries":false,"size":0,"quota":null,"entity_size":0,"entity_quota":null}`)

	query := request{method: post, path: "/v1/alice/Test.sqlite/query", token: alice}
	for _, c := range []struct{ sql, want string }{
		{"CREATE TABLE favorite_databases(name varchar, score integer);", `{"fields":[],"rows":[]}`},
		{`INSERT INTO favorite_databases (name, score) VALUES ("PostgreSQL", 10);`, `{"fields":[],"rows":[]}`},
		{`INSERT INTO favorite_databases (name, score) VALUES ("SQLite", 9), ("DuckDB", NULL);`, `{"fields":[],"rows":[]}`},
		{"SELECT * FROM favorite_databases;", `{"fields":["name","score"],"rows":[["PostgreSQL","10"],["SQLite","9"],["DuckDB",null]]}`},
		{"SELECT name, name FROM favorite_databases WHERE 0", `{"fields":["name","name"],"rows":[]}`},
	} {
		query.body = c.sql
		step(query, 200, c.want)
	}

	step(request{method: patch, path: "/v1/alice/Test.sqlite/update", token: alice, headers: []string{"public-sharing-level: fork"}}, 200, `{}`)
	step(request{method: get, path: "/v1/alice/Test.sqlite/details"}, 200,
		`{"entity_slug":"alice","database_slug":"Test.sqlite","database_type":"sqlite","highest_query_access_level":null,"can_manage_database":false,"public_sharing_level":"fork","anonymous_queries":false}`)

	step(request{method: post, path: "/v1/alice/Test.sqlite/share", token: alice, headers: []string{"entity-for-permission: Bob", "sharing-level: read-only"}}, 204, ``)
	step(request{method: get, path: "/v1/alice/Test.sqlite/permissions", token: alice}, 200, `{"permissions":[{"entity_slug":"bob","sharing_level":"read-only"}]}`)
	step(request{method: get, path: "/v1/alice/Test.sqlite/details", token: bob}, 200,
		`{"entity_slug":"alice","database_slug":"Test.sqlite","database_type":"sqlite","highest_query_access_level":"ReadOnly","can_manage_database":false,"public_sharing_level":"fork","anonymous_queries":false,"size":8192}`)
	step(request{method: post, path: "/v1/alice/Test.sqlite/share", token: alice, headers: []string{"entity-for-permission: bob", "sharing-level: no-access"}}, 204, ``)
	step(request{method: get, path: "/v1/alice/Test.sqlite/permissions", token: alice}, 200, `{"permissions":[]}`)

	step(request{method: patch, path: "/v1/entity/alice", token: alice, body: `{"display_name": "Alice A.", "location": null, "links": "[{\"url\":\"http://alice.example.org\"}]", "unknown": 5}`}, 200, `{}`)
	step(request{method: get, path: "/v1/entity/ALICE", token: alice}, 200,
		`{"slug":"alice","profile":{"display_name":"Alice A.","description":null,"organization":null,"location":null,"links":[{"url":"http://alice.example.org","verified":false}]},"databases":[{"slug":"second","database_type":"sqlite"},{"slug":"Test.sqlite","database_type":"sqlite"}],"permissions":{"can_create_database":true}}`)
	step(request{method: get, path: "/v1/entity/alice"}, 200,
		`...,"databases":[{"slug":"Test.sqlite","database_type":"sqlite"}],"permissions":{"can_create_database":false}}`)
	step(request{method: patch, path: "/v1/entity/alice", token: alice, body: `{"links": null, "display_name": null}`}, 200, `{}`)
	step(request{method: get, path: "/v1/entity/alice", token: bob}, 200,
		`{"slug":"alice","profile":{"display_name":null,"description":null,"organization":null,"location":null,"links":[]},"databases":[{"slug":"Test.sqlite","database_type":"sqlite"}],"permissions":{"can_create_database":false}}`)

	step(request{method: get, path: "/v1/alice/Test.sqlite/list_snapshots", token: alice}, 200, `{"snapshots":[]}`)

	short := strings.Split(alice, "_")[1]
	step(request{method: get, path: "/v1/tokens", token: alice}, 200,
		`{"tokens":[{"short_token":"`+short+`","scoped_database":null,"permission_level":null,"app_name":null,"created_at":"2030-07-01 12:00:00","expires_at":null,"revoked_at":null}]}`)
	step(request{method: del, path: "/v1/tokens/" + short, token: alice}, 200, `{}`)
	f.call(request{method: get, path: "/v1/tokens", token: alice}).refused(t, 401, wire.InvalidToken, "unauthenticated", "API token has been revoked")
}

// TestRoutes_ours tells the story of the routes that the existing ayb lacks.
func TestRoutes_ours(t *testing.T) {
	f := serve(t, nil, nil)
	alice, bob, club := f.token("alice", nil), f.token("bob", nil), ""
	_, club = f.MustRegister("club", "club@example.org", ayb.Organization)
	f.MustDatabase("alice/test", "CREATE TABLE t(a)")
	step := func(token, method, path, body string, status int, want string) {
		t.Helper()
		f.call(request{method: method, path: path, token: token, body: body}).want(t, status, want)
	}
	step(alice, patch, "/v1/alice/test/update", `{"public_sharing_level":"read-only","anonymous_queries":true}`, 200, `{}`)
	step("", post, "/v1/alice/test/query", "SELECT count(*) AS n FROM t", 200, `{"fields":["n"],"rows":[["0"]]}`)
	step(alice, post, "/v1/alice/test/rename", `{"slug":"Moved"}`, 200, `{}`)
	step(alice, post, "/v1/alice/Moved/delete", ``, 200, `{}`)
	step(alice, get, "/v1/entity/alice", ``, 200, `...,"databases":[],"permissions":{"can_create_database":true}}`)
	step(alice, get, "/v1/_/deleted/alice", ``, 200, `{"databases":[{"slug":"Moved","database_type":"sqlite","deleted_at":"2030-07-01 12:00:00","kept_until":"2030-07-08 12:00:00"}]}`)
	step(alice, post, "/v1/alice/moved/undelete", ``, 200, `{"entity":"alice","database":"Moved","database_type":"sqlite"}`)
	offer := `{"entity":"alice","database":"Moved","database_type":"sqlite","to":"bob","offered_at":"2030-07-01 12:00:00","expires_at":"2030-07-08 12:00:00"}`
	step(alice, post, "/v1/alice/moved/transfer", `{"entity":"bob"}`, 200, `{"offer":`+offer+`}`)
	step(bob, get, "/v1/_/offers/bob", ``, 200, `{"offers":[`+offer+`]}`)
	step(bob, post, "/v1/_/offers/alice/moved/decline", ``, 200, `{}`)
	step(alice, post, "/v1/alice/moved/transfer", `{"entity":"bob"}`, 200, `...`)
	step(alice, del, "/v1/_/offers/alice/moved", ``, 200, `{}`)
	step(alice, get, "/v1/_/offers/alice", ``, 200, `{"offers":[]}`)
	step(alice, post, "/v1/alice/moved/transfer", `{"entity":"bob"}`, 200, `...`)
	step(bob, post, "/v1/_/offers/alice/moved/accept", `{"slug":"Taken"}`, 200, `{"entity":"bob","database":"Taken","database_type":"sqlite"}`)
	step(bob, post, "/v1/bob/taken/rename", `{"slug":"Moved"}`, 200, `{}`)
	f.call(request{method: post, path: "/v1/bob/moved/share", token: bob, headers: []string{"entity-for-permission: alice", "sharing-level: manager"}}).want(t, 204, ``)
	step(alice, get, "/v1/_/shared", ``, 200, `{"databases":[{"entity":"bob","database":"Moved","database_type":"sqlite","sharing_level":"manager"}]}`)

	step(club, put, "/v1/_/members/club/alice", `{"role":"admin"}`, 200, `{}`)
	step(alice, get, "/v1/entity/club", ``, 200, `...,"databases":[],"permissions":{"can_create_database":true}}`)
	step(alice, put, "/v1/_/members/club/bob", `{"role":"member"}`, 200, `{}`)
	step(bob, get, "/v1/_/members/club", ``, 200,
		`{"members":[{"entity":"alice","role":"admin","joined_at":"2030-07-01 12:00:00"},{"entity":"bob","role":"member","joined_at":"2030-07-01 12:00:00"}]}`)
	step(bob, get, "/v1/_/memberships", ``, 200, `{"organizations":[{"organization":"club","role":"member","joined_at":"2030-07-01 12:00:00"}]}`)
	step(bob, del, "/v1/_/members/club/bob", ``, 200, `{}`)
	step(bob, get, "/v1/_/memberships", ``, 200, `{"organizations":[]}`)

	made := f.call(request{method: post, path: "/v1/_/tokens", token: bob, body: `{"database":"bob/Moved","access":"read-only","app_name":"a reader","expires_at":"2031-01-02T03:04:05.5Z"}`})
	shape := regexp.MustCompile(`^\{"token":"(ayb_[^"]+)","short_token":"[^"]+","scoped_database":"bob/Moved","permission_level":"read-only","app_name":"a reader",` +
		`"created_at":"2030-07-01 12:00:00","expires_at":"2031-01-02 03:04:05.500","revoked_at":null,"access":"read-only"\}$`).FindStringSubmatch(made.body)
	if made.status != 201 || shape == nil {
		t.Fatalf("a new token answered %d %s", made.status, made.body)
	}
	me := f.call(request{method: get, path: "/v1/_/me", token: shape[1]})
	if want := `{"entity":"bob","entity_type":"user","token":{` + made.body[strings.Index(made.body, `"short_token"`):] + `}`; me.status != 200 || me.body != want {
		t.Errorf("who the token stands for: %d %s, want %s", me.status, me.body, want)
	}
	step(shape[1], post, "/v1/bob/moved/query", "SELECT a FROM t", 200, `{"fields":["a"],"rows":[]}`)
	f.call(request{method: post, path: "/v1/bob/moved/query", token: shape[1], body: "DELETE FROM t"}).
		refused(t, 403, wire.NoWriteAccessError, "read_only", "Attempted to write to database while in read-only mode")

	step(bob, post, "/v1/entity/bob/rename", `{"slug":"Robert"}`, 200, `{}`)
	step(bob, post, "/v1/entity/robert/delete", ``, 200, `{}`)
	f.call(request{method: get, path: "/v1/tokens", token: bob}).refused(t, 401, wire.InvalidToken, "unauthenticated", "The account has been deleted")
}

// TestRoutes_refusals holds what each route answers to requests that are wrong.
func TestRoutes_refusals(t *testing.T) {
	f := serve(t, nil, nil)
	alice, bob := f.token("alice", nil), f.token("bob", nil)
	f.MustDatabase("alice/test", "CREATE TABLE t(a)")
	sharing := func(to, level string) []string {
		return []string{"entity-for-permission: " + to, "sharing-level: " + level}
	}
	for _, c := range []struct {
		name    string
		request request
		status  int
		typ     wire.ErrorType
		kind    string
		message string
	}{
		{"register/no entity", request{method: post, path: "/v1/register"}, 400, wire.Other, "invalid", "Missing required `entity` header"},
		{"register/no address", request{method: post, path: "/v1/register", headers: []string{"entity: carol"}}, 400, wire.Other, "invalid", "Missing required `email-address` header"},
		{"register/no type", request{method: post, path: "/v1/register", headers: []string{"entity: carol", "email-address: c@example.org"}}, 400, wire.Other, "invalid", "Missing required `entity-type` header"},
		{"register/bad type", request{method: post, path: "/v1/register", headers: []string{"entity: carol", "email-address: c@example.org", "entity-type: User"}}, 400, wire.Other, "invalid", "Unknown value: User"},
		{"register/bad slug", request{method: post, path: "/v1/register", headers: []string{"entity: a b", "email-address: c@example.org", "entity-type: user"}}, 400, wire.InvalidSlug, "invalid",
			"Invalid entity slug: a b. Only letters, numbers, underscores, hyphens, and periods are allowed"},
		{"register/reserved before type", request{method: post, path: "/v1/register", headers: []string{"entity: Admin", "email-address: c@example.org", "entity-type: robot"}}, 400, wire.RegistrationError, "invalid",
			"Username 'admin' is reserved and cannot be used"},
		{"register/taken before type", request{method: post, path: "/v1/register", headers: []string{"entity: alice", "email-address: c@example.org", "entity-type: robot"}}, 409, wire.Other, "exists", "alice has already been registered"},
		{"register/reserved", request{method: post, path: "/v1/register", headers: []string{"entity: Admin", "email-address: c@example.org", "entity-type: user"}}, 400, wire.RegistrationError, "invalid",
			"Username 'admin' is reserved and cannot be used"},
		{"register/taken", request{method: post, path: "/v1/register", headers: []string{"entity: alice", "email-address: c@example.org", "entity-type: user"}}, 409, wire.Other, "exists", "alice has already been registered"},
		{"log_in/unknown", request{method: post, path: "/v1/log_in", headers: []string{"entity: nobody"}}, 404, wire.Other, "not_found", "No account or email authentication method for nobody"},
		{"log_in/no name", request{method: post, path: "/v1/log_in", headers: []string{"entity: A b"}}, 404, wire.Other, "not_found", "No account or email authentication method for a b"},
		{"confirm/no token", request{method: post, path: "/v1/confirm"}, 400, wire.Other, "invalid", "Missing required `authentication-token` header"},
		{"confirm/bad token", request{method: post, path: "/v1/confirm", headers: []string{"authentication-token: gAAA"}}, 401, wire.Other, "unauthenticated", "Invalid or expired token"},
		{"oauth", request{method: post, path: "/v1/oauth/token", body: "{}"}, 501, wire.Other, "unsupported", ""},

		{"create/no token", request{method: post, path: "/v1/alice/new/create", headers: []string{"db-type: sqlite"}}, 401, wire.Unauthorized, "unauthenticated", "This endpoint requires authentication"},
		{"create/bad slug", request{method: post, path: "/v1/alice/a%20b/create", token: alice}, 400, wire.InvalidSlug, "invalid",
			"Invalid database slug: a b. Only letters, numbers, underscores, hyphens, and periods are allowed"},
		{"create/unknown entity before type", request{method: post, path: "/v1/nobody/new/create", token: alice}, 404, wire.RecordNotFound, "not_found", ""},
		{"create/no type", request{method: post, path: "/v1/alice/new/create", token: alice}, 400, wire.Other, "invalid", "Missing required `db-type` header"},
		{"create/bad type before level", request{method: post, path: "/v1/alice/new/create", token: alice, headers: []string{"db-type: xyz", "public-sharing-level: x"}}, 400, wire.Other, "invalid", "Unknown value: xyz"},
		{"create/bad level before ownership", request{method: post, path: "/v1/alice/new/create", token: bob, headers: []string{"db-type: sqlite", "public-sharing-level: x"}}, 400, wire.Other, "invalid", "Unknown value: x"},
		{"create/of another", request{method: post, path: "/v1/alice/new/create", token: bob, headers: []string{"db-type: sqlite"}}, 403, wire.Other, "denied", "Authenticated entity bob can't create a database for entity alice"},
		{"create/taken", request{method: post, path: "/v1/alice/TEST/create", token: alice, headers: []string{"db-type: sqlite"}}, 409, wire.Other, "exists", "Database already exists"},
		{"create/duckdb", request{method: post, path: "/v1/alice/duck/create", token: alice, headers: []string{"db-type: duckdb"}}, 501, wire.Other, "unsupported", ""},

		{"details/stranger", request{method: get, path: "/v1/alice/test/details", token: bob}, 403, wire.Unauthorized, "denied", "Authenticated entity bob can't access database alice/test"},
		{"details/anonymous", request{method: get, path: "/v1/alice/test/details"}, 401, wire.Unauthorized, "unauthenticated", "Database alice/test is not accessible"},
		{"details/unknown", request{method: get, path: "/v1/alice/absent/details", token: alice}, 404, wire.RecordNotFound, "not_found", "Database alice/absent does not exist"},
		{"update/nothing", request{method: patch, path: "/v1/alice/test/update", token: alice}, 400, wire.EmptyUpdateError, "invalid", "No fields provided to update. Please specify at least one field to update."},
		{"update/nothing of another", request{method: patch, path: "/v1/alice/test/update", token: bob}, 403, wire.Other, "denied", "Authenticated entity bob can't update database alice/test"},
		{"update/bad level", request{method: patch, path: "/v1/alice/test/update", token: alice, headers: []string{"public-sharing-level: all"}}, 400, wire.Other, "invalid", "Unknown value: all"},
		{"query/stranger", request{method: post, path: "/v1/alice/test/query", token: bob, body: "SELECT 1"}, 403, wire.Other, "denied", "Authenticated entity bob can't query database alice/test"},
		{"query/anonymous", request{method: post, path: "/v1/alice/test/query", body: "SELECT 1"}, 401, wire.Unauthorized, "unauthenticated", ""},
		{"query/SQLite's words", request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT * FROM nope"}, 400, wire.Other, "invalid", "no such table: nope"},
		{"query/nothing", request{method: post, path: "/v1/alice/test/query", token: alice, body: " -- nothing"}, 400, wire.Other, "invalid", "The text holds no SQL statement"},

		{"profile/of another", request{method: patch, path: "/v1/entity/alice", token: bob, body: `{"display_name":"x"}`}, 403, wire.Other, "denied", ""},
		{"profile/nothing", request{method: patch, path: "/v1/entity/alice", token: alice, body: `{}`}, 400, wire.EmptyUpdateError, "invalid", ""},
		{"profile/links that are no string", request{method: patch, path: "/v1/entity/alice", token: alice, body: `{"links":[{"url":"http://a"}]}`}, 400, wire.Other, "invalid", "The field links must be a string or null"},
		{"profile/links that are no JSON", request{method: patch, path: "/v1/entity/alice", token: alice, body: `{"links":"http://a"}`}, 400, wire.Other, "invalid", ""},
		{"entity/unknown", request{method: get, path: "/v1/entity/nobody"}, 404, wire.RecordNotFound, "not_found", "Entity nobody does not exist"},

		{"share/database before level", request{method: post, path: "/v1/alice/absent/share", token: alice}, 404, wire.RecordNotFound, "not_found", "Database alice/absent does not exist"},
		{"share/no level", request{method: post, path: "/v1/alice/test/share", token: alice}, 400, wire.Other, "invalid", "Missing required `sharing-level` header"},
		{"share/bad level", request{method: post, path: "/v1/alice/test/share", token: alice, headers: sharing("bob", "owner")}, 400, wire.Other, "invalid", "Unknown value: owner"},
		{"share/unknown entity", request{method: post, path: "/v1/alice/test/share", token: alice, headers: sharing("nobody", "manager")}, 404, wire.RecordNotFound, "not_found", "Entity nobody does not exist"},
		{"share/owner", request{method: post, path: "/v1/alice/test/share", token: alice, headers: sharing("ALICE", "read-only")}, 400, wire.CantSetOwnerPermissions, "invalid", "alice owns alice/test, so their permissions can't be changed"},
		{"share/stranger", request{method: post, path: "/v1/alice/test/share", token: bob, headers: sharing("bob", "manager")}, 403, wire.Other, "denied", "Authenticated entity bob can't set permissions for database alice/test"},
		{"permissions/stranger", request{method: get, path: "/v1/alice/test/permissions", token: bob}, 403, wire.Other, "denied", "Authenticated entity bob can't list permissions for database alice/test"},
		{"snapshots/stranger", request{method: get, path: "/v1/alice/test/list_snapshots", token: bob}, 403, wire.Other, "denied", "Authenticated entity bob can't manage snapshots on database alice/test"},
		{"snapshots/limited token", request{method: get, path: "/v1/alice/test/list_snapshots", token: f.token("alice", &ayb.TokenOptions{Access: ayb.ReadOnly})}, 403, wire.Other, "denied", "Authenticated entity alice can't manage snapshots on database alice/test with this token"},
		{"deleted/of another", request{method: get, path: "/v1/_/deleted/alice", token: bob}, 403, wire.Other, "denied", "Authenticated entity bob can't list the deleted databases of entity alice"},
		{"deleted/bad cursor", request{method: get, path: "/v1/_/deleted/alice?after=x", token: alice}, 400, wire.Other, "invalid", ""},
		{"restore/none configured", request{method: post, path: "/v1/alice/test/restore_snapshot", token: alice, body: strings.Repeat("0", 64)}, 501, wire.Other, "unsupported", ""},
		{"token/unknown", request{method: del, path: "/v1/tokens/abc", token: alice}, 404, wire.RecordNotFound, "not_found", "API token abc does not exist"},

		{"rename/bad slug", request{method: post, path: "/v1/alice/test/rename", token: alice, body: `{"slug":".."}`}, 400, wire.InvalidSlug, "invalid", "Invalid database slug: .."},
		{"rename/no body", request{method: post, path: "/v1/alice/test/rename", token: alice}, 400, wire.Other, "invalid", "The body must be a JSON object"},
		{"rename/unknown field", request{method: post, path: "/v1/alice/test/rename", token: alice, body: `{"slog":"a"}`}, 400, wire.Other, "invalid", ""},
		{"transfer/unknown", request{method: post, path: "/v1/alice/test/transfer", token: alice, body: `{"entity":"nobody"}`}, 404, wire.RecordNotFound, "not_found", ""},
		{"delete/stranger", request{method: post, path: "/v1/alice/test/delete", token: bob}, 403, wire.Other, "denied", "Authenticated entity bob can't delete database alice/test"},
		{"undelete/unknown", request{method: post, path: "/v1/alice/absent/undelete", token: alice}, 404, wire.RecordNotFound, "not_found", ""},
		{"tokens/bad access", request{method: post, path: "/v1/_/tokens", token: alice, body: `{"access":"no-access"}`}, 400, wire.Other, "invalid", ""},
		{"members/not an organization", request{method: put, path: "/v1/_/members/alice/bob", token: alice, body: `{"role":"member"}`}, 400, wire.Other, "invalid", "alice is a user, and only organizations have members"},
		{"members/bad role", request{method: put, path: "/v1/_/members/alice/bob", token: alice, body: `{"role":"none"}`}, 400, wire.Other, "invalid", "Unknown value: none"},
		{"cancel/unknown", request{method: post, path: "/v1/_/queries/0123456789abcdef/cancel", token: alice}, 404, wire.Other, "not_found", ""},
		{"page/bad limit", request{method: get, path: "/v1/tokens?limit=0", token: alice}, 400, wire.Other, "invalid", "limit must be a number from 1 to 1000"},
		{"page/bad after", request{method: get, path: "/v1/tokens?after=x", token: alice}, 400, wire.Other, "invalid", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.call(c.request).refused(t, c.status, c.typ, c.kind, c.message)
		})
	}
}

// TestRoutes_missing_record_is_named holds the two fields that only this type of
// error has, and their place.
func TestRoutes_missing_record_is_named(t *testing.T) {
	f := serve(t, nil, nil)
	f.call(request{method: get, path: "/v1/alice/absent/details", token: f.token("alice", nil)}).
		want(t, 404, `{"type":"RecordNotFound","id":"alice/absent","record_type":"database","message":"Database alice/absent does not exist","kind":"not_found"}`)
}

// TestRoutes_every_list_has_pages goes through lists one item at a time.
func TestRoutes_every_list_has_pages(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	owner := f.MustPrincipal(t, "alice")
	_, club := f.MustRegister("club", "club@example.org", ayb.Organization)
	for _, name := range []string{"a", "b", "c"} {
		f.MustDatabase("alice/" + name)
		p := f.MustEntity("user-" + name)
		f.MustShare(owner, "alice/a", "user-"+name, ayb.ReadOnly)
		f.MustDatabase("user-" + name + "/x")
		f.MustShare(p, "user-"+name+"/x", "alice", ayb.ReadWrite)
		must(t, f.SetMember(ctx, ayb.System, "club", "user-"+name, ayb.Member))
	}
	f.token("alice", nil)
	f.token("alice", nil)
	for _, c := range []struct {
		path, token, item string
	}{
		{"/v1/entity/alice", alice, `"database_type"`},
		{"/v1/alice/a/permissions", alice, `"entity_slug"`},
		{"/v1/_/shared", alice, `"sharing_level"`},
		{"/v1/tokens", alice, `"short_token"`},
		{"/v1/_/members/club", club, `"role"`},
	} {
		link := regexp.MustCompile(`^<(\?[^>]+)>; rel="next"$`)
		next, seen := "?limit=1", 0
		for next != "" && seen < 10 {
			r := f.call(request{method: get, path: c.path + next, token: c.token})
			if n := strings.Count(r.body, c.item); r.status != 200 || n != 1 {
				t.Fatalf("%s%s answered %d %s", c.path, next, r.status, r.body)
			}
			seen++
			match := link.FindStringSubmatch(r.header.Get("Link"))
			if (match != nil) != strings.Contains(r.body, `,"next":"`) {
				t.Fatalf("%s: header %q and body %s disagree", c.path, r.header.Get("Link"), r.body)
			}
			if next = ""; match != nil {
				next = match[1]
			}
		}
		if seen != 3 {
			t.Errorf("%s: %d pages, want 3", c.path, seen)
		}
	}
}

// MustPrincipal returns the principal that acts as an entity.
func (f *fixture) MustPrincipal(t *testing.T, slug string) ayb.Principal {
	t.Helper()
	ent, err := f.Entity(ctx, ayb.System, slug)
	must(t, err)
	return f.Owner(ent)
}
