package ayb

import (
	"context"
	"errors"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// Query runs SQL, one statement or several, and returns what the last one
// answers. A text that writes is applied whole or not at all. Arguments are
// positional unless made by [Named].
//
// For everybody who may read the database; a text that writes, for those who may
// write it. The result is bounded by Limits.ResultBytes; larger ones are read
// with [Engine.Stream]. Errors: [ErrInvalid] (the SQL or its parameters, with
// SQLite's own message), [ErrReadOnly], [ErrTooLarge], [ErrTimedOut], [ErrBusy],
// [ErrDenied] (also SQL that nobody may run), [ErrOutcomeUnknown].
func (e *Engine) Query(ctx context.Context, p Principal, ref, sql string, args ...any) (*Result, error) {
	st, err := NewStatement(sql, args...)
	if err != nil {
		return nil, err
	}
	rows := collector{limit: e.cfg.Limits.ResultBytes}
	sum, err := e.Stream(ctx, p, ref, st, &rows)
	return rows.result(sum, err)
}

// Stream is like [Engine.Query], but hands the rows to sink as they are read, so
// that a result of any size takes little memory; rows of a text that writes
// follow its commit. An error from sink ends the query and is returned as it is;
// a write that was committed by then stays. The sink may be nil.
func (e *Engine) Stream(ctx context.Context, p Principal, ref string, st Statement, sink Sink) (_ Summary, err error) {
	c, err := e.authorizeQuery(ctx, p, ref)
	defer c.done(&err)
	if err != nil {
		return Summary{}, err
	}
	sum, err := c.run(ctx, st, sink)
	c.ran(sum, err)
	return sum, err
}

// authorizeQuery begins a call that runs SQL, of class Write if the caller may
// write and of class Read if not.
func (e *Engine) authorizeQuery(ctx context.Context, p Principal, ref string) (*call, error) {
	c, err := e.begin(ctx, p, auth.Query)
	if err != nil {
		return c, err
	}
	if c.ref, err = catalog.ParseRef(ref); err != nil {
		return c, err
	}
	return c, c.allowQuery(ctx)
}

// allowQuery looks the database up and asks the policy.
func (c *call) allowQuery(ctx context.Context) error {
	if err := c.find(ctx); err != nil {
		return err
	}
	c.class = hosting.Read
	if c.may(auth.Write) {
		c.class = hosting.Write
	}
	return c.allowHere(ctx)
}

// attempts is how often a text is sent: once, once more after the file was made,
// once more after its change was noted, and once more after it was moved.
const attempts = 4

// run runs a text on the database.
func (c *call) run(ctx context.Context, st Statement, sink Sink) (sum Summary, err error) {
	for range attempts {
		job := c.job()
		job.Statement = st
		job.Unmarked = job.Class == hosting.Write && !c.admitWriter()
		if sum, err = c.e.runner.Run(ctx, job, sink); !c.mend(ctx, &err) {
			return sum, err
		}
	}
	return Summary{}, errMoving
}

var errMoving = fault.Refuse(fault.Moving, "The database is being moved; try again in a moment")

// mend removes the cause of an error that the Runner addresses to us, and
// reports whether the job can be sent again. If not, *err is for the user.
func (c *call) mend(ctx context.Context, err *error) bool {
	switch {
	case *err == nil:
		return false
	case errors.Is(*err, hosting.ErrUnwritten):
		*err = c.makeFile(ctx)
	case errors.Is(*err, hosting.ErrUnmarked):
		*err = c.markChanged(ctx)
	case errors.Is(*err, hosting.ErrMissing):
		*err = c.follow(ctx, *err)
	default:
		return false
	}
	return *err == nil
}

func (c *call) job() hosting.Job {
	return hosting.Job{
		DB: fileOf(c.database), Class: c.class, Caller: charged(c.caller), Unwritten: !c.database.Written,
		Quota: c.quota(),
	}
}

// fileOf names the current file of a database to the Runner.
func fileOf(db Database) hosting.DB {
	return hosting.DB{Owner: db.Owner, Database: db.ID, Version: db.Version}
}

// charged is whom a query is charged to.
func charged(p Principal) hosting.Caller {
	if p.Anonymous() {
		return hosting.Caller{Address: p.Address}
	}
	return hosting.Caller{Entity: p.Entity}
}

// makeFile makes the file of a database before its first write. The file comes
// first and its mention in the metadata second, so that a file that is mentioned
// and missing can only have been lost.
func (c *call) makeFile(ctx context.Context) error {
	unlock, err := c.e.moving.lock(ctx, c.database.ID)
	if err != nil {
		return err
	}
	defer unlock()
	db, err := c.e.store.DatabaseByID(ctx, c.database.ID)
	switch {
	case err != nil:
		return c.changed(err)
	case db.Version != c.database.Version:
		return c.allowQuery(ctx)
	case !db.Written:
		if err := c.e.runner.Create(ctx, fileOf(db)); err != nil {
			return err
		}
		// Whoever makes the file is about to write to it.
		if err := c.noteChange(func(mark ID) error { return c.e.store.MarkWritten(ctx, db.ID, mark) }); err != nil {
			return err
		}
	}
	c.database.Written = true
	return nil
}

// follow finds a database whose file was not where it was looked for. If that is
// because it was moved, the caller's rights are those after the move.
func (c *call) follow(ctx context.Context, missing error) error {
	db, err := c.e.store.DatabaseByID(ctx, c.database.ID)
	switch {
	case err != nil:
		return c.changed(err)
	case db.Version == c.database.Version:
		c.e.log.Error("the file of a database is missing", "database", db.ID, "ref", db.Ref(), "version", db.Version)
		return missing
	}
	return c.allowQuery(ctx)
}

// ran notes how a query ended. What the Runner refuses counts as refused: a write
// by someone who may only read, and SQL that nobody may run.
func (c *call) ran(sum Summary, err error) {
	switch {
	case errors.Is(err, fault.ReadOnly):
		c.action, c.refused = auth.Write, true
	case errors.Is(err, fault.Denied):
		c.refused = true
	}
	if told := c.e.cfg.Observer.Query; told != nil {
		told(QueryEvent{Principal: c.caller, Database: c.database, Summary: sum, Err: err})
	}
}

// A collector is a Sink that keeps the rows, up to a bound.
type collector struct {
	columns []Column
	rows    [][]Value
	size    int64
	limit   int64
}

// The memory that a row and a value take beside texts and blobs.
const (
	rowBytes   = 24
	valueBytes = 32
)

// Columns takes the description of the rows.
func (c *collector) Columns(columns []Column) error {
	c.columns = columns
	c.rows = [][]Value{}
	return nil
}

// Row keeps a row.
func (c *collector) Row(row Row) error {
	values := make([]Value, row.Len())
	c.size += rowBytes + valueBytes*int64(len(values))
	for i := range values {
		values[i] = row.Value(i)
		c.size += int64(values[i].Size())
	}
	if c.size > c.limit {
		return fault.New(fault.TooLarge, "The result is larger than limits.result_bytes (%d bytes) allows; ask for fewer rows, or read it as a stream", c.limit)
	}
	c.rows = append(c.rows, values)
	return nil
}

// result returns what was kept of a query that ended with err.
func (c *collector) result(sum Summary, err error) (*Result, error) {
	switch {
	case err == nil:
		return &Result{Columns: c.columns, Rows: c.rows, Summary: sum}, nil
	case c.size > c.limit && sum.Wrote:
		return nil, fault.Wrap(fault.TooLarge, err, "The text was applied, but the rows it answers are larger than limits.result_bytes (%d bytes) allows", c.limit)
	}
	return nil, err
}
