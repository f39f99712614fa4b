package ayb

import (
	"context"
	"errors"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

// DatabaseOptions are the optional settings of CreateDatabase.
type DatabaseOptions struct {
	Kind   DatabaseKind // default: SQLite
	Public PublicLevel  // default: PublicNoAccess
}

// CreateDatabase makes an empty database, named entity/database. For the entity
// itself. Errors: [ErrInvalid], [ErrExists] (a name is taken regardless of
// case), [ErrUnsupported] (a kind of database that this build can't run),
// [ErrTooLarge] (the entity may have no more).
func (e *Engine) CreateDatabase(ctx context.Context, p Principal, ref string, opt *DatabaseOptions) (_ Database, err error) {
	name, err := catalog.ParseRef(ref)
	if err != nil {
		return Database{}, err
	}
	c, err := e.authorizeAccount(ctx, p, auth.CreateDatabase, string(name.Entity), "")
	defer c.done(&err)
	c.subject = name.String()
	if err != nil {
		return Database{}, err
	}
	db := Database{
		ID: e.ids.next(), Owner: c.entity.ID, OwnerSlug: c.entity.Slug, Slug: name.Database,
		Version: e.ids.next(), Created: c.at,
	}
	if opt != nil {
		db.Kind, db.Public = opt.Kind, opt.Public
	}
	if err := checkNewDatabase(db); err != nil {
		return Database{}, err
	}
	if err := e.store.CreateDatabase(ctx, db); err != nil {
		return Database{}, orTaken(err)
	}
	c.database = db // for the audit trail
	return db, nil
}

func checkNewDatabase(db Database) error {
	switch {
	case db.Kind == DuckDB:
		return fault.New(fault.Unsupported, "This server can't run DuckDB databases; create one of type sqlite")
	case db.Kind != SQLite:
		return fault.New(fault.Invalid, "Unknown kind of database: %d", db.Kind)
	}
	return checkPublic(db.Public)
}

func checkPublic(level PublicLevel) error {
	if level > PublicReadOnly {
		return fault.New(fault.Invalid, "Unknown public level: %d", level)
	}
	return nil
}

// orTaken replaces an error that a database exists by one in our words.
func orTaken(err error) error {
	if errors.Is(err, fault.Exists) {
		return fault.Wrap(fault.Exists, err, "Database already exists")
	}
	return err
}

// DatabaseDetails is a database as one caller sees it.
type DatabaseDetails struct {
	Database
	Access    Access // what the caller may do by queries: NoAccess, ReadOnly or ReadWrite
	CanManage bool   // whether the caller may share it and set its public level

	// Size is the size as of the last commit, in bytes, and Quota what it may
	// become; 0: no bound. The first is set for those who may read the database,
	// the second for those who may write it.
	Size, Quota int64

	// OwnerSize is what all databases of the owner have together, deleted ones that
	// are kept included, and OwnerQuota what they may have; 0: no bound. They are
	// set for those who may manage the database. The first is as [Usage] has it.
	OwnerSize, OwnerQuota int64

	// Proven is as of when a drill has proven that the database can be restored:
	// when the snapshot was taken that it restored. Zero: it is not proven. It is set
	// for those who may manage the database.
	Proven time.Time
}

// Database returns a database and what the caller may do with it. For everybody
// who has access to it, and for all if it is public.
func (e *Engine) Database(ctx context.Context, p Principal, ref string) (_ DatabaseDetails, err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.Details, ref)
	defer c.done(&err)
	if err != nil {
		return DatabaseDetails{}, err
	}
	details := DatabaseDetails{Database: c.database, CanManage: c.may(auth.Share)}
	switch {
	case c.may(auth.Write):
		details.Access = ReadWrite
	case c.may(auth.Query):
		details.Access = ReadOnly
	}
	if err := c.measure(ctx, &details); err != nil {
		return DatabaseDetails{}, err
	}
	if details.CanManage {
		state, err := e.store.SnapshotState(ctx, c.database.ID)
		if err != nil {
			return DatabaseDetails{}, c.changed(err)
		}
		details.Proven = state.Proven
	}
	return details, nil
}

// Databases lists those databases of an entity that the caller may see, newest
// first. Everybody may ask.
func (e *Engine) Databases(ctx context.Context, p Principal, entity string, page Page) (_ List[Database], err error) {
	c, err := e.authorizeAccount(ctx, p, auth.ListDatabases, entity, "")
	defer c.done(&err)
	if err != nil {
		return List[Database]{}, err
	}
	return e.store.Databases(ctx, c.entity.ID, store.DatabaseFilter{
		All:    p.System || !p.Anonymous() && p.Entity == c.entity.ID || c.role != NoRole,
		Viewer: p.Entity,
		Only:   p.Scope.Database,
	}, page)
}

