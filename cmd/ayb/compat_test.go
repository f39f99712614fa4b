package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests of this file hold what programs that exist rely on: statuses, headers,
// exact bodies and the order of their keys. They know nothing of our packages and
// speak to the built program alone.

// A compat is a server and the accounts that use it.
type compat struct {
	*process
	tokens map[string]string
}

// newCompat starts a server with accounts.
func newCompat(t *testing.T, accounts []string, environ ...string) *compat {
	t.Helper()
	c := &compat{startServer(t, t.TempDir(), append([]string{"AYB__LIMITS__REQUEST_RATE=100000"}, environ...)...), map[string]string{}}
	for _, name := range accounts {
		c.tokens[name] = c.account(name)
	}
	return c
}

// A call is a request and its answer. Without who it is anonymous. A want that
// ends in "..." is how the body begins.
type call struct {
	who, method, path string
	header            []string
	body              string
	status            int
	want              string
}

// do sends a call and returns the answer with its body read.
func (c *compat) do(t *testing.T, call call) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), call.method, c.url+call.path, strings.NewReader(call.body))
	if err != nil {
		t.Fatal(err)
	}
	if call.who != "" {
		request.Header.Set("Authorization", "Bearer "+c.tokens[call.who])
	}
	for i := 0; i < len(call.header); i += 2 {
		request.Header.Set(call.header[i], call.header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s %s %.60q: %v\n%s", call.method, call.path, call.body, err, c.errout)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", call.method, call.path, err)
	}
	return answer, string(body)
}

// check sends calls one after the other and compares the answers.
func (c *compat) check(t *testing.T, calls ...call) {
	t.Helper()
	for _, call := range calls {
		answer, body := c.do(t, call)
		begin, open := strings.CutSuffix(call.want, "...")
		if answer.StatusCode != call.status || body != call.want && !(open && strings.HasPrefix(body, begin)) {
			t.Errorf("%s: %s %s %v %.60q\n got %d %s\nwant %d %s", call.who, call.method, call.path, call.header, call.body, answer.StatusCode, body, call.status, call.want)
		}
		if kind := answer.Header.Get("Content-Type"); body != "" && kind != "application/json" {
			t.Errorf("%s %s: the content type is %q", call.method, call.path, kind)
		}
		if answer.StatusCode == 401 && answer.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s %s: a 401 without WWW-Authenticate: Bearer", call.method, call.path)
		}
	}
}

// refusal is the envelope of an error of the type Other.
func refusal(kind, message string) string { return envelope("Other", kind, message) }

// envelope is the body of an error. No message of these tests has anything to
// escape but quotes, which %q does as JSON does.
func envelope(tag, kind, message string) string {
	return fmt.Sprintf(`{"type":%q,"message":%q,"kind":%q}`, tag, message, kind)
}

// missing is how the envelope for something that does not exist begins.
func missing(record, id string) string {
	return fmt.Sprintf(`{"type":"RecordNotFound","id":%q,"record_type":%q...`, id, record)
}

func TestCompat_health(t *testing.T) {
	t.Parallel()
	newCompat(t, nil).check(t, call{"", "GET", "/health", nil, "", 200, `{"status":"ok"}`})
}

func TestCompat_register(t *testing.T) {
	t.Parallel()
	c := newCompat(t, nil)
	register := func(status int, want string, header ...string) call {
		return call{"", "POST", "/v1/register", header, "", status, want}
	}
	long := strings.Repeat("a", 129)
	c.check(t,
		register(400, refusal("invalid", "Missing required `entity` header")),
		register(400, refusal("invalid", "Missing required `email-address` header"), "entity", "ann"),
		register(400, refusal("invalid", "Missing required `entity-type` header"), "entity", "ann", "email-address", "ann@example.org"),
		register(400, envelope("InvalidSlug", "invalid", "Invalid entity slug: a b. Only letters, numbers, underscores, hyphens, and periods are allowed"), "entity", "a b", "email-address", "ann@example.org", "entity-type", "user"),
		register(400, envelope("InvalidSlug", "invalid", "A entity slug can't be longer than 128 bytes, but this one is 129 bytes"), "entity", long, "email-address", "ann@example.org", "entity-type", "user"),
		register(400, envelope("RegistrationError", "invalid", "Username 'v1' is reserved and cannot be used"), "entity", "V1", "email-address", "ann@example.org", "entity-type", "user"),
		register(400, refusal("invalid", "Unknown value: robot"), "entity", "ann", "email-address", "ann@example.org", "entity-type", "robot"),
		register(400, envelope("RegistrationError", "invalid", "Username 'admin' is reserved and cannot be used"), "entity", "admin", "email-address", "ann@example.org", "entity-type", "robot"),
		register(200, `{}`, "entity", "Ann", "email-address", "Ann@Example.org", "entity-type", "user"),
	)
	first := mailedToken(t, filepath.Join(c.dir, "ayb_data", "emails.jsonl"))
	c.check(t, register(200, `{}`, "entity", "ann", "email-address", "other@example.org", "entity-type", "user"))
	second := mailedToken(t, filepath.Join(c.dir, "ayb_data", "emails.jsonl"))
	confirm := func(token string, status int, want string) call {
		return call{"", "POST", "/v1/confirm", []string{"authentication-token", token}, "", status, want}
	}
	c.check(t,
		call{"", "POST", "/v1/confirm", nil, "", 400, refusal("invalid", "Missing required `authentication-token` header")},
		confirm(first, 200, `{"entity":"ann","token":"ayb_...`),
		confirm(second, 409, refusal("exists", "ann has already been registered")),
		confirm("nonsense", 401, refusal("unauthenticated", "Invalid or expired token")),
		register(409, refusal("exists", "ann has already been registered"), "entity", "ann", "email-address", "other@example.org", "entity-type", "robot"),
		register(409, refusal("exists", "ann has already been registered"), "entity", "ANN", "email-address", "other@example.org", "entity-type", "user"),
		register(200, `{}`, "entity", "ANN", "email-address", "ANN@example.org", "entity-type", "user"),
		call{"", "POST", "/v1/log_in", []string{"entity", "ANN"}, "", 200, `{}`},
		call{"", "POST", "/v1/log_in", nil, "", 400, refusal("invalid", "Missing required `entity` header")},
		call{"", "POST", "/v1/log_in", []string{"entity", "nobody"}, "", 404, refusal("not_found", "No account or email authentication method for nobody")},
		call{"", "POST", "/v1/log_in", []string{"entity", "a b"}, "", 404, refusal("not_found", "No account or email authentication method for a b")},
		register(200, `{}`, "entity", "bea", "email-address", "other@example.org", "entity-type", "organization"),
	)
	third := mailedToken(t, filepath.Join(c.dir, "ayb_data", "emails.jsonl"))
	c.check(t, confirm(third, 200, `{"entity":"bea","token":"ayb_...`))
}

