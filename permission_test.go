package ayb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/auth"
	"ayb/auth/authtest"
	"ayb/aybtest"
	"ayb/catalog"
	"ayb/fault"
)

// TestEngine_permissions makes the real call for every cell of permissions.txt,
// and compares how it ends with the file: allowed, refused by the right kind of
// error, or refused in the words for something that does not exist. It also
// checks what each call leaves in the audit trail, and that a refused one
// changes nothing.
func TestEngine_permissions(t *testing.T) {
	table, err := authtest.Read("testdata/permissions.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for _, section := range []string{"database", "account", "host"} {
		for _, column := range append(table.Columns(section), "system") {
			for _, limit := range table.Columns("token") {
				if (column == "system" || strings.HasPrefix(column, "anon")) && limit != "unlimited" {
					continue // neither comes with a token
				}
				t.Run(fmt.Sprintf("%s/%s/%s", section, column, limit), func(t *testing.T) {
					w.checkColumn(t, table, section, column, limit)
				})
			}
		}
	}
}

// A world is one engine in which scene after scene is set up.
type world struct {
	*aybtest.Fixture
	scenes  int
	records []ayb.AuditRecord // as the engine reports them
}

func newWorld(t *testing.T) *world {
	w := &world{}
	w.Fixture = aybtest.New(t, &ayb.Config{RequestRate: -1, Observer: ayb.Observer{
		Audit: func(r ayb.AuditRecord) { w.records = append(w.records, r) },
	}})
	return w
}

// A scene is one database with everybody who may have to do with it, in the
// state that a column of the file describes, and one caller.
type scene struct {
	*world
	owner, dave string // slugs: of the owner, and of somebody who takes no part
	ref         string
	caller      ayb.Principal
	otherToken  string // of the caller's entity
	gifts       int    // databases that dave has offered the owner
}

// setUp sets a scene. The caller of the account section "self", and of the
// database section "owner", is the owner: an organization, of which dave is a
// member and carol an owner, unless the column is about users' databases.
func (w *world) setUp(t *testing.T, column, limit string) *scene {
	t.Helper()
	w.Clock.Advance(time.Minute) // of one caller, only so many refusals a minute are recorded
	w.scenes++
	n := w.scenes
	s := &scene{world: w, owner: fmt.Sprintf("alice%d", n), dave: fmt.Sprintf("dave%d", n)}
	s.ref = s.owner + "/test"
	w.MustEntity(s.dave)
	bob := w.MustEntity(fmt.Sprintf("bob%d", n))
	var owner ayb.Principal
	role, member := strings.CutPrefix(column, "org-")
	if member || column == "self" || column == "other" || column == "anonymous" || column == "system" {
		owner = w.MustOrganization(s.owner)
		carol := w.MustEntity(fmt.Sprintf("carol%d", n))
		w.MustMember(s.owner, string(carol.Slug), ayb.OwnerRole)
		w.MustMember(s.owner, s.dave, ayb.Member)
	} else {
		owner = w.MustEntity(s.owner)
	}
	w.MustDatabase(s.ref, "CREATE TABLE t (a)")
	w.MustDatabase(s.owner + "/gone")
	must(t, w.DeleteDatabase(ctx, owner, s.owner+"/gone"))

	s.caller = bob
	switch grant, public, _ := strings.Cut(column, "/"); {
	case member:
		r, err := catalog.ParseRole(role)
		must(t, err)
		w.MustMember(s.owner, string(bob.Slug), r)
	case column == "owner" || column == "self":
		s.caller = owner
	case column == "system":
		s.caller = ayb.System
	case grant == "anon" || column == "anonymous":
		s.caller = ayb.Anonymous
		s.publish(t, owner, public)
	case grant == "none":
		s.publish(t, owner, public)
	case column != "other" && column != "entity":
		access, err := parseAccess(grant)
		must(t, err)
		w.MustShare(owner, s.ref, string(bob.Slug), access)
	}
	s.limit(t, limit)
	return s
}

func (s *scene) publish(t *testing.T, owner ayb.Principal, level string) {
	t.Helper()
	public := map[string]ayb.PublicLevel{"": ayb.PublicNoAccess, "no-access": ayb.PublicNoAccess, "fork": ayb.PublicFork, "read-only": ayb.PublicReadOnly, "queries": ayb.PublicReadOnly}[level]
	must(t, s.SetPublic(ctx, owner, s.ref, public))
	must(t, s.SetAnonymousQueries(ctx, owner, s.ref, level == "queries"))
}

