package ayb

import (
	"errors"
	"fmt"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/durable"
	"ayb/snapshot"
	"ayb/store"
)

// The nouns, from package catalog.
type (
	// An ID names an entity, a database or a version of one for ever.
	ID = catalog.ID
	// A Slug is the name of an entity, or of a database within its entity.
	Slug = catalog.Slug
	// A Ref names a database as people do: entity/database.
	Ref = catalog.Ref
	// An Entity is a user or an organization.
	Entity = catalog.Entity
	// EntityKind says what sort of owner an entity is.
	EntityKind = catalog.EntityKind
	// A Profile is what an entity tells the public about itself.
	Profile = catalog.Profile
	// A Link is an address in a profile.
	Link = catalog.Link
	// A Database belongs to one entity and holds tables.
	Database = catalog.Database
	// An Offer is a database that its owner wants to give away.
	Offer = catalog.Offer
	// DatabaseKind says which engine answers a database's queries.
	DatabaseKind = catalog.DatabaseKind
	// Access is what one entity may do with one database.
	Access = catalog.Access
	// PublicLevel is what everybody may do with a database.
	PublicLevel = catalog.PublicLevel
	// A Limit is what the operator has said about one bound.
	Limit = catalog.Limit
	// A Quota is what an entity may use, as far as that is said for it alone.
	Quota = catalog.Quota
	// A Grant is the access that one entity has been given to one database.
	Grant = catalog.Grant
	// Role is what a user may do with an organization.
	Role = catalog.Role
	// A Membership says that a user belongs to an organization.
	Membership = catalog.Membership
	// A Share is a database seen from the entity it is shared with.
	Share = catalog.Share
	// A Principal is who a call is made for.
	Principal = catalog.Principal
	// A Token is what an API token stands for.
	Token = catalog.Token
	// A Scope caps everything a token may do.
	Scope = catalog.Scope
	// An AuditRecord says who did what to what, and how it ended.
	AuditRecord = catalog.AuditRecord
	// A QueryCount says how many queries were made in one minute.
	QueryCount = catalog.QueryCount
	// A Snapshot is a copy of a database as it was at one moment.
	Snapshot = catalog.Snapshot
	// SnapshotKind says why a snapshot was taken.
	SnapshotKind = catalog.SnapshotKind
	// A Page asks for a part of a list.
	Page = catalog.Page
	// A List is one page of a list.
	List[T any] = catalog.List[T]
)

// The words of queries, from packages catalog and hosting.
type (
	// A Statement is SQL text with the values of its parameters.
	Statement = catalog.Statement
	// An Arg is the value of one parameter.
	Arg = catalog.Arg
	// A Value is one of SQLite's five kinds of value.
	Value = catalog.Value
	// ValueType is one of SQLite's five storage classes.
	ValueType = catalog.ValueType
	// A Column describes one column of a result.
	Column = catalog.Column
	// A Row is a row that is being read.
	Row = catalog.Row
	// A Result is the answer to a query, read to its end.
	Result = catalog.Result
	// A Summary says what a query did.
	Summary = catalog.Summary
	// A Sink takes what a query answers, row by row.
	Sink = hosting.Sink
	// A Runner runs SQL against the databases of tenants.
	Runner = hosting.Runner
	// An AuditFilter selects from the audit trail; zero fields select all.
	AuditFilter = store.AuditFilter
)

// The kinds of entity and of database.
const (
	User         = catalog.User
	Organization = catalog.Organization
	SQLite       = catalog.SQLite
	DuckDB       = catalog.DuckDB
)

// The levels of access, in rising order.
const (
	NoAccess  = catalog.NoAccess
	ReadOnly  = catalog.ReadOnly
	ReadWrite = catalog.ReadWrite
	Manager   = catalog.Manager
)

// The roles in an organization, in rising order.
const (
	NoRole    = catalog.NoRole
	Member    = catalog.Member
	Admin     = catalog.Admin
	OwnerRole = catalog.OwnerRole
)

// The public levels, in rising order.
const (
	PublicNoAccess = catalog.PublicNoAccess
	PublicFork     = catalog.PublicFork
	PublicReadOnly = catalog.PublicReadOnly
)

// The kinds of snapshot.
const (
	AutomaticSnapshot = catalog.Automatic
	ManualSnapshot    = catalog.Manual
	ReplacedSnapshot  = catalog.Replaced
)

