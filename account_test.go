package ayb_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/auth"
	"ayb/aybtest"
	"ayb/fault"
	"ayb/store/storetest"
)

// mailKeys are two keys for e-mail tokens, as an operator has them.
var mailKeys = []string{"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="}

func TestEngine_Register(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1, PublicURL: "https://db.example.org/ayb/"})
	f.MustEntity("host-made")
	alice, _ := f.MustRegister("alice", "alice@example.org", ayb.User)

	t.Run("sends the e-mail that clients read, and changes nothing else", func(t *testing.T) {
		must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "Acme", Email: "Boss@Example.ORG", Kind: ayb.Organization}))
		mails := f.Mailbox.To("boss@example.org")
		if len(mails) != 1 {
			t.Fatalf("%d mails", len(mails))
		}
		token := f.Mailbox.Token("boss@example.org")
		want := aybtest.Mail{To: "boss@example.org", Subject: "Your login credentials", Body: "To complete your registration, visit\n\thttps://db.example.org/ayb/confirm/" +
			strings.ReplaceAll(token, "=", "%3D") + "\n\nOr type\n\tayb client confirm " + token}
		if mails[0] != want || !strings.HasPrefix(token, "gAAAA") {
			t.Errorf("mail %q, want %q", mails[0], want)
		}
		if _, err := f.Entity(ctx, ayb.System, "acme"); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("before it is confirmed: %v", err)
		}
		ent, _, _, err := f.Confirm(ctx, ayb.Anonymous, token)
		if err != nil || ent.Slug != "acme" || ent.Kind != ayb.Organization {
			t.Errorf("confirmed %+v, %v", ent, err)
		}
	})
	t.Run("refuses what can't be a name, a kind or one plain address", func(t *testing.T) {
		for _, name := range append([]string{".a", "_a", "-a"}, badNames...) {
			checkInvalid(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: name, Email: "x@example.org"}), name)
		}
		checkInvalid(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "x", Email: "x@example.org", Kind: 2}), "kind 2")
		for _, address := range []string{
			"", "x", "@", "x@", "@example.org", "x@y@example.org", " x@example.org", "x@example.org ", "X <x@example.org>", "<x@example.org>",
			"x@example.org, y@example.org", `"x"@example.org`, `"x y"@example.org`, "x@example.org\r\nBcc: y@example.org", "x\x00@example.org",
			"x(comment)@example.org", "x@[127.0.0.1]", "x..y@example.org", ".x@example.org", "é@example.org", "x@exämple.org", "\xff@example.org",
			strings.Repeat("x", 255-len("@example.org")) + "@example.org", strings.Repeat("x", 1<<20),
		} {
			checkInvalid(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "x", Email: address}), address)
		}
		longest := strings.Repeat("x", 254-len("@example.org")) + "@example.org"
		f.MustRegister("longest", longest, ayb.User)
	})
	t.Run("refuses a reserved name", func(t *testing.T) {
		err := f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "Admin", Email: "x@example.org"})
		if !errors.Is(err, ayb.ErrInvalid) || !errors.Is(err, ayb.ErrReserved) || fault.Message(err) != "Username 'admin' is reserved and cannot be used" {
			t.Errorf("%v", err)
		}
	})
	t.Run("refuses a name that somebody else has", func(t *testing.T) {
		for _, name := range []string{"alice", "ALICE", "host-made"} {
			err := f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: name, Email: "mallory@example.org"})
			if !errors.Is(err, ayb.ErrExists) || fault.Message(err) != strings.ToLower(name)+" has already been registered" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if mails := f.Mailbox.To("mallory@example.org"); len(mails) > 0 {
			t.Errorf("mails: %q", mails)
		}
	})
	t.Run("is a log-in for who has the name and the address", func(t *testing.T) {
		must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "Alice", Email: "ALICE@example.org", Kind: ayb.Organization}))
		ent, secret, _, err := f.Confirm(ctx, ayb.Anonymous, f.Mailbox.Token("alice@example.org"))
		if err != nil || ent.ID != alice.Entity || ent.Kind != ayb.User {
			t.Fatalf("confirmed %+v, %v", ent, err)
		}
		if p, err := f.Authenticate(ctx, secret); err != nil || p.Entity != alice.Entity || !p.Scope.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
	})
	t.Run("does not tell whether an address is known, but tells its mailbox", func(t *testing.T) {
		before := len(f.Mailbox.To("alice@example.org"))
		known := f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "fresh", Email: "alice@example.org"})
		unknown := f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "fresh", Email: "unknown@example.org"})
		if known != nil || unknown != nil {
			t.Errorf("a known address answers %v, an unknown one %v", known, unknown)
		}
		mails := f.Mailbox.To("alice@example.org")
		if len(mails) != before+1 {
			t.Fatalf("%d mails", len(mails))
		}
		if body := mails[before].Body; !strings.Contains(body, "ayb client log_in alice") || strings.Contains(body, "confirm") {
			t.Errorf("the mail says %q", body)
		}
	})
	t.Run("keeps the name and the address of a deleted account", func(t *testing.T) {
		carol, _ := f.MustRegister("carol", "carol@example.org", ayb.User)
		must(t, f.DeleteEntity(ctx, carol, "carol"))
		for _, address := range []string{"carol@example.org", "other@example.org"} {
			if err := f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "carol", Email: address}); !errors.Is(err, ayb.ErrExists) {
				t.Errorf("its name with %s: %v", address, err)
			}
		}
		must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "carol2", Email: "carol@example.org"}))
		if f.Mailbox.Token("carol@example.org") != "" {
			t.Error("its address gets a token for another account")
		}
		f.Clock.Advance(8 * 24 * time.Hour)
		_, err := f.Purge(ctx, ayb.System)
		must(t, err)
		f.MustRegister("carol", "carol@example.org", ayb.User)
	})
}

