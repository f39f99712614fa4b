package ayb

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"ayb/auth"
	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/tabular"
)

// TableImport says what ImportTable reads, and into which table.
type TableImport struct {
	Table  string // made if it is not there
	Format string // csv, tsv or jsonl
	Header string // of csv and tsv, whether the first line has the names of the columns: yes, no or auto; default: auto
	Size   int64  // as of ImportOptions
}

// ImportTable reads rows from r to its end and adds them to a table, in one
// transaction. A table that is not there is made; the types of its columns are those of
// all of the values. Columns of a table that is there are found by their names, or by
// their place if the file names none. An empty field of csv or tsv is NULL. It returns
// how many rows that were.
//
// For those who may write the database. Errors: those of a session's [Session.Run],
// and [ErrInvalid] with the line on which the file is wrong, [ErrTooLarge]
// (Limits.ImportBytes), [ErrBusy], those of r.
func (e *Engine) ImportTable(ctx context.Context, p Principal, ref string, r io.Reader, into TableImport) (rows int64, err error) {
	c, err := e.authorizeDatabase(ctx, p, auth.Write, ref)
	defer c.done(&err)
	if err != nil {
		return 0, err
	}
	c.class = hosting.Write
	opts := tabular.Options{Format: tabular.Format(into.Format), Header: tabular.Header(into.Header)}
	if err := opts.Check(); err != nil {
		return 0, err
	}
	if into.Table == "" || strings.ContainsRune(into.Table, 0) {
		return 0, fault.New(fault.Invalid, "Name the table that the rows are for")
	}
	ctx, end := e.untilClose(ctx)
	defer end()
	rows, err = c.importTable(ctx, r, into, opts)
	return rows, e.orClosing(err)
}

func (c *call) importTable(ctx context.Context, r io.Reader, into TableImport, opts tabular.Options) (rows int64, err error) {
	give, err := c.e.copying.take(charged(c.caller))
	if err != nil {
		return 0, err
	}
	defer give()
	unclaim, err := c.claimImport(into.Size)
	if err != nil {
		return 0, err
	}
	defer unclaim()
	file, err := c.spoolUpload(ctx, r)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	table, err := tabular.Scan(contextReader{ctx, file}, opts)
	if err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, unspooled(err)
	}
	if err := c.recheck(ctx, c.allowDatabase); err != nil {
		return 0, err
	}
	return table.Rows, c.load(ctx, file, opts, table, into.Table)
}

// spoolUpload gathers what r has in a file without a name.
func (c *call) spoolUpload(ctx context.Context, r io.Reader) (*os.File, error) {
	file, err := c.e.spool(c.database.Owner)
	if err != nil {
		return nil, err
	}
	err = c.gather(ctx, file, r, c.e.cfg.Limits.ImportBytes)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// load adds the rows of a file to a table, all or none.
func (c *call) load(ctx context.Context, file io.Reader, opts tabular.Options, table *tabular.Table, name string) error {
	for range attempts {
		job := c.job()
		job.Bulk = true
		s, err := c.e.runner.Begin(ctx, job)
		if c.mend(ctx, &err) {
			if c.class < hosting.Write {
				return errMoving
			}
			continue
		}
		if err != nil {
			return err
		}
		defer s.Close()
		if err := c.markChanged(ctx); err != nil {
			return err
		}
		l := &loader{ctx: ctx, session: s, name: quoteName(name), table: table}
		if err := l.begin(name); err != nil {
			return err
		}
		err = table.Read(contextReader{ctx, file}, opts, l.row)
		if err == nil {
			err = l.send()
		}
		if earlier := l.wait(); earlier != nil { // of lines before
			err = earlier
		}
		if err == nil {
			err = l.run("COMMIT")
		}
		if errors.Is(err, hosting.ErrLogFull) {
			return fault.Wrap(fault.TooLarge, err, "Nothing was imported: the rows are one transaction, and its log would be larger than limits.wal_bytes (%d MiB). Send them in parts, drop the indexes of the table meanwhile, or make a SQLite file of them and import that, which needs no log", c.e.cfg.Limits.WithDefaults().WALBytes>>20)
		}
		if errors.Is(err, fault.Conflict) {
			return fault.Wrap(fault.Conflict, err, "Nothing was imported, because the transaction was ended: it may last limits.stream_time and, while others wait to write, limits.session_write_time, and ends when the database is moved or restored. Try again, or send the rows in parts")
		}
		return err
	}
	return errMoving
}

// A loader adds rows to a table by way of a session, many with one statement, while
// the next ones are being read.
type loader struct {
	ctx     context.Context
	session hosting.Session
	name    string // in quotes
	table   *tabular.Table

	head  string // INSERT INTO t(a, b) VALUES
	group string // (?, ?)
	full  string // the statement of a full batch
	most  int    // rows of a batch

	rows   rowBatch   // that are gathered
	spare  rowBatch   // for re-use
	adding chan error // receives what came of those before; nil: there are none
}

// A rowBatch is rows that one statement adds.
type rowBatch struct {
	args  []catalog.Arg
	lines []int // of the rows
	bytes int
}

// The bounds of a batch.
const (
	batchRows   = 256
	batchValues = 8192
	batchBytes  = 256 << 10
)

func (l *loader) run(sql string, args ...catalog.Arg) error {
	_, err := l.session.Run(l.ctx, Statement{SQL: sql, Args: args}, nil)
	return err
}

// begin begins the transaction, and finds or makes the table.
func (l *loader) begin(name string) error {
	if err := l.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	there := map[string]string{}
	var order []string
	st := Statement{SQL: "SELECT name FROM pragma_table_info(?)", Args: []catalog.Arg{{Value: catalog.TextValue(name)}}}
	_, err := l.session.Run(l.ctx, st, rowFunc(func(row catalog.Row) error {
		column := string(row.Bytes(0))
		there[strings.ToLower(column)] = column
		order = append(order, column)
		return nil
	}))
	if err != nil {
		return err
	}
	var columns []string
	for i, column := range l.table.Columns {
		switch {
		case len(order) == 0:
			columns = append(columns, quoteName(column.Name))
		case !l.table.Named && len(order) != len(l.table.Columns):
			return fault.New(fault.Invalid, "The file has %d columns without names, and the table %s has %d", len(l.table.Columns), name, len(order))
		case !l.table.Named:
			columns = append(columns, quoteName(order[i]))
		case there[strings.ToLower(column.Name)] == "":
			return fault.New(fault.Invalid, "The table %.100s has no column %.100q; rename it in the file, or add it with ALTER TABLE", name, column.Name)
		default:
			columns = append(columns, quoteName(there[strings.ToLower(column.Name)]))
		}
	}
	if len(order) == 0 {
		if err := l.create(columns); err != nil {
			return err
		}
	}
	n := len(columns)
	l.head = "INSERT INTO " + l.name + "(" + strings.Join(columns, ",") + ") VALUES "
	l.group = "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")"
	l.most = max(1, min(batchRows, batchValues/n))
	l.full = l.statement(l.most)
	return nil
}

