package ayb

import (
	"context"
	"sync"
	"time"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// Usage is what an entity uses of a server, and what it may use.
type Usage struct {
	// Bytes is what all its databases have as of their last commits. Deleted ones count
	// until they are removed for good. Of an entity with more than a thousand databases
	// it may be as of a while ago: half a second for each thousand.
	Bytes     int64
	Databases int64 // how many it has, without deleted ones

	// What it may have; 0: no bound. These are its quota and, where that says
	// nothing, what is configured for all.
	MaxBytes, MaxDatabaseBytes, MaxDatabases int64
}

// EntityUsage is an entity with what it uses.
type EntityUsage struct {
	Entity
	Usage
}

// A QuotaUpdate says what to change of an entity's quota; nil fields stay as they
// are.
type QuotaUpdate struct {
	Bytes         *Limit // all of its databases together
	DatabaseBytes *Limit // each of them that has no limit of its own
	Databases     *Limit // how many it may have
}

// SetQuota changes what an entity may use. The next write keeps to it; a session
// that is open, for as long as it lasts, to what held when it began. Who has more
// already keeps it, and can't add to it. For the system only. Errors:
// [ErrInvalid]; of an update without any field the cause is [ErrEmptyUpdate].
func (e *Engine) SetQuota(ctx context.Context, p Principal, entity string, update QuotaUpdate) (err error) {
	c, err := e.authorizeAccount(ctx, p, auth.SetQuota, entity, "")
	defer c.done(&err)
	if err != nil {
		return err
	}
	if update == (QuotaUpdate{}) {
		return fault.Wrap(fault.Invalid, ErrEmptyUpdate, "No fields provided to update. Please specify at least one field to update.")
	}
	unlock, err := e.moving.lock(ctx, c.entity.ID) // two updates of different fields both hold
	if err != nil {
		return err
	}
	defer unlock()
	ent, err := e.store.EntityByID(ctx, c.entity.ID)
	if err != nil {
		return orMissing(err, noEntity(c.entity.Slug))
	}
	for _, f := range []struct{ field, update *Limit }{
		{&ent.Quota.Bytes, update.Bytes}, {&ent.Quota.DatabaseBytes, update.DatabaseBytes}, {&ent.Quota.Databases, update.Databases},
	} {
		if f.update != nil {
			*f.field = *f.update
		}
	}
	return orMissing(e.store.SetQuota(ctx, ent.ID, ent.Quota), noEntity(c.entity.Slug))
}

// SetDatabaseQuota sets how large one database may become, whatever is said for
// its owner's databases; the bound of all of them together holds besides. It
// takes effect as [Engine.SetQuota] does. For the system only. Errors:
// [ErrInvalid].
func (e *Engine) SetDatabaseQuota(ctx context.Context, p Principal, ref string, limit Limit) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.SetDatabaseQuota, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	return c.changed(e.store.SetLimit(ctx, c.database.ID, limit))
}

// Usage returns what an entity uses and may use. For the entity itself and, of an
// organization, for its owners and admins.
func (e *Engine) Usage(ctx context.Context, p Principal, entity string) (_ EntityUsage, err error) {
	c, err := e.authorizeAccount(ctx, p, auth.ViewUsage, entity, "")
	defer c.done(&err)
	if err != nil {
		return EntityUsage{}, err
	}
	return e.usage(ctx, c.entity)
}

// Usages lists all entities by name, with what they use. For the system only.
func (e *Engine) Usages(ctx context.Context, p Principal, page Page) (_ List[EntityUsage], err error) {
	c, err := e.authorizeHost(ctx, p, auth.ListUsage, "")
	defer c.done(&err)
	if err != nil {
		return List[EntityUsage]{}, err
	}
	entities, err := e.store.Entities(ctx, page)
	if err != nil {
		return List[EntityUsage]{}, err
	}
	list := List[EntityUsage]{Items: make([]EntityUsage, len(entities.Items)), Next: entities.Next}
	for i, ent := range entities.Items {
		if list.Items[i], err = e.usage(ctx, ent); err != nil {
			return List[EntityUsage]{}, err
		}
	}
	return list, nil
}

func (e *Engine) usage(ctx context.Context, ent Entity) (u EntityUsage, err error) {
	u.Entity = ent
	if u.Databases, err = e.store.CountDatabases(ctx, ent.ID); err != nil {
		return u, err
	}
	if u.Bytes, err = e.tellOwnerSize(ctx, ent.ID); err != nil {
		return u, err
	}
	limits := &e.cfg.Limits
	u.MaxBytes = ent.Quota.Bytes.Or(limits.EntityBytes)
	u.MaxDatabaseBytes = ent.Quota.DatabaseBytes.Or(limits.DatabaseBytes)
	u.MaxDatabases = ent.Quota.Databases.Or(limits.Databases)
	return u, nil
}