// limit gives the caller the token that a column of the token section describes.
func (s *scene) limit(t *testing.T, limit string) {
	t.Helper()
	if s.caller.System || s.caller.Anonymous() {
		return
	}
	_, other := s.MustToken(s.caller, nil)
	s.otherToken = other.Token
	place, access, _ := strings.Cut(limit, "/")
	opt := ayb.TokenOptions{}
	switch place {
	case "here":
		opt.Database = s.ref
	case "elsewhere":
		opt.Database = fmt.Sprintf("%s/other", s.caller.Slug)
		s.MustDatabase(opt.Database)
	}
	if access != "" {
		var err error
		opt.Access, err = parseAccess(access)
		must(t, err)
	}
	// The system makes the token, because the caller may not see the database.
	secret, _, err := s.CreateToken(ctx, ayb.System, string(s.caller.Slug), &opt)
	must(t, err)
	s.caller, err = s.Authenticate(ctx, secret)
	must(t, err)
}

func parseAccess(word string) (ayb.Access, error) {
	for _, a := range []ayb.Access{ayb.ReadOnly, ayb.ReadWrite, ayb.Manager} {
		if a.String() == word {
			return a, nil
		}
	}
	return 0, fmt.Errorf("no access is called %q", word)
}

// deeds makes the call of each line of the file on a database named ref. A line
// without a deed fails the test.
var deeds = map[string]func(s *scene, ref string) error{
	"details": func(s *scene, ref string) error {
		_, err := s.Database(ctx, s.caller, ref)
		return err
	},
	"query": func(s *scene, ref string) error {
		_, err := s.Query(ctx, s.caller, ref, "SELECT a FROM t")
		return err
	},
	"write": func(s *scene, ref string) error {
		_, err := s.Query(ctx, s.caller, ref, "INSERT INTO t VALUES (1)")
		return err
	},
	"export": func(s *scene, ref string) error {
		return s.Export(ctx, s.caller, ref, ayb.ExportSQLite, io.Discard)
	},
	"import": func(s *scene, ref string) error {
		_, err := s.Engine.Import(ctx, s.caller, ref, strings.NewReader("SELECT 1;"), &ayb.ImportOptions{Format: ayb.ExportSQL})
		return err
	},
	"list_grants": func(s *scene, ref string) error {
		_, err := s.Grants(ctx, s.caller, ref, ayb.Page{})
		return err
	},
	"list_snapshots": func(s *scene, ref string) error {
		_, err := s.Snapshots(ctx, s.caller, ref, ayb.Page{})
		return err
	},
	"create_snapshot": func(s *scene, ref string) error {
		_, err := s.CreateSnapshot(ctx, s.caller, ref, "")
		return err
	},
	"restore_snapshot": func(s *scene, ref string) error {
		_, err := s.RestoreSnapshot(ctx, s.caller, ref, strings.Repeat("0", 64), nil)
		return err
	},
	"delete_snapshot": func(s *scene, ref string) error {
		return s.DeleteSnapshot(ctx, s.caller, ref, strings.Repeat("0", 64))
	},
	"share": func(s *scene, ref string) error { return s.Share(ctx, s.caller, ref, s.dave, ayb.ReadOnly) },
	"set_public": func(s *scene, ref string) error {
		return s.SetPublic(ctx, s.caller, ref, ayb.PublicReadOnly)
	},
	"set_anonymous_queries": func(s *scene, ref string) error { return s.SetAnonymousQueries(ctx, s.caller, ref, true) },
	"rename_database":       func(s *scene, ref string) error { return s.RenameDatabase(ctx, s.caller, ref, "renamed") },
	"transfer_database": func(s *scene, ref string) error {
		_, err := s.TransferDatabase(ctx, s.caller, ref, s.dave)
		return err
	},
	"withdraw_offer": func(s *scene, ref string) error {
		s.before(func() { s.offer(s.owner, s.ref, s.dave) })
		return s.WithdrawOffer(ctx, s.caller, ref)
	},
	"delete_database": func(s *scene, ref string) error { return s.DeleteDatabase(ctx, s.caller, ref) },
	"drill_snapshots": func(s *scene, ref string) error {
		_, err := s.Drill(ctx, s.caller, ref)
		return err
	},
	"set_database_quota": func(s *scene, ref string) error { return s.SetDatabaseQuota(ctx, s.caller, ref, ayb.NoLimit) },

	"undelete_database": func(s *scene, _ string) error {
		_, err := s.UndeleteDatabase(ctx, s.caller, s.owner+"/gone")
		return err
	},
	"list_deleted": func(s *scene, _ string) error {
		_, err := s.DeletedDatabases(ctx, s.caller, s.owner, ayb.Page{})
		return err
	},
	"create_database": func(s *scene, _ string) error {
		_, err := s.CreateDatabase(ctx, s.caller, s.owner+"/new", nil)
		return err
	},
	"list_offers": func(s *scene, _ string) error {
		_, err := s.Offers(ctx, s.caller, s.owner, ayb.Page{})
		return err
	},
	"accept_offer": func(s *scene, _ string) error {
		_, err := s.AcceptOffer(ctx, s.caller, s.owner, s.gift(), "")
		return err
	},
	"decline_offer": func(s *scene, _ string) error { return s.DeclineOffer(ctx, s.caller, s.owner, s.gift()) },
	"list_databases": func(s *scene, _ string) error {
		_, err := s.Databases(ctx, s.caller, s.owner, ayb.Page{})
		return err
	},
	"list_shared": func(s *scene, _ string) error {
		_, err := s.Shared(ctx, s.caller, ayb.Page{})
		return err
	},
	"view_profile": func(s *scene, _ string) error {
		_, err := s.Entity(ctx, s.caller, s.owner)
		return err
	},
	"update_profile": func(s *scene, _ string) error {
		name := "Alice"
		return s.UpdateProfile(ctx, s.caller, s.owner, ayb.ProfileUpdate{DisplayName: &name})
	},
	"rename_entity": func(s *scene, _ string) error { return s.RenameEntity(ctx, s.caller, s.owner, s.owner+"-renamed") },
	"delete_entity": func(s *scene, _ string) error { return s.DeleteEntity(ctx, s.caller, s.owner) },
	"create_token": func(s *scene, _ string) error {
		_, _, err := s.CreateToken(ctx, s.caller, s.owner, nil)
		return err
	},
	"list_tokens": func(s *scene, _ string) error {
		_, err := s.Tokens(ctx, s.caller, ayb.Page{})
		return err
	},
	"revoke_token":     func(s *scene, _ string) error { return s.RevokeToken(ctx, s.caller, s.otherToken) },
	"revoke_token/own": func(s *scene, _ string) error { return s.RevokeToken(ctx, s.caller, s.caller.Token) },

	"view_usage": func(s *scene, _ string) error {
		_, err := s.Usage(ctx, s.caller, s.owner)
		return err
	},
	"set_quota": func(s *scene, _ string) error {
		limit := ayb.Limit(1 << 30)
		return s.SetQuota(ctx, s.caller, s.owner, ayb.QuotaUpdate{Bytes: &limit})
	},
	"who_am_i": func(s *scene, _ string) error {
		_, err := s.WhoAmI(ctx, s.caller)
		return err
	},

	"list_members": func(s *scene, _ string) error {
		_, err := s.Members(ctx, s.caller, s.owner, ayb.Page{})
		return err
	},
	"list_memberships": func(s *scene, _ string) error {
		_, err := s.Memberships(ctx, s.caller, ayb.Page{})
		return err
	},
	"change_member":      func(s *scene, _ string) error { return s.RemoveMember(ctx, s.caller, s.owner, s.dave) },
	"change_officer":     func(s *scene, _ string) error { return s.SetMember(ctx, s.caller, s.owner, s.dave, ayb.Admin) },
	"leave_organization": func(s *scene, _ string) error { return s.RemoveMember(ctx, s.caller, s.owner, string(s.caller.Slug)) },

	"register": func(s *scene, _ string) error {
		return s.Register(ctx, s.caller, ayb.Registration{Entity: s.owner + "-new", Email: s.owner + "@example.org"})
	},
	"log_in": func(s *scene, _ string) error {
		s.before(func() { s.MustRegister(s.owner+"-known", s.owner+"-known@example.org", ayb.User) })
		return s.LogIn(ctx, s.caller, s.owner+"-known")
	},
	"confirm": func(s *scene, _ string) error {
		var err error
		s.before(func() {
			err = s.Register(ctx, ayb.System, ayb.Registration{Entity: s.owner + "-confirmed", Email: s.owner + "@example.org"})
		})
		if err != nil {
			return err
		}
		_, _, _, err = s.Confirm(ctx, s.caller, s.Mailbox.Token(s.owner+"@example.org"))
		return err
	},

	"create_entity": func(s *scene, _ string) error {
		_, err := s.CreateEntity(ctx, s.caller, s.owner+"-new", nil)
		return err
	},
	"undelete_entity": func(s *scene, _ string) error {
		var err error
		s.before(func() {
			ghost := s.MustEntity(s.owner + "-ghost")
			err = s.DeleteEntity(ctx, ghost, string(ghost.Slug))
		})
		if err != nil {
			return err
		}
		_, err = s.UndeleteEntity(ctx, s.caller, s.owner+"-ghost")
		return err
	},
	"list_entities": func(s *scene, _ string) error {
		_, err := s.Entities(ctx, s.caller, ayb.Page{})
		return err
	},
	"list_usage": func(s *scene, _ string) error {
		_, err := s.Usages(ctx, s.caller, ayb.Page{})
		return err
	},
	"read_audit": func(s *scene, _ string) error {
		_, err := s.AuditLog(ctx, s.caller, ayb.AuditFilter{}, ayb.Page{})
		return err
	},
	"purge": func(s *scene, _ string) error {
		_, err := s.Purge(ctx, s.caller)
		return err
	},
}

