package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"strings"

	"ayb/fault"
)

// The parts of an API token, in bytes of randomness. The short part names the
// token and may be shown; the long part is the proof, and 192 bits of it cannot
// be guessed.
const (
	shortBytes = 8
	longBytes  = 24

	tokenPrefix = "ayb"

	// maxPartLen bounds the parts in base58, generously: the long one is at the
	// most 33 characters.
	maxPartLen = 64
)

// A Secret is an API token as its holder keeps it: ayb_{short}_{long}. It is
// shown once and never stored.
type Secret struct {
	Short string // names the token; safe to show and to log
	Long  string // proves it; never stored or logged
}

// NewSecret makes a token from 32 bytes of random, usually crypto/rand.Reader.
// Errors: those of random.
func NewSecret(random io.Reader) (Secret, error) {
	var b [shortBytes + longBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return Secret{}, fault.Wrap(fault.Internal, err, "No randomness for a token")
	}
	return Secret{Short: base58(b[:shortBytes]), Long: base58(b[shortBytes:])}, nil
}

// Text returns the token whole, as its holder sends it. It is not called String
// so that no log prints it by accident.
func (s Secret) Text() string { return tokenPrefix + "_" + s.Short + "_" + s.Long }

// String returns the token without its proof, for logs.
func (s Secret) String() string { return tokenPrefix + "_" + s.Short + "_..." }

// GoString returns what String returns.
func (s Secret) GoString() string { return s.String() }

// Hash returns what is stored of the token: the SHA-256 of the text of the long
// part, in lower-case hexadecimal. A plain hash is enough, because the long part
// is random and cannot be tried out from a list.
func (s Secret) Hash() string {
	text := s.sum()
	return string(text[:])
}

// Matches reports whether the token is the one that hash was stored for, in a
// time that does not depend on where they differ. It allocates nothing.
func (s Secret) Matches(hash string) bool {
	text := s.sum()
	var stored [len(text)]byte
	copy(stored[:], hash)
	return len(s.Long) <= maxPartLen && len(hash) == len(stored) && subtle.ConstantTimeCompare(text[:], stored[:]) == 1
}

// sum works on arrays, so that checking a token costs no allocation.
func (s Secret) sum() (text [2 * sha256.Size]byte) {
	var long [maxPartLen]byte
	sum := sha256.Sum256(long[:copy(long[:], s.Long)])
	hex.Encode(text[:], sum[:])
	return text
}

// ParseToken takes a token apart, without knowing whether it is valid: the
// prefix ayb, and two parts of 1 to 64 characters of base58. Errors:
// [fault.Unauthenticated], with a text that tells nothing about the token.
func ParseToken(text string) (Secret, error) {
	prefix, rest, ok := strings.Cut(text, "_")
	short, long, ok2 := strings.Cut(rest, "_")
	if !ok || !ok2 || prefix != tokenPrefix || !isBase58(short) || !isBase58(long) {
		return Secret{}, fault.New(fault.Unauthenticated, "The token is malformed")
	}
	return Secret{Short: short, Long: long}, nil
}

// IsShort reports whether text can be the short part of a token.
func IsShort(text string) bool { return isBase58(text) }

// base58Digits is the alphabet of Bitcoin: no 0, O, I or l, and no underscore.
const base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58 encodes bytes as a number to base 58, each leading zero byte as a 1.
func base58(b []byte) string {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	digits := make([]byte, 0, 2*len(b)) // little end first, as numbers 0 to 57
	for _, c := range b[zeros:] {
		carry := int(c)
		for i := range digits {
			carry += int(digits[i]) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			digits = append(digits, byte(carry%58))
		}
	}
	out := make([]byte, 0, zeros+len(digits))
	for range zeros {
		out = append(out, base58Digits[0])
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, base58Digits[digits[i]])
	}
	return string(out)
}

func isBase58(s string) bool {
	if s == "" || len(s) > maxPartLen {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '1' <= c && c <= '9', 'A' <= c && c <= 'Z' && c != 'I' && c != 'O', 'a' <= c && c <= 'z' && c != 'l':
		default:
			return false
		}
	}
	return true
}
