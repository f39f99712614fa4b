package ayb

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"ayb/auth"
	"ayb/fault"
	"ayb/hosting"
)

// ExportFormat is the form in which a database leaves.
type ExportFormat uint8

// The formats.
const (
	ExportSQLite ExportFormat = iota // a SQLite file
	ExportSQL                        // statements that make the database anew
)

// ParseExportFormat returns the format of that name: sqlite or sql. Errors:
// [ErrInvalid].
func ParseExportFormat(name string) (ExportFormat, error) {
	for _, f := range []ExportFormat{ExportSQLite, ExportSQL} {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, fault.New(fault.Invalid, "There is no format %.100q for a whole database; there are sqlite and sql", name)
}

// String returns the name of the format.
func (f ExportFormat) String() string {
	if f == ExportSQL {
		return "sql"
	}
	return "sqlite"
}

// Export writes the whole database to w, as it is at one moment: a SQLite file
// that is compact and complete in itself, or a text of SQL. It is made on the side
// first, so that a slow w holds up nobody; what is wrong with the database is
// told before anything is written to w.
//
// For everybody who may read the database. Errors: [ErrBusy] if the caller, or
// everybody together, exports and imports too much at once, [ErrTimedOut] if w does not
// take all of it within Limits.StreamTime, [ErrUnavailable], those of w.
func (e *Engine) Export(ctx context.Context, p Principal, ref string, format ExportFormat, w io.Writer) (err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.Export, ref)
	defer c.done(&err)
	if err != nil {
		return err
	}
	give, err := e.copying.take(charged(c.caller))
	if err != nil {
		return err
	}
	defer give()
	ctx, end := e.untilClose(ctx)
	defer end()
	bound := e.cfg.Limits.WithDefaults().StreamTime
	limited, cancel := context.WithTimeoutCause(ctx, bound, errSlowCopy)
	defer cancel()
	if format == ExportSQL {
		err = c.exportSQL(limited, w)
	} else {
		err = c.exportFile(limited, w)
	}
	return e.orClosing(slowCopy(limited, bound, err))
}

// errSlowCopy is the cause with which an export ends that takes too long.
var errSlowCopy = errors.New("too slow")

// slowCopy words the end of an export that took longer than it may.
func slowCopy(ctx context.Context, bound time.Duration, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSlowCopy) {
		return fault.New(fault.TimedOut, "The database was not taken to its end within limits.stream_time (%v); use a faster connection, or read it in parts", bound)
	}
	return err
}

// exportFile writes a SQLite file. The database has one from then on, if it had
// none.
func (c *call) exportFile(ctx context.Context, w io.Writer) (err error) {
	for range attempts {
		if !c.database.Written {
			if err := c.makeFile(ctx); err != nil {
				return err
			}
		}
		if err = c.copyTo(ctx, w); !c.mend(ctx, &err) {
			return err
		}
	}
	return errMoving
}

// copyTo has the Runner make a copy on its side and hand it over.
func (c *call) copyTo(ctx context.Context, w io.Writer) error {
	_, give, err := c.e.claimCopies(1, fileOf(c.database))
	if err != nil {
		return err
	}
	give = sync.OnceFunc(give)
	defer give()
	end, err := c.e.working.begin(c.database.Owner)
	if err != nil {
		return err
	}
	defer end()
	_, err = c.e.runner.Copy(ctx, fileOf(c.database), hosting.CopyVacuum, &handedOver{w, give})
	return err
}

// A handedOver is a writer to which a copy is handed that has been made.
type handedOver struct {
	io.Writer
	made func()
}

// Write writes.
func (w *handedOver) Write(p []byte) (int, error) {
	w.made()
	return w.Writer.Write(p)
}
