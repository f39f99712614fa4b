package ayb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"ayb/auth"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/durable"
	"ayb/store"
)

// purgeErrors is how many failures are reported; of the others there is only the
// number.
const purgeErrors = 16

// Purged says what Purge has removed.
type Purged struct {
	Databases int
	Entities  int
}

// Purge removes what was deleted longer than Config.DeletionKeep ago, for good:
// snapshots and files first, then the metadata, so that it can be interrupted at any point and
// run again. The engine does so by itself every hour. For the system only. What
// can't be removed does not keep the rest; its errors are joined.
func (e *Engine) Purge(ctx context.Context, p Principal) (_ Purged, err error) {
	c, err := e.authorizeHost(ctx, p, auth.Purge, "")
	defer c.done(&err)
	if err != nil {
		return Purged{}, err
	}
	return e.purge(ctx, c.at)
}

// purge removes what was to be kept until now at most. Who brings back something
// does not wait for that, however slow a bucket is: what has expired can't be
// brought back any more.
func (e *Engine) purge(ctx context.Context, now time.Time) (done Purged, err error) {
	unlock, err := e.purging.lock(ctx, ID{})
	if err != nil {
		return done, err
	}
	defer unlock()
	before := e.expire(now)
	done.Databases, err = e.purgeBatches(func(page Page) ([]error, string, error) {
		expired, err := e.store.ExpiredDatabases(ctx, before, page)
		return forEach(expired.Items, func(db Database) error { return e.purgeDatabase(ctx, db) }), expired.Next, err
	})
	entities, err2 := e.purgeBatches(func(page Page) ([]error, string, error) {
		expired, err := e.store.ExpiredEntities(ctx, before, page)
		return forEach(expired.Items, func(ent Entity) error { return e.purgeEntity(ctx, ent) }), expired.Next, err
	})
	done.Entities = entities
	return done, errors.Join(err, err2, e.sweepTransfers(ctx))
}

// keptSince returns since when what was deleted can be brought back. The caller
// holds e.deletions until it has been.
func (e *Engine) keptSince(now time.Time) time.Time {
	since := now.Add(-e.cfg.DeletionKeep)
	if since.Before(e.expired) { // the clock was put back
		return e.expired
	}
	return since
}

// expire returns before when what was deleted is to be purged, and from when on
// nobody brings it back.
func (e *Engine) expire(now time.Time) time.Time {
	e.deletions.Lock()
	defer e.deletions.Unlock()
	e.expired = e.keptSince(now)
	return e.expired
}

// purgeBatches runs batch after batch to the end of the list, whatever fails in
// them, and returns how many things were purged. A batch returns the outcome of
// each, and where the list goes on; its own error ends the run.
func (e *Engine) purgeBatches(batch func(Page) (outcomes []error, next string, err error)) (done int, err error) {
	var failures []error
	failed := 0
	page := Page{}
	for {
		outcomes, next, err := batch(page)
		for _, outcome := range outcomes {
			if outcome == nil {
				done++
			} else if failed++; failed <= purgeErrors {
				failures = append(failures, outcome)
			}
		}
		if page.After = next; err == nil && next != "" {
			continue
		}
		if more := failed - len(failures); more > 0 {
			failures = append(failures, fault.New(fault.Unavailable, "%d more could not be removed", more))
		}
		return done, errors.Join(append(failures, err)...)
	}
}

func forEach[T any](items []T, do func(T) error) []error {
	outcomes := make([]error, len(items))
	for i, item := range items {
		outcomes[i] = do(item)
	}
	return outcomes
}

// purgeDatabase removes the snapshots of a deleted database and its files, then its
// row.
func (e *Engine) purgeDatabase(ctx context.Context, db Database) error {
	unlock, free := e.snapshotting.tryLock(db.ID)
	if !free {
		return fault.New(fault.Busy, "A snapshot of deleted database %s is just being taken", db.Ref())
	}
	defer unlock()
	if err := e.purgeSnapshots(ctx, db.ID); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The snapshots of deleted database %s can't be removed", db.Ref())
	}
	resume, err := e.release(ctx, fileOf(db))
	if err != nil {
		return err
	}
	defer resume()
	if err := e.removeDatabase(ctx, db); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The files of deleted database %s can't be removed", db.Ref())
	}
	return orMissing(e.store.PurgeDatabase(ctx, db.ID), nil)
}

