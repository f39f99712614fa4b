package wire

import "ayb/catalog"

// Members is the list of an organization's members.
type Members struct {
	Members []Member `json:"members"`
	Next    string   `json:"next,omitempty"`
}

// A Member is an entry of that list.
type Member struct {
	Entity catalog.Slug `json:"entity"`
	Role   string       `json:"role"`
	Joined Time         `json:"joined_at"`
}

// NewMember returns the shape of a member.
func NewMember(m catalog.Membership) Member {
	return Member{Entity: m.EntitySlug, Role: m.Role.String(), Joined: Time(m.Joined)}
}

// Memberships is the list of the organizations that the caller belongs to.
type Memberships struct {
	Organizations []Membership `json:"organizations"`
	Next          string       `json:"next,omitempty"`
}

// A Membership is an entry of that list.
type Membership struct {
	Organization catalog.Slug `json:"organization"`
	Role         string       `json:"role"`
	Joined       Time         `json:"joined_at"`
}

// NewMembership returns the shape of a membership.
func NewMembership(m catalog.Membership) Membership {
	return Membership{Organization: m.OrganizationSlug, Role: m.Role.String(), Joined: Time(m.Joined)}
}

// A Role is the body with which a member is given a role: member, admin or
// owner.
type Role struct {
	Role string `json:"role"`
}
