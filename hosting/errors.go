package hosting

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
	"ayb/internal/durable"
	"ayb/internal/walls"
)

// Three refusals are addressed to the Runner's caller, who knows what to do next.
var (
	// ErrUnwritten refuses a text that writes in a job marked Unwritten: the
	// caller makes the file with Create, remembers that the database is
	// written, and sends the job again without the mark. In this order a file
	// that is missing although the database is written can only mean loss.
	ErrUnwritten error = fault.New(fault.Conflict, "The database has not been written yet; send the request again")

	// ErrUnmarked refuses a text that writes in a job that is Unmarked: the caller
	// notes durably that the database has changed, and sends the job again without
	// that. So no change goes unnoticed, and what only reads costs no note.
	ErrUnmarked error = fault.New(fault.Conflict, "The change of the database has not been noted yet; send the request again")

	// ErrMissing refuses a job whose file is not there although it is not
	// Unwritten. The caller looks up the current version and, if that is
	// another, sends the job again; if it is the same, the file is lost.
	ErrMissing error = fault.New(fault.Unavailable, "The file of this database is missing; please tell whoever runs this server")
)

// ErrLogFull is the cause of a TooLarge: a transaction needs a larger log than
// Limits.WALBytes allows.
var ErrLogFull = errors.New("the log of the transaction is too large")

var (
	errClosed     = fault.New(fault.Unavailable, "The server is shutting down; send the request again in a moment")
	errReadOnly   = fault.New(fault.ReadOnly, "Attempted to write to database while in read-only mode")
	errNoSQL      = fault.New(fault.Invalid, "The text holds no SQL statement")
	errVacuumInto = fault.New(fault.Denied, "VACUUM INTO is not available; use a snapshot or an export to copy a database")

	// errWrites tells that a text that was tried on a reader writes.
	errWrites = errors.New("hosting: the text writes")
)

// outOfMemory is what the driver panics with when a connection's memory is
// full. It has no exported name, so it is provoked once.
var outOfMemory = func() (v any) {
	defer func() { v = recover() }()
	sqlite3.WithMaxMemory(context.Background(), -1)
	return nil
}()

// message returns SQLite's own words for an error, without the driver's prefix.
func message(err *sqlite3.Error) string {
	words := strings.TrimPrefix(err.Error(), err.ExtendedCode().Error())
	if words = strings.TrimPrefix(words, ": "); words != "" {
		return words
	}
	return strings.TrimPrefix(err.Error(), "sqlite3: ")
}

// fault turns an error of the driver into one for the user. The connection
// knows what the code alone does not tell: which bound was reached.
func (c *conn) fault(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if c.guard.refusal != nil {
		return c.located(c.guard.refusal)
	}
	code, ok := errors.AsType[sqlite3.ExtendedErrorCode](err)
	if !ok {
		return err // of a context, or of a sink
	}
	words := strings.TrimPrefix(code.Error(), "sqlite3: ")
	if e, ok := errors.AsType[*sqlite3.Error](err); ok && e.Unwrap() == nil {
		words = message(e)
	}
	made := func(kind fault.Kind, words string) error {
		return c.located(&fault.Error{Kind: kind, Message: words, Code: int(code), Err: err})
	}
	switch code.Code() {
	case sqlite3.INTERRUPT:
		if c.intr.reason != nil {
			return c.intr.reason
		}
		return made(fault.TimedOut, "The query was interrupted")
	case sqlite3.AUTH:
		return made(fault.Denied, words)
	case sqlite3.READONLY:
		return errReadOnly
	case sqlite3.FULL:
		return c.full(err)
	case sqlite3.TOOBIG, sqlite3.NOMEM:
		return made(fault.TooLarge, fmt.Sprintf("A text, a blob or a statement is larger than limits.value_bytes (%d bytes) allows", c.db.r.limits.ValueBytes))
	case sqlite3.BUSY, sqlite3.LOCKED:
		if code == sqlite3.BUSY_SNAPSHOT {
			return made(fault.Conflict, "Another transaction has written since this one began to read; roll back and begin again with BEGIN IMMEDIATE")
		}
		if c.intr.reason != nil { // it waited until then
			return c.intr.reason
		}
		return made(fault.Busy, "The database is in use by another transaction; try again")
	case sqlite3.IOERR, sqlite3.CANTOPEN, sqlite3.PROTOCOL:
		if cause := errors.Join(c.jail.trouble, err); durable.IsFull(cause) || code == sqlite3.IOERR_SHMSIZE {
			return durable.Full(cause)
		}
		if c.db.r.down.Has(walls.Sentences) {
			return fault.New(fault.Unavailable, "%v: %v", err, c.jail.trouble)
		}
		return fault.Wrap(fault.Unavailable, err, "The database's file can't be read or written; please tell whoever runs this server")
	case sqlite3.CORRUPT, sqlite3.NOTADB:
		return made(fault.Internal, "The database's file is damaged ("+words+"); restore a snapshot, or tell whoever runs this server")
	case sqlite3.INTERNAL, sqlite3.MISUSE, sqlite3.NOLFS:
		return fault.Wrap(fault.Internal, err, "internal error")
	}
	return made(fault.Invalid, words)
}

// located returns a fault of the statement at hand with its place in the text.
func (c *conn) located(f *fault.Error) error {
	if c.guard.several {
		f.Statement = c.place
	}
	return f
}

// full tells which bound SQLITE_FULL stands for.
func (c *conn) full(err error) error {
	if cause := c.jail.trouble; cause != nil {
		if f, ok := errors.AsType[*fault.Error](cause); ok {
			return f
		}
		return durable.Full(cause)
	}
	if c.ownerFull {
		return errOwnerFull
	}
	return fault.Wrap(fault.TooLarge, err, "The database has reached its size limit; nothing was written. Delete rows and run VACUUM, or ask for more room")
}

// recovered turns a panic of the driver into an error and marks the connection
// as one to throw away. Use it deferred around everything that calls the driver.
func (c *conn) recovered(err *error) {
	v := recover()
	if v == nil {
		return
	}
	if c.db.r.down.Has(walls.Recover) {
		panic(v)
	}
	c.broken = true
	if c.committing {
		*err = c.unknown(fmt.Errorf("panic while committing: %v\n%s", v, debug.Stack()))
		return
	}
	if v == outOfMemory {
		*err = fault.New(fault.TooLarge, "The query needed more memory than limits.connection_memory (%d MiB) allows", c.db.r.limits.ConnectionMemory>>20)
		return
	}
	if cause, ok := v.(error); ok && isOutOfMemory(cause) { // the system gives no more to this process
		*err = fault.Wrap(fault.Busy, fmt.Errorf("%w: %w", fault.Memory, cause), "The server has no memory for the query at present; try again in a moment")
		return
	}
	cause := fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	if c.naming {
		*err = fault.Wrap(fault.TooLarge, cause, "A column of the result has a name of a million bytes or more; give it a shorter one with AS")
		return
	}
	if panickedInSQLite() { // as a rule its stack was too small
		*err = fault.Wrap(fault.TooLarge, cause, "SQLite can't run the query; it may be nested too deeply")
		return
	}
	*err = fault.Wrap(fault.Internal, cause, "internal error")
}

// panickedInSQLite reports whether the panic that is being recovered came from
// SQLite's own code, which is WebAssembly with a bounded stack and memory.
func panickedInSQLite() bool {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return strings.HasPrefix(frame.Function, "github.com/ncruces/go-sqlite3-wasm/")
		}
		if !more {
			return false
		}
	}
}
