package ayb_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
)

func TestEngine_Authenticate(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")

	refused := func(t *testing.T, secret, message string) {
		t.Helper()
		p, err := f.Authenticate(ctx, secret)
		if !errors.Is(err, ayb.ErrUnauthenticated) || fault.Message(err) != message || p.Entity != (ayb.ID{}) && err == nil {
			t.Errorf("Authenticate = %v, %v; want it refused: %s", p, err, message)
		}
	}
	t.Run("returns the entity and the scope of a valid token", func(t *testing.T) {
		db, err := f.Database(ctx, alice, "alice/db")
		must(t, err)
		_, p := f.MustToken(alice, &ayb.TokenOptions{Database: "alice/db", Access: ayb.ReadWrite, AppName: "app"})
		want := ayb.Principal{Entity: alice.Entity, Slug: "alice", Token: p.Token, Scope: ayb.Scope{Database: db.ID, Access: ayb.ReadWrite}}
		if p != want || p.Token == "" {
			t.Errorf("principal %+v, want %+v", p, want)
		}
	})
	t.Run("refuses what is no token, and one that differs in a letter", func(t *testing.T) {
		secret, _ := f.MustToken(alice, nil)
		refused(t, "", "The token is malformed")
		refused(t, "ayb_"+strings.Repeat("x", 1<<20), "The token is malformed")
		refused(t, "ayb_nosuch_nosuch", "Invalid API token")
		for i := len("ayb_x"); i < len(secret); i++ {
			if wrong := secret[:i] + flip(secret[i]) + secret[i+1:]; secret[i] != '_' {
				refused(t, wrong, "Invalid API token")
			}
		}
	})
	t.Run("refuses a token that was revoked", func(t *testing.T) {
		secret, p := f.MustToken(alice, nil)
		must(t, f.RevokeToken(ctx, alice, p.Token))
		refused(t, secret, "API token has been revoked")
		if err := f.RevokeToken(ctx, alice, p.Token); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("revoking it again: %v", err)
		}
	})
	t.Run("refuses a token from the moment it expires", func(t *testing.T) {
		secret, p := f.MustToken(alice, &ayb.TokenOptions{Expires: f.Clock.Now().Add(time.Minute)})
		f.Clock.Advance(time.Minute - time.Microsecond)
		f.MustQuery(p, "alice/db", "SELECT 1")
		f.Clock.Advance(time.Microsecond)
		refused(t, secret, "API token has expired")
		if _, err := f.Query(ctx, p, "alice/db", "SELECT 1"); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Errorf("a principal that was kept: %v", err)
		}
	})
	t.Run("refuses a token that was not used for Config.TokenIdle", func(t *testing.T) {
		used, p := f.MustToken(alice, nil)
		unused, _ := f.MustToken(alice, nil)
		for range 3 {
			f.Clock.Advance(200 * 24 * time.Hour)
			f.MustQuery(p, "alice/db", "SELECT 1")
			_, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{}) // which writes everything
			must(t, err)
		}
		if _, err := f.Authenticate(ctx, used); err != nil {
			t.Errorf("the token in use: %v", err)
		}
		refused(t, unused, "API token has lapsed because it was not used for a long time; make a new one")
	})
	t.Run("refuses the tokens of a deleted account, and their principals", func(t *testing.T) {
		carol := f.MustEntity("carol")
		secret, p := f.MustToken(carol, nil)
		must(t, f.DeleteEntity(ctx, carol, "carol"))
		refused(t, secret, "The account has been deleted")
		for _, gone := range []ayb.Principal{p, carol} {
			if _, err := f.Entity(ctx, gone, "alice"); !errors.Is(err, ayb.ErrUnauthenticated) {
				t.Errorf("principal of a deleted account: %v", err)
			}
		}
		_, err := f.UndeleteEntity(ctx, ayb.System, "carol")
		must(t, err)
		if _, err := f.Authenticate(ctx, secret); err != nil {
			t.Errorf("after the account is back: %v", err)
		}
	})
	t.Run("a token does not serve another entity", func(t *testing.T) {
		_, p := f.MustToken(alice, nil)
		p.Entity = f.MustEntity("mallory").Entity
		if _, err := f.Tokens(ctx, p, ayb.Page{}); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Errorf("alice's token with mallory's name: %v", err)
		}
	})
}

func flip(c byte) string {
	if c == 'x' {
		return "y"
	}
	return "x"
}

