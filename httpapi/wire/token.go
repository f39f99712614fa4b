package wire

import (
	"fmt"
	"strings"
	"time"

	"ayb/catalog"
)

// Tokens is the list of the caller's valid tokens.
type Tokens struct {
	Tokens []Token `json:"tokens"`
	Next   string  `json:"next,omitempty"`
}

// A Token is an entry of that list.
type Token struct {
	Short    string  `json:"short_token"`
	Database *string `json:"scoped_database"`  // entity/database
	Level    *string `json:"permission_level"` // read-only, read-write or null: all that older clients can read
	AppName  *string `json:"app_name"`
	Created  Time    `json:"created_at"`
	Expires  Time    `json:"expires_at"`
	Revoked  Time    `json:"revoked_at"`

	// Access is read-only, read-write or manager, and left out if the token has no
	// limit. Servers that only know permission_level never send it.
	Access *string `json:"access,omitempty"`
}

// An Identity says whom a token stands for, and what it is.
type Identity struct {
	Entity catalog.Slug `json:"entity"`
	Kind   string       `json:"entity_type"` // user or organization
	Token  Token        `json:"token"`
}

// deletedDatabase stands for the database of a token's scope that is no more, or
// that its entity may not see any more; null would say that the token has no such limit.
const deletedDatabase = "(deleted database)"

// NewToken returns the shape of a token whose scope's database is called db, the
// zero Ref if it has none, or none any more that may be named.
func NewToken(t catalog.Token, db catalog.Ref) Token {
	shaped := Token{
		Short: t.Short, AppName: orNull(t.AppName),
		Created: Time(t.Created), Expires: Time(t.Expires), Revoked: Time(t.Revoked),
	}
	switch {
	case db != catalog.Ref{}:
		shaped.Database = orNull(db.String())
	case !t.Scope.Database.IsZero():
		shaped.Database = orNull(deletedDatabase)
	}
	if t.Scope.Access != catalog.NoAccess {
		shaped.Access = orNull(t.Scope.Access.String())
	}
	if t.Scope.Access == catalog.ReadOnly || t.Scope.Access == catalog.ReadWrite {
		shaped.Level = shaped.Access
	}
	return shaped
}

// A NewTokenRequest is the body of the creation of a token; what is left out sets no
// limit.
type NewTokenRequest struct {
	Entity   string     `json:"entity"`   // an organization that the caller owns, or the caller
	Database string     `json:"database"` // entity/database
	Access   string     `json:"access"`   // read-only, read-write or manager
	AppName  string     `json:"app_name"`
	Expires  *time.Time `json:"expires_at"` // RFC 3339
}

// A CreatedToken answers the creation of a token: the only time its secret is
// shown.
type CreatedToken struct {
	Secret string `json:"token"`
	Token
}

// A Confirmed answers the confirmation of an account.
type Confirmed struct {
	Entity catalog.Slug `json:"entity"`
	Secret string       `json:"token"`
}

// A Time is an instant as lists of tokens show it: YYYY-MM-DD HH:MM:SS in UTC,
// with a fraction of 3, 6 or 9 digits if it is not zero. The zero Time is null.
type Time time.Time

const timeLayout = "2006-01-02 15:04:05"

// MarshalJSON writes a time.
func (t Time) MarshalJSON() ([]byte, error) {
	u := time.Time(t).UTC()
	if u.IsZero() {
		return []byte("null"), nil
	}
	return append(withFraction([]byte{'"'}, u, timeLayout), '"'), nil
}

// withFraction appends a time with as many digits behind the second as it takes:
// none, 3, 6 or 9.
func withFraction(b []byte, u time.Time, layout string) []byte {
	b = u.AppendFormat(b, layout)
	switch ns := u.Nanosecond(); {
	case ns == 0:
	case ns%1_000_000 == 0:
		b = fmt.Appendf(b, ".%03d", ns/1_000_000)
	case ns%1_000 == 0:
		b = fmt.Appendf(b, ".%06d", ns/1_000)
	default:
		b = fmt.Appendf(b, ".%09d", ns)
	}
	return b
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Time) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if s == "null" {
		*t = Time{}
		return nil
	}
	parsed, err := time.Parse(timeLayout, s) // accepts a fraction that the layout lacks
	*t = Time(parsed)
	return err
}
