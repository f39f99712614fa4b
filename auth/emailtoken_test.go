package auth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fernet/fernet-go"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
)

// emailKeys are three keys; the last one is not ours.
var emailKeys = []string{
	"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
	"YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI=",
	"enl4d3Z1dHNycXp5eHd2dXRzcnF6eXh3dnV0c3Jxenk=",
}

var sealedAt = time.Date(2030, time.July, 1, 12, 0, 0, 0, time.UTC)

func parseKeys(t testing.TB, keys ...string) *auth.EmailKeys {
	t.Helper()
	parsed, err := auth.ParseEmailKeys(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestEmailKeys_what_was_sealed_is_opened(t *testing.T) {
	keys := parseKeys(t, emailKeys[:2]...)
	for _, claim := range []auth.EmailClaim{
		{Entity: "alice", Address: "a@example.org"},
		{Entity: "acme", Kind: catalog.Organization, Address: "o'neil+<&>@example.org"},
		{Entity: catalog.Slug(strings.Repeat("n", 128)), Address: strings.Repeat("&", 254)},
	} {
		token, err := keys.Seal(claim, sealedAt)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := keys.Open(token, sealedAt, time.Hour)
		if err != nil || opened.EmailClaim != claim || !opened.Sealed.Equal(sealedAt) || len(opened.Hash) != 64 {
			t.Errorf("%+v: %+v, %v", claim, opened, err)
		}
	}
}

func TestEmailKeys_the_plaintext_is_what_other_programs_read(t *testing.T) {
	token, err := parseKeys(t, emailKeys[0]).Seal(auth.EmailClaim{Entity: "alice", Kind: catalog.Organization, Address: "a@example.org"}, sealedAt)
	if err != nil {
		t.Fatal(err)
	}
	text := fernet.VerifyAndDecrypt([]byte(token), 0, fernet.MustDecodeKeys(emailKeys[0]))
	if want := `{"version":1,"entity":"alice","entity_type":1,"email_address":"a@example.org"}`; string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	if !strings.HasPrefix(token, "gAAAA") || len(token)%4 != 0 {
		t.Errorf("%s is not a padded Fernet token", token)
	}
}

func TestEmailKeys_Open_refuses_in_the_same_words(t *testing.T) {
	keys := parseKeys(t, emailKeys[:2]...)
	seal := func(text string) string {
		token, err := fernet.EncryptAndSignAtTime([]byte(text), fernet.MustDecodeKeys(emailKeys[0])[0], sealedAt)
		if err != nil {
			t.Fatal(err)
		}
		return string(token)
	}
	good := seal(`{"version":1,"entity":"alice","entity_type":0,"email_address":"a@example.org"}`)
	foreign, err := parseKeys(t, emailKeys[2]).Seal(auth.EmailClaim{Entity: "alice", Address: "a@example.org"}, sealedAt)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		token string
		now   time.Time
	}{
		"empty": {"", sealedAt}, "padding": {"====", sealedAt}, "a sign": {"=", sealedAt}, "foreign key": {foreign, sealedAt},
		"expired":             {good, sealedAt.Add(time.Hour + time.Second)},
		"of the future":       {good, sealedAt.Add(-61 * time.Second)},
		"followed":            {good + "A", sealedAt},
		"followed by padding": {good + "=", sealedAt}, "with a line break": {good[:9] + "\n" + good[9:], sealedAt},
		"in the other alphabet": {base64.StdEncoding.EncodeToString(decode(t, good)) + "+", sealedAt},
		"cut":                   {good[:len(good)-8], sealedAt},
		"empty text":            {seal(""), sealedAt}, "no JSON": {seal("alice"), sealedAt},
		"another version": {seal(`{"version":2,"entity":"alice","entity_type":0,"email_address":"a@example.org"}`), sealedAt},
		"another kind":    {seal(`{"version":1,"entity":"alice","entity_type":2,"email_address":"a@example.org"}`), sealedAt},
		"negative kind":   {seal(`{"version":1,"entity":"alice","entity_type":-1,"email_address":"a@example.org"}`), sealedAt},
		"a bad name":      {seal(`{"version":1,"entity":"../alice","entity_type":0,"email_address":"a@example.org"}`), sealedAt},
		"no address":      {seal(`{"version":1,"entity":"alice","entity_type":0}`), sealedAt},
		"too long":        {seal(`{"version":1,"entity":"alice","entity_type":0,"email_address":"` + strings.Repeat("a", 2000) + `"}`), sealedAt},
	} {
		if _, err := keys.Open(tt.token, tt.now, time.Hour); !errors.Is(err, fault.Unauthenticated) || err.Error() != "Invalid or expired token" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, now := range map[string]time.Time{"at the end": sealedAt.Add(time.Hour), "a minute early": sealedAt.Add(-time.Minute)} {
		if _, err := keys.Open(good, now, time.Hour); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func decode(t testing.TB, token string) []byte {
	t.Helper()
	raw, err := base64.URLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEmailKeys_every_spelling_of_a_token_has_one_hash(t *testing.T) {
	keys := parseKeys(t, emailKeys[0])
	hashes := map[string]bool{}
	padded := 0
	for i := range 3 { // of which some end in padding
		claim := auth.EmailClaim{Entity: catalog.Slug(strings.Repeat("a", 1+16*i)), Address: "a@example.org"}
		token, err := keys.Seal(claim, sealedAt)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := keys.Open(token, sealedAt, time.Hour)
		if err != nil || hashes[opened.Hash] {
			t.Fatalf("%+v, %v", opened, err)
		}
		hashes[opened.Hash] = true
		bare := strings.TrimRight(token, "=")
		padded += len(token) - len(bare)
		again, err := keys.Open(bare, sealedAt, time.Hour)
		if err != nil || again.Hash != opened.Hash {
			t.Errorf("without padding: %+v, %v", again, err)
		}
		for c := range 128 { // in the last character, some bits mean nothing
			spelling := bare[:len(bare)-1] + string(rune(c))
			if other, err := keys.Open(spelling, sealedAt, time.Hour); err == nil && spelling != bare {
				t.Errorf("%q is taken for %q: %+v", spelling, bare, other)
			}
		}
	}
	if padded == 0 {
		t.Error("no token had padding, so this proves little")
	}
}

func TestEmailKeys_are_changed_by_putting_the_new_one_in_front(t *testing.T) {
	claim := auth.EmailClaim{Entity: "alice", Address: "a@example.org"}
	old, both, last := parseKeys(t, emailKeys[0]), parseKeys(t, emailKeys[1], emailKeys[0]), parseKeys(t, emailKeys[1])
	before, _ := old.Seal(claim, sealedAt)
	after, _ := both.Seal(claim, sealedAt)
	for _, tt := range []struct {
		keys  *auth.EmailKeys
		token string
		opens bool
	}{{both, before, true}, {both, after, true}, {last, after, true}, {last, before, false}, {old, after, false}} {
		if _, err := tt.keys.Open(tt.token, sealedAt, time.Hour); (err == nil) != tt.opens {
			t.Errorf("%v, want it opened: %v", err, tt.opens)
		}
	}
}

func TestParseEmailKeys_repeats_no_key(t *testing.T) {
	for _, keys := range [][]string{nil, {""}, {"sesame"}, {emailKeys[0], "sesame"}, {emailKeys[0][:43]}, {emailKeys[0] + "sesame"}} {
		_, err := auth.ParseEmailKeys(keys...)
		if !errors.Is(err, fault.Invalid) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: %v", keys, err)
		}
	}
	key, err := auth.NewEmailKey(strings.NewReader(strings.Repeat("k", 32)))
	if err != nil || len(key) != 44 {
		t.Fatalf("%q, %v", key, err)
	}
	parseKeys(t, key)
	if _, err := auth.NewEmailKey(strings.NewReader("short")); !errors.Is(err, fault.Internal) {
		t.Errorf("without enough randomness: %v", err)
	}
}

// FuzzEmailKeys_Open looks for a text that opens although it was not sealed, for
// one that opens in two ways, and for a panic.
func FuzzEmailKeys_Open(f *testing.F) {
	keys := parseKeys(f, emailKeys[:2]...)
	// Sealed once for all, because the fuzzer runs this in several processes.
	const good = "gAAAAABxyyDAopPW3t_ovY8gUEv_2K_AD5iNVjD3YAau0hErNlZPT6HMBhG0dc5DTbSPxyTHfdI2s5hJZ3k1TI-9qIHO41cRWMM_" +
		"KKo81ubUOVd-N03thb5H_cmw0nt9xtd6S0Y0ipkIQGufjFvahpHMnG550ewZ4HwRNQqG4Qs_0nTpJMJ9ZaU="
	want, err := keys.Open(good, sealedAt, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, good[:len(good)-1], good + "=", "", "=", "gAAAAA", good[:40], good[40:], strings.Repeat("A", 98)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		opened, err := keys.Open(token, sealedAt, time.Hour)
		switch {
		case err == nil && (opened != want || strings.TrimRight(token, "=") != strings.TrimRight(good, "=")):
			t.Errorf("%q opens: %+v", token, opened)
		case err != nil && !errors.Is(err, fault.Unauthenticated):
			t.Errorf("%q: %v", token, err)
		}
	})
}

func TestEmailKeys_prove_and_sign(t *testing.T) {
	parse := func(keys ...string) *auth.EmailKeys {
		t.Helper()
		k, err := auth.ParseEmailKeys(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	const one, two = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
	old, rotated, fresh := parse(one), parse(two, one), parse(two)
	now := time.Now().Add(-10 * 365 * 24 * time.Hour)
	proof, err := old.Prove(now)
	if err != nil {
		t.Fatal(err)
	}
	signature := old.Sign("text")
	for keys, want := range map[*auth.EmailKeys]bool{old: true, rotated: true, fresh: false} {
		if got := keys.Proves(proof); got != want {
			t.Errorf("proves: %v, want %v", got, want)
		}
		if got := keys.Signed("text", signature); got != want {
			t.Errorf("signed: %v, want %v", got, want)
		}
	}
	if old.Signed("texts", signature) || old.Signed("text", "") || old.Proves("") || len(signature) != 32 {
		t.Error("anything is signed")
	}
	if _, err := old.Open(proof, now, time.Hour); err == nil {
		t.Error("a proof is an e-mail token")
	}
	token, err := old.Seal(auth.EmailClaim{Entity: "alice", Address: "a@example.org"}, now)
	if err != nil || old.Proves(token) {
		t.Errorf("an e-mail token is a proof, %v", err)
	}
}
