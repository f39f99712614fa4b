package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
	"ayb/internal/durable"
)

// A reason is why a statement failed, as far as the driver's code tells.
type reason uint8

const (
	unexplained  reason = iota
	noRow               // nothing matched
	duplicate           // a unique name is taken
	badReference        // a row that it refers to is missing, or a row still refers to it
	outOfBounds         // a value is too long for its column
	busy                // the database is there and cannot do it now; it did not
	full                // there is no room on its disk
	unreachable         // the database did not answer
)

// answers are what an operation says when it fails for a reason of its own.
type answers map[reason]answer

type answer struct {
	kind     fault.Kind
	sentence string
}

func (a answer) fault(cause error) error {
	return &fault.Error{Kind: a.kind, Message: a.sentence, Err: cause}
}

// Sentences that several operations share.
var (
	entityMissing   = answer{fault.NotFound, "Entity does not exist"}
	databaseMissing = answer{fault.NotFound, "Database does not exist"}
	tokenMissing    = answer{fault.NotFound, "API token does not exist"}
	entityTaken     = answer{fault.Exists, "Entity already exists"}
	databaseTaken   = answer{fault.Exists, "Database already exists"}
)

// common are the answers to reasons that concern every operation.
var common = answers{
	outOfBounds: {fault.Invalid, "A text is longer than the metadata database keeps"},
	busy:        {fault.Unavailable, "The metadata database can't be reached; try again in a moment"},
	full:        {fault.Unavailable, "The disk of the metadata database is full; nothing was changed. Try again later, or tell whoever runs this server"},
	unreachable: {fault.Unavailable, "The metadata database can't be reached; try again in a moment"},
}

// explain turns an error into what a caller of the package sees: ctx's own
// error, a fault that is one already, the operation's answer, or the common one.
// Whatever is left is a defect.
func explain(ctx context.Context, err error, own answers) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	why := reasonOf(err)
	if why == full {
		err = fmt.Errorf("%w: %w", durable.ErrFull, err)
	}
	for _, known := range []answers{own, common} {
		if a, ok := known[why]; ok {
			return a.fault(err)
		}
	}
	return fault.Wrap(fault.Internal, err, "internal error")
}

// reasonOf reads the code of a driver's error. An error of the context counts as
// unreachable: explain has dealt with the caller's, so our own time is up.
func reasonOf(err error) reason {
	if errors.Is(err, sql.ErrNoRows) {
		return noRow
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return unreachable // whatever the server said, it let nobody in
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresReason(pg.Code)
	}
	if code := sqlite3.ExtendedErrorCode(0); errors.As(err, &code) {
		if durable.IsFull(err) { // as when a connection is opened
			return full
		}
		return sqliteReason(code)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return unreachable
	}
	for _, lost := range []error{
		context.Canceled, context.DeadlineExceeded, pgconn.ErrConnClosed, driver.ErrBadConn,
		sql.ErrConnDone, sql.ErrTxDone, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, lost) {
			return unreachable
		}
	}
	return unexplained
}

// postgresReason reads an SQLSTATE, by its class where the class says it all.
func postgresReason(code string) reason {
	switch code {
	case "23505":
		return duplicate
	case "23503":
		return badReference
	case "23514", "22001":
		return outOfBounds
	case "40001", "40P01", "55P03": // serialization, deadlock, lock not available
		return busy
	case "53100":
		return full
	}
	switch code[:min(2, len(code))] {
	case "53": // out of connections or memory
		return busy
	case "08", "57", "58": // connection, intervention by an operator, system
		return unreachable
	}
	return unexplained
}

func sqliteReason(code sqlite3.ExtendedErrorCode) reason {
	switch code {
	case sqlite3.CONSTRAINT_UNIQUE, sqlite3.CONSTRAINT_PRIMARYKEY, sqlite3.CONSTRAINT_ROWID:
		return duplicate
	case sqlite3.CONSTRAINT_FOREIGNKEY:
		return badReference
	case sqlite3.CONSTRAINT_CHECK:
		return outOfBounds
	}
	switch code.Code() {
	case sqlite3.BUSY, sqlite3.LOCKED, sqlite3.READONLY:
		return busy
	case sqlite3.FULL:
		return full
	case sqlite3.IOERR, sqlite3.CANTOPEN, sqlite3.PROTOCOL, sqlite3.INTERRUPT:
		return unreachable
	}
	return unexplained
}

// changed returns sql.ErrNoRows if a statement that had to change a row changed
// none.
func changed(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return sql.ErrNoRows
}
