package ayb_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
	"ayb/hosting"
)

// The tests here are named after defects of the Rust implementation of ayb that
// this one must not have.

func TestDefect_08_a_mail_scanner_that_follows_links_mints_no_tokens(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1})
	must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "alice", Email: "alice@example.org"}))
	token := f.Mailbox.Token("alice@example.org")
	ent, secret, _, err := f.Confirm(ctx, ayb.Anonymous, token)
	must(t, err)
	spellings := []string{token, token[:len(token)-1], token[:len(token)-2], token + "="}
	refused := func(when string) {
		t.Helper()
		for _, spelling := range spellings {
			if _, _, _, err := f.Confirm(ctx, ayb.Anonymous, spelling); !errors.Is(err, ayb.ErrUnauthenticated) {
				t.Errorf("%s: %v", when, err)
			}
		}
	}
	refused("at once")
	f.Reopen()
	refused("after a restart")
	for _, d := range []time.Duration{time.Hour + time.Second, 24 * time.Hour} {
		f.Clock.Advance(d)
		f.Tidy(ctx)
		f.Clock.Advance(-d)
		refused(fmt.Sprintf("when the clock was %v ahead meanwhile", d))
	}
	tokens, err := f.Tokens(ctx, f.Owner(ent), ayb.Page{})
	must(t, err)
	if len(tokens.Items) != 1 {
		t.Errorf("%d tokens", len(tokens.Items))
	}
	f.Clock.Advance(366 * 24 * time.Hour)
	if _, err := f.Authenticate(ctx, secret); !errors.Is(err, ayb.ErrUnauthenticated) {
		t.Errorf("a token that was not used for a year: %v", err)
	}
}

func TestDefect_09_nobody_can_bomb_a_mailbox(t *testing.T) {
	f := aybtest.New(t, nil)
	f.MustRegister("alice", "alice@example.org", ayb.User)
	client := func(i int) ayb.Principal { return ayb.Anonymous.From(fmt.Sprintf("192.0.2.%d", i)) }
	register := func(p ayb.Principal, name, address string) error {
		return f.Register(ctx, p, ayb.Registration{Entity: name, Email: address})
	}
	for _, tt := range []struct {
		name    string
		request func(i int) error
	}{
		{"by one client to many addresses", func(i int) error { return register(client(1), "fresh", fmt.Sprintf("x%d@example.org", i)) }},
		{"by one client that logs in many", func(i int) error { return f.LogIn(ctx, client(2), fmt.Sprintf("nobody%d", i)) }},
		{"by many clients to one address", func(i int) error { return register(client(10+i), fmt.Sprintf("fresh%d", i), "Victim@example.org") }},
		{"by many clients that log in one account", func(i int) error { return f.LogIn(ctx, client(50+i), "alice") }},
		{"by one client with all addresses of an IPv6 network", func(i int) error {
			return register(ayb.Anonymous.From(fmt.Sprintf("2001:db8:1:2:%x::%x", i, i)), "fresh", fmt.Sprintf("y%d@example.org", i))
		}},
		{"by one client with an IPv4 address in two forms", func(i int) error {
			return register(ayb.Anonymous.From([]string{"192.0.2.200", "::ffff:192.0.2.200"}[i%2]), "fresh", fmt.Sprintf("z%d@example.org", i))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.Clock.Advance(time.Minute)
			for i := range 10 {
				if err := tt.request(i); errors.Is(err, ayb.ErrBusy) {
					t.Fatalf("request %d: %v", i, err)
				}
			}
			err := tt.request(10)
			limit, ok := errors.AsType[*ayb.RateLimit](err)
			if !errors.Is(err, ayb.ErrBusy) || !ok || limit.RetryAfter != 6*time.Second || fault.Message(err) != "Too many requests; try again in 6 seconds" {
				t.Fatalf("the eleventh: %v", err)
			}
			f.Clock.Advance(limit.RetryAfter - time.Microsecond)
			if err := tt.request(11); !errors.Is(err, ayb.ErrBusy) {
				t.Errorf("a moment too early: %v", err)
			}
			f.Clock.Advance(time.Microsecond)
			if err := tt.request(12); errors.Is(err, ayb.ErrBusy) {
				t.Errorf("after the time that was named: %v", err)
			}
		})
	}
	t.Run("and what comes too often does not fill the audit trail", func(t *testing.T) {
		f.Clock.Advance(time.Minute)
		at := f.Clock.Now()
		for range 100 {
			_ = f.LogIn(ctx, client(1), "alice")
		}
		log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{Since: at}, ayb.Page{})
		must(t, err)
		if len(log.Items) != 10 {
			t.Errorf("%d records", len(log.Items))
		}
	})
}

