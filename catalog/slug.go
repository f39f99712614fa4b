package catalog

import (
	"strings"

	"ayb/fault"
)

// MaxSlugBytes is the longest a slug may be, for entities and databases alike.
const MaxSlugBytes = 128

// A Slug is the name of an entity, or of a database within its entity: 1 to
// [MaxSlugBytes] ASCII letters, digits, hyphens, underscores and periods, and
// neither "." nor "..".
type Slug string

// ParseEntitySlug reads the name of an entity and folds it to lower case. A name
// may not begin with a period, an underscore or a hyphen. Names that are
// reserved for ayb itself parse; see [Slug.Reserved]. Errors: [fault.Invalid].
func ParseEntitySlug(s string) (Slug, error) {
	if err := checkSlug("entity", s); err != nil {
		return "", err
	}
	if strings.ContainsRune("._-", rune(s[0])) {
		return "", fault.New(fault.Invalid, "Invalid entity slug: %s. It must begin with a letter or a number", s)
	}
	return Slug(s).Fold(), nil
}

// ParseDatabaseSlug reads the name of a database and keeps its case. Errors:
// [fault.Invalid].
func ParseDatabaseSlug(s string) (Slug, error) {
	if err := checkSlug("database", s); err != nil {
		return "", err
	}
	return Slug(s), nil
}

func checkSlug(kind, s string) error {
	switch {
	case s == "":
		return fault.New(fault.Invalid, "A %s slug can't be empty", kind)
	case len(s) > MaxSlugBytes:
		return fault.New(fault.Invalid, "A %s slug can't be longer than %d bytes, but this one is %d bytes", kind, MaxSlugBytes, len(s))
	case s == "." || s == "..":
		return fault.New(fault.Invalid, "Invalid %s slug: %s", kind, s)
	}
	for i := range len(s) {
		if c := s[i]; !isSlugByte(c) {
			return fault.New(fault.Invalid, "Invalid %s slug: %s. Only letters, numbers, underscores, hyphens, and periods are allowed", kind, printable(s))
		}
	}
	return nil
}

func isSlugByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// printable drops control characters, so that a refused name cannot rewrite the
// terminal or the log it is shown in.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// Fold returns the slug in lower case: two slugs name the same thing if their
// folds are equal.
func (s Slug) Fold() Slug { return Slug(strings.ToLower(string(s))) }

// Reserved reports whether the name, regardless of case, is kept for ayb itself
// and may not be taken by an entity.
func (s Slug) Reserved() bool { return reserved()[s.Fold()] }
