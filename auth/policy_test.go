package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ayb/auth"
	"ayb/auth/authtest"
	"ayb/catalog"
	"ayb/fault"
)

// The cast of the tests.
var (
	alice   = catalog.ID{1} // owns the database
	bob     = catalog.ID{2}
	here    = catalog.ID{3} // the database in question
	another = catalog.ID{4}
)

const (
	ownToken   = "own"
	otherToken = "other"
)

// A class is one sort of caller before one sort of database, named as the
// columns of the file.
type class struct {
	column string
	caller catalog.Principal
	db     catalog.Database
	grant  catalog.Access
	role   catalog.Role
}

func TestPolicy_every_action_has_its_lines(t *testing.T) {
	table := permissions(t)
	names := map[string]bool{}
	for _, a := range auth.Actions() {
		name := a.String()
		if name == "" || names[name] {
			t.Errorf("action %d is called %q, which is empty or taken", a, name)
		}
		names[name] = true
		if section(t, table, name) == "" || !table.Has("token", name) {
			t.Errorf("permissions.txt says nothing, or not enough, about %s", name)
		}
	}
	for _, s := range []string{"database", "account", "host"} {
		for _, a := range auth.Actions() {
			if table.Has(s, a.String()) {
				delete(names, a.String())
			}
		}
	}
	if len(names) > 0 {
		t.Errorf("in no section: %v", names)
	}
	if lines := table.Lines("database") + table.Lines("account") + table.Lines("host"); lines != table.Lines("token") || lines != len(auth.Actions())+1 {
		t.Errorf("permissions.txt has lines for actions that do not exist")
	}
}

// TestPolicy compares every combination of action, relation, public level and
// scope with the file.
func TestPolicy(t *testing.T) {
	table := permissions(t)
	checked := 0
	for _, action := range auth.Actions() {
		section := section(t, table, action.String())
		for _, c := range classes(section) {
			for _, scope := range scopes() {
				for _, line := range lines(table, section, action) {
					want := authtest.Yes
					if !c.caller.System {
						want = authtest.Stricter(table.Outcome(section, line, c.column), table.Outcome("token", line, scopeColumn(scope)))
					}
					if c.caller.Anonymous() || c.caller.System {
						if !scope.IsZero() {
							continue // neither comes with a token
						}
					}
					q := question(action, line, c, scope)
					if got := outcome(t, q); got != want {
						t.Errorf("%s by %s with scope %s: %s, want %s", line, c.column, scopeColumn(scope), got, want)
					}
					checkRefusal(t, q, want)
					checked++
				}
			}
		}
	}
	t.Logf("%d combinations", checked)
}

// checkRefusal compares the error for a refused question with what its outcome
// demands.
func checkRefusal(t *testing.T, q auth.Question, want authtest.Outcome) {
	t.Helper()
	if want == authtest.Yes {
		return
	}
	kind := fault.Denied
	switch {
	case want == authtest.ReadOnly:
		kind = fault.ReadOnly
	case q.Caller.Anonymous():
		kind = fault.Unauthenticated
	}
	err := auth.Refusal(q, "alice/test")
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v is no %s", q.Action, err, kind)
	}
	if want != authtest.Hidden {
		return
	}
	// What is hidden must answer as what does not exist, whichever way it is hidden.
	q.Database, q.Grant = &catalog.Database{Owner: q.Database.Owner}, catalog.NoAccess
	if q.Caller.Scope.Database.IsZero() {
		q.Database.Owner, q.Role = catalog.ID{}, catalog.NoRole
	}
	if auth.Allow(q) != auth.Hidden || auth.Refusal(q, "alice/test").Error() != err.Error() || strings.Contains(err.Error(), "token") {
		t.Errorf("%s: the hidden database answers %q, one that does not exist %q", q.Action, err, auth.Refusal(q, "alice/test"))
	}
}