func checkInvalid(t *testing.T, err error, what string) {
	t.Helper()
	if !errors.Is(err, ayb.ErrInvalid) {
		t.Errorf("%.60q: %v", what, err)
	}
}

func TestEngine_Register_the_first_to_confirm_has_the_name(t *testing.T) {
	f := aybtest.New(t, nil)
	for _, address := range []string{"one@example.org", "two@example.org"} {
		must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "wanted", Email: address}))
	}
	_, _, _, err := f.Confirm(ctx, ayb.Anonymous, f.Mailbox.Token("one@example.org"))
	must(t, err)
	_, _, _, err = f.Confirm(ctx, ayb.Anonymous, f.Mailbox.Token("two@example.org"))
	if !errors.Is(err, ayb.ErrExists) || fault.Message(err) != "wanted has already been registered" {
		t.Errorf("the second: %v", err)
	}
	f.MustRegister("second", "two@example.org", ayb.User) // that address is still free
}

func TestEngine_LogIn(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1})
	alice, _ := f.MustRegister("alice", "alice@example.org", ayb.User)
	f.MustEntity("host-made")

	t.Run("sends a token to the address of the account", func(t *testing.T) {
		must(t, f.LogIn(ctx, ayb.Anonymous, "ALICE"))
		ent, _, token, err := f.Confirm(ctx, ayb.Anonymous, f.Mailbox.Token("alice@example.org"))
		if err != nil || ent.ID != alice.Entity || token.Entity != alice.Entity || !token.Expires.IsZero() {
			t.Errorf("%+v, %+v, %v", ent, token, err)
		}
	})
	t.Run("refuses who has no account, or none with an address", func(t *testing.T) {
		gone, _ := f.MustRegister("gone", "gone@example.org", ayb.User)
		must(t, f.DeleteEntity(ctx, gone, "gone"))
		for _, name := range []string{"nobody", "host-made", "gone"} {
			err := f.LogIn(ctx, ayb.Anonymous, name)
			if !errors.Is(err, ayb.ErrNotFound) || fault.Message(err) != "No account or email authentication method for "+name {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, name := range badNames {
			checkInvalid(t, f.LogIn(ctx, ayb.Anonymous, name), name)
		}
	})
	t.Run("follows a new name", func(t *testing.T) {
		must(t, f.LogIn(ctx, ayb.Anonymous, "alice"))
		stale := f.Mailbox.Token("alice@example.org")
		must(t, f.RenameEntity(ctx, alice, "alice", "alicia"))
		if _, _, _, err := f.Confirm(ctx, ayb.Anonymous, stale); !errors.Is(err, ayb.ErrExists) {
			t.Errorf("a token for the old name: %v", err)
		}
		if _, err := f.Entity(ctx, ayb.System, "alice"); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("the old name: %v", err)
		}
		must(t, f.LogIn(ctx, ayb.Anonymous, "alicia"))
		ent, _, _, err := f.Confirm(ctx, ayb.Anonymous, f.Mailbox.Token("alice@example.org"))
		if err != nil || ent.ID != alice.Entity {
			t.Errorf("%+v, %v", ent, err)
		}
	})
}

