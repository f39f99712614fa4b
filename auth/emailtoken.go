package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fernet/fernet-go"

	"ayb/catalog"
	"ayb/fault"
)

const (
	// maxEmailToken bounds the text of a token that is looked at, in bytes. The
	// longest that is ever sealed has about 800.
	maxEmailToken = 2048

	// clockSkew is how far in the future a token may have been sealed: the clocks
	// of two nodes differ, and a clock can be set back.
	clockSkew = 60 * time.Second

	// emailClaimVersion is the version of the plaintext below.
	emailClaimVersion = 1
)

// errEmailToken is the answer to every token that is not accepted: it does not
// tell what was wrong with it.
var errEmailToken = fault.New(fault.Unauthenticated, "Invalid or expired token")

// An EmailClaim is what an e-mail token says: that whoever holds the token can
// read the mail of an address, and asked for an account of that name.
type EmailClaim struct {
	Entity  catalog.Slug
	Kind    catalog.EntityKind
	Address string // in lower case
}

// emailPlaintext is the sealed form of a claim; other programs read it.
type emailPlaintext struct {
	Version int                `json:"version"`
	Entity  catalog.Slug       `json:"entity"`
	Kind    catalog.EntityKind `json:"entity_type"`
	Address string             `json:"email_address"`
}

// An OpenedToken is an e-mail token that has been found to be genuine.
type OpenedToken struct {
	EmailClaim

	// Hash names the token, so that it can be remembered as used: 64 hexadecimal
	// digits, the same for every spelling of the token.
	Hash string

	// Sealed is when the token was made, to the second.
	Sealed time.Time
}

// EmailKeys seals and opens e-mail tokens, which are Fernet tokens. It is safe
// for concurrent use.
type EmailKeys struct{ keys []*fernet.Key }

// NewEmailKey returns a fresh key, in URL-safe base64, from 32 bytes of random.
// Errors: those of random.
func NewEmailKey(random io.Reader) (string, error) {
	var key fernet.Key
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "No randomness for a key")
	}
	return key.Encode(), nil
}

// ParseEmailKeys reads keys, each 32 bytes in URL-safe base64. The first seals,
// all open: to change keys, put the new one in front and keep the old one for as
// long as tokens are valid. Errors: [fault.Invalid], which repeats no key.
func ParseEmailKeys(keys ...string) (*EmailKeys, error) {
	parsed, err := fernet.DecodeKeys(keys...)
	if err != nil {
		return nil, fault.New(fault.Invalid, "A key for e-mail tokens must be 32 bytes in URL-safe base64, which are 44 characters")
	}
	return &EmailKeys{parsed}, nil
}

// Seal returns a token for a claim, made at the instant now. The randomness in
// it is crypto/rand's. Errors: [fault.Internal].
func (k *EmailKeys) Seal(claim EmailClaim, now time.Time) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // an address may hold an ampersand
	if err := encoder.Encode(emailPlaintext{emailClaimVersion, claim.Entity, claim.Kind, claim.Address}); err != nil {
		return "", fault.Wrap(fault.Internal, err, "The claim can't be written")
	}
	token, err := fernet.EncryptAndSignAtTime(bytes.TrimSuffix(text.Bytes(), []byte("\n")), k.keys[0], now)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "No randomness for a token")
	}
	return string(token), nil
}

// Open returns what a token says, if one of the keys has sealed it at most ttl
// ago and no more than a minute in the future. Whether the token was used before
// is not known here. Errors: [fault.Unauthenticated], always the same.
func (k *EmailKeys) Open(token string, now time.Time, ttl time.Duration) (OpenedToken, error) {
	raw, ok := decodeEmailToken(token)
	if !ok {
		return OpenedToken{}, errEmailToken
	}
	// The library looks at the time by the system's clock, so we do that below;
	// and it ignores what follows the first bad character, so it gets no other
	// text than one that we have encoded.
	text := fernet.VerifyAndDecrypt([]byte(base64.URLEncoding.EncodeToString(raw)), 0, k.keys)
	if text == nil {
		return OpenedToken{}, errEmailToken
	}
	sealed := time.Unix(int64(binary.BigEndian.Uint64(raw[1:])), 0).UTC()
	if now.After(sealed.Add(ttl)) || sealed.After(now.Add(clockSkew)) {
		return OpenedToken{}, errEmailToken
	}
	claim, ok := parseEmailClaim(text)
	if !ok {
		return OpenedToken{}, errEmailToken
	}
	sum := sha256.Sum256(raw)
	return OpenedToken{EmailClaim: claim, Hash: hex.EncodeToString(sum[:]), Sealed: sealed}, nil
}

// keyProof is what a proof of a key says. It is no claim.
var keyProof = []byte("This was sealed with the key of the server's e-mail tokens.")

// Prove returns a text that shows later, by Proves, whether the first of the keys is
// still there. It tells nothing about the key. Errors: [fault.Internal].
func (k *EmailKeys) Prove(now time.Time) (string, error) {
	proof, err := fernet.EncryptAndSignAtTime(keyProof, k.keys[0], now)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "No randomness for a token")
	}
	return string(proof), nil
}

// Proves reports whether one of the keys is the one that a proof was made with.
func (k *EmailKeys) Proves(proof string) bool {
	return bytes.Equal(fernet.VerifyAndDecrypt([]byte(proof), 0, k.keys), keyProof)
}

// Sign returns a signature of a text with the first of the keys: 32 hexadecimal
// digits. It tells nothing about the key.
func (k *EmailKeys) Sign(text string) string { return sign(k.keys[0], text) }

// Signed reports whether a signature of a text is by one of the keys.
func (k *EmailKeys) Signed(text, signature string) bool {
	return slices.ContainsFunc(k.keys, func(key *fernet.Key) bool {
		return hmac.Equal([]byte(sign(key, text)), []byte(signature))
	})
}

func sign(key *fernet.Key, text string) string {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte("ayb signature\x00" + text)) // no Fernet token begins like that
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// decodeEmailToken reads URL-safe base64, with or without padding, strictly:
// nothing may follow, and no bit may be left over.
func decodeEmailToken(token string) ([]byte, bool) {
	if len(token) > maxEmailToken {
		return nil, false
	}
	bare := token
	if unpadded := len(token) - 1; len(token)%4 == 0 && token != "" && token[unpadded] == '=' {
		if bare = token[:unpadded]; bare[unpadded-1] == '=' {
			bare = bare[:unpadded-1]
		}
	}
	if strings.ContainsAny(bare, "\r\n") {
		return nil, false // the decoder would skip them
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(bare)
	return raw, err == nil
}

// parseEmailClaim reads the plaintext of a genuine token. It may come from an
// older ayb with the same key, so the entity is only known to be a name.
func parseEmailClaim(text []byte) (EmailClaim, bool) {
	var p emailPlaintext
	if err := json.Unmarshal(text, &p); err != nil || p.Version != emailClaimVersion || p.Kind > catalog.Organization {
		return EmailClaim{}, false
	}
	entity, err := catalog.ParseEntitySlug(string(p.Entity))
	if err != nil || p.Address == "" {
		return EmailClaim{}, false
	}
	return EmailClaim{Entity: entity, Kind: p.Kind, Address: p.Address}, true
}
