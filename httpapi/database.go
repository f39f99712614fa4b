package httpapi

import (
	"errors"
	"math"

	"ayb"
	"ayb/catalog"
	"ayb/fault"
	"ayb/httpapi/wire"
)

// createDatabase makes an empty database.
func (x *exchange) createDatabase() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	opt, err := x.databaseOptions()
	if err != nil {
		// Whose database it would be comes before what it would be.
		if _, missing := x.eng.Entity(x.ctx(), x.caller, x.param(0)); errors.Is(missing, fault.NotFound) {
			return nil, missing
		}
		return nil, err
	}
	db, err := x.eng.CreateDatabase(x.ctx(), x.caller, ref, &opt)
	if err != nil {
		return nil, err
	}
	return wire.NewCreatedDatabase(db), nil
}

// databaseOptions reads the headers about a database to be. Without a public
// level nobody else has access.
func (x *exchange) databaseOptions() (opt ayb.DatabaseOptions, err error) {
	word, err := x.header("db-type")
	if err != nil {
		return opt, err
	}
	if opt.Kind, err = catalog.ParseDatabaseKind(word); err != nil {
		return opt, err
	}
	if !x.has("public-sharing-level") {
		return opt, nil
	}
	if word, err = x.header("public-sharing-level"); err != nil {
		return opt, err
	}
	opt.Public, err = catalog.ParsePublicLevel(word)
	return opt, err
}

// databaseDetails says what a database is and what the caller may do with it.
func (x *exchange) databaseDetails() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	d, err := x.eng.Database(x.ctx(), x.caller, ref)
	if err != nil {
		return nil, asIf(fault.Denied, wire.Unauthorized, err)
	}
	shape := wire.NewDatabaseDetails(d.Database, d.Access, d.CanManage).Sizes(d.Size, d.Quota, d.OwnerSize, d.OwnerQuota)
	if !d.Proven.IsZero() {
		shape.Proven = (*wire.Time)(&d.Proven)
	}
	return shape, nil
}

// updateDatabase changes the public level, by a header or in the body, and the
// switch for anonymous queries, in the body.
func (x *exchange) updateDatabase() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	update, err := x.databaseUpdate()
	if err != nil {
		// Who may not update the database learns that first. There is no level
		// like this, so the engine checks the caller and changes nothing.
		if refused := x.eng.SetPublic(x.ctx(), x.caller, ref, math.MaxUint8); !errors.Is(refused, fault.Invalid) {
			return nil, refused
		}
		return nil, err
	}
	if update.level != nil {
		if err := x.eng.SetPublic(x.ctx(), x.caller, ref, *update.level); err != nil {
			return nil, err
		}
	}
	if update.anonymous != nil {
		if err := x.eng.SetAnonymousQueries(x.ctx(), x.caller, ref, *update.anonymous); err != nil {
			return nil, err
		}
	}
	return empty{}, nil
}

// A databaseUpdate is what to change of a database; nil fields stay.
type databaseUpdate struct {
	level     *ayb.PublicLevel
	anonymous *bool
}

// databaseUpdate reads what to change. Errors: Invalid, with cause
// ErrEmptyUpdate if it is nothing.
func (x *exchange) databaseUpdate() (databaseUpdate, error) {
	body, err := x.body(x.opt.MaxBodyBytes)
	if err != nil {
		return databaseUpdate{}, err
	}
	var sent wire.DatabaseUpdate
	if len(body) > 0 {
		if err := decodeJSON(body, &sent); err != nil {
			return databaseUpdate{}, err
		}
	}
	if x.has("public-sharing-level") {
		word, err := x.header("public-sharing-level")
		if err != nil {
			return databaseUpdate{}, err
		}
		sent.Public = &word
	}
	update := databaseUpdate{anonymous: sent.AnonymousQueries}
	if sent.Public != nil {
		level, err := catalog.ParsePublicLevel(*sent.Public)
		if err != nil {
			return databaseUpdate{}, err
		}
		update.level = &level
	}
	if update == (databaseUpdate{}) {
		return update, fault.Wrap(fault.Invalid, ayb.ErrEmptyUpdate, "No fields provided to update. Please specify at least one field to update.")
	}
	return update, nil
}

// renameDatabase gives a database another name.
func (x *exchange) renameDatabase() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	var to wire.Rename
	if err := x.decode(&to); err != nil {
		return nil, err
	}
	if _, err := catalog.ParseDatabaseSlug(to.Slug); err != nil {
		return nil, as(wire.InvalidSlug, err)
	}
	return empty{}, x.eng.RenameDatabase(x.ctx(), x.caller, ref, to.Slug)
}

// transferDatabase gives a database to another entity, or offers it.
func (x *exchange) transferDatabase() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	var to wire.Transfer
	if err := x.decode(&to); err != nil {
		return nil, err
	}
	if _, err := catalog.ParseEntitySlug(to.Entity); err != nil {
		return nil, as(wire.InvalidSlug, err)
	}
	offer, err := x.eng.TransferDatabase(x.ctx(), x.caller, ref, to.Entity)
	if err != nil || offer.Expires.IsZero() {
		return wire.Transferred{}, err
	}
	shape := wire.NewOffer(offer)
	return wire.Transferred{Offer: &shape}, nil
}

// deleteDatabase deletes a database, for a while only.
func (x *exchange) deleteDatabase() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	return empty{}, x.eng.DeleteDatabase(x.ctx(), x.caller, ref)
}

// undeleteDatabase brings a deleted database back.
func (x *exchange) undeleteDatabase() (any, error) {
	ref, err := x.ref()
	if err != nil {
		return nil, err
	}
	db, err := x.eng.UndeleteDatabase(x.ctx(), x.caller, ref)
	if err != nil {
		return nil, err
	}
	return wire.NewCreatedDatabase(db), nil
}

// deletedDatabases lists what undeleteDatabase can bring back.
func (x *exchange) deletedDatabases() (any, error) {
	slug, err := x.slug()
	if err != nil {
		return nil, err
	}
	page, err := x.page()
	if err != nil {
		return nil, err
	}
	list, err := x.eng.DeletedDatabases(x.ctx(), x.caller, slug, page)
	if err != nil {
		return nil, err
	}
	return wire.DeletedDatabases{
		Databases: wire.List(list.Items, func(db ayb.DeletedDatabase) wire.DeletedDatabase {
			return wire.NewDeletedDatabase(db.Database, db.KeptUntil)
		}),
		Next: x.linkNext(page, list.Next),
	}, nil
}

// has reports whether a header was sent.
func (x *exchange) has(name string) bool { return len(x.r.Header.Values(name)) > 0 }