func TestEngine_CreateToken(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	f.MustDatabase("alice/other")

	t.Run("a limited token can't make a token at all", func(t *testing.T) {
		for _, opt := range []ayb.TokenOptions{{Database: "alice/db"}, {Access: ayb.Manager}, {Access: ayb.ReadOnly}, {Database: "alice/db", Access: ayb.ReadWrite}} {
			_, p := f.MustToken(alice, &opt)
			for _, wanted := range []*ayb.TokenOptions{nil, &opt} {
				if secret, _, err := f.CreateToken(ctx, p, "alice", wanted); !errors.Is(err, ayb.ErrDenied) || secret != "" {
					t.Errorf("a token limited to %+v made one: %v", opt, err)
				}
			}
		}
	})
	t.Run("a token made by way of another lapses with it", func(t *testing.T) {
		limit := f.Clock.Now().Add(time.Hour)
		_, p := f.MustToken(alice, &ayb.TokenOptions{Expires: limit})
		for _, wanted := range []time.Time{{}, limit.Add(time.Hour), limit.Add(-time.Minute)} {
			_, token, err := f.CreateToken(ctx, p, "alice", &ayb.TokenOptions{Expires: wanted})
			must(t, err)
			if token.Expires.IsZero() || token.Expires.After(limit) {
				t.Errorf("asked for %v, got %v, beyond %v", wanted, token.Expires, limit)
			}
		}
	})
	t.Run("a token is not limited to a database that its maker can't see", func(t *testing.T) {
		_, _, hidden := f.CreateToken(ctx, bob, "bob", &ayb.TokenOptions{Database: "alice/db"})
		_, _, absent := f.CreateToken(ctx, bob, "bob", &ayb.TokenOptions{Database: "alice/xx"})
		if !errors.Is(hidden, ayb.ErrDenied) || strings.ReplaceAll(fault.Message(hidden), "/db", "/xx") != fault.Message(absent) {
			t.Errorf("hidden: %v; absent: %v", hidden, absent)
		}
	})
	t.Run("nonsense is refused", func(t *testing.T) {
		for _, opt := range []ayb.TokenOptions{
			{Access: 4}, {Access: 200}, {Expires: f.Clock.Now()}, {Expires: time.Unix(1, 0)},
			{AppName: strings.Repeat("x", 101)}, {AppName: "a\x00b"}, {AppName: "\xff"}, {Database: "alice"},
		} {
			if _, _, err := f.CreateToken(ctx, alice, "alice", &opt); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("%+v: %v", opt, err)
			}
		}
	})
	t.Run("the secret is stored nowhere", func(t *testing.T) {
		secret, _ := f.MustToken(alice, nil)
		_, long, _ := strings.Cut(secret[4:], "_")
		_, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
		must(t, err)
		for path, text := range filesBelow(t, f.DataPath()) {
			if strings.Contains(text, long) {
				t.Errorf("%s holds the secret", path)
			}
		}
	})
}

func TestEngine_RevokeToken(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db")

	t.Run("a limited token may give itself up, and nothing else", func(t *testing.T) {
		_, p := f.MustToken(alice, &ayb.TokenOptions{Database: "alice/db", Access: ayb.ReadOnly})
		_, other := f.MustToken(alice, nil)
		if err := f.RevokeToken(ctx, p, other.Token); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("revoking another: %v", err)
		}
		must(t, f.RevokeToken(ctx, p, p.Token))
		if err := f.RevokeToken(ctx, p, p.Token); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Errorf("by way of a revoked token: %v", err)
		}
	})
	t.Run("somebody else's token is as unknown as none", func(t *testing.T) {
		_, p := f.MustToken(alice, nil)
		for _, short := range []string{p.Token, "nosuch", "", "a\x00b", "\xff", "'", strings.Repeat("1", 5000)} {
			err := f.RevokeToken(ctx, bob, short)
			missing, ok := errors.AsType[*ayb.Missing](err)
			if !errors.Is(err, ayb.ErrNotFound) || !ok || missing.Record != "api_token" || missing.Name != short {
				t.Errorf("revoking %q: %v", short, err)
			}
		}
		f.MustQuery(p, "alice/db", "SELECT 1")
		list, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{Action: "revoke_token"}, ayb.Page{})
		must(t, err)
		if last := list.Items[0].Subject; len(last) != 64 {
			t.Errorf("the trail shows %d bytes of a name that is too long", len(last))
		}
	})
	t.Run("the system revokes any", func(t *testing.T) {
		secret, p := f.MustToken(alice, nil)
		must(t, f.RevokeToken(ctx, ayb.System, p.Token))
		if _, err := f.Authenticate(ctx, secret); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Errorf("after that: %v", err)
		}
		if err := f.RevokeToken(ctx, ayb.System, "nosuch"); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("an unknown one: %v", err)
		}
	})
	t.Run("it takes effect between two statements of a session", func(t *testing.T) {
		_, p := f.MustToken(alice, nil)
		s, err := f.Begin(ctx, p, "alice/db")
		must(t, err)
		defer s.Close()
		_, err = s.Query(ctx, "SELECT 1")
		must(t, err)
		must(t, f.RevokeToken(ctx, alice, p.Token))
		if _, err := s.Query(ctx, "SELECT 1"); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Errorf("after that: %v", err)
		}
	})
}

