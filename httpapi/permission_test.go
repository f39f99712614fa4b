package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"ayb"
	"ayb/auth"
	"ayb/auth/authtest"
	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// TestPermissions sends the request for every cell of permissions.txt that can be
// asked for over HTTP, and compares how it ends with the file. That nothing but
// the refusal happens is the engine's test of the same cells.
func TestPermissions(t *testing.T) {
	table, err := authtest.Read("../testdata/permissions.txt")
	must(t, err)
	w := &world{fixture: serve(t, &ayb.Config{RequestRate: -1}, nil)}
	for _, section := range []string{"database", "account", "host"} {
		for _, column := range table.Columns(section) {
			for _, limit := range table.Columns("token") {
				if strings.HasPrefix(column, "anon") && limit != "unlimited" {
					continue // comes without a token
				}
				t.Run(fmt.Sprintf("%s/%s/%s", section, column, limit), func(t *testing.T) {
					w.checkColumn(t, table, section, column, limit)
				})
			}
		}
	}
	if w.cells < 1000 {
		t.Errorf("only %d cells were checked", w.cells)
	}
}

// A world is one server in which scene after scene is set up.
type world struct {
	*fixture
	scenes, cells int
}

// A scene is one database with everybody who may have to do with it, in the
// state that a column of the file describes, and one caller.
type scene struct {
	*world
	owner, dave string // slugs: of the owner, and of somebody who takes no part
	caller      string // slug
	token       string // the caller's; empty: anonymous
	gifts       int    // databases that dave has offered the owner
	otherToken  string // short half of another one of the caller's; "none" if there is none
}

func (w *world) setUp(t *testing.T, column, limit string) *scene {
	t.Helper()
	w.scenes++
	n := w.scenes
	s := &scene{world: w, owner: fmt.Sprintf("alice%d", n), dave: fmt.Sprintf("dave%d", n), caller: fmt.Sprintf("bob%d", n), otherToken: "none"}
	w.MustEntity(s.dave)
	w.MustEntity(s.caller)
	owner := w.MustOrganization(s.owner)
	w.MustMember(s.owner, w.slugOf(w.MustEntity(fmt.Sprintf("carol%d", n))), ayb.OwnerRole)
	w.MustMember(s.owner, s.dave, ayb.Member)
	ref := s.owner + "/test"
	w.MustDatabase(ref, "CREATE TABLE t (a)")
	w.MustDatabase(s.owner + "/gone")
	must(t, w.DeleteDatabase(ctx, owner, s.owner+"/gone"))

	grant, public, _ := strings.Cut(column, "/")
	role, member := strings.CutPrefix(column, "org-")
	switch {
	case member:
		r, err := catalog.ParseRole(role)
		must(t, err)
		w.MustMember(s.owner, s.caller, r)
	case column == "owner" || column == "self":
		s.caller = s.owner
	case grant == "none" || grant == "anon":
		must(t, w.SetAnonymousQueries(ctx, owner, ref, public == "queries"))
		level, err := catalog.ParsePublicLevel(strings.Replace(public, "queries", "read-only", 1))
		must(t, err)
		must(t, w.SetPublic(ctx, owner, ref, level))
	case column == "manager" || column == "read-write" || column == "read-only":
		access, err := catalog.ParseAccess(column)
		must(t, err)
		w.MustShare(owner, ref, s.caller, access)
	}
	if grant != "anon" && column != "anonymous" {
		s.limit(t, limit)
	}
	return s
}

func (w *world) slugOf(p ayb.Principal) string { return string(p.Slug) }

// limit gives the caller the token that a column of the token section describes.
func (s *scene) limit(t *testing.T, limit string) {
	t.Helper()
	s.otherToken = strings.Split(s.fixture.token(s.caller, nil), "_")[1]
	place, word, _ := strings.Cut(limit, "/")
	opt := ayb.TokenOptions{}
	switch place {
	case "here":
		opt.Database = s.owner + "/test"
	case "elsewhere":
		opt.Database = s.caller + "/other"
		s.MustDatabase(opt.Database)
	}
	if word != "" {
		var err error
		opt.Access, err = catalog.ParseAccess(word)
		must(t, err)
	}
	s.token = s.fixture.token(s.caller, &opt)
}

