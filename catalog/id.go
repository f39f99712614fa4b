package catalog

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// An ID names an entity, a database, or a version of a database's file for as
// long as ayb exists; slugs may change, ids do not. It is a UUID of version 7
// (RFC 9562): ids made later sort later, to the millisecond. The zero ID means
// "none".
type ID [16]byte

// NewID returns an ID for the instant now, with randomness from random, usually
// crypto/rand.Reader. It panics if random fails, as crypto/rand does.
func NewID(now time.Time, random io.Reader) ID {
	var id ID
	if _, err := io.ReadFull(random, id[6:]); err != nil {
		panic(fmt.Sprintf("catalog: no randomness for an id: %v", err))
	}
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ParseID reads the form that String writes: 36 characters, lower-case
// hexadecimal, hyphens after digits 8, 12, 16 and 20.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, fmt.Errorf("catalog: %q is not an id", s)
	}
	if _, err := hex.Decode(id[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return ID{}, fmt.Errorf("catalog: %q is not an id", s)
	}
	if id.String() != s {
		return ID{}, fmt.Errorf("catalog: %q is not an id in lower case", s)
	}
	return id, nil
}

// IsZero reports whether the ID means "none".
func (id ID) IsZero() bool { return id == ID{} }

// String returns the 36-character form, for example
// 01932f4e-8a1c-7b6e-9c3d-2f1e0d9c8b7a.
func (id ID) String() string {
	b := make([]byte, 0, 36)
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return string(b)
}

// MarshalText writes the form of String; the zero ID is empty text.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads the form of MarshalText.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// Value stores an ID in a text column; the zero ID is NULL.
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.String(), nil
}

// Scan reads an ID from a text column; NULL is the zero ID.
func (id *ID) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*id = ID{}
		return nil
	case string:
		return id.UnmarshalText([]byte(src))
	case []byte:
		return id.UnmarshalText(src)
	default:
		return fmt.Errorf("catalog: cannot read an id from %T", src)
	}
}