func TestEngine_Tokens_lists_the_valid_ones_newest_first(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustEntity("bob")
	f.MustDatabase("alice/db")
	_, first := f.MustToken(alice, &ayb.TokenOptions{Database: "alice/db", AppName: "app"})
	_, second := f.MustToken(alice, nil)
	_, revoked := f.MustToken(alice, nil)
	must(t, f.RevokeToken(ctx, alice, revoked.Token))
	f.MustToken(alice, &ayb.TokenOptions{Expires: f.Clock.Now().Add(time.Minute)})
	f.Clock.Advance(time.Hour)

	list, err := f.Tokens(ctx, alice, ayb.Page{})
	must(t, err)
	if len(list.Items) != 2 || list.Items[0].Short != second.Token || list.Items[1].Short != first.Token {
		t.Fatalf("tokens: %+v", list)
	}
	if got := list.Items[1]; got.Database.String() != "alice/db" || got.AppName != "app" || list.Items[0].Database != (ayb.Ref{}) {
		t.Errorf("the scoped token: %+v", got)
	}
	must(t, f.RenameDatabase(ctx, alice, "alice/db", "renamed"))
	list, err = f.Tokens(ctx, alice, ayb.Page{Size: 1, After: ""})
	must(t, err)
	list, err = f.Tokens(ctx, alice, ayb.Page{Size: 1, After: list.Next})
	must(t, err)
	if got := list.Items[0].Database.String(); got != "alice/renamed" {
		t.Errorf("after a rename: %s", got)
	}
	must(t, f.DeleteDatabase(ctx, alice, "alice/renamed"))
	list, err = f.Tokens(ctx, alice, ayb.Page{})
	must(t, err)
	if got := list.Items[1].Database; got != (ayb.Ref{}) {
		t.Errorf("after a deletion: %s", got)
	}
	if _, err := f.Tokens(ctx, ayb.System, ayb.Page{}); !errors.Is(err, ayb.ErrInvalid) {
		t.Errorf("tokens of the system: %v", err)
	}
}

// TestEngine_WhoAmI_hides_what_the_entity_may_not_see_any_more holds that a token
// does not follow a database's name once its entity has lost access to it.
func TestEngine_WhoAmI_hides_what_the_entity_may_not_see_any_more(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db")
	must(t, f.Share(ctx, alice, "alice/db", "bob", ayb.ReadOnly))
	_, limited := f.MustToken(bob, &ayb.TokenOptions{Database: "alice/db"})
	named := func(want string) {
		t.Helper()
		me, err := f.WhoAmI(ctx, limited)
		must(t, err)
		list, err := f.Tokens(ctx, bob, ayb.Page{})
		must(t, err)
		var ref ayb.Ref
		if want != "" {
			ref = ayb.Ref{Entity: "alice", Database: ayb.Slug(want)}
		}
		if me.Slug != "bob" || me.Token.Database != ref || list.Items[0].Database != ref || me.Token.Scope.Database.IsZero() {
			t.Errorf("got %+v and %+v, want %q", me, list.Items[0], want)
		}
	}
	named("db")
	must(t, f.RenameDatabase(ctx, alice, "alice/db", "renamed"))
	named("renamed")
	must(t, f.Share(ctx, alice, "alice/renamed", "bob", ayb.NoAccess))
	must(t, f.RenameDatabase(ctx, alice, "alice/renamed", "secret"))
	named("")
}

// TestEngine_tokens_of_one_entity_are_bounded holds limits.tokens, and that nobody is
// kept from logging in by it.
func TestEngine_tokens_of_one_entity_are_bounded(t *testing.T) {
	cfg := &ayb.Config{RequestRate: -1}
	cfg.Limits.Tokens = 3
	f := aybtest.New(t, cfg)
	logIn := func() ayb.Principal {
		t.Helper()
		must(t, f.LogIn(ctx, ayb.Anonymous, "alice"))
		_, secret, _, err := f.Confirm(ctx, ayb.Anonymous, f.Mailbox.Token("alice@example.org"))
		must(t, err)
		p, err := f.Authenticate(ctx, secret)
		must(t, err)
		return p
	}
	alice, secret := f.MustRegister("alice", "alice@example.org", ayb.User)
	first, err := f.Authenticate(ctx, secret)
	must(t, err)
	_, old := f.MustToken(alice, nil)
	f.Clock.Advance(time.Hour)
	_, short := f.MustToken(alice, &ayb.TokenOptions{Expires: f.Clock.Now().Add(time.Hour)})
	_, _, err = f.CreateToken(ctx, alice, "alice", nil)
	if want := "The account has 3 API tokens that are valid, and can't have more (limits.tokens); revoke those that nobody needs"; !errors.Is(err, ayb.ErrConflict) || fault.Message(err) != want {
		t.Fatalf("the fourth: %v", err)
	}
	must(t, f.RevokeToken(ctx, alice, short.Token))
	_, short = f.MustToken(alice, &ayb.TokenOptions{Expires: f.Clock.Now().Add(time.Hour)})
	f.Clock.Advance(time.Hour)
	_, used := f.MustToken(alice, nil) // in the place of the one that has expired

	for p := range map[ayb.Principal]bool{old: true, used: true} {
		_, err := f.WhoAmI(ctx, p)
		must(t, err)
	}
	now := logIn() // in the place of the first, which was not used for longest
	for p, want := range map[ayb.Principal]bool{first: false, old: true, used: true, now: true} {
		if _, err := f.WhoAmI(ctx, p); (err == nil) != want {
			t.Errorf("%s: %v", p.Token, err)
		}
	}
}
