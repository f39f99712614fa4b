package behavior

import (
	"strings"
	"time"

	"ayb"
	"ayb/fault"
)

// accounts says how people come to have one, and what it shows.
func accounts() []behavior {
	return []behavior{
		{name: "an account comes by e-mail", check: func(w *world) {
			nobody := w.with("")
			w.must(nobody.Register(w.Context(), ayb.Registration{Entity: "Alice", Email: "Alice@example.org"}))
			name, secret, err := nobody.Confirm(w.Context(), w.engine.Mailbox.Token("alice@example.org"))
			if w.must(err); name != "alice" {
				w.Errorf("got %s", name)
			}
			_, err = w.with(secret).CreateDatabase(w.Context(), "alice/db", nil)
			w.must(err)
			w.query(w.with(secret), "SELECT 1")

			w.must(nobody.LogIn(w.Context(), "alice"))
			_, again, err := nobody.Confirm(w.Context(), w.engine.Mailbox.Token("alice@example.org"))
			if w.must(err); again == secret {
				w.Error("the same token again")
			}
		}},
		{name: "a token from an e-mail works once", check: func(w *world) {
			nobody := w.with("")
			w.must(nobody.Register(w.Context(), ayb.Registration{Entity: "alice", Email: "a@example.org"}))
			token := w.engine.Mailbox.Token("a@example.org")
			_, _, err := nobody.Confirm(w.Context(), token)
			w.must(err)
			for _, used := range []string{token, token + "x", "nonsense"} {
				_, _, err = nobody.Confirm(w.Context(), used)
				w.refused(err, fault.Unauthenticated, "Invalid or expired token")
			}
		}},
		{name: "a name is given once, and some never", check: func(w *world) {
			w.as("alice")
			nobody := w.with("")
			w.refused(nobody.Register(w.Context(), ayb.Registration{Entity: "alice", Email: "b@example.org"}), fault.Exists, "alice has already been registered")
			w.refused(nobody.Register(w.Context(), ayb.Registration{Entity: "admin", Email: "b@example.org"}), fault.Invalid, "")
			w.refused(nobody.Register(w.Context(), ayb.Registration{Entity: "b", Email: "no address"}), fault.Invalid, "The e-mail address must be one plain address, for example alice@example.org")
			w.refused(nobody.LogIn(w.Context(), "alice"), fault.NotFound, "No account or email authentication method for alice")
		}},
		{name: "who asks too often has to wait", check: func(w *world) {
			var err error
			for range 3 {
				err = w.with("").Register(w.Context(), ayb.Registration{Entity: "bob", Email: "bob@example.org"})
			}
			w.refused(err, fault.Busy, "")
		}, cfg: func(cfg *ayb.Config) { cfg.RequestRate = 1 }},
		{name: "a profile is changed field by field", check: changeProfile},
		{name: "an entity that does not exist is not found", check: func(w *world) {
			for _, api := range []API{w.with(""), w.as("alice")} {
				_, err := api.Entity(w.Context(), "nobody")
				w.refused(err, fault.NotFound, "Entity nobody does not exist")
			}
		}},
		{name: "a name that can't be one is invalid", check: func(w *world) {
			alice := w.as("alice")
			for _, slug := range []string{"", "a b", "-a", "é", "a/b", "..", "a\nb", strings.Repeat("a", 129)} {
				_, err := alice.Entity(w.Context(), slug)
				w.refused(err, fault.Invalid, "")
				w.refused(alice.RenameEntity(w.Context(), "alice", slug), fault.Invalid, "")
			}
		}},
		{name: "an entity takes its databases with it to a new name", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a)")
			w.as("bob")
			w.refused(alice.RenameEntity(w.Context(), "alice", "bob"), fault.Exists, "")
			w.must(alice.RenameEntity(w.Context(), "ALICE", "Alicia"))
			_, err := alice.Query(w.Context(), "alicia/DB", "SELECT * FROM t")
			w.must(err)
			_, err = alice.Entity(w.Context(), "alice")
			w.refused(err, fault.NotFound, "")
		}},
		{name: "an entity that is deleted is gone, with its tokens", check: func(w *world) {
			alice := w.database()
			w.must(alice.DeleteEntity(w.Context(), "alice"))
			_, err := w.with("").Entity(w.Context(), "alice")
			w.refused(err, fault.NotFound, "Entity alice does not exist")
			_, err = alice.Query(w.Context(), "alice/db", "SELECT 1")
			w.refused(err, fault.Unauthenticated, "")
		}},
		{name: "nobody changes another's account", check: func(w *world) {
			w.as("alice")
			mallory := w.as("mallory")
			name := "x"
			w.refused(mallory.UpdateProfile(w.Context(), "alice", ayb.ProfileUpdate{DisplayName: &name}), fault.Denied, "")
			w.refused(mallory.RenameEntity(w.Context(), "alice", "x"), fault.Denied, "")
			w.refused(mallory.DeleteEntity(w.Context(), "alice"), fault.Denied, "")
			w.refused(w.with("").DeleteEntity(w.Context(), "alice"), fault.Unauthenticated, "")
		}},
	}
}

