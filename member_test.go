package ayb_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
)

// A club is an organization with one database and a member of each role.
type club struct {
	*aybtest.Fixture
	acme, owner, admin, member, stranger ayb.Principal
}

func newClub(t *testing.T) club {
	c := club{Fixture: aybtest.New(t, &ayb.Config{RequestRate: -1})}
	c.acme, _ = c.MustRegister("acme", "acme@example.org", ayb.Organization)
	c.MustDatabase("acme/db", "CREATE TABLE t (a)")
	for _, someone := range []struct {
		p    *ayb.Principal
		name string
		role ayb.Role
	}{{&c.owner, "owen", ayb.OwnerRole}, {&c.admin, "adam", ayb.Admin}, {&c.member, "mary", ayb.Member}, {&c.stranger, "stan", ayb.NoRole}} {
		*someone.p = c.MustEntity(someone.name)
		if someone.role != ayb.NoRole {
			must(t, c.SetMember(ctx, c.acme, "acme", someone.name, someone.role))
		}
	}
	return c
}

// roles returns the members as name:role, in the order of the list.
func (c club) roles(t *testing.T) string {
	t.Helper()
	list, err := c.Members(ctx, c.acme, "acme", ayb.Page{})
	must(t, err)
	var names []string
	for _, m := range list.Items {
		names = append(names, fmt.Sprintf("%s:%s", m.EntitySlug, m.Role))
	}
	return strings.Join(names, " ")
}