// before does what a deed needs, and takes its records out of the account.
func (s *scene) before(prepare func()) {
	n := len(s.records)
	prepare()
	s.records = s.records[:n]
}

// offer has somebody offer a database.
func (s *scene) offer(owner, ref, to string) {
	ent, err := s.Entity(ctx, ayb.System, owner)
	if err == nil {
		_, err = s.TransferDatabase(ctx, s.Owner(ent), ref, to)
	}
	if err != nil {
		panic(err) // the scene is not set up well
	}
}

// gift has dave offer the owner a database, and returns its name.
func (s *scene) gift() (ref string) {
	s.before(func() {
		s.gifts++
		ref = fmt.Sprintf("%s/gift%d", s.dave, s.gifts)
		s.MustDatabase(ref)
		s.offer(s.dave, ref, s.owner)
	})
	return ref
}

// needsMore are the lines whose call, when it is allowed, fails in this engine
// for want of something else.
var needsMore = map[string]error{
	"create_snapshot": ayb.ErrUnsupported, "drill_snapshots": ayb.ErrUnsupported, "restore_snapshot": ayb.ErrUnsupported, "delete_snapshot": ayb.ErrUnsupported,
	"import": ayb.ErrConflict, // the database has been written
}

// ownOnly are the lines whose call is always about the caller's own account, so
// that another one can't be asked for.
var ownOnly = map[string]bool{"list_shared": true, "list_tokens": true, "revoke_token": true, "revoke_token/own": true, "who_am_i": true, "list_memberships": true}