func TestCompat_emails(t *testing.T) {
	t.Parallel()
	c := newCompat(t, nil)
	c.must("POST", "/v1/register", "", "entity", "Ann", "email-address", "Ann@Example.org", "entity-type", "user")
	text, err := os.ReadFile(filepath.Join(c.dir, "ayb_data", "emails.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	host := `http://localhost` + c.url[strings.LastIndexByte(c.url, ':'):]
	want := regexp.MustCompile(`^\{"from":"ayb <noreply@localhost>","to":"ann@example\.org","reply_to":"ayb <noreply@localhost>","subject":"Your login credentials",` +
		`"content_type":"text/plain","content_transfer_encoding":"7bit","date":"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} \+0000",` +
		`"content":\["To complete your registration, visit","\\t` + regexp.QuoteMeta(host) + `/confirm/gAAAA[A-Za-z0-9_-]+(?:%3D)*","","Or type","\\tayb client confirm gAAAA[A-Za-z0-9_-]+=*"\]\}` + "\n$")
	if !want.Match(text) {
		t.Errorf("the e-mail is\n%s\nwant\n%s", text, want)
	}
}

func TestCompat_create(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann", "bob"})
	kind := []string{"db-type", "sqlite", "public-sharing-level", "no-access"}
	long := strings.Repeat("d", 129)
	c.check(t,
		call{"ann", "POST", "/v1/ann/Test.sqlite/create", kind, "", 201, `{"entity":"ann","database":"Test.sqlite","database_type":"sqlite"}`},
		call{"ann", "POST", "/v1/ann/Test.sqlite/create", kind, "", 409, refusal("exists", "Database already exists")},
		call{"ann", "POST", "/v1/ann/test.SQLITE/create", kind, "", 409, refusal("exists", "Database already exists")},
		call{"ann", "POST", "/v1/ANN/defaults/create", kind[:2], "", 201, `{"entity":"ann","database":"defaults","database_type":"sqlite"}`},
		call{"ann", "GET", "/v1/ann/defaults/details", nil, "", 200, `{"entity_slug":"ann","database_slug":"defaults","database_type":"sqlite","highest_query_access_level":"ReadWrite","can_manage_database":true,"public_sharing_level":"no-access"...`},
		call{"ann", "POST", "/v1/ann/b%20c/create", kind, "", 400, envelope("InvalidSlug", "invalid", "Invalid database slug: b c. Only letters, numbers, underscores, hyphens, and periods are allowed")},
		call{"ann", "POST", "/v1/ann/" + long + "/create", kind, "", 400, envelope("InvalidSlug", "invalid", "A database slug can't be longer than 128 bytes, but this one is 129 bytes")},
		call{"ann", "POST", "/v1/ann/" + long[1:] + "/create", kind, "", 201, `{"entity":"ann","database":"` + long[1:] + `","database_type":"sqlite"}`},
		call{"ann", "POST", "/v1/nobody/x/create", kind, "", 404, missing("entity", "nobody")},
		call{"ann", "POST", "/v1/ann/x/create", nil, "", 400, refusal("invalid", "Missing required `db-type` header")},
		call{"ann", "POST", "/v1/ann/x/create", []string{"db-type", "SQLite"}, "", 400, refusal("invalid", "Unknown value: SQLite")},
		call{"ann", "POST", "/v1/ann/x/create", []string{"db-type", "sqlite", "public-sharing-level", "all"}, "", 400, refusal("invalid", "Unknown value: all")},
		call{"bob", "POST", "/v1/ann/x/create", kind, "", 403, refusal("denied", "Authenticated entity bob can't create a database for entity ann")},
		call{"", "POST", "/v1/ann/x/create", kind, "", 401, `{"type":"...`},
	)
}

func TestCompat_profile(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann", "bob"})
	profile := func(body string, status int, want string) call {
		return call{"ann", "PATCH", "/v1/entity/ann", []string{"Content-Type", "application/json"}, body, status, want}
	}
	shown := func(profile string) call {
		return call{"", "GET", "/v1/entity/ANN", nil, "", 200, `{"slug":"ann","profile":` + profile + `,"databases":[],"permissions":{"can_create_database":false}}`}
	}
	c.check(t,
		shown(`{"display_name":null,"description":null,"organization":null,"location":null,"links":[]}`),
		profile(`{"display_name":"Ann \"<&>\" Ä","description":"d","organization":"o","location":"l","links":"[{\"url\":\"http://a.example/x\"},{\"url\":\"http://b.example\"}]"}`, 200, `{}`),
		shown(`{"display_name":"Ann \"<&>\" Ä","description":"d","organization":"o","location":"l","links":[{"url":"http://a.example/x","verified":false},{"url":"http://b.example","verified":false}]}`),
		profile(`{"description":null,"unknown":"x"}`, 200, `{}`),
		profile(`{"links":"[]"}`, 200, `{}`),
		shown(`{"display_name":"Ann \"<&>\" Ä","description":null,"organization":"o","location":"l","links":[]}`),
		profile(`{"links":null,"location":null,"display_name":null,"organization":null}`, 200, `{}`),
		shown(`{"display_name":null,"description":null,"organization":null,"location":null,"links":[]}`),
		profile(`{}`, 400, envelope("EmptyUpdateError", "invalid", "No fields provided to update. Please specify at least one field to update.")),
		profile(`{"display_name":7}`, 400, `{"type":"Other","message":"...`),
		profile(`{"display_name":`, 400, `{"type":"Other","message":"...`),
		profile(`[]`, 400, `{"type":"Other","message":"...`),
		profile(`{"links":"nonsense"}`, 400, `{"type":"Other","message":"...`),
		profile(`{"links":"[{\"url\":\"/relative\"}]"}`, 400, `{"type":"Other","message":"...`),
		profile(`{"links":"[{\"url\":\"javascript:alert(1)\"}]"}`, 400, `{"type":"Other","message":"...`),
		call{"bob", "PATCH", "/v1/entity/ann", nil, `{"display_name":"x"}`, 403, `{"type":"...`},
		call{"", "PATCH", "/v1/entity/ann", nil, `{"display_name":"x"}`, 401, `{"type":"...`},
		call{"", "GET", "/v1/entity/nobody", nil, "", 404, missing("entity", "nobody")},
	)
}

func TestCompat_share_and_update(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann", "bob", "cid"})
	kind := []string{"db-type", "sqlite"}
	grant := func(header []string, status int, want string) call {
		return call{"ann", "POST", "/v1/ann/t/share", header, "", status, want}
	}
	c.check(t,
		call{"ann", "POST", "/v1/ann/t/create", kind, "", 201, `{...`},
		grant([]string{"sharing-level", "manager"}, 400, refusal("invalid", "Missing required `entity-for-permission` header")),
		grant([]string{"entity-for-permission", "bob"}, 400, refusal("invalid", "Missing required `sharing-level` header")),
		grant([]string{"entity-for-permission", "bob", "sharing-level", "Manager"}, 400, refusal("invalid", "Unknown value: Manager")),
		grant([]string{"entity-for-permission", "nobody", "sharing-level", "manager"}, 404, missing("entity", "nobody")),
		grant([]string{"entity-for-permission", "ann", "sharing-level", "manager"}, 400, envelope("CantSetOwnerPermissions", "invalid", "ann owns ann/t, so their permissions can't be changed")),
		grant([]string{"entity-for-permission", "cid", "sharing-level", "read-only"}, 204, ""),
		grant([]string{"entity-for-permission", "BOB", "sharing-level", "read-write"}, 204, ""),
		call{"ann", "GET", "/v1/ann/t/permissions", nil, "", 200, `{"permissions":[{"entity_slug":"cid","sharing_level":"read-only"},{"entity_slug":"bob","sharing_level":"read-write"}]}`},
		grant([]string{"entity-for-permission", "cid", "sharing-level", "manager"}, 204, ""),
		call{"cid", "GET", "/v1/ann/t/permissions", nil, "", 200, `{"permissions":[{"entity_slug":"cid","sharing_level":"manager"},{"entity_slug":"bob","sharing_level":"read-write"}]}`},
		grant([]string{"entity-for-permission", "bob", "sharing-level", "no-access"}, 204, ""),
		grant([]string{"entity-for-permission", "bob", "sharing-level", "no-access"}, 204, ""),
		call{"ann", "GET", "/v1/ann/t/permissions", nil, "", 200, `{"permissions":[{"entity_slug":"cid","sharing_level":"manager"}]}`},
		call{"ann", "PATCH", "/v1/ann/t/update", nil, "", 400, envelope("EmptyUpdateError", "invalid", "No fields provided to update. Please specify at least one field to update.")},
		call{"ann", "PATCH", "/v1/ann/t/update", []string{"public-sharing-level", "public"}, "", 400, refusal("invalid", "Unknown value: public")},
		call{"bob", "PATCH", "/v1/ann/t/update", nil, "", 403, refusal("denied", "Authenticated entity bob can't update database ann/t")},
		call{"cid", "PATCH", "/v1/ann/t/update", []string{"public-sharing-level", "fork"}, "", 200, `{}`},
		call{"", "GET", "/v1/ANN/t/details", nil, "", 200, `{"entity_slug":"ann","database_slug":"t","database_type":"sqlite","highest_query_access_level":null,"can_manage_database":false,"public_sharing_level":"fork"...`},
		call{"ann", "GET", "/v1/ann/none/details", nil, "", 404, missing("database", "ann/none")},
		call{"ann", "GET", "/v1/ann/none/permissions", nil, "", 404, missing("database", "ann/none")},
		call{"ann", "POST", "/v1/ann/none/query", nil, "SELECT 1", 404, missing("database", "ann/none")},
	)
}

func TestCompat_snapshots_without_configuration(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann"})
	c.check(t,
		call{"ann", "POST", "/v1/ann/t/create", []string{"db-type", "sqlite"}, "", 201, `{...`},
		call{"ann", "GET", "/v1/ann/t/list_snapshots", nil, "", 200, `{"snapshots":[]}`},
	)
	for _, id := range []string{strings.Repeat("0", 64), "../../bob/t/" + strings.Repeat("0", 64), ""} {
		answer, body := c.do(t, call{who: "ann", method: "POST", path: "/v1/ann/t/restore_snapshot", body: id})
		if answer.StatusCode < 400 || !strings.HasPrefix(body, `{"type":"`) {
			t.Errorf("restoring %q answers %d %s", id, answer.StatusCode, body)
		}
	}
}

func TestCompat_tokens(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann", "bob"})
	old := c.tokens["ann"]
	c.tokens["ann"] = c.account("ann")
	short := func(token string) string { return strings.Split(token, "_")[1] }
	entry := `\{"short_token":"%s","scoped_database":null,"permission_level":null,"app_name":null,"created_at":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6}|\.\d{9})?","expires_at":(?:null|"[^"]+"),"revoked_at":null[^}]*\}`
	want := regexp.MustCompile(`^\{"tokens":\[` + fmt.Sprintf(entry, short(c.tokens["ann"])) + `,` + fmt.Sprintf(entry, short(old)) + `\]\}$`)
	answer, body := c.do(t, call{who: "ann", method: "GET", path: "/v1/tokens"})
	if answer.StatusCode != 200 || !want.MatchString(body) {
		t.Errorf("the tokens are %d %s\nwant %s", answer.StatusCode, body, want)
	}
	if !regexp.MustCompile(`^ayb_[1-9A-HJ-NP-Za-km-z]{9,11}_[1-9A-HJ-NP-Za-km-z]{31,33}$`).MatchString(old) {
		t.Errorf("the token is %s", old)
	}
	c.check(t,
		call{"bob", "DELETE", "/v1/tokens/" + short(old), nil, "", 404, missing("api_token", short(old))},
		call{"ann", "DELETE", "/v1/tokens/unknown", nil, "", 404, missing("api_token", "unknown")},
		call{"ann", "DELETE", "/v1/tokens/" + short(old), nil, "", 200, `{}`},
		call{"ann", "DELETE", "/v1/tokens/" + short(old), nil, "", 404, missing("api_token", short(old))},
		call{"", "GET", "/v1/tokens", []string{"Authorization", "Bearer " + old}, "", 401, envelope("InvalidToken", "unauthenticated", "API token has been revoked")},
		call{"ann", "POST", "/v1/_/tokens", nil, `{"access":"manager"}`, 201, `{"token":"ayb_...`},
	)
	if _, body := c.do(t, call{who: "ann", method: "GET", path: "/v1/tokens"}); strings.Contains(body, `"permission_level":"manager"`) {
		t.Errorf("older programs can't read %s", body)
	}
	c.check(t,
		call{"ann", "DELETE", "/v1/tokens/" + short(c.tokens["ann"]), nil, "", 200, `{}`},
		call{"ann", "GET", "/v1/tokens", nil, "", 401, envelope("InvalidToken", "unauthenticated", "API token has been revoked")},
	)
}

func TestCompat_authentication(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann"})
	token := c.tokens["ann"]
	parts := strings.Split(token, "_")
	with := func(path, header string, status int, want string) call {
		return call{"", "GET", path, []string{"Authorization", header}, "", status, want}
	}
	const optional, bearer = "/v1/entity/ann", "/v1/tokens"
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER "} {
		c.check(t,
			with(optional, scheme+token, 200, `{"slug":"ann"...`),
			with(bearer, scheme+token, 200, `{"tokens":...`))
	}
	for _, path := range []string{optional, bearer} {
		c.check(t,
			with(path, "Basic YTpi", 401, refusal("unauthenticated", "Invalid Authorization header: expected `Bearer <token>`")),
			with(path, "Bearer nonsense", 401, refusal("unauthenticated", "The token is malformed")),
			with(path, "Bearer "+parts[0]+"_"+parts[1]+"_wrong", 401, envelope("InvalidToken", "unauthenticated", "Invalid API token")),
			with(path, "Bearer ayb_unknown_"+parts[2], 401, `{"type":"...`),
			with(path, "Bearer", 401, `{"type":"...`),
			with(path, "Bearer "+token+"_", 401, `{"type":"...`))
	}
	c.check(t,
		call{"", "GET", optional, nil, "", 200, `{"slug":"ann"...`},
		call{"", "GET", bearer, nil, "", 401, envelope("Unauthorized", "unauthenticated", "This endpoint requires authentication")})
	for _, route := range [][2]string{{"POST", "/v1/ann/t/create"}, {"POST", "/v1/ann/t/query"}, {"POST", "/v1/ann/t/share"}, {"PATCH", "/v1/ann/t/update"},
		{"GET", "/v1/ann/t/permissions"}, {"GET", "/v1/ann/t/list_snapshots"}, {"POST", "/v1/ann/t/restore_snapshot"}, {"PATCH", "/v1/entity/ann"}, {"DELETE", "/v1/tokens/x"}} {
		c.check(t, call{"", route[0], route[1], nil, "SELECT 1", 401, `{"type":"...`})
	}
}

// matrix is what each relation to a database may do: "+" is success, a letter is
// the refusal. The relations are, in this order: owner, manager, read-write,
// read-only, none with public read-only, none with public fork, none with no
// access, and nobody.
var matrix = []struct {
	name, outcomes string
	call           call
}{
	{"details", "+++++++A", call{method: "GET", path: "/details"}},
	{"read", "+++++CC.", call{method: "POST", path: "/query", body: "SELECT 1"}},
	{"write", "+++DDCC.", call{method: "POST", path: "/query", body: "INSERT INTO t VALUES (1)"}},
	{"share", "++FFFFF.", call{method: "POST", path: "/share", header: []string{"entity-for-permission", "target", "sharing-level", "read-only"}}},
	{"update", "++HHHHH.", call{method: "PATCH", path: "/update", header: []string{"public-sharing-level", ""}}},
	{"list_snapshots", "++IIIII.", call{method: "GET", path: "/list_snapshots"}},
	{"restore_snapshot", "  IIIII.", call{method: "POST", path: "/restore_snapshot", body: strings.Repeat("0", 64)}},
	{"permissions", "++JJJJJ.", call{method: "GET", path: "/permissions"}},
	{"create", "  EEEEE.", call{method: "POST", path: "/create", header: []string{"db-type", "sqlite"}}},
}

func TestCompat_permissions(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"owner1", "manager1", "writer", "reader", "stranger", "target"})
	for _, public := range []string{"read-only", "fork", "no-access"} {
		c.must("POST", "/v1/owner1/"+public+"/create", "", "db-type", "sqlite", "public-sharing-level", public, "Authorization", "Bearer "+c.tokens["owner1"])
		c.must("POST", "/v1/owner1/"+public+"/query", "CREATE TABLE t(v)", "Authorization", "Bearer "+c.tokens["owner1"])
		for who, level := range map[string]string{"manager1": "manager", "writer": "read-write", "reader": "read-only"} {
			c.must("POST", "/v1/owner1/"+public+"/share", "", "entity-for-permission", who, "sharing-level", level, "Authorization", "Bearer "+c.tokens["owner1"])
		}
	}
	relations := []struct{ who, database string }{{"owner1", "no-access"}, {"manager1", "no-access"}, {"writer", "no-access"}, {"reader", "no-access"},
		{"stranger", "read-only"}, {"stranger", "fork"}, {"stranger", "no-access"}, {"", "no-access"}}
	for _, row := range matrix {
		for i, relation := range relations {
			if row.outcomes[i] == ' ' {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s on %s", row.name, relation.who, relation.database), func(t *testing.T) { c.outcome(t, row.name, row.call, relation.who, relation.database, row.outcomes[i]) })
		}
	}
}