func TestEngine_Confirm_refuses_every_bad_token_in_the_same_words(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1, EmailKeys: mailKeys[:1], EmailTokenTTL: 10 * time.Minute})
	token := func() string {
		must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "alice", Email: "alice@example.org"}))
		return f.Mailbox.Token("alice@example.org")
	}
	refused := func(t *testing.T, token string) {
		t.Helper()
		ent, secret, minted, err := f.Confirm(ctx, ayb.Anonymous, token)
		if !errors.Is(err, ayb.ErrUnauthenticated) || fault.Message(err) != "Invalid or expired token" || secret != "" {
			t.Errorf("%.80q: %v", token, err)
		}
		if !reflect.DeepEqual(ent, ayb.Entity{}) || !reflect.DeepEqual(minted, ayb.Token{}) {
			t.Errorf("%.80q: %+v, %+v", token, ent, minted)
		}
	}
	t.Run("nonsense", func(t *testing.T) {
		for _, text := range []string{"", "=", "====", "x", "é\xff", "\x00", "\r\n", token() + "x", token() + "\n", " " + token(), token()[1:], strings.Repeat("gAAAA", 1<<18)} {
			refused(t, text)
		}
	})
	t.Run("changed in any character", func(t *testing.T) {
		good := token()
		for i := range good {
			refused(t, good[:i]+flip(good[i])+good[i+1:])
		}
	})
	t.Run("expired, to the second", func(t *testing.T) {
		good := token()
		f.Clock.Advance(10*time.Minute + time.Second)
		refused(t, good)
		f.Clock.Advance(-time.Second)
		_, _, _, err := f.Confirm(ctx, ayb.Anonymous, good)
		must(t, err)
	})
	t.Run("from more than a minute in the future", func(t *testing.T) {
		good := token()
		f.Clock.Advance(-61 * time.Second)
		refused(t, good)
		f.Clock.Advance(time.Second)
		_, _, _, err := f.Confirm(ctx, ayb.Anonymous, good)
		must(t, err)
	})
	t.Run("sealed by a key that is not ours", func(t *testing.T) {
		keys, err := auth.ParseEmailKeys(mailKeys[1])
		must(t, err)
		forged, err := keys.Seal(auth.EmailClaim{Entity: "alice", Address: "alice@example.org"}, f.Clock.Now())
		must(t, err)
		refused(t, forged)
	})
}

func TestEngine_EmailKeys_can_be_changed_without_losing_what_was_sent(t *testing.T) {
	dir, clock := t.TempDir(), aybtest.NewClock()
	token := ""
	for i, keys := range [][]string{{mailKeys[0]}, {mailKeys[1], mailKeys[0]}, {mailKeys[1]}} {
		f := aybtest.New(t, &ayb.Config{DataPath: dir, Now: clock.Now, EmailKeys: keys})
		switch i {
		case 0:
			must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "alice", Email: "alice@example.org"}))
			token = f.Mailbox.Token("alice@example.org")
		case 1:
			_, _, _, err := f.Confirm(ctx, ayb.Anonymous, token)
			must(t, err)
			must(t, f.LogIn(ctx, ayb.Anonymous, "alice"))
			token = f.Mailbox.Token("alice@example.org") // by the new key
		case 2:
			_, _, _, err := f.Confirm(ctx, ayb.Anonymous, token)
			must(t, err)
		}
		must(t, f.Close())
	}
	if _, err := os.Stat(filepath.Join(dir, "fernet.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made although there are some: %v", err)
	}
}