// removeDatabase removes all versions of a database, also what a transfer has
// left elsewhere, and what a restore has put away before one.
func (e *Engine) removeDatabase(ctx context.Context, db Database) error {
	kept, err := e.store.ReplacedOf(ctx, db.ID)
	if err != nil {
		return err
	}
	for _, k := range kept {
		if err := e.removeVersion(fileOfReplaced(k)); err != nil {
			return err
		}
	}
	t, noted, err := e.readNote(db.ID)
	if err != nil {
		return err
	}
	if noted {
		err = errors.Join(e.removeVersion(t.From), e.removeVersion(t.To))
	}
	dir := hosting.DatabasePath(e.cfg.owners(), db.Owner, db.ID)
	if err := errors.Join(err, removeDir(dir)); err != nil {
		return err
	}
	if noted {
		return os.Remove(e.notePath(db.ID))
	}
	return nil
}

// removeDir removes a directory for good, also after a power cut.
func removeDir(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(os.RemoveAll(dir), durable.SyncDir(filepath.Dir(dir)))
}

// purgeEntity removes a deleted entity with everything that is its own.
func (e *Engine) purgeEntity(ctx context.Context, ent Entity) error {
	for {
		live, err := e.store.Databases(ctx, ent.ID, store.DatabaseFilter{All: true}, Page{})
		if err != nil {
			return err
		}
		for _, db := range live.Items {
			if err := e.store.DeleteDatabase(ctx, db.ID, ent.Deleted); err != nil {
				return orMissing(err, nil)
			}
		}
		deleted, err := e.store.DeletedDatabases(ctx, ent.ID, Page{})
		if err != nil {
			return err
		}
		if len(deleted.Items) == 0 {
			break
		}
		if err := errors.Join(forEach(deleted.Items, func(db Database) error { return e.purgeDatabase(ctx, db) })...); err != nil {
			return err
		}
	}
	if err := removeDir(hosting.OwnerPath(e.cfg.owners(), ent.ID)); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The files of deleted entity %s can't be removed", ent.Slug)
	}
	return orMissing(e.store.PurgeEntity(ctx, ent.ID), nil)
}

// release has the Runner close a database, and gives up if a query on it does
// not end.
func (e *Engine) release(ctx context.Context, file hosting.DB) (resume func(), err error) {
	limited, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	resume, err = e.runner.Release(limited, file)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, fault.Wrap(fault.Busy, err, "A query on this database is still running; try again in a moment")
	}
	return resume, err
}

// closeFile frees what the Runner holds of a database that has been deleted. It
// matters to nobody if that fails: nobody can use the database.
func (e *Engine) closeFile(ctx context.Context, db Database) {
	resume, err := e.release(ctx, fileOf(db))
	if err != nil {
		e.log.Info("a deleted database is still in use", "database", db.ID, "error", err)
		return
	}
	resume()
}

// closeFilesOf does so for all databases of an entity that has been deleted.
func (e *Engine) closeFilesOf(ctx context.Context, owner ID) {
	ctx, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	page := Page{}
	for {
		list, err := e.store.Databases(ctx, owner, store.DatabaseFilter{All: true}, page)
		if err != nil {
			e.log.Info("databases of a deleted entity may still be in use", "entity", owner, "error", err)
			return
		}
		for _, db := range list.Items {
			e.closeFile(ctx, db)
		}
		if page.After = list.Next; list.Next == "" {
			return
		}
	}
}

// tidyUp purges and trims every hour until ctx ends.
func (e *Engine) tidyUp(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.tidy(ctx)
		}
	}
}

// tidy does the janitor's round once.
func (e *Engine) tidy(ctx context.Context) {
	now := e.now()
	if _, err := e.store.TrimAudit(ctx, now.Add(-e.cfg.Audit.Keep), e.cfg.Audit.Rows); err != nil && ctx.Err() == nil {
		e.log.Warn("the audit trail could not be trimmed; trying again in an hour", "error", err)
	}
	if _, err := e.store.ForgetUsedTokens(ctx, now); err != nil && ctx.Err() == nil {
		e.log.Warn("old e-mail tokens could not be forgotten; trying again in an hour", "error", err)
	}
	// Last, for a bucket may be slow.
	if _, err := e.purge(ctx, now); err != nil && ctx.Err() == nil {
		e.log.Warn("not all that was deleted could be removed; trying again in an hour", "error", err)
	}
}