// outcome checks one cell of the matrix.
func (c *compat) outcome(t *testing.T, name string, call call, who, database string, want byte) {
	path := "owner1/" + database
	call.who, call.path = who, "/v1/"+path+call.path
	if name == "update" {
		call.header = []string{"public-sharing-level", database}
	}
	if name == "details" && who == "stranger" && database == "no-access" {
		want = 'B'
	}
	answer, body := c.do(t, call)
	subject := "Authenticated entity " + who + " can't "
	refusals := map[byte]string{
		'A': envelope("Unauthorized", "unauthenticated", "Database "+path+" is not accessible"),
		'B': envelope("Unauthorized", "denied", subject+"access database "+path),
		'C': refusal("denied", subject+"query database "+path),
		'D': envelope("NoWriteAccessError", "read_only", "Attempted to write to database while in read-only mode"),
		'E': refusal("denied", subject+"create a database for entity owner1"),
		'F': refusal("denied", subject+"set permissions for database "+path),
		'H': refusal("denied", subject+"update database "+path),
		'I': refusal("denied", subject+"manage snapshots on database "+path),
		'J': refusal("denied", subject+"list permissions for database "+path),
	}
	switch {
	case want == '+' && answer.StatusCode/100 == 2:
	case want == '.' && answer.StatusCode == 401 && strings.HasPrefix(body, `{"type":"`):
	case refusals[want] != "" && body == refusals[want] && (answer.StatusCode == 403) == (want != 'A') && (answer.StatusCode == 401) == (want == 'A'):
	default:
		t.Errorf("got %d %s, want %c %s", answer.StatusCode, body, want, refusals[want])
	}
}