func TestEngine_makes_and_keeps_a_key_for_its_emails(t *testing.T) {
	f := aybtest.New(t, nil)
	path := filepath.Join(f.DataPath(), "fernet.key")
	must(t, f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "alice", Email: "alice@example.org"}))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	f.Reopen()
	_, _, _, err := f.Confirm(ctx, ayb.Anonymous, f.Mailbox.Token("alice@example.org"))
	must(t, err)

	for _, damage := range []string{"", "\n", "sesame", mailKeys[0][:40]} {
		must(t, os.WriteFile(path, []byte(damage), 0o600))
		_, err := ayb.Open(ctx, ayb.Config{DataPath: t.TempDir(), Mail: f.Mailbox})
		must(t, err)
		other := t.TempDir()
		must(t, os.WriteFile(filepath.Join(other, "fernet.key"), []byte(damage), 0o600))
		_, err = ayb.Open(ctx, ayb.Config{DataPath: other, Mail: f.Mailbox})
		if !errors.Is(err, ayb.ErrInvalid) || strings.Contains(err.Error(), "sesame") || strings.Contains(fault.Message(err), other) {
			t.Errorf("a file with %q: %v", damage, err)
		}
	}
}

func TestEngine_without_mail_has_no_accounts_by_mail(t *testing.T) {
	dir := t.TempDir()
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir})
	must(t, err)
	defer eng.Close()
	_, _, _, confirmed := eng.Confirm(ctx, ayb.Anonymous, "x")
	for _, err := range []error{
		eng.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "alice", Email: "alice@example.org"}),
		eng.LogIn(ctx, ayb.Anonymous, "alice"),
		confirmed,
	} {
		if !errors.Is(err, ayb.ErrUnavailable) || !errors.Is(err, ayb.ErrMail) {
			t.Errorf("%v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "fernet.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made: %v", err)
	}
}

func TestEngine_Register_when_the_mail_fails(t *testing.T) {
	f := aybtest.New(t, nil)
	f.MustRegister("alice", "alice@example.org", ayb.User)
	for _, tt := range []struct {
		failure error
		kind    error
		message string
	}{
		{errors.New("dial tcp 10.0.0.1:25: sesame"), ayb.ErrUnavailable, "The e-mail could not be sent; try again later"},
		{fault.New(fault.Invalid, "no such mailbox"), ayb.ErrInvalid, "no such mailbox"},
	} {
		f.Mailbox.Fail(tt.failure)
		for _, err := range []error{
			f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "bob", Email: "bob@example.org"}),
			f.Register(ctx, ayb.Anonymous, ayb.Registration{Entity: "bob", Email: "alice@example.org"}),
			f.LogIn(ctx, ayb.Anonymous, "alice"),
		} {
			if !errors.Is(err, tt.kind) || !errors.Is(err, ayb.ErrMail) || !errors.Is(err, tt.failure) || fault.Message(err) != tt.message {
				t.Errorf("%v: %v", tt.failure, err)
			}
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.LogIn(gone, ayb.Anonymous, "alice"); !errors.Is(err, context.Canceled) {
		t.Errorf("of a caller who has left: %v", err)
	}
}

func TestEngine_accounts_leave_records_without_tokens(t *testing.T) {
	f := aybtest.New(t, nil)
	from := ayb.Anonymous.From("192.0.2.1")
	must(t, f.Register(ctx, from, ayb.Registration{Entity: "Alice", Email: "Alice@example.org"}))
	token := f.Mailbox.Token("alice@example.org")
	ent, secret, _, err := f.Confirm(ctx, from, token)
	must(t, err)
	_, _, _, _ = f.Confirm(ctx, from, token)
	_, _, _, _ = f.Confirm(ctx, from, "nonsense")
	must(t, f.LogIn(ctx, from, "alice"))
	_ = f.LogIn(ctx, from, "nobody")
	_ = f.Register(ctx, from, ayb.Registration{Entity: "alice", Email: "mallory@example.org"})

	log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
	must(t, err)
	var got []string
	for _, r := range log.Items {
		got = append(got, fmt.Sprintf("%s %s %q %s", r.Action, r.Address, r.Subject, r.Outcome))
	}
	want := []string{
		`register 192.0.2.1 "alice <mallory@example.org>" exists`,
		`log_in 192.0.2.1 "nobody" not_found`,
		`log_in 192.0.2.1 "alice <alice@example.org>" ok`,
		`confirm 192.0.2.1 "" unauthenticated`,
		`confirm 192.0.2.1 "alice <alice@example.org>" unauthenticated`,
		`confirm 192.0.2.1 "alice <alice@example.org>" ok`,
		`register 192.0.2.1 "alice <alice@example.org>" ok`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for path, text := range filesBelow(t, f.DataPath()) {
		for _, hidden := range []string{token, url.QueryEscape(token), strings.TrimRight(token, "="), secret} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s holds a token", path)
			}
		}
	}
	if ent.Slug != "alice" {
		t.Errorf("%+v", ent)
	}
}