// asks makes the request of each line of the file; ref names the database.
var asks = map[string]func(s *scene, ref string) request{
	"details": func(s *scene, ref string) request { return request{method: get, path: "/v1/" + ref + "/details"} },
	"query":   func(s *scene, ref string) request { return sql(ref, "SELECT a FROM t") },
	"write":   func(s *scene, ref string) request { return sql(ref, "INSERT INTO t VALUES (1)") },
	"export":  func(s *scene, ref string) request { return request{method: get, path: "/v1/" + ref + "/export"} },
	"import": func(s *scene, ref string) request {
		return request{method: post, path: "/v1/" + ref + "/import?format=sql", body: "SELECT 1;"}
	},
	"list_grants": func(s *scene, ref string) request { return request{method: get, path: "/v1/" + ref + "/permissions"} },
	"list_snapshots": func(s *scene, ref string) request {
		return request{method: get, path: "/v1/" + ref + "/list_snapshots"}
	},
	"create_snapshot": func(s *scene, ref string) request {
		return request{method: post, path: "/v1/_/snapshots/" + ref}
	},
	"delete_snapshot": func(s *scene, ref string) request {
		return request{method: del, path: "/v1/_/snapshots/" + ref + "/" + strings.Repeat("0", 64)}
	},
	"restore_snapshot": func(s *scene, ref string) request {
		return request{method: post, path: "/v1/" + ref + "/restore_snapshot", body: strings.Repeat("0", 64)}
	},
	"share": func(s *scene, ref string) request {
		return request{method: post, path: "/v1/" + ref + "/share", headers: []string{"entity-for-permission: " + s.dave, "sharing-level: read-only"}}
	},
	"set_public": func(s *scene, ref string) request {
		return request{method: patch, path: "/v1/" + ref + "/update", headers: []string{"public-sharing-level: read-only"}}
	},
	"set_anonymous_queries": func(s *scene, ref string) request {
		return request{method: patch, path: "/v1/" + ref + "/update", body: `{"anonymous_queries":true}`}
	},
	"rename_database": func(s *scene, ref string) request {
		return request{method: post, path: "/v1/" + ref + "/rename", body: `{"slug":"renamed"}`}
	},
	"transfer_database": func(s *scene, ref string) request {
		return request{method: post, path: "/v1/" + ref + "/transfer", body: `{"entity":"` + s.dave + `"}`}
	},
	"withdraw_offer": func(s *scene, ref string) request {
		s.offer(s.owner, s.owner+"/test", s.dave)
		return request{method: del, path: "/v1/_/offers/" + ref}
	},
	"delete_database": func(s *scene, ref string) request { return request{method: post, path: "/v1/" + ref + "/delete"} },

	"undelete_database": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/" + s.owner + "/gone/undelete"}
	},
	"list_deleted": func(s *scene, _ string) request { return request{method: get, path: "/v1/_/deleted/" + s.owner} },
	"create_database": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/" + s.owner + "/new/create", headers: []string{"db-type: sqlite"}}
	},
	"list_offers": func(s *scene, _ string) request { return request{method: get, path: "/v1/_/offers/" + s.owner} },
	"accept_offer": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/_/offers/" + s.gift() + "/accept", body: `{"entity":"` + s.owner + `"}`}
	},
	"decline_offer": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/_/offers/" + s.gift() + "/decline", body: `{"entity":"` + s.owner + `"}`}
	},
	"list_databases": func(s *scene, _ string) request { return request{method: get, path: "/v1/entity/" + s.owner} },
	"view_profile":   func(s *scene, _ string) request { return request{method: get, path: "/v1/entity/" + s.owner} },
	"list_shared":    func(s *scene, _ string) request { return request{method: get, path: "/v1/_/shared"} },
	"update_profile": func(s *scene, _ string) request {
		return request{method: patch, path: "/v1/entity/" + s.owner, body: `{"display_name":"Alice"}`}
	},
	"rename_entity": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/entity/" + s.owner + "/rename", body: `{"slug":"` + s.owner + `-renamed"}`}
	},
	"delete_entity": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/entity/" + s.owner + "/delete"}
	},
	"create_token": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/_/tokens", body: `{"entity":"` + s.owner + `"}`}
	},
	"list_tokens": func(s *scene, _ string) request { return request{method: get, path: "/v1/tokens"} },
	"revoke_token": func(s *scene, _ string) request {
		return request{method: del, path: "/v1/tokens/" + s.otherToken}
	},
	"revoke_token/own": func(s *scene, _ string) request {
		return request{method: del, path: "/v1/tokens/" + strings.Split(s.token+"_x", "_")[1]}
	},
	"who_am_i":         func(s *scene, _ string) request { return request{method: get, path: "/v1/_/me"} },
	"list_members":     func(s *scene, _ string) request { return request{method: get, path: "/v1/_/members/" + s.owner} },
	"list_memberships": func(s *scene, _ string) request { return request{method: get, path: "/v1/_/memberships"} },
	"change_member": func(s *scene, _ string) request {
		return request{method: del, path: "/v1/_/members/" + s.owner + "/" + s.dave}
	},
	"change_officer": func(s *scene, _ string) request {
		return request{method: put, path: "/v1/_/members/" + s.owner + "/" + s.dave, body: `{"role":"admin"}`}
	},
	"leave_organization": func(s *scene, _ string) request {
		return request{method: del, path: "/v1/_/members/" + s.owner + "/" + s.caller}
	},

	"register": func(s *scene, _ string) request {
		return request{method: post, path: "/v1/register", headers: []string{"entity: " + s.owner + "-new", "email-address: " + s.owner + "@example.org", "entity-type: user"}}
	},
	"log_in": func(s *scene, _ string) request {
		s.MustRegister(s.owner+"-known", s.owner+"-known@example.org", ayb.User)
		return request{method: post, path: "/v1/log_in", headers: []string{"entity: " + s.owner + "-known"}}
	},
	"confirm": func(s *scene, _ string) request {
		err := s.Register(ctx, ayb.System, ayb.Registration{Entity: s.owner + "-confirmed", Email: s.owner + "-c@example.org"})
		must(s.t, err)
		return request{method: post, path: "/v1/confirm", headers: []string{"authentication-token: " + s.Mailbox.Token(s.owner+"-c@example.org")}}
	},
}