// canAsk reports whether there is a call for a line in the place of a column.
func canAsk(line, column string) bool {
	switch {
	case ownOnly[line]:
		return column == "self" || column == "anonymous"
	case line == "leave_organization": // one's own membership
		return column != "system" && column != "anonymous"
	}
	return true
}

func (w *world) checkColumn(t *testing.T, table *authtest.Table, section, column, limit string) {
	var s *scene
	for _, action := range auth.Actions() {
		for _, line := range []string{action.String(), action.String() + "/own"} {
			if !table.Has(section, line) || !canAsk(line, column) {
				continue
			}
			want := authtest.Yes
			if column != "system" {
				want = authtest.Stricter(table.Outcome(section, line, column), table.Outcome("token", line, limit))
			}
			if s == nil {
				s = w.setUp(t, column, limit)
			}
			if s.otherToken == "" && strings.HasSuffix(line, "/own") {
				continue // has no token
			}
			if changed := s.checkCell(t, action, line, want); changed {
				s = nil
			}
		}
	}
}

// checkCell makes one call and checks how it ends. It reports whether the scene
// is not as it was before.
func (s *scene) checkCell(t *testing.T, action auth.Action, line string, want authtest.Outcome) bool {
	deed := deeds[line]
	if deed == nil {
		t.Errorf("no test for %s", line)
		return false
	}
	var before state
	if want != authtest.Yes {
		before = s.state(t)
	}
	counted := len(s.records)
	err := deed(s, s.ref)
	added := append([]ayb.AuditRecord{}, s.records[counted:]...)
	switch want {
	case authtest.Yes:
		outcome := "ok"
		if err != nil && needsMore[line] == nil || !errors.Is(err, needsMore[line]) {
			t.Errorf("%s: %v, want it allowed", line, err)
		} else if err != nil {
			outcome = string(fault.KindOf(err))
		}
		s.checkTrail(t, line, added, action.Trail() == auth.Recorded, outcome)
		return action.Trail() == auth.Recorded || action == auth.Write
	case authtest.ReadOnly:
		s.checkError(t, line, err, fault.ReadOnly)
	default:
		s.checkError(t, line, err, s.refusal())
	}
	s.checkTrail(t, line, added, true, string(fault.KindOf(err)))
	if want == authtest.Hidden {
		s.checkHidden(t, line, err)
	}
	if after := s.state(t); !reflect.DeepEqual(before, after) {
		t.Errorf("%s was refused and changed %+v to %+v", line, before, after)
	}
	return false
}

