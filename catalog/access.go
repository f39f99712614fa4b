package catalog

import "time"

// Access is what one entity may do with one database, in rising order: each
// level includes those below it.
type Access uint8

// The levels of access. NoAccess to Manager can be granted and their numbers
// are stored; never renumber. Owner follows from who owns the database.
const (
	NoAccess  Access = 0
	ReadOnly  Access = 1
	ReadWrite Access = 2
	Manager   Access = 3
	Owner     Access = 4
)

var accessWords = words[Access]{"no-access", "read-only", "read-write", "manager", "owner"}

// String returns the wire word: no-access, read-only, read-write, manager or
// owner.
func (a Access) String() string { return accessWords.word(a) }

// ParseAccess reads the wire word of a level that can be granted: no-access,
// read-only, read-write or manager. Errors: [fault.Invalid].
func ParseAccess(s string) (Access, error) { return accessWords[:Owner].parse(s) }

// PublicLevel is what everybody without a grant may do with a database.
type PublicLevel uint8

// The public levels. Their numbers are stored; never renumber. Forkable means
// that everybody may see that the database exists, and (in time) fork it.
const (
	PublicNoAccess PublicLevel = 0
	PublicFork     PublicLevel = 1
	PublicReadOnly PublicLevel = 2
)

var publicWords = words[PublicLevel]{"no-access", "fork", "read-only"}

// String returns the wire word: no-access, fork or read-only.
func (p PublicLevel) String() string { return publicWords.word(p) }

// ParsePublicLevel reads a wire word. Errors: [fault.Invalid].
func ParsePublicLevel(s string) (PublicLevel, error) { return publicWords.parse(s) }

// A Grant is the access that one entity has been given to one database.
type Grant struct {
	Entity  ID
	Slug    Slug // of the entity, for display
	Access  Access
	Granted time.Time
}

// A Share is a database seen from the entity it is shared with.
type Share struct {
	Database Database
	Access   Access
}