func TestDefect_13_names_and_tokens_of_any_bytes_harm_nothing(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1})
	for _, text := range []string{"é", "\xff\xfe", "\x00", "a\r\nb", "日本", "\u202e"} {
		checkInvalid(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: text, Email: "x@example.org"}), text)
		checkInvalid(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "x", Email: text + "@example.org"}), text)
		checkInvalid(t, f.LogIn(ctx, ayb.Anonymous, text), text)
		if _, _, _, err := f.Confirm(ctx, ayb.Anonymous, text); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDefect_31_an_address_of_another_account_leaves_no_half_account(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1})
	var tokens []string
	for _, name := range []string{"alice", "bob"} { // while nobody has the address
		must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: name, Email: "shared@example.org"}))
		tokens = append(tokens, f.Mailbox.Token("shared@example.org"))
	}
	_, _, _, err := f.Confirm(ctx, ayb.Anonymous, tokens[0])
	must(t, err)
	for range 2 { // it is not used up either
		_, secret, _, err := f.Confirm(ctx, ayb.Anonymous, tokens[1])
		if !errors.Is(err, ayb.ErrExists) || secret != "" || fault.Message(err) != "The e-mail address belongs to another account already; log in to that one" {
			t.Errorf("%v", err)
		}
	}
	if _, err := f.Entity(ctx, ayb.System, "bob"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("bob: %v", err)
	}
	f.MustRegister("bob", "bob@example.org", ayb.User)
}

func TestDefect_32_names_of_entities_are_folded_everywhere(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1})
	alice, _ := f.MustRegister("ALICE", "Alice@Example.org", ayb.User)
	f.MustRegister("Acme", "acme@example.org", ayb.Organization)
	must(t, f.LogIn(ctx, ayb.Anonymous, "Alice"))
	must(t, f.SetMember(ctx, ayb.System, "ACME", "aLiCe", ayb.Admin))
	_, err := f.CreateDatabase(ctx, alice, "ACME/Db", nil)
	must(t, err)
	must(t, f.RemoveMember(ctx, alice, "acmE", "alicE"))
}

func TestDefect_21_a_database_that_could_not_be_made_can_be_made_again(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")
	// Its directory can't be made, because a file is in the way.
	owner := hosting.OwnerPath(filepath.Join(f.DataPath(), "owners"), alice.Entity)
	must(t, os.MkdirAll(filepath.Dir(owner), 0o700))
	must(t, os.WriteFile(owner, nil, 0o600))
	if _, err := f.Query(ctx, alice, "alice/db", "CREATE TABLE t (a)"); err == nil || strings.Contains(ayb.Message(err), f.DataPath()) {
		t.Errorf("without a directory: %v", err)
	}
	must(t, os.Remove(owner))
	f.MustQuery(alice, "alice/db", "CREATE TABLE t (a)")
	must(t, f.DeleteDatabase(ctx, alice, "alice/db"))
	f.MustDatabase("alice/db", "CREATE TABLE t (a)") // the name is free
}

func TestDefect_23_a_data_path_can_be_moved(t *testing.T) {
	dir := t.TempDir()
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: filepath.Join(dir, "before")})
	must(t, err)
	ent, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	must(t, err)
	_, err = eng.CreateDatabase(ctx, eng.Owner(ent), "alice/db", nil)
	must(t, err)
	_, err = eng.Query(ctx, eng.Owner(ent), "alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	must(t, err)
	must(t, eng.Close())
	must(t, os.Rename(filepath.Join(dir, "before"), filepath.Join(dir, "after")))
	eng, err = ayb.Open(ctx, ayb.Config{DataPath: filepath.Join(dir, "after")})
	must(t, err)
	defer eng.Close()
	if got, err := eng.Query(ctx, eng.Owner(ent), "alice/db", "SELECT a FROM t"); err != nil || len(got.Rows) != 1 {
		t.Errorf("after the move: %v, %v", got, err)
	}
}