func TestCompat_entity_lists_what_the_caller_may_discover_newest_first(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann", "bob"})
	for _, public := range []string{"read-only", "no-access", "fork"} {
		c.check(t, call{"ann", "POST", "/v1/ann/" + public + "/create", []string{"db-type", "sqlite", "public-sharing-level", public}, "", 201, `{...`})
	}
	entity := func(who string, can bool, names ...string) call {
		var list []string
		for _, name := range names {
			list = append(list, fmt.Sprintf(`{"slug":%q,"database_type":"sqlite"}`, name))
		}
		return call{who, "GET", "/v1/entity/ann", nil, "", 200, `{"slug":"ann","profile":{"display_name":null,"description":null,"organization":null,"location":null,"links":[]},"databases":[` +
			strings.Join(list, ",") + fmt.Sprintf(`],"permissions":{"can_create_database":%t}}`, can)}
	}
	c.check(t,
		entity("ann", true, "fork", "no-access", "read-only"),
		entity("bob", false, "fork", "read-only"),
		entity("", false, "fork", "read-only"),
		call{"ann", "POST", "/v1/ann/no-access/share", []string{"entity-for-permission", "bob", "sharing-level", "read-only"}, "", 204, ""},
		entity("bob", false, "fork", "no-access", "read-only"))
}

