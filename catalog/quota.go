package catalog

import (
	"strconv"

	"ayb/fault"
)

// A Limit is what the operator of a server has said about one bound of one
// entity or database: nothing, so that what is configured for all holds; that
// there is none; or a number, of bytes or of databases. Stored as it is.
type Limit int64

// The limits that are no number.
const (
	ByDefault Limit = 0
	NoLimit   Limit = -1
)

// Or returns the bound that holds where so much is configured for all. 0 is no
// bound, here and there.
func (l Limit) Or(configured int64) int64 {
	switch l {
	case ByDefault:
		return configured
	case NoLimit:
		return 0
	}
	return int64(l)
}

// Valid refuses what is no limit. Errors: [fault.Invalid].
func (l Limit) Valid() error {
	if l < NoLimit {
		return fault.New(fault.Invalid, "A limit is a number above 0, none or default")
	}
	return nil
}

// String returns default, none or the number.
func (l Limit) String() string {
	switch l {
	case ByDefault:
		return "default"
	case NoLimit:
		return "none"
	}
	return strconv.FormatInt(int64(l), 10)
}

// MarshalText returns what String does.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads default, none or a number above 0. Errors: [fault.Invalid].
func (l *Limit) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "default":
		*l = ByDefault
	case "none":
		*l = NoLimit
	default:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n <= 0 {
			return fault.New(fault.Invalid, "A limit is a number above 0, none or default")
		}
		*l = Limit(n)
	}
	return nil
}

// A Quota is what an entity may use, as far as that has been said for it alone.
type Quota struct {
	Bytes         Limit // all of its databases together
	DatabaseBytes Limit // each of them that has no limit of its own
	Databases     Limit // how many it may have
}

// Valid refuses what is no quota. Errors: [fault.Invalid].
func (q Quota) Valid() error {
	for _, l := range []Limit{q.Bytes, q.DatabaseBytes, q.Databases} {
		if err := l.Valid(); err != nil {
			return err
		}
	}
	return nil
}
