package hosting

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/durable"
)

// Copy implements Runner. The image is unlinked before it is handed over, and a
// slow w holds no transaction open.
func (r *InProcess) Copy(ctx context.Context, id DB, method CopyMethod, w io.Writer) (Generation, error) {
	return r.copied(ctx, id, method, func(dir string) error {
		f, err := os.Open(filepath.Join(dir, fileName))
		if err != nil {
			return unreadable(err)
		}
		defer f.Close()
		os.RemoveAll(dir) // else afterwards
		_, err = io.CopyBuffer(w, imageReader{contextReader{ctx, f}}, make([]byte, copyBuffer))
		return err
	})
}

// copyBuffer is how much of a copy is handed over at once, in bytes.
const copyBuffer = 256 << 10

// CopyTo implements Runner. The image comes to its place when it is whole: should this
// process be lost meanwhile, the next one begins anew.
func (r *InProcess) CopyTo(ctx context.Context, id DB, method CopyMethod, image catalog.ID) (Generation, error) {
	if !IsImage(image) {
		return Generation{}, fault.Wrap(fault.Internal, errors.New("hosting: a copy is to replace a version"), "internal error")
	}
	return r.copied(ctx, id, method, func(dir string) error {
		to := VersionPath(r.dir, DB{id.Owner, id.Database, image})
		err := os.RemoveAll(to)
		if err == nil {
			err = os.Rename(dir, to)
		}
		return uncopied(err)
	})
}

// copied makes a copy of a database, alone in a temporary directory of the owner, and
// hands that over.
func (r *InProcess) copied(ctx context.Context, id DB, method CopyMethod, use func(dir string) error) (Generation, error) {
	db, err := r.enter(ctx, id)
	if err != nil {
		return Generation{}, err
	}
	defer r.leave(db)
	generation := db.generation()
	if !db.exists() {
		return Generation{}, ErrMissing
	}
	dir, err := db.owner.tempDir()
	if err == nil {
		dir, err = os.MkdirTemp(dir, "")
	}
	if err != nil {
		return Generation{}, uncopied(err)
	}
	defer os.RemoveAll(dir)
	err = db.host(ctx, func(c *conn) error { return c.copyTo(filepath.Join(dir, fileName), method) })
	if err == nil {
		err = use(dir)
	}
	if err != nil {
		return Generation{}, err
	}
	return generation, nil
}

func uncopied(err error) error {
	return durable.Fault(err, "The server can't make a copy of the database")
}

func unreadable(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The server can't read the copy of the database; please tell whoever runs this server")
}

// An imageReader makes faults of failures to read a copy.
type imageReader struct{ contextReader }

// Read reads.
func (r imageReader) Read(p []byte) (int, error) {
	n, err := r.contextReader.Read(p)
	if err != nil && err != io.EOF && r.ctx.Err() == nil {
		err = unreadable(err)
	}
	return n, err
}

func (c *conn) copyTo(path string, method CopyMethod) error {
	// SQLite would make it readable for everybody.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return uncopied(err)
	}
	f.Close()
	c.jail.copying, c.jail.rested, c.jail.commits = path, time.Now(), c.db.commits.Load()
	if method == CopyVacuum {
		stmt, _, err := c.c.Prepare("VACUUM INTO ?")
		if err != nil {
			return err
		}
		defer stmt.Close()
		if err := stmt.BindText(1, path); err != nil {
			return err
		}
		return stmt.Exec()
	}
	// Without a transaction of its own the copy would begin anew each time
	// somebody writes.
	if err := c.c.Exec("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1"); err != nil {
		return err
	}
	defer c.rollback()
	return c.copyPages(fileURI(path, url.Values{"vfs": {c.jail.name}}))
}

// stepPages is how many pages are copied before it is looked whether anybody still
// wants the copy.
const stepPages = 256

func (c *conn) copyPages(to string) (err error) {
	b, err := c.c.BackupInit("main", to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for {
		if done, err := b.Step(stepPages); done || err != nil {
			return err
		}
		if err := c.intr.check(time.Now()); err != nil {
			return err
		}
	}
}

// How a copy leaves the processor to those who write to the database meanwhile: as
// long as somebody does, it rests for as long as it has worked.
const (
	copyTurn = 5 * time.Millisecond  // of work, at least
	copyRest = 50 * time.Millisecond // at most
)

// giveWay rests if it is time to. It is called before each write to the copy.
func (j *jail) giveWay() {
	worked := time.Since(j.rested)
	if worked < copyTurn {
		return
	}
	if commits := j.db.commits.Load(); commits != j.commits {
		j.commits = commits
		time.Sleep(min(worked, copyRest))
	}
	j.rested = time.Now()
}

// host runs f on a connection of the host's own, beside readers and writers.
func (db *database) host(ctx context.Context, f func(*conn) error) (err error) {
	return db.hostWithin(ctx, db.r.limits.MaintenanceTime, f)
}

// hostWithin is host for that long.
func (db *database) hostWithin(ctx context.Context, budget time.Duration, f func(*conn) error) (err error) {
	c, err := db.open(toCopy)
	if err != nil {
		return err
	}
	defer c.close()
	defer c.recovered(&err)
	c.start(ctx, hostMode)
	c.intr.allow("limits.maintenance_time", budget)
	return c.fault(f(c))
}

// Check implements Runner.
func (r *InProcess) Check(ctx context.Context, id DB, depth CheckDepth) error {
	db, err := r.enter(ctx, id)
	if err != nil {
		return err
	}
	defer r.leave(db)
	if !db.exists() {
		return ErrMissing
	}
	return db.host(ctx, func(c *conn) error { return c.check(depth) })
}

func (c *conn) check(depth CheckDepth) error {
	text := "PRAGMA quick_check(1)"
	if depth == IntegrityCheck {
		text = "PRAGMA integrity_check(1)"
	}
	stmt, _, err := c.c.Prepare(text)
	if err != nil {
		return err
	}
	defer stmt.Close()
	if !stmt.Step() {
		return stmt.Err()
	}
	if finding := stmt.ColumnText(0); finding != "ok" {
		if c.jail.trouble != nil { // what can't be read is a finding to SQLite
			return fault.Wrap(fault.Unavailable, c.jail.trouble, "The database's file can't be read; please tell whoever runs this server")
		}
		return fault.Wrap(fault.Internal, errors.New(finding), "The database's file is damaged; restore a snapshot, or tell whoever runs this server")
	}
	return nil
}

// A contextReader reads until its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