func TestCompat_query(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann"})
	c.check(t, call{"ann", "POST", "/v1/ann/t/create", []string{"db-type", "sqlite"}, "", 201, `{...`})
	good := func(sql, want string) call {
		return call{"ann", "POST", "/v1/ann/t/query", []string{"Content-Type", "text/plain"}, sql, 200, want}
	}
	bad := func(sql, want string) call {
		return call{"ann", "POST", "/v1/ann/t/query", nil, sql, 400, want}
	}
	const none = `{"fields":[],"rows":[]}`
	c.check(t,
		good("SELECT 1 AS a", `{"fields":["a"],"rows":[["1"]]}`), // before the first write
		good("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE, c NOT NULL DEFAULT 0);", none),
		good(`INSERT INTO t(b) VALUES ("in double quotes")`, none),
		good("INSERT INTO t(b) VALUES ('two') RETURNING a, b", `{"fields":["a","b"],"rows":[["2","two"]]}`),
		good("SELECT a, a, b AS a FROM t ORDER BY 1 DESC", `{"fields":["a","a","a"],"rows":[["2","2","two"],["1","1","in double quotes"]]}`),
		good("SELECT a, b FROM t WHERE 0", `{"fields":["a","b"],"rows":[]}`),
		good("UPDATE t SET c = 1", none),
		good(";; SELECT 1 ;;", `{"fields":["1"],"rows":[["1"]]}`),
		good("SELECT 1; SELECT 2 AS last", `{"fields":["last"],"rows":[["2"]]}`),
		good("PRAGMA table_info(t)", `{"fields":["cid","name","type","notnull","dflt_value","pk"],"rows":[["0","a","INTEGER","0",null,"1"],...`),
		good("EXPLAIN QUERY PLAN SELECT * FROM t", `{"fields":["id","parent","notused","detail"],"rows":[[...`),
		good("CREATE TABLE child(p REFERENCES t(a))", none),
		bad("INSERT INTO child VALUES (99)", `{"type":"Other","message":"FOREIGN KEY constraint failed...`),
		good("VACUUM", none),
		good("CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('the quick fox'); SELECT x FROM f WHERE f MATCH 'quick'", `{"fields":["x"],"rows":[["the quick fox"]]}`),
		good("CREATE TABLE _ayb_migrations(app_id TEXT, version INTEGER, applied_at TEXT DEFAULT CURRENT_TIMESTAMP, primary key (app_id, version))", none),
		good("SELECT MAX(version) AS v FROM _ayb_migrations WHERE app_id = 'x'", `{"fields":["v"],"rows":[[null]]}`),
		bad("CREATE TABLE t(a)", `{"type":"Other","message":"table t already exists...`),
		bad("ALTER TABLE t ADD COLUMN b", `{"type":"Other","message":"duplicate column name: b...`),
		bad("SELECT * FROM nope", `{"type":"Other","message":"no such table: nope","kind":"invalid","sqlite_code":1}`),
		bad("selec 1", `{"type":"Other","message":"near \"selec\": syntax error...`),
		bad("INSERT INTO t(b) VALUES ('two')", `{"type":"Other","message":"UNIQUE constraint failed: t.b...`),
		bad("INSERT INTO t(b, c) VALUES ('x', NULL)", `{"type":"Other","message":"NOT NULL constraint failed: t.c...`),
		bad("SELECT ?", `{"type":"Other","message":"...`),
		bad("", `{"type":"Other","message":"...`),
		bad(" \n", `{"type":"Other","message":"...`),
		bad("-- a comment", `{"type":"Other","message":"...`),
		bad("SELECT '\xff'", `{"type":"Other","message":"Can not decode body...`),
	)
	for _, kind := range []string{"", "application/x-www-form-urlencoded", "application/octet-stream", "text/plain;charset=UTF-8"} {
		c.check(t, call{"ann", "POST", "/v1/ann/t/query", []string{"Content-Type", kind}, "SELECT 'a+b=c%20' AS x", 200, `{"fields":["x"],"rows":[["a+b=c%20"]]}`})
	}
}