// TestEngine_Confirm_of_several_at_once_one_wins sends one token, and several
// tokens of one registration, to two engines on one PostgreSQL database.
func TestEngine_Confirm_of_several_at_once_one_wins(t *testing.T) {
	lent := storetest.Postgres(t)
	mailbox := &aybtest.Mailbox{}
	var engines [2]*aybtest.Fixture
	for i := range engines {
		engines[i] = aybtest.New(t, &ayb.Config{MetadataURL: lent.URL, Mail: mailbox, EmailKeys: mailKeys, RequestRate: -1})
	}
	for round := range 5 {
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) { confirmAtOnce(t, engines[:], mailbox, round) })
	}
	t.Run("a used token is refused everywhere, also after a restart", func(t *testing.T) {
		must(t, engines[0].LogIn(ctx, ayb.Anonymous, "alice0"))
		token := mailbox.Token("alice0@example.org")
		_, _, _, err := engines[0].Confirm(ctx, ayb.Anonymous, token)
		must(t, err)
		engines[1].Reopen()
		for _, f := range engines {
			if _, _, _, err := f.Confirm(ctx, ayb.Anonymous, token); !errors.Is(err, ayb.ErrUnauthenticated) {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestEngine_Confirm_of_several_at_once_one_wins_on_SQLite(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{RequestRate: -1})
	confirmAtOnce(t, []*aybtest.Fixture{f}, f.Mailbox, 0)
}

func confirmAtOnce(t *testing.T, engines []*aybtest.Fixture, mailbox *aybtest.Mailbox, round int) {
	registration := ayb.Registration{Entity: fmt.Sprintf("alice%d", round), Email: fmt.Sprintf("alice%d@example.org", round)}
	var tokens []string
	for range 2 {
		must(t, engines[0].Register(ctx, ayb.Anonymous, registration))
		tokens = append(tokens, mailbox.Token(registration.Email))
	}
	ids := make([]ayb.ID, 8)
	outcomes := atOnce(8, func(i int) error {
		ent, _, _, err := engines[i%len(engines)].Confirm(ctx, ayb.Anonymous, tokens[i/2%2])
		ids[i] = ent.ID
		return err
	})
	won := map[string]int{}
	var entity ayb.ID
	for i, err := range outcomes {
		switch {
		case err == nil:
			won[tokens[i/2%2]]++
			if entity != (ayb.ID{}) && ids[i] != entity {
				t.Errorf("two entities: %s and %s", entity, ids[i])
			}
			entity = ids[i]
		case !errors.Is(err, ayb.ErrUnauthenticated):
			t.Errorf("%v", err)
		}
	}
	if won[tokens[0]] != 1 || won[tokens[1]] != 1 {
		t.Errorf("each token was to win once: %d and %d", won[tokens[0]], won[tokens[1]])
	}
}