func changeProfile(w *world) {
	alice := w.as("alice")
	name, place, nothing, links := `Alice "é"`, "Lisboa", "", []string{"https://a.invalid/x?a=1&b=2"}
	w.must(alice.UpdateProfile(w.Context(), "alice", ayb.ProfileUpdate{DisplayName: &name, Location: &place, Links: &links}))
	w.must(alice.UpdateProfile(w.Context(), "alice", ayb.ProfileUpdate{Location: &nothing}))
	ent, err := w.with("").Entity(w.Context(), "Alice")
	w.must(err)
	p := ent.Profile
	if ent.Slug != "alice" || p.DisplayName != name || p.Location != "" || p.Description != "" || len(p.Links) != 1 || p.Links[0] != (ayb.Link{URL: links[0]}) {
		w.Errorf("got %+v", ent)
	}
	links = nil
	w.must(alice.UpdateProfile(w.Context(), "alice", ayb.ProfileUpdate{Links: &links}))
	if ent, err = alice.Entity(w.Context(), "alice"); err != nil || len(ent.Profile.Links) != 0 || ent.Profile.DisplayName != name {
		w.Errorf("got %+v, %v", ent, err)
	}
	w.refused(alice.UpdateProfile(w.Context(), "alice", ayb.ProfileUpdate{}), fault.Invalid, "No fields provided to update. Please specify at least one field to update.")
	long := strings.Repeat("x", 36)
	w.refused(alice.UpdateProfile(w.Context(), "alice", ayb.ProfileUpdate{DisplayName: &long}), fault.Invalid, "")
}

// organizations says what people do together.
func organizations() []behavior {
	return []behavior{
		{name: "members come, rise and go", check: func(w *world) {
			w.engine.MustOrganization("club")
			alice, bob := w.as("alice"), w.as("bob")
			w.engine.MustMember("club", "alice", ayb.OwnerRole)
			w.must(alice.SetMember(w.Context(), "club", "bob", ayb.Member))
			list, err := bob.Members(w.Context(), "club", ayb.Page{})
			w.must(err)
			if len(list.Items) != 2 || list.Items[0].EntitySlug != "alice" || list.Items[1].Role != ayb.Member || !list.Items[1].Joined.Equal(w.engine.Clock.Now().Truncate(time.Second)) {
				w.Errorf("got %+v", list)
			}
			mine, err := bob.Memberships(w.Context(), ayb.Page{})
			if w.must(err); len(mine.Items) != 1 || mine.Items[0].OrganizationSlug != "club" || mine.Items[0].Role != ayb.Member {
				w.Errorf("got %+v", mine)
			}
			w.refused(bob.SetMember(w.Context(), "club", "bob", ayb.Admin), fault.Denied, "")
			w.refused(alice.SetMember(w.Context(), "club", "nobody", ayb.Member), fault.NotFound, "Entity nobody does not exist")
			w.must(bob.RemoveMember(w.Context(), "club", "bob"))
			_, err = bob.Members(w.Context(), "club", ayb.Page{})
			w.refused(err, fault.Denied, "")
		}},
		{name: "the last owner can't leave", check: func(w *world) {
			w.engine.MustOrganization("club")
			alice := w.as("alice")
			w.engine.MustMember("club", "alice", ayb.OwnerRole)
			w.refused(alice.RemoveMember(w.Context(), "club", "alice"), fault.Conflict, "")
			w.refused(alice.SetMember(w.Context(), "club", "alice", ayb.Admin), fault.Conflict, "")
		}},
	}
}
