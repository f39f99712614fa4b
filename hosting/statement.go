package hosting

import (
	"strings"

	"github.com/ncruces/go-sqlite3"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
)

// A statement is a prepared statement with what is known about it.
type statement struct {
	facts
	stmt     *sqlite3.Stmt
	text     string
	readOnly bool
	vacuum   bool
	slow     bool             // it has kept a batch waiting
	params   []string         // by index - 1: :name with its sign, ?NNN, or "" for ?
	columns  []catalog.Column // as of the last time it was stepped
	used     uint64           // when, by the connection's own count
}

// prepare compiles the first statement of text under the connection's mode and
// returns what follows it, from the next statement on. The statement is nil if
// there is none. A text that is one statement is kept for the next time.
func (c *conn) prepare(text string) (*statement, string, error) {
	c.place++
	if st := c.statements[text]; st != nil {
		c.ticks++
		st.used = c.ticks
		c.db.r.stats.prepared.Add(1)
		return st, "", nil
	}
	c.db.r.stats.compiled.Add(1)
	end := statementEnd(text)
	rest := skipBlank(text[end:])
	c.guard.several = c.guard.several || rest != ""
	flags := sqlite3.PrepareFlag(0)
	if rest == "" {
		flags = sqlite3.PREPARE_PERSISTENT
	}
	st, tail, err := c.compile(text[:end], flags)
	if err != nil && rest != "" && c.guard.refusal == nil {
		// SQLite may see the end of the statement elsewhere than we do.
		if st, tail, err = c.compile(text, 0); err == nil {
			end = len(text)
		}
	}
	if err != nil {
		return nil, "", err
	}
	if tail = skipBlank(tail); tail != "" {
		rest = text[end-len(tail):]
	} else if end == len(text) {
		rest = ""
	}
	if st != nil && rest == "" && flags != 0 && !c.guard.explain {
		c.keep(text, st)
	}
	return st, rest, nil
}

// compile compiles one statement and looks at it.
func (c *conn) compile(text string, flags sqlite3.PrepareFlag) (*statement, string, error) {
	c.guard.begin(text)
	if c.guard.explain { // of which SQLite does not look whether its schema is up to date
		if err := c.exec("SELECT 1 FROM sqlite_schema LIMIT 1"); err != nil {
			return nil, "", err
		}
	}
	stmt, tail, err := c.c.PrepareFlags(text, flags)
	if err != nil || stmt == nil {
		return nil, "", err
	}
	st := &statement{stmt: stmt, text: text, facts: c.guard.seen}
	first := firstWord(text)
	st.readOnly = stmt.ReadOnly() || first == "EXPLAIN"
	if st.pragma { // for which SQLite's own answer says little
		st.readOnly = !st.changes
	}
	if st.vacuum = first == "VACUUM" && !st.readOnly && st.callbacks == 0; st.vacuum {
		if strings.Contains(strings.ToUpper(text), "INTO") && !c.db.r.down.Has(walls.VacuumInto) {
			stmt.Close()
			return nil, "", errVacuumInto
		}
		st.alone, st.maintenance = true, true
	}
	if n := stmt.BindCount(); n > 0 {
		st.params = make([]string, n)
		for i := range st.params {
			st.params[i] = stmt.BindName(i + 1)
		}
	}
	return st, tail, nil
}

// keep remembers a statement, in the place of the one that was not used for
// longest if there is no room.
func (c *conn) keep(text string, st *statement) {
	if len(c.statements) >= c.db.r.limits.Statements {
		var oldest string
		var least *statement
		for text, st := range c.statements {
			if least == nil || st.used < least.used {
				oldest, least = text, st
			}
		}
		delete(c.statements, oldest)
		least.stmt.Close()
	}
	c.ticks++
	st.used = c.ticks
	st.text = strings.Clone(text)
	c.statements[st.text] = st
}

// done makes a statement ready for its next use, or throws it away if it is not
// kept.
func (c *conn) done(st *statement) {
	if c.statements[st.text] != st {
		st.stmt.Close()
		return
	}
	st.stmt.Reset()
	if len(st.params) > 0 {
		st.stmt.ClearBindings()
	}
}

// load refreshes the columns of a statement that has been stepped: a change of
// the schema may have changed them.
func (st *statement) load() []catalog.Column {
	if st.columns != nil && st.stmt.Status(sqlite3.STMTSTATUS_REPREPARE, true) == 0 {
		return st.columns
	}
	st.columns = make([]catalog.Column, st.stmt.ColumnCount())
	for i := range st.columns {
		st.columns[i] = catalog.Column{Name: st.stmt.ColumnName(i), Decl: st.stmt.ColumnDeclType(i)}
	}
	return st.columns
}

// A binder hands the arguments of a text to its statements, in order.
// Positional arguments are used up from left to right; a named one may be used
// by any number of statements.
type binder struct {
	args  []catalog.Arg
	next  int    // of the positional ones
	named bool   // whether there are any with names
	used  []bool // of the named ones
}

func newBinder(args []catalog.Arg) binder {
	b := binder{args: args}
	for _, arg := range args {
		if arg.Name != "" {
			b.named = true
			b.used = make([]bool, len(args))
			break
		}
	}
	return b
}

// bind gives every parameter of a statement its value.
func (b *binder) bind(st *statement) error {
	for i, param := range st.params {
		arg := b.find(param)
		if arg == nil {
			return missing(i, param)
		}
		if err := bindValue(st.stmt, i+1, arg.Value); err != nil {
			return err
		}
	}
	return nil
}

// find returns the argument for a parameter: by name if there are names and it
// has one, else the next positional one.
func (b *binder) find(param string) *catalog.Arg {
	if b.named && param != "" && param[0] != '?' {
		for i := range b.args {
			if b.args[i].Name != "" && b.args[i].Name == param[1:] {
				b.used[i] = true
				return &b.args[i]
			}
		}
		return nil
	}
	for ; b.next < len(b.args); b.next++ {
		if b.args[b.next].Name == "" {
			b.next++
			return &b.args[b.next-1]
		}
	}
	return nil
}

// finish refuses arguments that no statement had a use for.
func (b *binder) finish() error {
	for i, arg := range b.args {
		switch {
		case arg.Name == "" && i >= b.next:
			return fault.New(fault.Invalid, "There are more values than parameters in the query: parameter %d has no place", i+1)
		case arg.Name != "" && !b.used[i]:
			return fault.New(fault.Invalid, "The query has no parameter named %s", arg.Name)
		}
	}
	return nil
}

func missing(i int, param string) error {
	if param == "" {
		return fault.New(fault.Invalid, "Parameter %d of the query was given no value", i+1)
	}
	return fault.New(fault.Invalid, "Parameter %s of the query was given no value", param)
}

func bindValue(stmt *sqlite3.Stmt, i int, v catalog.Value) error {
	switch v.Type() {
	case catalog.Integer:
		return stmt.BindInt64(i, v.Int64())
	case catalog.Real:
		return stmt.BindFloat(i, v.Float64())
	case catalog.Text:
		return stmt.BindText(i, v.String())
	case catalog.Blob:
		return stmt.BindBlob(i, v.Bytes())
	}
	return stmt.BindNull(i)
}
