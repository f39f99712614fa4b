package catalog

import "time"

// EntityKind says what sort of owner an entity is.
type EntityKind uint8

// The kinds of entity. Their numbers are stored; never renumber.
const (
	User         EntityKind = 0
	Organization EntityKind = 1
)

var entityKinds = words[EntityKind]{"user", "organization"}

// String returns the wire word: user or organization.
func (k EntityKind) String() string { return entityKinds.word(k) }

// ParseEntityKind reads a wire word, case-sensitively. Errors: [fault.Invalid].
func ParseEntityKind(s string) (EntityKind, error) { return entityKinds.parse(s) }

// An Entity is a user or an organization: someone who owns databases.
type Entity struct {
	ID      ID
	Slug    Slug // lower case; unique among live and recently deleted entities
	Kind    EntityKind
	Profile Profile
	Quota   Quota // what the operator has set for this entity
	Created time.Time
	Deleted time.Time // zero while the entity lives
}

// A Profile is what an entity tells the public about itself. An empty field is
// unset. Bounds, in characters: 35 for DisplayName, Organization and Location,
// 100 for Description; at most 20 Links of at most 512 bytes.
type Profile struct {
	DisplayName  string
	Description  string
	Organization string
	Location     string
	Links        []Link
}

// A Link is an address in a profile: http or https. It is verified if the page
// behind it links back to the profile.
type Link struct {
	URL      string `json:"url"`
	Verified bool   `json:"verified"`
}
