package behavior

import (
	"fmt"
	"time"

	"ayb"
	"ayb/fault"
)

// sharing says who may do what with a database.
func sharing() []behavior {
	return []behavior{
		{name: "a grant gives what it says, and no more", check: grants},
		{name: "a grant that is taken away is gone", check: func(w *world) {
			alice, bob := w.database(), w.as("bob")
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.ReadOnly))
			w.query(bob, "SELECT 1")
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.NoAccess))
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.NoAccess))
			_, err := bob.Query(w.Context(), "alice/db", "SELECT 1")
			w.refused(err, fault.Denied, "Authenticated entity bob can't query database alice/db")
		}},
		{name: "what can't be granted is refused", check: func(w *world) {
			alice, bob := w.database(), w.as("bob")
			w.refused(alice.Share(w.Context(), "alice/db", "alice", ayb.ReadOnly), fault.Invalid, "alice owns alice/db, so their permissions can't be changed")
			w.refused(alice.Share(w.Context(), "alice/db", "nobody", ayb.ReadOnly), fault.NotFound, "Entity nobody does not exist")
			w.refused(bob.Share(w.Context(), "alice/db", "bob", ayb.Manager), fault.Denied, "")
		}},
		{name: "lists tell who has what", check: func(w *world) {
			alice := w.database()
			for i := range 5 {
				slug := fmt.Sprintf("user%d", i)
				w.as(slug)
				w.must(alice.Share(w.Context(), "alice/db", slug, []ayb.Access{ayb.ReadOnly, ayb.ReadWrite, ayb.Manager}[i%3]))
			}
			first, err := alice.Grants(w.Context(), "alice/db", ayb.Page{Size: 3})
			w.must(err)
			rest, err := alice.Grants(w.Context(), "alice/db", ayb.Page{Size: 3, After: first.Next})
			w.must(err)
			all := append(first.Items, rest.Items...)
			if len(first.Items) != 3 || len(all) != 5 || rest.Next != "" || all[4].Slug != "user4" || all[4].Access != ayb.ReadWrite {
				w.Errorf("got %+v, %+v", first, rest)
			}
			shared, err := w.again("user2", nil).Shared(w.Context(), ayb.Page{})
			if w.must(err); len(shared.Items) != 1 || shared.Items[0].Database.Ref().String() != "alice/db" || shared.Items[0].Access != ayb.Manager {
				w.Errorf("got %+v", shared)
			}
		}},
		{name: "everybody with an account may query a public database", check: func(w *world) {
			alice, bob, nobody := w.database("CREATE TABLE t (a)"), w.as("bob"), w.with("")
			w.must(alice.SetPublic(w.Context(), "alice/db", ayb.PublicReadOnly))
			w.query(bob, "SELECT * FROM t")
			_, err := bob.Query(w.Context(), "alice/db", "DELETE FROM t")
			w.refused(err, fault.ReadOnly, "")
			_, err = nobody.Query(w.Context(), "alice/db", "SELECT * FROM t")
			w.refused(err, fault.Unauthenticated, "")
			d, err := nobody.Database(w.Context(), "alice/db")
			if w.must(err); d.Access != ayb.NoAccess || d.CanManage || d.Public != ayb.PublicReadOnly {
				w.Errorf("got %+v", d)
			}
			w.refused(bob.SetPublic(w.Context(), "alice/db", ayb.PublicNoAccess), fault.Denied, "")
		}},
		{name: "a switch lets everybody query without an account", check: func(w *world) {
			alice, nobody := w.database("CREATE TABLE t (a)"), w.with("")
			w.must(alice.SetPublic(w.Context(), "alice/db", ayb.PublicReadOnly))
			w.must(alice.SetAnonymousQueries(w.Context(), "alice/db", true))
			w.query(nobody, "SELECT * FROM t")
			_, err := nobody.Query(w.Context(), "alice/db", "DELETE FROM t")
			w.refused(err, fault.ReadOnly, "")
			w.must(alice.SetAnonymousQueries(w.Context(), "alice/db", false))
			_, err = nobody.Query(w.Context(), "alice/db", "SELECT * FROM t")
			w.refused(err, fault.Unauthenticated, "")
		}},
		{name: "a list shows only what the caller may see", check: func(w *world) {
			alice := w.database()
			w.engine.MustDatabase("alice/public")
			w.must(alice.SetPublic(w.Context(), "alice/public", ayb.PublicReadOnly))
			for _, c := range []struct {
				api  API
				want int
			}{{alice, 2}, {w.as("bob"), 1}, {w.with(""), 1}} {
				list, err := c.api.Databases(w.Context(), "alice", ayb.Page{})
				if w.must(err); len(list.Items) != c.want {
					w.Errorf("got %+v, want %d", list, c.want)
				}
			}
		}},
	}
}

func grants(w *world) {
	alice := w.database("CREATE TABLE t (a)")
	for _, c := range []struct {
		access       ayb.Access
		read, write  fault.Kind
		share, erase fault.Kind
	}{
		{ayb.NoAccess, fault.Denied, fault.Denied, fault.Denied, fault.Denied},
		{ayb.ReadOnly, "", fault.ReadOnly, fault.Denied, fault.Denied},
		{ayb.ReadWrite, "", "", fault.Denied, fault.Denied},
		{ayb.Manager, "", "", "", fault.Denied},
	} {
		slug := "user-" + c.access.String()
		api := w.as(slug)
		w.must(alice.Share(w.Context(), "alice/db", slug, c.access))
		_, read := api.Query(w.Context(), "alice/db", "SELECT * FROM t")
		_, write := api.Query(w.Context(), "alice/db", "INSERT INTO t VALUES (1)")
		_, share := api.Grants(w.Context(), "alice/db", ayb.Page{})
		erase := api.DeleteDatabase(w.Context(), "alice/db")
		for i, want := range []fault.Kind{c.read, c.write, c.share, c.erase} {
			if got := []error{read, write, share, erase}[i]; fault.KindOf(got) != want {
				w.Errorf("%s, %d: got %v, want %s", c.access, i, got, want)
			}
		}
	}
}