// offer has somebody offer a database.
func (s *scene) offer(owner, ref, to string) {
	ent, err := s.Entity(ctx, ayb.System, owner)
	must(s.t, err)
	_, err = s.TransferDatabase(ctx, s.Owner(ent), ref, to)
	must(s.t, err)
}

// gift has dave offer the owner a database, and returns its name.
func (s *scene) gift() string {
	s.gifts++
	ref := fmt.Sprintf("%s/gift%d", s.dave, s.gifts)
	s.MustDatabase(ref)
	s.offer(s.dave, ref, s.owner)
	return ref
}

func sql(ref, text string) request {
	return request{method: post, path: "/v1/" + ref + "/query", body: text}
}

// hostOnly are the lines that nobody can ask for over HTTP.
var hostOnly = map[string]bool{"create_entity": true, "undelete_entity": true, "list_entities": true, "read_audit": true, "purge": true,
	"list_usage": true, "view_usage": true, "set_quota": true, "set_database_quota": true, "drill_snapshots": true}

// ownOnly are the lines whose request is always about the caller's own account,
// so that another one can't be asked for.
var ownOnly = map[string]bool{"list_shared": true, "list_tokens": true, "revoke_token": true, "revoke_token/own": true, "who_am_i": true, "list_memberships": true}

func canAsk(line, column string) bool {
	switch {
	case ownOnly[line]:
		return column == "self" || column == "anonymous"
	case line == "leave_organization": // one's own membership
		return column != "anonymous"
	}
	return !hostOnly[line]
}

func (w *world) checkColumn(t *testing.T, table *authtest.Table, section, column, limit string) {
	var s *scene
	for _, action := range auth.Actions() {
		for _, line := range []string{action.String(), action.String() + "/own"} {
			if !table.Has(section, line) || !canAsk(line, column) {
				continue
			}
			if s == nil {
				s = w.setUp(t, column, limit)
			}
			want := authtest.Stricter(table.Outcome(section, line, column), table.Outcome("token", line, limit))
			s.checkCell(t, line, want)
			if want == authtest.Yes && (action.Trail() == auth.Recorded || action == auth.Write) {
				s = nil // no longer as it was
			}
		}
	}
}

func (s *scene) checkCell(t *testing.T, line string, want authtest.Outcome) {
	ask := asks[line]
	if ask == nil {
		t.Errorf("no request for %s", line)
		return
	}
	s.cells++
	r := ask(s, s.owner+"/test")
	r.token = s.token
	answer := s.call(r)
	kind, status := fault.Denied, 403
	switch {
	case want == authtest.Yes:
		none := strings.HasSuffix(line, "_snapshot") && answer.status == 501 // the server takes none
		none = none || line == "import" && answer.status == 409              // the database has been written
		if !none && (answer.status < 200 || answer.status > 299) {
			t.Errorf("%s: %d %s, want it allowed", line, answer.status, answer.body)
		}
		return
	case want == authtest.ReadOnly:
		kind = fault.ReadOnly
	case s.token == "":
		kind, status = fault.Unauthenticated, 401
	}
	if e := answer.envelope(t); answer.status != status || e.Kind != kind || (kind == fault.ReadOnly) != (e.Type == wire.NoWriteAccessError) {
		t.Errorf("%s: %d %s, want it refused as %s", line, answer.status, answer.body, kind)
	}
	if want == authtest.Hidden {
		s.checkHidden(t, line, answer)
	}
}

// checkHidden compares the refusal with that for a database that does not exist,
// and for one of an entity that does not.
func (s *scene) checkHidden(t *testing.T, line string, hidden reply) {
	t.Helper()
	for _, absent := range []string{s.owner + "/absent", "nobody" + s.owner + "/test"} {
		r := asks[line](s, absent)
		r.token = s.token
		not := s.call(r)
		if got, want := hidden.body, strings.ReplaceAll(not.body, absent, s.owner+"/test"); got != want || hidden.status != not.status {
			t.Errorf("%s: the hidden database answers %d %s, the absent one %d %s", line, hidden.status, got, not.status, want)
		}
	}
}
