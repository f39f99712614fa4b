package ayb

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/dump"
	"ayb/internal/durable"
)

// exportSQL writes a text of SQL. It is read through one session that may only
// read, by the walls that stand around all SQL, and gathered in a file, so that the
// session ends as soon as the database has been read.
func (c *call) exportSQL(ctx context.Context, w io.Writer) error {
	text, err := c.e.spool(c.database.Owner)
	if err != nil {
		return err
	}
	defer text.Close()
	if err := c.spoolDump(ctx, text); err != nil {
		return err
	}
	if _, err := text.Seek(0, io.SeekStart); err != nil {
		return unspooled(err)
	}
	_, err = io.Copy(w, contextReader{ctx, text})
	return err
}

// spoolDump writes the database to a file, which is about as large.
func (c *call) spoolDump(ctx context.Context, text *os.File) error {
	size, give, err := c.e.claimCopies(1, fileOf(c.database))
	if err != nil {
		return err
	}
	defer give()
	return c.dump(ctx, &boundedFile{c.e.disk.writer(text, size), dumpRoom(size)})
}

// dump writes the database as it is at one moment to w.
func (c *call) dump(ctx context.Context, w io.Writer) error {
	c.class = hosting.Read
	for range attempts {
		job := c.job()
		job.Bulk = true
		s, err := c.e.runner.Begin(ctx, job)
		if c.mend(ctx, &err) {
			c.class = hosting.Read
			continue
		}
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := s.Run(ctx, Statement{SQL: "BEGIN"}, nil); err != nil {
			return err
		}
		err = dump.Write(ctx, func(ctx context.Context, st Statement, row func(catalog.Row) error) error {
			_, err := s.Run(ctx, st, rowFunc(row))
			return err
		}, w)
		if errors.Is(err, fault.Conflict) {
			return fault.Wrap(fault.Conflict, err, "The database could not be read to its end: somebody has written more than limits.wal_bytes meanwhile, or it was moved or restored. Try again when less is written, or export it as a SQLite file")
		}
		return err
	}
	return errMoving
}

// A rowFunc is a Sink that is called for each row.
type rowFunc func(catalog.Row) error

// Columns does nothing.
func (rowFunc) Columns([]Column) error { return nil }

// Row calls the function.
func (f rowFunc) Row(row catalog.Row) error { return f(row) }

// dumpRoom returns how long a text may become of a database of size bytes. Blobs are
// twice as long as digits, and small values as words; what is beyond that has been
// made to fill the disk, by names of a megabyte say.
func dumpRoom(size int64) int64 { return 16*size + 16<<20 }

// A boundedFile is a file that takes so many bytes.
type boundedFile struct {
	*diskWriter
	room int64
}

// Write writes to the file.
func (f *boundedFile) Write(p []byte) (int, error) {
	if f.room -= int64(len(p)); f.room < 0 {
		return 0, fault.New(fault.TooLarge, "As a text of SQL the database would be many times its size; export it as a SQLite file")
	}
	return f.diskWriter.Write(p)
}

// incomingDir is the directory of an owner for files that have arrived, or are about to leave.
const incomingDir = "incoming"

// spool makes a file for what an owner exports or imports. It has no name, so that
// it is gone with the process.
func (e *Engine) spool(owner ID) (*os.File, error) {
	dir := filepath.Join(hosting.OwnerPath(e.cfg.owners(), owner), incomingDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unspooled(err)
	}
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, unspooled(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, unspooled(err)
	}
	return f, nil
}

func unspooled(err error) error {
	return durable.Fault(err, "The server can't write the copy; please tell whoever runs this server")
}

// A contextReader reads until its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read reads.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
