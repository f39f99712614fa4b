package httpapi

import (
	"ayb/catalog"
	"ayb/httpapi/wire"
)

// members lists the members of an organization.
func (x *exchange) members() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Members(x.ctx(), x.caller, slug, page)
	if err != nil {
		return nil, err
	}
	return wire.Members{Members: wire.List(list.Items, wire.NewMember), Next: x.linkNext(page, list.Next)}, nil
}

// setMember gives a user a role in an organization.
func (x *exchange) setMember() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	var sent wire.Role
	if err := x.decode(&sent); err != nil {
		return nil, err
	}
	role, err := catalog.ParseRole(sent.Role)
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.SetMember(x.ctx(), x.caller, slug, x.param(1), role)
}

// removeMember ends a membership.
func (x *exchange) removeMember() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.RemoveMember(x.ctx(), x.caller, slug, x.param(1))
}

// memberships lists the organizations that the caller is a member of.
func (x *exchange) memberships() (any, error) {
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Memberships(x.ctx(), x.caller, page)
	if err != nil {
		return nil, err
	}
	return wire.Memberships{Organizations: wire.List(list.Items, wire.NewMembership), Next: x.linkNext(page, list.Next)}, nil
}