// The storage classes of values.
const (
	Null    = catalog.Null
	Integer = catalog.Integer
	Real    = catalog.Real
	Text    = catalog.Text
	Blob    = catalog.Blob
)

// Named returns a named argument for a query. It panics if value is of a type
// that no parameter can have.
func Named(name string, value any) Arg { return catalog.Named(name, value) }

// NewStatement returns a statement with arguments converted to values. Errors:
// [ErrInvalid].
func NewStatement(text string, args ...any) (Statement, error) {
	return catalog.NewStatement(text, args...)
}

// An Error is a failure with a kind, a message fit for the user and a cause fit
// only for the operator's log.
type Error = fault.Error

// The kinds of failure, to test for with errors.Is. Package fault describes
// them.
var (
	ErrInvalid         error = fault.Invalid
	ErrUnauthenticated error = fault.Unauthenticated
	ErrDenied          error = fault.Denied
	ErrNotFound        error = fault.NotFound
	ErrExists          error = fault.Exists
	ErrConflict        error = fault.Conflict
	ErrTooLarge        error = fault.TooLarge
	ErrTimedOut        error = fault.TimedOut
	ErrBusy            error = fault.Busy
	ErrUnavailable     error = fault.Unavailable
	ErrUnsupported     error = fault.Unsupported
	ErrReadOnly        error = fault.ReadOnly
	ErrNotApplied      error = fault.NotApplied
	ErrOutcomeUnknown  error = fault.OutcomeUnknown
	ErrInternal        error = fault.Internal
)

// KindOf returns the kind of a failure, one of the errors above; [ErrInternal] if
// it has none, nil if err is nil.
func KindOf(err error) error {
	if err == nil {
		return nil
	}
	return fault.KindOf(err)
}

// Message returns the sentence of a failure that a user may read; it holds no
// cause.
func Message(err error) string { return fault.Message(err) }

// Causes that doors tell apart although their kind is a common one; test for
// them with errors.Is.
var (
	// ErrEmptyUpdate is the cause when an update names no field.
	ErrEmptyUpdate = errors.New("empty update")
	// ErrOwnerAccess is the cause when the access of a database's owner is to
	// be changed.
	ErrOwnerAccess = errors.New("the owner's access can't be changed")
	// ErrNoSnapshot is the cause when a database has no such snapshot.
	ErrNoSnapshot = snapshot.ErrNoSnapshot
	// ErrDiskFull is the cause when a disk of the server is full, or nearly.
	ErrDiskFull = durable.ErrFull
	// ErrReserved is the cause when a name is kept for ayb itself.
	ErrReserved = errors.New("reserved name")
	// ErrMail is the cause when an e-mail can't be sent.
	ErrMail = errors.New("e-mail not sent")
)

// A RateLimit is the cause of an [ErrBusy] that comes from asking too often; find
// it with errors.As.
type RateLimit struct {
	RetryAfter time.Duration // until the same request may succeed
}

// Error returns the time to wait.
func (r *RateLimit) Error() string { return fmt.Sprintf("rate limit, retry after %s", r.RetryAfter) }

// Unwrap returns what it is counted as.
func (r *RateLimit) Unwrap() error { return fault.Rate }

// A Missing is the cause of every [ErrNotFound] of the engine except that of
// LogIn, and says what is missing; find it with errors.As.
type Missing struct {
	Record string // entity, database, api_token, member or offer
	Name   string // as the caller gave it
}

// Error returns record and name.
func (m *Missing) Error() string { return fmt.Sprintf("no %s %q", m.Record, m.Name) }

func noEntity(slug Slug) error {
	return fault.Wrap(fault.NotFound, &Missing{"entity", string(slug)}, "Entity %s does not exist", slug)
}

func noDatabase(ref Ref) error {
	return fault.Wrap(fault.NotFound, &Missing{"database", ref.String()}, "Database %s does not exist", ref)
}

func noToken(short string) error {
	return fault.Wrap(fault.NotFound, &Missing{"api_token", short}, "API token %s does not exist", short)
}

func noMember(organization, entity Slug) error {
	return fault.Wrap(fault.NotFound, &Missing{"member", fmt.Sprintf("%s/%s", organization, entity)}, "%s is not a member of %s", entity, organization)
}

// orMissing replaces an error that something does not exist by one that names
// it.
func orMissing(err, missing error) error {
	if errors.Is(err, fault.NotFound) {
		return missing
	}
	return err
}
