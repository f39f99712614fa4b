package httpapi_test

import (
	"fmt"
	"testing"

	"ayb"
)

// A warmth is a server with a database that alice owns, bob is let in to, an
// organization of carol's owns another one of, and everybody may read a third of.
type warmth struct {
	*fixture
	tokens map[string]string // by account
	keys   map[string]string // the short halves of these
}

func newWarmth(t *testing.T) *warmth {
	w := &warmth{serve(t, nil, nil), map[string]string{"": ""}, map[string]string{}}
	alice, bob, carol := w.MustEntity("alice"), w.MustEntity("bob"), w.MustEntity("carol")
	for name, p := range map[string]ayb.Principal{"alice": alice, "bob": bob, "carol": carol} {
		secret, token := w.MustToken(p, nil)
		w.tokens[name], w.keys[name] = secret, token.Token
	}
	w.MustOrganization("org")
	w.MustMember("org", "carol", ayb.Admin)
	for _, ref := range []string{"alice/own", "alice/public", "org/common"} {
		w.MustDatabase(ref, "CREATE TABLE t(a)")
	}
	w.MustShare(alice, "alice/own", "bob", ayb.ReadWrite)
	must(t, w.SetPublic(ctx, alice, "alice/public", ayb.PublicReadOnly))
	must(t, w.SetAnonymousQueries(ctx, alice, "alice/public", true))
	return w
}

// ask sends SQL as an account.
func (w *warmth) ask(account, ref, sql string, headers ...string) int {
	w.t.Helper()
	return w.call(request{method: post, path: "/v1/" + ref + "/query", token: w.tokens[account], body: sql, headers: headers}).status
}

// as returns an account as the one who calls the engine.
func (w *warmth) as(account string) ayb.Principal {
	w.t.Helper()
	p, err := w.Authenticate(ctx, w.tokens[account])
	must(w.t, err)
	return p
}

// TestWarm_requests_ask_the_metadata_for_nothing holds that a query of a token and a
// database that are known costs the metadata no query.
func TestWarm_requests_ask_the_metadata_for_nothing(t *testing.T) {
	w := newWarmth(t)
	// That a token is used is noted once an hour, and looks it up once more.
	w.ask("alice", "alice/own", "SELECT 1")
	w.ask("bob", "alice/own", "SELECT 1")
	w.ask("carol", "org/common", "SELECT 1")
	for name := range w.keys {
		wait(t, "the first use of a token is noted", func() bool {
			list, err := w.Tokens(ctx, w.as(name), ayb.Page{})
			must(t, err)
			return !list.Items[0].Used.IsZero()
		})
	}
	for _, c := range []struct{ account, ref, sql, accept string }{
		{"alice", "alice/own", "SELECT count(*) FROM t", ""},
		{"alice", "alice/own", "SELECT count(*) FROM t", acceptStream},
		{"alice", "alice/own", "INSERT INTO t VALUES (1)", ""},
		{"bob", "alice/own", "SELECT count(*) FROM t", ""},
		{"bob", "alice/own", "INSERT INTO t VALUES (1)", ""},
		{"carol", "org/common", "SELECT count(*) FROM t", ""},
		{"carol", "org/common", "INSERT INTO t VALUES (1)", ""},
		{"bob", "alice/public", "SELECT count(*) FROM t", ""},
		{"", "alice/public", "SELECT count(*) FROM t", ""},
	} {
		t.Run(fmt.Sprintf("%s %s %.6s %.6s", c.account, c.ref, c.sql, c.accept), func(t *testing.T) {
			const many = 40
			ask := func() {
				t.Helper()
				if got := w.ask(c.account, c.ref, c.sql, acceptOr(c.accept)); got != 200 {
					t.Fatalf("answered %d", got)
				}
			}
			ask()
			before := w.Stats().Metadata
			for range many {
				ask()
			}
			after := w.Stats().Metadata
			if n := after.Queries - before.Queries; n > 0 {
				t.Errorf("%d requests took %d queries of the metadata", many, n)
			}
			// About once a second the engine notes how many queries there were.
			if n := after.Changes - before.Changes; n > many/4 {
				t.Errorf("%d requests took %d changes of the metadata", many, n)
			}
		})
	}
}

// TestWarm_what_is_known_is_forgotten_when_it_changes holds that the very next
// request sees a change.
func TestWarm_what_is_known_is_forgotten_when_it_changes(t *testing.T) {
	const read, write = "SELECT count(*) FROM t", "INSERT INTO t VALUES (1)"
	for _, c := range []struct {
		name              string
		account, ref, sql string
		change            func(w *warmth) error
		status            int
		then              string // answers; empty: none has to
	}{
		{"a token is revoked", "alice", "alice/own", read, func(w *warmth) error { return w.RevokeToken(ctx, w.as("alice"), w.keys["alice"]) }, 401, ""},
		{"a grant is taken back", "bob", "alice/own", read, func(w *warmth) error { return w.Share(ctx, w.as("alice"), "alice/own", "bob", ayb.NoAccess) }, 403, ""},
		{"a grant is lowered", "bob", "alice/own", write, func(w *warmth) error { return w.Share(ctx, w.as("alice"), "alice/own", "bob", ayb.ReadOnly) }, 403, ""},
		{"a grant is raised", "bob", "alice/public", write, func(w *warmth) error { return w.Share(ctx, w.as("alice"), "alice/public", "bob", ayb.ReadWrite) }, 200, ""},
		{"a member leaves", "carol", "org/common", read, func(w *warmth) error { return w.RemoveMember(ctx, ayb.System, "org", "carol") }, 403, ""},
		{"a database is public no more", "", "alice/public", read, func(w *warmth) error { return w.SetPublic(ctx, w.as("alice"), "alice/public", ayb.PublicNoAccess) }, 401, ""},
		{"nobody unknown may query any more", "", "alice/public", read, func(w *warmth) error { return w.SetAnonymousQueries(ctx, w.as("alice"), "alice/public", false) }, 401, ""},
		{"a database is renamed", "bob", "alice/own", read, func(w *warmth) error { return w.RenameDatabase(ctx, w.as("alice"), "alice/own", "other") }, 403, "alice/other"},
		{"an account is renamed", "bob", "alice/own", read, func(w *warmth) error { return w.RenameEntity(ctx, w.as("alice"), "alice", "alicia") }, 403, "alicia/own"},
		{"a database is deleted", "bob", "alice/own", read, func(w *warmth) error { return w.DeleteDatabase(ctx, w.as("alice"), "alice/own") }, 403, ""},
		{"an account is deleted", "bob", "alice/own", read, func(w *warmth) error { return w.DeleteEntity(ctx, ayb.System, "alice") }, 403, ""},
		{"the caller's account is deleted", "bob", "alice/own", read, func(w *warmth) error { return w.DeleteEntity(ctx, ayb.System, "bob") }, 401, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWarmth(t)
			for range 3 {
				w.ask(c.account, c.ref, c.sql)
			}
			must(t, c.change(w))
			if got := w.ask(c.account, c.ref, c.sql); got != c.status {
				t.Errorf("the next request is answered with %d, want %d", got, c.status)
			}
			if c.then != "" {
				if got := w.ask(c.account, c.then, c.sql); got != 200 {
					t.Errorf("under its new name it answers %d", got)
				}
			}
		})
	}
}
