package wire

import (
	"strconv"
	"strings"
	"time"

	"ayb/catalog"
)

// A CreatedDatabase answers the creation of a database.
type CreatedDatabase struct {
	Entity   catalog.Slug `json:"entity"`
	Database catalog.Slug `json:"database"`
	Type     string       `json:"database_type"`
}

// NewCreatedDatabase returns the shape of a database.
func NewCreatedDatabase(db catalog.Database) CreatedDatabase {
	return CreatedDatabase{Entity: db.OwnerSlug, Database: db.Slug, Type: db.Kind.String()}
}

// A Database is an entry in the list of an entity's databases.
type Database struct {
	Slug catalog.Slug `json:"slug"`
	Type string       `json:"database_type"`
}

// NewDatabase returns the shape of a database.
func NewDatabase(db catalog.Database) Database {
	return Database{Slug: db.Slug, Type: db.Kind.String()}
}

// DeletedDatabases is the list of an entity's deleted databases.
type DeletedDatabases struct {
	Databases []DeletedDatabase `json:"databases"`
	Next      string            `json:"next,omitempty"`
}

// A DeletedDatabase is an entry of that list.
type DeletedDatabase struct {
	Slug      catalog.Slug `json:"slug"`
	Type      string       `json:"database_type"`
	Deleted   Time         `json:"deleted_at"`
	KeptUntil Time         `json:"kept_until"`
}

// NewDeletedDatabase returns the shape of a deleted database that may be removed
// for good from then on.
func NewDeletedDatabase(db catalog.Database, keptUntil time.Time) DeletedDatabase {
	return DeletedDatabase{Slug: db.Slug, Type: db.Kind.String(), Deleted: Time(db.Deleted), KeptUntil: Time(keptUntil)}
}

// DatabaseDetails is a database and what the caller may do with it.
type DatabaseDetails struct {
	Entity           catalog.Slug `json:"entity_slug"`
	Database         catalog.Slug `json:"database_slug"`
	Type             string       `json:"database_type"`
	Access           QueryAccess  `json:"highest_query_access_level"`
	CanManage        bool         `json:"can_manage_database"`
	Public           string       `json:"public_sharing_level"`
	AnonymousQueries bool         `json:"anonymous_queries"`

	// In bytes; the keys are missing where the caller may not know.
	Size        *int64 `json:"size,omitempty"`
	Quota       *Bound `json:"quota,omitempty"`
	EntitySize  *int64 `json:"entity_size,omitempty"`
	EntityQuota *Bound `json:"entity_quota,omitempty"`

	// As of when a drill has proven that the database can be restored, for those who
	// manage it; missing: it is not proven.
	Proven *Time `json:"proven_restorable_as_of,omitempty"`
}

// Sizes adds what who may read the database is told, who may write it, and who
// may manage it, as far as the caller does.
func (d DatabaseDetails) Sizes(size, quota, entitySize, entityQuota int64) DatabaseDetails {
	if catalog.Access(d.Access) >= catalog.ReadOnly {
		d.Size = &size
	}
	if catalog.Access(d.Access) >= catalog.ReadWrite {
		d.Quota = (*Bound)(&quota)
	}
	if d.CanManage {
		d.EntitySize, d.EntityQuota = &entitySize, (*Bound)(&entityQuota)
	}
	return d
}

// A Bound is a number of bytes; null stands for none, which is 0 here.
type Bound int64

// MarshalJSON writes the number or null.
func (b Bound) MarshalJSON() ([]byte, error) {
	if b == 0 {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(b), 10), nil
}

// NewDatabaseDetails returns the shape of a database that a caller may query as
// far as access says.
func NewDatabaseDetails(db catalog.Database, access catalog.Access, canManage bool) DatabaseDetails {
	return DatabaseDetails{
		Entity: db.OwnerSlug, Database: db.Slug, Type: db.Kind.String(),
		Access: QueryAccess(access), CanManage: canManage,
		Public: db.Public.String(), AnonymousQueries: db.AnonymousQueries,
	}
}

// QueryAccess is an access to queries in the words that only the details of a
// database use: ReadOnly, ReadWrite, or null for none.
type QueryAccess catalog.Access

// MarshalJSON writes the word.
func (a QueryAccess) MarshalJSON() ([]byte, error) {
	switch catalog.Access(a) {
	case catalog.NoAccess:
		return []byte("null"), nil
	case catalog.ReadOnly:
		return []byte(`"ReadOnly"`), nil
	}
	return []byte(`"ReadWrite"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes; an unknown word is no access.
func (a *QueryAccess) UnmarshalJSON(text []byte) error {
	switch strings.Trim(string(text), `"`) {
	case "ReadOnly":
		*a = QueryAccess(catalog.ReadOnly)
	case "ReadWrite":
		*a = QueryAccess(catalog.ReadWrite)
	default:
		*a = QueryAccess(catalog.NoAccess)
	}
	return nil
}

// A DatabaseUpdate is the body of a change of a database's public level and its
// switch for anonymous queries; nil fields stay as they are.
type DatabaseUpdate struct {
	Public           *string `json:"public_sharing_level"`
	AnonymousQueries *bool   `json:"anonymous_queries"`
}

// A Rename is the body of a change of a name.
type Rename struct {
	Slug string `json:"slug"`
}

// A Transfer is the body of giving a database to another entity.
type Transfer struct {
	Entity string `json:"entity"`
}

// A Transferred answers a transfer: empty if it was done at once, and otherwise
// with the offer that the receiver has to accept.
type Transferred struct {
	Offer *Offer `json:"offer,omitempty"`
}

// Offers is the list of the offers that an entity has made or received.
type Offers struct {
	Offers []Offer `json:"offers"`
	Next   string  `json:"next,omitempty"`
}

// An Offer is a database that its owner wants to give away.
type Offer struct {
	Entity   catalog.Slug `json:"entity"`
	Database catalog.Slug `json:"database"`
	Type     string       `json:"database_type"`
	To       catalog.Slug `json:"to"`
	Offered  Time         `json:"offered_at"`
	Expires  Time         `json:"expires_at"`
}

// NewOffer returns the shape of an offer.
func NewOffer(o catalog.Offer) Offer {
	return Offer{
		Entity: o.Database.OwnerSlug, Database: o.Database.Slug, Type: o.Database.Kind.String(),
		To: o.ToSlug, Offered: Time(o.Offered), Expires: Time(o.Expires),
	}
}

// An OfferAnswer is the body with which an offer is accepted or declined: for
// whom, if not for the caller, and under which name, if not its own.
type OfferAnswer struct {
	Entity string `json:"entity"`
	Slug   string `json:"slug"`
}