func TestPolicy_a_scope_never_adds(t *testing.T) {
	for _, q := range everything(t) {
		if with := auth.Allow(q); with == auth.Allowed {
			q.Caller.Scope = catalog.Scope{}
			if auth.Allow(q) != auth.Allowed {
				t.Errorf("%+v is allowed with a scope only", q)
			}
		}
	}
}

func TestPolicy_more_access_never_loses(t *testing.T) {
	for _, q := range everything(t) {
		if auth.Allow(q) != auth.Allowed {
			continue
		}
		for more := q.Grant; more <= catalog.Manager; more++ {
			q.Grant = more
			if auth.Allow(q) != auth.Allowed {
				t.Errorf("%+v is refused, but allowed with a lower grant", q)
			}
		}
		for more := q.Role; more <= catalog.OwnerRole; more++ {
			q.Role = more
			if auth.Allow(q) != auth.Allowed {
				t.Errorf("%+v is refused, but allowed with a lower role", q)
			}
		}
		if q.Caller.Scope.Access != catalog.NoAccess {
			for more := q.Caller.Scope.Access; more <= catalog.Manager; more++ {
				q.Caller.Scope.Access = more
				if auth.Allow(q) != auth.Allowed {
					t.Errorf("%+v is refused, but allowed with a lower limit", q)
				}
			}
		}
	}
}

// TestPolicy_the_best_of_role_grant_and_public_level_holds adds each grant and
// public level to each role.
func TestPolicy_the_best_of_role_grant_and_public_level_holds(t *testing.T) {
	caller := catalog.Principal{Entity: bob, Slug: "bob"}
	for _, action := range auth.Actions() {
		for role := catalog.NoRole; role <= catalog.OwnerRole; role++ {
			for grant := catalog.NoAccess; grant <= catalog.Manager; grant++ {
				for public := catalog.PublicNoAccess; public <= catalog.PublicReadOnly; public++ {
					q := auth.Question{Action: action, Caller: caller, Database: &catalog.Database{ID: here, Owner: alice, Public: public}, Entity: alice}
					best := auth.Allow(q)
					byRole, byGrant := q, q
					byRole.Role, byGrant.Grant = role, grant
					best = max(best, auth.Allow(byRole), auth.Allow(byGrant))
					q.Role, q.Grant = role, grant
					if got := auth.Allow(q); (got == auth.Allowed) != (best == auth.Allowed) {
						t.Errorf("%s with role %s, grant %s and public level %s: %v, each alone %v", action, role, grant, public, got, best)
					}
				}
			}
		}
	}
}

func TestPolicy_hidden_is_what_cannot_be_discovered(t *testing.T) {
	table := permissions(t)
	for _, q := range everything(t) {
		if !table.Has("database", q.Action.String()) {
			if auth.Allow(q) == auth.Hidden {
				t.Errorf("%s is about no database but hidden", q.Action)
			}
			continue
		}
		details := q
		details.Action = auth.Details
		if (auth.Allow(q) == auth.Hidden) != (auth.Allow(details) != auth.Allowed) {
			t.Errorf("%+v: hidden does not agree with details", q)
		}
	}
}

func TestPolicy_unknown_actions_are_refused(t *testing.T) {
	for _, a := range []auth.Action{0, auth.Purge + 1, 255} {
		for _, caller := range []catalog.Principal{{}, {System: true}, {Entity: alice}} {
			if auth.Allow(auth.Question{Action: a, Caller: caller, Entity: alice, Database: &catalog.Database{Owner: alice}}) == auth.Allowed {
				t.Errorf("action %d is allowed", a)
			}
		}
	}
}