// ownerSize adds the databases of an owner up. That takes time with their number,
// so it is done once at a time for each owner.
func (e *Engine) ownerSize(ctx context.Context, owner ID) (int64, error) {
	unlock, err := e.measuring.lock(ctx, owner)
	if err != nil {
		return 0, err
	}
	defer unlock()
	sum, databases, err := hosting.OwnerSize(ctx, e.cfg.owners(), owner)
	switch {
	case err != nil:
	case databases >= manyDatabases:
		e.sums.put(owner, ownerSum{bytes: sum, until: e.now().Add(time.Duration(databases) * sumAge)})
	default:
		e.sums.drop(owner)
	}
	return sum, err
}

// Of an owner with many databases it is told for a while what they had together: adding
// up a hundred thousand takes seconds. Nobody decides by that.
const (
	manyDatabases = 1000
	sumAge        = time.Millisecond / 2 // for each database
)

// ownerSums are the sums that are told of owners with many databases. The zero value
// is ready.
type ownerSums struct {
	mu sync.Mutex
	of map[ID]ownerSum
}

type ownerSum struct {
	bytes int64
	until time.Time // when it is to be added up again
}

func (s *ownerSums) put(owner ID, sum ownerSum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[ID]ownerSum{}
	}
	s.of[owner] = sum
}

func (s *ownerSums) drop(owner ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, owner)
}

func (s *ownerSums) get(owner ID) (sum ownerSum, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum, ok = s.of[owner]
	return sum, ok
}

// tellOwnerSize returns what all databases of an owner have together, or had a while
// ago if there are many. Nobody but the first waits until they are added up.
func (e *Engine) tellOwnerSize(ctx context.Context, owner ID) (int64, error) {
	sum, ok := e.sums.get(owner)
	if !ok {
		return e.ownerSize(ctx, owner)
	}
	if now := e.now(); now.After(sum.until) {
		// Whoever comes meanwhile is told the same.
		e.sums.put(owner, ownerSum{sum.bytes, now.Add(time.Minute)})
		e.background.Go(func() {
			if _, err := e.ownerSize(e.life, owner); err != nil && e.life.Err() == nil {
				e.log.Warn("the databases of an owner can't be added up; what was told last is told again", "owner", owner, "error", err)
			}
		})
	}
	return sum.bytes, nil
}

// quota returns the bounds of the database that the call is about.
func (c *call) quota() hosting.Quota {
	limits := &c.e.cfg.Limits
	return hosting.Quota{
		DatabaseBytes: c.database.Limit.Or(c.allowance.DatabaseBytes.Or(limits.DatabaseBytes)),
		OwnerBytes:    c.allowance.Bytes.Or(limits.EntityBytes),
	}
}

// measure fills in what the caller may know of how large the database is: who may
// read it could count its pages, who writes meets its bound, and who manages it is
// to know why there is no more room.
func (c *call) measure(ctx context.Context, d *DatabaseDetails) (err error) {
	quota := c.quota()
	if d.Access >= ReadOnly {
		if d.Size, err = hosting.Size(c.e.cfg.owners(), fileOf(c.database)); err != nil {
			return err
		}
	}
	if d.Access >= ReadWrite {
		d.Quota = quota.DatabaseBytes
	}
	if d.CanManage {
		d.OwnerSize, err = c.e.tellOwnerSize(ctx, c.database.Owner)
		d.OwnerQuota = quota.OwnerBytes
	}
	return err
}

// requireRoom refuses to give a database to an entity that has no room for it.
func (e *Engine) requireRoom(ctx context.Context, db Database, owner ID) error {
	to, err := e.store.EntityByID(ctx, owner)
	if err != nil {
		return err
	}
	bound := to.Quota.Bytes.Or(e.cfg.Limits.EntityBytes)
	if bound == 0 {
		return nil
	}
	size, err := hosting.Size(e.cfg.owners(), fileOf(db))
	if err != nil {
		return err
	}
	used, err := e.ownerSize(ctx, to.ID)
	if err == nil && used+e.growth.sum(to.ID)+size > bound {
		return fault.New(fault.TooLarge, "%s has no room for this database; delete something there, or ask whoever runs this server for more", to.Slug)
	}
	return err
}

// The limits that are no number.
const (
	// ByDefault is the limit of whom nothing is said: what is configured holds.
	ByDefault = catalog.ByDefault
	// NoLimit lifts the bound.
	NoLimit = catalog.NoLimit
)