// refusal is the kind of error for a caller who may not.
func (s *scene) refusal() fault.Kind {
	if s.caller.Anonymous() {
		return fault.Unauthenticated
	}
	return fault.Denied
}

func (s *scene) checkError(t *testing.T, line string, err error, want fault.Kind) {
	t.Helper()
	if f, ok := errors.AsType[*ayb.Error](err); !ok || f.Kind != want {
		t.Errorf("%s: %v, want it refused as %s", line, err, want)
	}
}

// checkHidden compares the refusal with that for a database that does not exist,
// and for one of an entity that does not.
func (s *scene) checkHidden(t *testing.T, line string, err error) {
	t.Helper()
	for _, absent := range []string{s.owner + "/absent", "nobody" + s.owner + "/test"} {
		not := deeds[line](s, absent)
		if got, want := fault.Message(err), strings.ReplaceAll(fault.Message(not), absent, s.ref); got != want {
			t.Errorf("%s: the hidden database answers %q, the absent one %q", line, got, want)
		}
		a, b := *err.(*ayb.Error), *not.(*ayb.Error)
		if a.Message, b.Message = "", ""; a != b {
			t.Errorf("%s: the hidden database answers %#v, the absent one %#v", line, a, b)
		}
	}
}

// checkTrail checks that the call has left one record, or none.
func (s *scene) checkTrail(t *testing.T, line string, added []ayb.AuditRecord, recorded bool, outcome string) {
	t.Helper()
	if !recorded {
		if len(added) > 0 {
			t.Errorf("%s left records: %+v", line, added)
		}
		return
	}
	if len(added) != 1 {
		t.Errorf("%s left %d records, want 1: %+v", line, len(added), added)
		return
	}
	name, _, _ := strings.Cut(line, "/")
	if name == "write" && outcome != string(fault.ReadOnly) {
		name = "query" // what the SQL would have done is not known
	}
	r := added[0]
	if r.Action != name || r.Outcome != outcome || r.Entity != s.caller.Entity || r.System != s.caller.System || r.Token != s.caller.Token {
		t.Errorf("%s left the record %+v, want action %s and outcome %s", line, r, name, outcome)
	}
}

// state is what a refused call must not change.
type state struct {
	details ayb.DatabaseDetails
	grants  ayb.List[ayb.Grant]
	rows    [][]ayb.Value
	owner   ayb.Entity
	members ayb.List[ayb.Membership]
}

func (s *scene) state(t *testing.T) (st state) {
	t.Helper()
	var err error
	st.details, err = s.Database(ctx, ayb.System, s.ref)
	must(t, err)
	st.grants, err = s.Grants(ctx, ayb.System, s.ref, ayb.Page{})
	must(t, err)
	st.owner, err = s.Entity(ctx, ayb.System, s.owner)
	must(t, err)
	st.members, err = s.Members(ctx, ayb.System, s.owner, ayb.Page{})
	must(t, err)
	st.rows = s.MustQuery(ayb.System, s.ref, "SELECT a FROM t").Rows
	return st
}

// TestEngine_Databases_lists_what_may_be_discovered holds the list, which is
// filtered in the store, against the policy.
func TestEngine_Databases_lists_what_may_be_discovered(t *testing.T) {
	table, err := authtest.Read("testdata/permissions.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for _, column := range table.Columns("database") {
		for _, limit := range table.Columns("token") {
			if strings.HasPrefix(column, "anon") && limit != "unlimited" {
				continue
			}
			s := w.setUp(t, column, limit)
			list, err := s.Databases(ctx, s.caller, s.owner, ayb.Page{})
			must(t, err)
			want := authtest.Stricter(table.Outcome("database", "details", column), table.Outcome("token", "details", limit)) == authtest.Yes
			if got := len(list.Items) == 1 && list.Items[0].Ref().String() == s.ref; got != want {
				t.Errorf("%s, %s: listed is %v, want %v", column, limit, got, want)
			}
		}
	}
}

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wait polls until done reports true, or fails after a while.
func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