func TestEngine_SetMember(t *testing.T) {
	denied := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("%v, want it refused", err)
		}
	}
	t.Run("an admin changes members, and nobody above", func(t *testing.T) {
		c := newClub(t)
		must(t, c.SetMember(ctx, c.admin, "acme", "stan", ayb.Member))
		must(t, c.RemoveMember(ctx, c.admin, "acme", "stan"))
		for _, role := range []ayb.Role{ayb.Admin, ayb.OwnerRole} {
			denied(t, c.SetMember(ctx, c.admin, "acme", "mary", role))
			denied(t, c.SetMember(ctx, c.admin, "acme", "adam", role)) // not even themself
		}
		denied(t, c.SetMember(ctx, c.admin, "acme", "owen", ayb.Member))
		denied(t, c.RemoveMember(ctx, c.admin, "acme", "owen"))
		must(t, c.SetMember(ctx, c.owner, "acme", "stan", ayb.Admin))
		denied(t, c.RemoveMember(ctx, c.admin, "acme", "stan"))
		if got := c.roles(t); got != "owen:owner adam:admin mary:member stan:admin" {
			t.Error(got)
		}
	})
	t.Run("an owner appoints and dismisses whomever", func(t *testing.T) {
		c := newClub(t)
		must(t, c.SetMember(ctx, c.owner, "acme", "mary", ayb.OwnerRole))
		must(t, c.SetMember(ctx, c.member, "acme", "owen", ayb.Member)) // by mary now
		must(t, c.SetMember(ctx, c.member, "acme", "owen", ayb.Member)) // again changes nothing
		denied(t, c.SetMember(ctx, c.owner, "acme", "stan", ayb.Member))
		must(t, c.RemoveMember(ctx, c.member, "acme", "adam"))
		if got := c.roles(t); got != "owen:member mary:owner" {
			t.Error(got)
		}
	})
	t.Run("the last owner can't be demoted and can't leave", func(t *testing.T) {
		c := newClub(t)
		for _, p := range []ayb.Principal{c.owner, c.acme, ayb.System} {
			for _, err := range []error{
				c.SetMember(ctx, p, "acme", "owen", ayb.Admin),
				c.SetMember(ctx, p, "acme", "owen", ayb.Member),
				c.RemoveMember(ctx, p, "acme", "owen"),
			} {
				if !errors.Is(err, ayb.ErrConflict) || !strings.Contains(fault.Message(err), "last owner") {
					t.Errorf("%v", err)
				}
			}
		}
		must(t, c.SetMember(ctx, c.acme, "acme", "stan", ayb.OwnerRole))
		must(t, c.DeleteEntity(ctx, c.stranger, "stan")) // a deleted owner does not count
		if err := c.RemoveMember(ctx, c.owner, "acme", "owen"); !errors.Is(err, ayb.ErrConflict) {
			t.Errorf("the last one who lives: %v", err)
		}
		must(t, c.SetMember(ctx, c.acme, "acme", "adam", ayb.OwnerRole))
		must(t, c.RemoveMember(ctx, c.owner, "acme", "owen"))
	})
	t.Run("of two owners who dismiss each other one stays", func(t *testing.T) {
		c := newClub(t)
		for range 5 {
			must(t, c.SetMember(ctx, c.acme, "acme", "owen", ayb.OwnerRole))
			must(t, c.SetMember(ctx, c.acme, "acme", "adam", ayb.OwnerRole))
			outcomes := atOnce(2, func(i int) error {
				if i == 0 {
					return c.RemoveMember(ctx, c.owner, "acme", "adam")
				}
				return c.RemoveMember(ctx, c.admin, "acme", "owen")
			})
			if (outcomes[0] == nil) == (outcomes[1] == nil) {
				t.Fatalf("%v", outcomes)
			}
		}
	})
	t.Run("nonsense is refused", func(t *testing.T) {
		c := newClub(t)
		c.MustOrganization("other")
		checkInvalid(t, c.SetMember(ctx, c.acme, "acme", "stan", ayb.NoRole), "no role")
		checkInvalid(t, c.SetMember(ctx, c.acme, "acme", "stan", 4), "role 4")
		checkInvalid(t, c.SetMember(ctx, c.acme, "acme", "other", ayb.Member), "an organization as member")
		checkInvalid(t, c.SetMember(ctx, c.acme, "acme", "acme", ayb.Member), "itself as member")
		checkInvalid(t, c.SetMember(ctx, c.stranger, "stan", "mary", ayb.Member), "a member of a user")
		checkInvalid(t, c.SetMember(ctx, c.acme, "acme", "a b", ayb.Member), "bad name")
		for _, err := range []error{
			c.SetMember(ctx, c.acme, "acme", "nobody", ayb.Member), c.SetMember(ctx, ayb.System, "nobody", "stan", ayb.Member),
			c.RemoveMember(ctx, c.acme, "acme", "stan"), c.RemoveMember(ctx, c.stranger, "stan", "mary"),
		} {
			if missing, ok := errors.AsType[*ayb.Missing](err); !errors.Is(err, ayb.ErrNotFound) || !ok || missing.Name == "" {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("a stranger learns nothing of who is what", func(t *testing.T) {
		c := newClub(t)
		want := "Authenticated entity stan can't change the members of organization acme"
		for _, name := range []string{"owen", "adam", "mary", "acme"} {
			if err := c.RemoveMember(ctx, c.stranger, "acme", name); fault.Message(err) != want {
				t.Errorf("%s: %v", name, err)
			}
			if err := c.SetMember(ctx, c.stranger, "acme", name, ayb.Member); fault.Message(err) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestEngine_members_use_the_databases_of_their_organization(t *testing.T) {
	c := newClub(t)
	t.Run("a grant raises a role and never lowers it", func(t *testing.T) {
		must(t, c.Share(ctx, c.admin, "acme/db", "mary", ayb.ReadOnly))
		c.MustQuery(c.member, "acme/db", "INSERT INTO t VALUES (1)")
		must(t, c.Share(ctx, c.admin, "acme/db", "mary", ayb.Manager))
		must(t, c.SetPublic(ctx, c.member, "acme/db", ayb.PublicFork))
		must(t, c.SetPublic(ctx, c.member, "acme/db", ayb.PublicNoAccess))
		must(t, c.Share(ctx, c.admin, "acme/db", "mary", ayb.NoAccess))
		c.MustQuery(c.member, "acme/db", "INSERT INTO t VALUES (1)")
		if err := c.SetPublic(ctx, c.member, "acme/db", ayb.PublicFork); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("without the grant: %v", err)
		}
	})
	t.Run("their token's scope caps the role", func(t *testing.T) {
		_, reader := c.MustToken(c.owner, &ayb.TokenOptions{Access: ayb.ReadOnly})
		_, elsewhere := c.MustToken(c.owner, &ayb.TokenOptions{Database: "acme/db"})
		c.MustDatabase("acme/other", "CREATE TABLE t (a)")
		if _, err := c.Query(ctx, reader, "acme/db", "INSERT INTO t VALUES (1)"); !errors.Is(err, ayb.ErrReadOnly) {
			t.Errorf("a write: %v", err)
		}
		hidden := c.DeleteDatabase(ctx, elsewhere, "acme/other")
		absent := c.DeleteDatabase(ctx, elsewhere, "acme/absent")
		if !errors.Is(hidden, ayb.ErrDenied) || strings.ReplaceAll(fault.Message(hidden), "other", "absent") != fault.Message(absent) {
			t.Errorf("hidden: %v; absent: %v", hidden, absent)
		}
		must(t, c.DeleteDatabase(ctx, c.owner, "acme/other"))
	})
	t.Run("they may know that a database does not exist", func(t *testing.T) {
		for _, p := range []ayb.Principal{c.owner, c.admin, c.member} {
			if _, err := c.Database(ctx, p, "acme/absent"); !errors.Is(err, ayb.ErrNotFound) {
				t.Errorf("%s: %v", p.Slug, err)
			}
		}
		if _, err := c.Database(ctx, c.stranger, "acme/absent"); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("a stranger: %v", err)
		}
	})
	t.Run("what an admin creates belongs to the organization", func(t *testing.T) {
		db, err := c.CreateDatabase(ctx, c.admin, "acme/made", nil)
		if err != nil || db.Owner != c.acme.Entity {
			t.Errorf("%+v, %v", db, err)
		}
		if err := c.DeleteDatabase(ctx, c.admin, "acme/made"); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("deleting it: %v", err)
		}
		must(t, c.RemoveMember(ctx, c.owner, "acme", "adam"))
		if _, err := c.Database(ctx, c.admin, "acme/made"); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("after the admin was dismissed: %v", err)
		}
	})
	t.Run("who is removed loses a session between two statements", func(t *testing.T) {
		s, err := c.Begin(ctx, c.member, "acme/db")
		must(t, err)
		defer s.Close()
		_, err = s.Query(ctx, "SELECT 1")
		must(t, err)
		must(t, c.RemoveMember(ctx, c.owner, "acme", "mary"))
		if _, err := s.Query(ctx, "SELECT 1"); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("%v", err)
		}
	})
}

func TestEngine_RemoveMember_everybody_may_leave(t *testing.T) {
	c := newClub(t)
	must(t, c.RemoveMember(ctx, c.member, "acme", "mary"))
	must(t, c.RemoveMember(ctx, c.admin, "acme", "adam"))
	if got := c.roles(t); got != "owen:owner" {
		t.Error(got)
	}
	if err := c.RemoveMember(ctx, c.member, "acme", "mary"); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("who is no member: %v", err)
	}
	_, limited := c.MustToken(c.owner, &ayb.TokenOptions{Access: ayb.Manager})
	must(t, c.SetMember(ctx, c.owner, "acme", "stan", ayb.OwnerRole))
	if err := c.RemoveMember(ctx, limited, "acme", "owen"); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("by a limited token: %v", err)
	}
}