func TestCompat_values(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann"})
	c.check(t, call{"ann", "POST", "/v1/ann/t/create", []string{"db-type", "sqlite"}, "", 201, `{...`})
	for sql, want := range map[string]string{
		"NULL": `null`, "42": `"42"`, "-9223372036854775808": `"-9223372036854775808"`, "9223372036854775807": `"9223372036854775807"`,
		"1.0": `"1"`, "0.1": `"0.1"`, "1e21": `"1000000000000000000000"`, "1e-7": `"0.0000001"`, "-0.0": `"-0"`, "9e999": `"inf"`, "-9e999": `"-inf"`,
		"1.0/3": `"0.3333333333333333"`, "0.1+0.2": `"0.30000000000000004"`, "9e999-9e999": `null`, "123456789.125": `"123456789.125"`,
		"''": `""`, "'text'": `"text"`, "'Ä€😀'": `"Ä€😀"`, `'"\' || char(10) || char(9) || char(1)`: `"\"\\\n\t\u0001"`, "'<&>'": `"<&>"`,
		"x'41c384'": `"AÄ"`, "x''": `""`, "x'ff00'": `"X'FF00'"`, "1 = 1": `"1"`,
	} {
		_, body := c.do(t, call{who: "ann", method: "POST", path: "/v1/ann/t/query", body: "SELECT " + sql + " AS v"})
		if body != `{"fields":["v"],"rows":[[`+want+`]]}` && !sameJSON(body, `{"fields":["v"],"rows":[[`+want+`]]}`) {
			t.Errorf("%s is %s, want %s", sql, body, want)
		}
	}
}