// RenameDatabase gives a database another name within its entity; the old one is
// free at once. For the owner. Errors: [ErrInvalid], [ErrExists].
func (e *Engine) RenameDatabase(ctx context.Context, p Principal, ref, newSlug string) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.RenameDatabase, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	slug, err := catalog.ParseDatabaseSlug(newSlug)
	if err != nil {
		return err
	}
	return c.changed(orTaken(e.store.RenameDatabase(ctx, c.database.ID, slug)))
}

// SetPublic sets what everybody may do with a database. For the owner and
// managers. Errors: [ErrInvalid].
func (e *Engine) SetPublic(ctx context.Context, p Principal, ref string, level PublicLevel) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.SetPublic, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	if err := checkPublic(level); err != nil {
		return err
	}
	_, unlock, err := c.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return c.changed(e.store.SetPublic(ctx, c.database.ID, level))
}

// SetAnonymousQueries says whether callers without an account may read a
// database whose public level is read-only. For the owner and managers.
func (e *Engine) SetAnonymousQueries(ctx context.Context, p Principal, ref string, allowed bool) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.SetAnonymousQueries, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	_, unlock, err := c.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return c.changed(e.store.SetAnonymousQueries(ctx, c.database.ID, allowed))
}

// DeleteDatabase deletes a database: it vanishes for everybody, its sessions
// end, and its name is free at once. For Config.DeletionKeep, UndeleteDatabase
// brings it back. For the owner.
func (e *Engine) DeleteDatabase(ctx context.Context, p Principal, ref string) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.DeleteDatabase, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	if err := e.store.DeleteDatabase(ctx, c.database.ID, c.at); err != nil {
		return c.changed(err)
	}
	e.closeFile(ctx, c.database)
	return nil
}

// UndeleteDatabase brings back the database of that name that was deleted last,
// with its data and its grants, as long as it is kept. For the owner. Errors:
// [ErrExists] if another database has taken the name, [ErrTooLarge] if there may
// be no more.
func (e *Engine) UndeleteDatabase(ctx context.Context, p Principal, ref string) (_ Database, err error) {
	name, err := catalog.ParseRef(ref)
	if err != nil {
		return Database{}, err
	}
	c, err := e.authorizeAccount(ctx, p, auth.UndeleteDatabase, string(name.Entity), name.String())
	defer c.done(&err)
	if err != nil {
		return Database{}, err
	}
	e.deletions.Lock()
	defer e.deletions.Unlock()
	db, err := e.store.UndeleteDatabase(ctx, c.entity.ID, name.Database, e.keptSince(c.at))
	if err != nil {
		return Database{}, orMissing(orTaken(err), noDatabase(name))
	}
	c.database = db // for the audit trail
	return db, nil
}

// A DeletedDatabase is one that UndeleteDatabase brings back, unless another one
// of its name was deleted later.
type DeletedDatabase struct {
	Database
	KeptUntil time.Time // when it may be removed for good
}

// DeletedDatabases lists the deleted databases of an entity that can be brought
// back, the last deleted first. For those who may do so.
func (e *Engine) DeletedDatabases(ctx context.Context, p Principal, entity string, page Page) (_ List[DeletedDatabase], err error) {
	c, err := e.authorizeAccount(ctx, p, auth.ListDeleted, entity, "")
	defer c.done(&err)
	if err != nil {
		return List[DeletedDatabase]{}, err
	}
	deleted, err := e.store.DeletedDatabases(ctx, c.entity.ID, page)
	if err != nil {
		return List[DeletedDatabase]{}, err
	}
	list := List[DeletedDatabase]{Items: []DeletedDatabase{}, Next: deleted.Next}
	for _, db := range deleted.Items {
		until := db.Deleted.Add(e.cfg.DeletionKeep)
		if until.Before(c.at) { // and so have all that follow
			list.Next = ""
			break
		}
		list.Items = append(list.Items, DeletedDatabase{db, until})
	}
	return list, nil
}

// changed words the outcome of a change of the database in the metadata: it can
// have vanished since it was looked up.
func (c *call) changed(err error) error { return orMissing(err, noDatabase(c.ref)) }