func (l *loader) create(columns []string) error {
	defs := make([]string, len(columns))
	for i, column := range columns {
		defs[i] = strings.TrimSpace(column + " " + l.table.Columns[i].Type)
	}
	return l.run("CREATE TABLE " + l.name + "(" + strings.Join(defs, ", ") + ")")
}

func (l *loader) statement(rows int) string {
	return l.head + strings.TrimSuffix(strings.Repeat(l.group+",", rows), ",")
}

// row takes a row.
func (l *loader) row(line int, values []catalog.Value) error {
	b := &l.rows
	for _, v := range values {
		b.args = append(b.args, catalog.Arg{Value: v})
		b.bytes += v.Size()
	}
	if b.lines = append(b.lines, line); len(b.lines) < l.most && b.bytes < batchBytes {
		return nil
	}
	return l.send()
}

// send has the rows added that have been gathered, after those before.
func (l *loader) send() error {
	if err := l.wait(); err != nil || len(l.rows.lines) == 0 {
		return err
	}
	rows, done := l.rows, make(chan error, 1)
	l.rows, l.spare, l.adding = l.spare, rows, done
	go func() { done <- l.add(rows) }()
	return nil
}

// wait returns what came of the rows that were sent.
func (l *loader) wait() error {
	if l.adding == nil {
		return nil
	}
	err := <-l.adding
	l.spare = rowBatch{args: l.spare.args[:0], lines: l.spare.lines[:0]}
	l.adding = nil
	return err
}

// add adds rows. If that fails it finds out which of them it was.
func (l *loader) add(rows rowBatch) error {
	text := l.full
	if n := len(rows.lines); n < l.most {
		text = l.statement(n)
	}
	err := l.run(text, rows.args...)
	if f, ok := errors.AsType[*fault.Error](err); ok && (f.Kind == fault.Invalid || f.Kind == fault.TooLarge) && l.session.InTransaction() {
		err = l.blame(rows, f)
	}
	return err
}

// blame adds the rows of a batch one by one to find the one that can't be.
func (l *loader) blame(rows rowBatch, batch *fault.Error) error {
	n := len(l.table.Columns)
	for i, line := range rows.lines {
		if err := l.run(l.head+l.group, rows.args[i*n:(i+1)*n]...); err != nil {
			f, ok := errors.AsType[*fault.Error](err)
			if !ok {
				return err
			}
			return &fault.Error{Kind: f.Kind, Code: f.Code, Err: f.Err, Message: "Line " + strconv.Itoa(line) + ": " + f.Message}
		}
	}
	return batch
}

// quoteName returns a name as SQL has it, whatever is in it.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
