package auth_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"ayb/auth"
	"ayb/fault"
)

func TestSecret(t *testing.T) {
	t.Run("a new token parses to itself and matches its own hash only", func(t *testing.T) {
		for range 1000 {
			a, b := newSecret(t), newSecret(t)
			parsed, err := auth.ParseToken(a.Text())
			if err != nil || parsed != a {
				t.Fatalf("ParseToken(%q) = %v, %v", a.Text(), parsed, err)
			}
			if !a.Matches(a.Hash()) || a.Matches(b.Hash()) || a.Matches("") || a.Matches(strings.ToUpper(a.Hash())) {
				t.Fatalf("token %s matches the wrong hashes", a)
			}
		}
	})
	t.Run("the parts are base58 of 8 and 24 bytes", func(t *testing.T) {
		for _, zeros := range []int{0, 1, 3, 8} {
			raw := bytes.Repeat([]byte{0xa7}, 32)
			copy(raw, make([]byte, zeros))
			s, err := auth.NewSecret(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			if got := decodeBase58(t, s.Short, 8); !bytes.Equal(got, raw[:8]) {
				t.Errorf("short part with %d leading zeros decodes to %x", zeros, got)
			}
			if got := decodeBase58(t, s.Long, 24); !bytes.Equal(got, raw[8:]) {
				t.Errorf("long part decodes to %x", got)
			}
		}
	})
	t.Run("the stored hash is the SHA-256 of the text of the long part", func(t *testing.T) {
		// printf abc | sha256sum
		const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
		if got := (auth.Secret{Short: "x", Long: "abc"}).Hash(); got != want {
			t.Errorf("hash = %s, want %s", got, want)
		}
	})
	t.Run("printing a token does not show its proof", func(t *testing.T) {
		s := newSecret(t)
		if out := fmt.Sprintf("%v %+v %#v %s", s, s, s, &s); strings.Contains(out, s.Long) {
			t.Errorf("printed: %s", out)
		}
	})
	t.Run("randomness that fails makes no token", func(t *testing.T) {
		if s, err := auth.NewSecret(strings.NewReader("short")); err == nil {
			t.Errorf("got token %s", s)
		}
	})
}

func TestParseToken_refuses_what_is_no_token(t *testing.T) {
	for _, text := range []string{
		"", "_", "__", "ayb", "ayb_", "ayb__", "ayb_abc", "ayb_abc_", "ayb__abc", "AYB_abc_def", "xyz_abc_def", "ayb_abc_def_ghi",
		" ayb_abc_def", "ayb_abc_def ", "ayb_abc_d\x00f", "ayb_a0c_def", "ayb_aIc_def", "ayb_alc_def", "ayb_abc_dé",
		"ayb_" + strings.Repeat("a", 65) + "_abc", "ayb_abc_" + strings.Repeat("a", 1<<20),
	} {
		_, err := auth.ParseToken(text)
		if !errors.Is(err, fault.Unauthenticated) || fault.Message(err) != "The token is malformed" {
			t.Errorf("ParseToken(%.80q) = %v", text, err)
		}
	}
}

func TestSecret_Matches_does_not_allocate(t *testing.T) {
	s := newSecret(t)
	text, hash := s.Text(), s.Hash()
	if n := testing.AllocsPerRun(100, func() {
		if parsed, err := auth.ParseToken(text); err != nil || !parsed.Matches(hash) {
			t.Fatal("does not match")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("ayb_abc_def")
	f.Add("ayb_eV2jD7PJvzU_4xQWn5kYqPq")
	f.Add("ayb__")
	f.Add("ayb_a_b_c")
	f.Add(strings.Repeat("_", 100))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := auth.ParseToken(text)
		if err != nil {
			if !errors.Is(err, fault.Unauthenticated) || strings.Contains(err.Error(), text) && len(text) > 20 {
				t.Errorf("ParseToken(%q): %v", text, err)
			}
			return
		}
		if s.Text() != text || strings.Contains(s.Short+s.Long, "_") || !s.Matches(s.Hash()) {
			t.Errorf("ParseToken(%q) = %#v", text, s)
		}
	})
}

func newSecret(t *testing.T) auth.Secret {
	t.Helper()
	s, err := auth.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// decodeBase58 is the inverse, written with big numbers instead of by hand.
func decodeBase58(t *testing.T, s string, size int) []byte {
	t.Helper()
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	zeros := len(s) - len(strings.TrimLeft(s, "1"))
	n := new(big.Int)
	for _, c := range s {
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(strings.IndexRune(digits, c))))
	}
	b := append(make([]byte, zeros), n.Bytes()...)
	if len(b) != size {
		t.Fatalf("%q decodes to %d bytes, want %d", s, len(b), size)
	}
	return b
}