func TestAllow_does_not_allocate(t *testing.T) {
	db := &catalog.Database{ID: here, Owner: alice}
	if n := testing.AllocsPerRun(100, func() {
		auth.Allow(auth.Question{Action: auth.Write, Caller: catalog.Principal{Entity: bob, Slug: "bob"}, Database: db, Grant: catalog.ReadWrite})
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRefusal_texts(t *testing.T) {
	forkable := &catalog.Database{ID: here, Owner: alice, Public: catalog.PublicFork}
	private := &catalog.Database{ID: here, Owner: alice}
	bobs := catalog.Principal{Entity: bob, Slug: "bob"}
	scoped := catalog.Principal{Entity: alice, Slug: "alice", Token: ownToken, Scope: catalog.Scope{Access: catalog.ReadOnly}}
	for _, tt := range []struct {
		q       auth.Question
		subject string
		want    string
	}{
		{auth.Question{Action: auth.Details, Caller: bobs, Database: private}, "alice/D", "Authenticated entity bob can't access database alice/D"},
		{auth.Question{Action: auth.Details, Database: private}, "alice/D", "Database alice/D is not accessible"},
		{auth.Question{Action: auth.Query, Caller: bobs, Database: forkable}, "alice/D", "Authenticated entity bob can't query database alice/D"},
		{auth.Question{Action: auth.Write, Caller: bobs, Database: forkable}, "alice/D", "Authenticated entity bob can't query database alice/D"},
		{auth.Question{Action: auth.Write, Caller: bobs, Database: forkable, Grant: catalog.ReadOnly}, "alice/D", "Attempted to write to database while in read-only mode"},
		{auth.Question{Action: auth.CreateDatabase, Caller: bobs, Entity: alice}, "alice", "Authenticated entity bob can't create a database for entity alice"},
		{auth.Question{Action: auth.Share, Caller: bobs, Database: forkable}, "alice/D", "Authenticated entity bob can't set permissions for database alice/D"},
		{auth.Question{Action: auth.SetPublic, Caller: bobs, Database: forkable}, "alice/D", "Authenticated entity bob can't update database alice/D"},
		{auth.Question{Action: auth.ListGrants, Caller: bobs, Database: forkable}, "alice/D", "Authenticated entity bob can't list permissions for database alice/D"},
		{auth.Question{Action: auth.RenameDatabase, Caller: bobs, Database: forkable}, "alice/D", "Authenticated entity bob can't rename database alice/D"},
		{auth.Question{Action: auth.RenameDatabase, Database: forkable}, "alice/D", "Log in to rename database alice/D"},
		{auth.Question{Action: auth.ChangeMember, Caller: bobs, Entity: alice, Role: catalog.Member}, "acme", "Authenticated entity bob can't change the members of organization acme"},
		{auth.Question{Action: auth.LeaveOrganization, Caller: bobs, Entity: alice}, "acme", "Authenticated entity bob can't leave organization acme"},
		{auth.Question{Action: auth.Purge, Caller: bobs}, "", "Authenticated entity bob can't purge what was deleted"},
		{auth.Question{Action: auth.DeleteDatabase, Caller: scoped, Database: private}, "alice/D", "Authenticated entity alice can't delete database alice/D with this token"},
	} {
		if got := fault.Message(auth.Refusal(tt.q, tt.subject)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.q.Action, got, tt.want)
		}
	}
}

func permissions(t *testing.T) *authtest.Table {
	t.Helper()
	table, err := authtest.Read("../testdata/permissions.txt")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func section(t *testing.T, table *authtest.Table, action string) string {
	t.Helper()
	for _, s := range []string{"database", "account", "host"} {
		if table.Has(s, action) {
			return s
		}
	}
	t.Errorf("permissions.txt has no line for %s", action)
	return ""
}

// lines returns the lines of the file that are about the action: two for
// revoking a token, which differs if it is one's own.
func lines(table *authtest.Table, section string, action auth.Action) []string {
	all := []string{action.String()}
	if own := action.String() + "/own"; table.Has(section, own) {
		all = append(all, own)
	}
	return all
}

// classes returns every sort of caller that a section of the file knows, with
// every database that looks different to it, and the host itself.
func classes(section string) []class {
	entity := catalog.Principal{Entity: bob, Slug: "bob", Token: ownToken}
	all := []class{{column: "system", caller: catalog.Principal{System: true}}}
	switch section {
	case "account":
		self := catalog.Principal{Entity: alice, Slug: "alice", Token: ownToken}
		for role := catalog.Member; role <= catalog.OwnerRole; role++ {
			all = append(all, class{column: "org-" + role.String(), caller: entity, role: role})
		}
		return append(all, class{column: "self", caller: self}, class{column: "other", caller: entity}, class{column: "anonymous"})
	case "host":
		return append(all, class{column: "entity", caller: entity}, class{column: "anonymous"})
	}
	for public := catalog.PublicNoAccess; public <= catalog.PublicReadOnly; public++ {
		for _, queries := range []bool{false, true} {
			db := catalog.Database{ID: here, Owner: alice, Public: public, AnonymousQueries: queries}
			owner := catalog.Principal{Entity: alice, Slug: "alice", Token: ownToken}
			all = append(all, class{column: "system", caller: catalog.Principal{System: true}, db: db}, class{column: "owner", caller: owner, db: db})
			for grant := catalog.ReadOnly; grant <= catalog.Manager; grant++ {
				all = append(all, class{column: grant.String(), caller: entity, db: db, grant: grant})
			}
			for role := catalog.Member; role <= catalog.OwnerRole; role++ {
				all = append(all, class{column: "org-" + role.String(), caller: entity, db: db, role: role})
			}
			all = append(all, class{column: "none/" + public.String(), caller: entity, db: db})
			column := "anon/" + public.String()
			if public == catalog.PublicReadOnly && queries {
				column = "anon/queries"
			}
			all = append(all, class{column: column, db: db})
		}
	}
	return all
}

// scopes returns every scope: no database, the one in question or another, and
// every limit of access.
func scopes() []catalog.Scope {
	var all []catalog.Scope
	for _, db := range []catalog.ID{{}, here, another} {
		for access := catalog.NoAccess; access <= catalog.Manager; access++ {
			all = append(all, catalog.Scope{Database: db, Access: access})
		}
	}
	return all
}

// scopeColumn returns the column of the file that is about a scope.
func scopeColumn(s catalog.Scope) string {
	place := "any"
	switch s.Database {
	case here:
		place = "here"
	case another:
		return "elsewhere"
	}
	switch {
	case s.IsZero():
		return "unlimited"
	case s.Access == catalog.NoAccess:
		return place
	}
	return fmt.Sprintf("%s/%s", place, s.Access)
}

func question(action auth.Action, line string, c class, scope catalog.Scope) auth.Question {
	c.caller.Scope = scope
	q := auth.Question{Action: action, Caller: c.caller, Database: &c.db, Grant: c.grant, Role: c.role, Entity: alice, Token: otherToken}
	if strings.HasSuffix(line, "/own") {
		q.Token = ownToken
	}
	return q
}

// outcome asks the policy, and tells "ro" from "no" by the kind of the refusal.
func outcome(t *testing.T, q auth.Question) authtest.Outcome {
	t.Helper()
	switch auth.Allow(q) {
	case auth.Allowed:
		return authtest.Yes
	case auth.Hidden:
		return authtest.Hidden
	}
	if errors.Is(auth.Refusal(q, "alice/test"), fault.ReadOnly) {
		return authtest.ReadOnly
	}
	return authtest.No
}

// everything returns the whole cross product of questions.
func everything(t *testing.T) []auth.Question {
	t.Helper()
	table := permissions(t)
	var all []auth.Question
	for _, action := range auth.Actions() {
		section := section(t, table, action.String())
		for _, c := range classes(section) {
			for _, scope := range scopes() {
				for _, line := range lines(table, section, action) {
					all = append(all, question(action, line, c, scope))
				}
			}
		}
	}
	return all
}