// sameJSON says whether two texts are the same JSON: how a string is escaped is
// the server's choice.
func sameJSON(a, b string) bool {
	compact := func(text string) string {
		var value struct {
			Fields []string
			Rows   [][]*string
		}
		if json.Unmarshal([]byte(text), &value) != nil {
			return text
		}
		out, _ := json.Marshal(value)
		return string(out)
	}
	return compact(a) == compact(b)
}

func TestCompat_routing(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann"})
	c.check(t, call{"ann", "POST", "/v1/ann/t/create", []string{"db-type", "sqlite"}, "", 201, `{...`})
	for _, route := range []string{
		"GET /", "GET /v1", "GET /v1/", "GET /v1/nope", "GET /v1/ann/t", "GET /v1/ann/t/nope", "GET /v1/ann/t/details/x", "GET /health/", "GET //health", "GET /v1//health",
		"HEAD /health", "POST /health", "GET /v1/register", "PUT /v1/register", "GET /v1/confirm", "GET /v1/ann/t/query", "POST /v1/ann/t/details", "GET /v1/ann/t/create",
		"POST /v1/ann/t/update", "GET /v1/ann/t/share", "POST /v1/ann/t/permissions", "POST /v1/entity/ann", "DELETE /v1/entity/ann", "POST /v1/tokens", "GET /v1/tokens/x",
		"HEAD /v1/entity/ann", "OPTIONS /health", "OPTIONS /v1/ann/t/query", "GET /v1/tokens/", "GET /v1/entity/ann/", "GET /v1/ann/t/details/", "GET /v1/ann//details",
		"TRACE /health", "GET /V1/tokens", "GET /health.json", "GET /v1/ann/./t/details", "GET /v1/x/../ann/t/details", "GET /v1/entity",
	} {
		method, path, _ := strings.Cut(route, " ")
		answer, body := c.do(t, call{who: "ann", method: method, path: path})
		if answer.StatusCode != 404 || body != "" {
			t.Errorf("%s: %d %s, want 404 and nothing", route, answer.StatusCode, body)
		}
		if answer.Header.Get("Allow") != "" || answer.Header.Get("Location") != "" {
			t.Errorf("%s: the header is %v", route, answer.Header)
		}
	}
	c.check(t, // segments are decoded one by one
		call{"ann", "GET", "/v1/%61nn/%74/details", nil, "", 200, `{"entity_slug":"ann","database_slug":"t"...`},
		call{"ann", "GET", "/v1/ann%2Ft/details", nil, "", 404, ""},
		call{"ann", "GET", "/health?x=1", nil, "", 200, `{"status":"ok"}`})
	for _, path := range []string{"/v1/ann/t%2Fdetails", "/v1/entity/..%2Fann", "/v1/ann/..%2Fann%2Ft/details", "/v1/ann/t%00/details"} {
		if answer, body := c.do(t, call{who: "ann", method: "GET", path: path}); answer.StatusCode < 400 || answer.StatusCode >= 500 {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
}

func TestCompat_CORS(t *testing.T) {
	t.Parallel()
	preflight := func(origin string) call {
		return call{method: "OPTIONS", path: "/v1/ann/t/query", header: []string{"Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type"}}
	}
	check := func(t *testing.T, c *compat, call call, status int, allowed string) {
		t.Helper()
		answer, _ := c.do(t, call)
		header := answer.Header
		if answer.StatusCode != status || header.Get("Access-Control-Allow-Origin") != allowed {
			t.Errorf("%s %v: %d, allowed is %q", call.method, call.header, answer.StatusCode, header.Get("Access-Control-Allow-Origin"))
		}
		if header.Get("Access-Control-Allow-Credentials") != "" || header.Get("Access-Control-Expose-Headers") != "" {
			t.Errorf("%s %v: too much is allowed: %v", call.method, call.header, header)
		}
		if vary := strings.ToLower(strings.Join(header.Values("Vary"), ",")); !strings.Contains(vary, "origin") {
			t.Errorf("%s %v: Vary is %q", call.method, call.header, vary)
		}
		if call.method != "OPTIONS" || status != 200 {
			return
		}
		methods := strings.ToUpper(header.Get("Access-Control-Allow-Methods"))
		for _, method := range []string{"GET", "POST", "PATCH", "PUT", "DELETE"} {
			if !strings.Contains(methods, method) {
				t.Errorf("the methods are %q", methods)
			}
		}
		headers := strings.Split(strings.ReplaceAll(strings.ToLower(header.Get("Access-Control-Allow-Headers")), " ", ""), ",")
		slices.Sort(headers)
		if !slices.Equal(headers, []string{"authorization", "content-type"}) || header.Get("Access-Control-Max-Age") != "7200" {
			t.Errorf("the header is %v", header)
		}
	}
	get := func(origin string) call {
		return call{method: "GET", path: "/health", header: []string{"Origin", origin}}
	}
	t.Run("any origin is echoed", func(t *testing.T) {
		c := newCompat(t, nil, "AYB__CORS__ORIGIN=*")
		check(t, c, preflight("https://app.example"), 200, "https://app.example")
		check(t, c, get("https://app.example"), 200, "https://app.example")
		check(t, c, call{method: "GET", path: "/v1/tokens", header: []string{"Origin", "null"}}, 401, "null")
	})
	t.Run("one origin", func(t *testing.T) {
		c := newCompat(t, nil, "AYB__CORS__ORIGIN=https://app.example")
		check(t, c, preflight("https://app.example"), 200, "https://app.example")
		check(t, c, get("https://app.example"), 200, "https://app.example")
		check(t, c, preflight("https://APP.example"), 400, "")
		check(t, c, get("https://app.example.evil"), 200, "")
	})
}

func TestCompat_bounds_of_bodies(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann"})
	c.check(t,
		call{"ann", "POST", "/v1/ann/t/create", []string{"db-type", "sqlite"}, "", 201, `{...`},
		call{"ann", "POST", "/v1/ann/t/query", nil, "SELECT length('" + strings.Repeat("x", 262_000) + "') AS n", 200, `{"fields":["n"],"rows":[["262000"]]}`},
		call{"ann", "POST", "/v1/ann/t/query", nil, "SELECT 1 --" + strings.Repeat("x", 2<<20), 413, `{"type":"Other","message":"...`},
		call{"ann", "PATCH", "/v1/entity/ann", []string{"Content-Type", "application/json"}, `{"unknown":"` + strings.Repeat("x", 3<<20) + `"}`, 413, `{"type":"Other","message":"...`},
		call{"ann", "POST", "/v1/ann/t/restore_snapshot", nil, strings.Repeat("0", 3<<20), 413, `{"type":"Other","message":"...`},
		call{"", "GET", "/health", nil, "", 200, `{"status":"ok"}`},
	)
	closing := &http.Transport{DisableKeepAlives: true}
	for _, path := range []string{"PATCH /v1/entity/ann", "POST /v1/ann/t/query", "POST /v1/ann/t/restore_snapshot"} {
		method, path, _ := strings.Cut(path, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(strings.Repeat("x", 3<<20)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+c.tokens["ann"])
		answer, err := closing.RoundTrip(request)
		if err != nil {
			t.Errorf("%s on a connection of its own: %v", path, err)
			continue
		}
		if answer.Body.Close(); answer.StatusCode != 413 {
			t.Errorf("%s on a connection of its own: %d", path, answer.StatusCode)
		}
	}
}

func TestCompat_compression(t *testing.T) {
	t.Parallel()
	c := newCompat(t, []string{"ann"})
	c.check(t, call{"ann", "POST", "/v1/ann/t/create", []string{"db-type", "sqlite"}, "", 201, `{...`})
	long := call{who: "ann", method: "POST", path: "/v1/ann/t/query", body: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n < 5000) SELECT n FROM c"}
	plain := long
	plain.header = []string{"Accept-Encoding", "identity"}
	answer, want := c.do(t, plain)
	if answer.Header.Get("Content-Encoding") != "" || !strings.HasSuffix(want, `,["5000"]]}`) {
		t.Errorf("the answer is encoded as %q", answer.Header.Get("Content-Encoding"))
	}
	long.header = []string{"Accept-Encoding", "gzip, br;q=0"}
	answer, body := c.do(t, long)
	if answer.Header.Get("Content-Encoding") != "gzip" || len(body) > len(want)/2 {
		t.Fatalf("%d bytes encoded as %q", len(body), answer.Header.Get("Content-Encoding"))
	}
	reader, err := gzip.NewReader(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != want {
		t.Errorf("the decoded answer has %d bytes, want %d: %v", len(got), len(want), err)
	}
	if vary := strings.Join(answer.Header.Values("Vary"), ","); !strings.Contains(vary, "Accept-Encoding") {
		t.Errorf("Vary is %q", vary)
	}
}