// tokens says what they are good for.
func tokens() []behavior {
	return []behavior{
		{name: "a token that was created works until it is revoked", check: func(w *world) {
			alice := w.database()
			expires := w.engine.Clock.Now().Add(time.Hour)
			secret, token, err := alice.CreateToken(w.Context(), "alice", &ayb.TokenOptions{Database: "alice/db", Access: ayb.ReadOnly, AppName: "a dashboard", Expires: expires})
			if w.must(err); token.AppName != "a dashboard" || !token.Expires.Equal(expires) || token.Scope.Access != ayb.ReadOnly {
				w.Errorf("got %+v", token)
			}
			limited := w.with(secret)
			w.query(limited, "SELECT 1")
			list, err := alice.Tokens(w.Context(), ayb.Page{})
			if w.must(err); len(list.Items) != 2 || list.Items[0].Short != token.Short || list.Items[0].Database.String() != "alice/db" || list.Items[0].Scope.Access != ayb.ReadOnly || !list.Items[0].Expires.Equal(expires) {
				w.Errorf("got %+v", list)
			}
			w.must(alice.RevokeToken(w.Context(), token.Short))
			_, err = limited.Query(w.Context(), "alice/db", "SELECT 1")
			w.refused(err, fault.Unauthenticated, "API token has been revoked")
			w.refused(alice.RevokeToken(w.Context(), token.Short), fault.NotFound, "API token "+token.Short+" does not exist")
		}},
		{name: "a token's limit holds for everything it does", check: func(w *world) {
			w.database("CREATE TABLE t (a)")
			w.engine.MustDatabase("alice/other")
			limited := w.again("alice", &ayb.TokenOptions{Database: "alice/db", Access: ayb.ReadOnly})
			w.query(limited, "SELECT * FROM t")
			_, err := limited.Query(w.Context(), "alice/db", "DELETE FROM t")
			w.refused(err, fault.ReadOnly, "")
			_, err = limited.Query(w.Context(), "alice/other", "SELECT 1")
			w.refused(err, fault.Denied, "")
			w.refused(limited.DeleteDatabase(w.Context(), "alice/db"), fault.Denied, "")
			w.refused(limited.DeleteEntity(w.Context(), "alice"), fault.Denied, "")
			_, _, err = limited.CreateToken(w.Context(), "alice", nil)
			w.refused(err, fault.Denied, "")
			d, err := limited.Database(w.Context(), "alice/db")
			if w.must(err); d.Access != ayb.ReadOnly || d.CanManage {
				w.Errorf("got %+v", d)
			}
		}},
		{name: "a token says whom it stands for, and what it may do", check: func(w *world) {
			w.database()
			expires := w.engine.Clock.Now().Add(time.Hour)
			limited := w.again("alice", &ayb.TokenOptions{Database: "alice/db", Access: ayb.ReadOnly, AppName: "a dashboard", Expires: expires})
			me, err := limited.WhoAmI(w.Context())
			if w.must(err); me.Slug != "alice" || me.Kind != ayb.User || me.Token.Database.String() != "alice/db" ||
				me.Token.Scope.Access != ayb.ReadOnly || me.Token.AppName != "a dashboard" || !me.Token.Expires.Equal(expires) {
				w.Errorf("got %+v", me)
			}
			_, err = w.with("").WhoAmI(w.Context())
			w.refused(err, fault.Unauthenticated, "")
			w.engine.Clock.Advance(2 * time.Hour)
			_, err = limited.WhoAmI(w.Context())
			w.refused(err, fault.Unauthenticated, "API token has expired")
		}},
		{name: "a token lapses", check: func(w *world) {
			w.database()
			limited := w.again("alice", &ayb.TokenOptions{Expires: w.engine.Clock.Now().Add(time.Hour)})
			w.query(limited, "SELECT 1")
			w.engine.Clock.Advance(2 * time.Hour)
			_, err := limited.Query(w.Context(), "alice/db", "SELECT 1")
			w.refused(err, fault.Unauthenticated, "API token has expired")
		}},
		{name: "what is no token is refused, also where none is needed", check: func(w *world) {
			w.database()
			for _, secret := range []string{"nonsense", "ayb_a_b", "ayb_a", "ayb_a\nb_c", "é"} {
				_, err := w.with(secret).Query(w.Context(), "alice/db", "SELECT 1")
				w.refused(err, fault.Unauthenticated, "")
				_, err = w.with(secret).Entity(w.Context(), "alice")
				w.refused(err, fault.Unauthenticated, "")
			}
		}},
		{name: "a limit that can't be one is refused", check: func(w *world) {
			alice := w.as("alice")
			_, _, err := alice.CreateToken(w.Context(), "alice", &ayb.TokenOptions{Expires: w.engine.Clock.Now().Add(-time.Hour)})
			w.refused(err, fault.Invalid, "The token would expire before it exists; choose a later time")
			_, _, err = alice.CreateToken(w.Context(), "alice", &ayb.TokenOptions{Database: "alice/nope"})
			w.refused(err, fault.NotFound, "Database alice/nope does not exist")
		}},
	}
}
