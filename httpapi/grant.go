package httpapi

import (
	"errors"

	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// share sets what another entity may do with a database.
func (x *exchange) share() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	to, access, err := x.newGrant()
	if err != nil {
		// That the database does not exist comes before what is wrong with the
		// headers, for those who may know it.
		if _, missing := x.eng.Database(x.ctx(), x.caller, ref); errors.Is(missing, fault.NotFound) {
			return nil, missing
		}
		return nil, err
	}
	return nil, x.eng.Share(x.ctx(), x.caller, ref, to, access)
}

// newGrant reads the headers about a grant.
func (x *exchange) newGrant() (to string, access catalog.Access, err error) {
	word, err := x.header("sharing-level")
	if err != nil {
		return "", 0, err
	}
	if access, err = catalog.ParseAccess(word); err != nil {
		return "", 0, err
	}
	if to, err = x.header("entity-for-permission"); err != nil {
		return "", 0, err
	}
	_, err = catalog.ParseEntitySlug(to)
	return to, access, as(wire.InvalidSlug, err)
}

// grants lists who may do what with a database.
func (x *exchange) grants() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Grants(x.ctx(), x.caller, ref, page)
	if err != nil {
		return nil, err
	}
	return wire.Grants{Permissions: wire.List(list.Items, wire.NewGrant), Next: x.linkNext(page, list.Next)}, nil
}

// shared lists the databases that others share with the caller.
func (x *exchange) shared() (any, error) {
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.Shared(x.ctx(), x.caller, page)
	if err != nil {
		return nil, err
	}
	return wire.Shared{Databases: wire.List(list.Items, wire.NewShare), Next: x.linkNext(page, list.Next)}, nil
}
