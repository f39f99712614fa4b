package catalog

import (
	"time"

	"ayb/fault"
)

// Role is what a user may do with an organization and with its databases, in
// rising order: each role includes those below it.
type Role uint8

// The roles. Their numbers are stored, except NoRole, which stands for somebody
// who is not a member; never renumber.
//
//   - A Member reads and writes every database of the organization, and sees who
//     else is a member.
//   - An Admin also creates, renames, shares and publishes databases, and adds
//     and removes members.
//   - An owner may do everything that the organization itself may do: delete and
//     transfer databases, rename and delete the organization, appoint and dismiss
//     admins and owners.
const (
	NoRole    Role = 0
	Member    Role = 1
	Admin     Role = 2
	OwnerRole Role = 3
)

var roleWords = words[Role]{"none", "member", "admin", "owner"}

// String returns the wire word: none, member, admin or owner.
func (r Role) String() string { return roleWords.word(r) }

// ParseRole reads the wire word of a role that can be given: member, admin or
// owner. Errors: [fault.Invalid].
func ParseRole(s string) (Role, error) {
	role, err := roleWords.parse(s)
	if err == nil && role == NoRole {
		return NoRole, fault.New(fault.Invalid, "Unknown value: %s", s)
	}
	return role, err
}

// A Membership says that a user belongs to an organization.
type Membership struct {
	Organization     ID
	OrganizationSlug Slug // for display
	Entity           ID   // the user
	EntitySlug       Slug // for display
	Role             Role
	Joined           time.Time
}