func TestEngine_Memberships(t *testing.T) {
	c := newClub(t)
	c.MustOrganization("zeta")
	betty := c.MustOrganization("betty")
	c.MustMember("zeta", "mary", ayb.Admin)
	c.MustMember("betty", "mary", ayb.OwnerRole)
	names := func() (got []string) {
		page := ayb.Page{Size: 1}
		for {
			list, err := c.Memberships(ctx, c.member, page)
			must(t, err)
			for _, m := range list.Items {
				got = append(got, fmt.Sprintf("%s:%s", m.OrganizationSlug, m.Role))
			}
			if page.After = list.Next; list.Next == "" {
				return got
			}
		}
	}
	if got := names(); !reflect.DeepEqual(got, []string{"acme:member", "zeta:admin", "betty:owner"}) {
		t.Errorf("%v", got)
	}
	must(t, c.DeleteEntity(ctx, betty, "betty"))
	must(t, c.RenameEntity(ctx, c.acme, "acme", "acme2"))
	if got := names(); !reflect.DeepEqual(got, []string{"acme2:member", "zeta:admin"}) {
		t.Errorf("after one was deleted and one renamed: %v", got)
	}
	if _, err := c.Memberships(ctx, ayb.System, ayb.Page{}); !errors.Is(err, ayb.ErrInvalid) {
		t.Errorf("of the system: %v", err)
	}
}

func TestEngine_members_leave_records(t *testing.T) {
	c := newClub(t)
	at := c.Clock.Now()
	c.Clock.Advance(1)
	must(t, c.SetMember(ctx, c.admin, "acme", "stan", ayb.Member))
	must(t, c.SetMember(ctx, c.owner, "acme", "stan", ayb.Admin))
	_ = c.RemoveMember(ctx, c.member, "acme", "stan")
	must(t, c.RemoveMember(ctx, c.stranger, "acme", "stan"))
	log, err := c.AuditLog(ctx, ayb.System, ayb.AuditFilter{Since: at}, ayb.Page{Size: 4})
	must(t, err)
	var got []string
	for _, r := range log.Items {
		got = append(got, fmt.Sprintf("%s %q %s", r.Action, r.Subject, r.Outcome))
	}
	want := []string{
		`leave_organization "acme/stan: none" ok`,
		`change_member "acme" denied`,
		`change_officer "acme/stan: admin" ok`,
		`change_member "acme/stan: member" ok`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
