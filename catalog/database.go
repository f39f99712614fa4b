package catalog

import (
	"strings"
	"time"

	"ayb/fault"
)

// DatabaseKind says which engine answers a database's queries.
type DatabaseKind uint8

// The kinds of database. Their numbers are stored; never renumber.
const (
	SQLite DatabaseKind = 0
	DuckDB DatabaseKind = 1
)

var databaseKinds = words[DatabaseKind]{"sqlite", "duckdb"}

// String returns the wire word: sqlite or duckdb.
func (k DatabaseKind) String() string { return databaseKinds.word(k) }

// ParseDatabaseKind reads a wire word. Errors: [fault.Invalid].
func ParseDatabaseKind(s string) (DatabaseKind, error) { return databaseKinds.parse(s) }

// A Database belongs to one entity and holds the tables that its owner and
// those it is shared with query.
type Database struct {
	ID        ID
	Owner     ID
	OwnerSlug Slug // of the owner, for display
	Slug      Slug // as its owner spells it; unique within the owner regardless of case
	Kind      DatabaseKind
	Public    PublicLevel

	// AnonymousQueries lets callers without an account read a database whose
	// public level is read-only.
	AnonymousQueries bool

	// Version names the directory that holds the current file. A restore or a
	// transfer makes a new version.
	Version ID

	// Written is false until the first write, and as long as it is false the
	// database has no file and reads as empty.
	Written bool

	// Limit is the size that the operator has set for this database, in bytes. It
	// stays with the database when that is given away.
	Limit Limit

	Created time.Time
	Deleted time.Time // zero while the database lives
}

// Ref returns the name that people use: entity/database.
func (d Database) Ref() Ref { return Ref{Entity: d.OwnerSlug, Database: d.Slug} }

// An Offer is a database that its owner wants to give to another entity, who has
// to accept it.
type Offer struct {
	Database Database
	To       ID
	ToSlug   Slug // for display
	Offered  time.Time
	Expires  time.Time // when it lapses
}

// A Ref names a database the way people do: entity/database.
type Ref struct {
	Entity   Slug
	Database Slug
}

// ParseRef reads entity/database. The entity is folded to lower case; the
// database keeps its case. Errors: [fault.Invalid], saying which part is wrong.
func ParseRef(s string) (Ref, error) {
	entity, database, ok := strings.Cut(s, "/")
	if !ok {
		return Ref{}, fault.New(fault.Invalid, "A database is named as entity/database, for example alice/test.sqlite")
	}
	e, err := ParseEntitySlug(entity)
	if err != nil {
		return Ref{}, err
	}
	d, err := ParseDatabaseSlug(database)
	if err != nil {
		return Ref{}, err
	}
	return Ref{Entity: e, Database: d}, nil
}

// String returns entity/database.
func (r Ref) String() string { return string(r.Entity) + "/" + string(r.Database) }
