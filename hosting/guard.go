package hosting

import (
	"strings"

	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
	"ayb/internal/walls"
)

// mode says whose SQL a connection is compiling or running.
type mode uint8

const (
	hostMode    mode = iota // the Runner's own SQL: everything is allowed
	readMode                // a tenant's, on a connection that cannot write
	writeMode               // a tenant's, on the connection that all writers share
	sessionMode             // a tenant's, on a connection that nobody else uses
)

// A guard is the authorizer of one connection. SQLite asks it about everything
// a statement would do, when the statement is compiled and, for some things,
// again when it runs; what it does not know it denies. It is installed once and
// then told by mode who is asking, because installing it again would expire all
// prepared statements.
type guard struct {
	mode     mode
	killable bool   // functions that no interrupt stops are allowed, for the process can be killed
	vacuum   bool   // a plain VACUUM is running
	several  bool   // the statement being compiled is one of several
	text     string // of the statement being compiled
	explain  bool   // it is an EXPLAIN
	seen     facts
	refusal  *fault.Error // what to tell the user if SQLite says "not authorized"
	down     walls.Down
}

// facts are what the guard learns about a statement while it is compiled.
type facts struct {
	callbacks   int    // questions asked
	transaction string // BEGIN, COMMIT or ROLLBACK, if the statement is one
	savepoint   bool   // it is SAVEPOINT, RELEASE or ROLLBACK TO
	pragma      bool   // it is a PRAGMA
	changes     bool   // it is a PRAGMA that writes to the file
	alone       bool   // it may not stand among several statements
	maintenance bool   // it may take as long as limits.maintenance_time
}

// begin makes the guard ready for the next statement.
func (g *guard) begin(text string) {
	g.text, g.seen, g.refusal = text, facts{}, nil
	g.explain = firstWord(text) == "EXPLAIN"
}

// deny refuses with a sentence of ours in place of SQLite's "not authorized",
// unless the wall that it belongs to is down.
func (g *guard) deny(wall walls.Wall, format string, args ...any) sqlite3.AuthorizerReturnCode {
	if g.down.Has(wall) {
		return sqlite3.AUTH_OK
	}
	if g.refusal == nil {
		g.refusal = fault.New(fault.Denied, format, args...)
	}
	return sqlite3.AUTH_DENY
}

// authorize answers SQLite. The meaning of arg and sub depends on the action.
func (g *guard) authorize(action sqlite3.AuthorizerActionCode, arg, sub, schema, _ string) sqlite3.AuthorizerReturnCode {
	if g.mode == hostMode {
		return sqlite3.AUTH_OK
	}
	g.seen.callbacks++
	switch action {
	case sqlite3.AUTH_SELECT, sqlite3.AUTH_RECURSIVE:
		return sqlite3.AUTH_OK
	case sqlite3.AUTH_READ:
		return g.table(arg)
	case sqlite3.AUTH_FUNCTION:
		return g.function(sub)
	case sqlite3.AUTH_UPDATE:
		if arg == "sqlite_temp_master" {
			return sqlite3.AUTH_OK // ALTER TABLE does so; SQLite lets nobody else
		}
		return g.schema(schema)
	case sqlite3.AUTH_INSERT, sqlite3.AUTH_DELETE,
		sqlite3.AUTH_CREATE_TABLE, sqlite3.AUTH_CREATE_VIEW, sqlite3.AUTH_CREATE_TRIGGER,
		sqlite3.AUTH_DROP_TABLE, sqlite3.AUTH_DROP_VIEW, sqlite3.AUTH_DROP_TRIGGER,
		sqlite3.AUTH_DROP_INDEX, sqlite3.AUTH_ALTER_TABLE, sqlite3.AUTH_DROP_VTABLE:
		return g.schema(schema)
	case sqlite3.AUTH_CREATE_INDEX, sqlite3.AUTH_REINDEX, sqlite3.AUTH_ANALYZE:
		g.seen.maintenance = true
		return g.schema(schema)
	case sqlite3.AUTH_CREATE_VTABLE:
		if !moduleVerdict(strings.ToLower(sub)).creatable {
			return g.deny(walls.Modules, "The virtual table module %q is not available; fts5, fts5vocab and rtree are", sub)
		}
		return g.schema(schema)
	case sqlite3.AUTH_CREATE_TEMP_TABLE, sqlite3.AUTH_CREATE_TEMP_INDEX, sqlite3.AUTH_CREATE_TEMP_VIEW,
		sqlite3.AUTH_CREATE_TEMP_TRIGGER, sqlite3.AUTH_DROP_TEMP_TABLE, sqlite3.AUTH_DROP_TEMP_INDEX,
		sqlite3.AUTH_DROP_TEMP_VIEW, sqlite3.AUTH_DROP_TEMP_TRIGGER:
		return g.schema("temp")
	case sqlite3.AUTH_PRAGMA:
		return g.pragma(arg, sub)
	case sqlite3.AUTH_TRANSACTION:
		if !g.explain {
			g.seen.transaction = strings.ToUpper(arg)
		}
		return sqlite3.AUTH_OK
	case sqlite3.AUTH_SAVEPOINT:
		g.seen.savepoint = !g.explain
		return sqlite3.AUTH_OK
	case sqlite3.AUTH_ATTACH:
		if g.vacuum && arg == "" {
			return sqlite3.AUTH_OK // the scratch file of a plain VACUUM
		}
	}
	return g.deny(walls.Attach, "Databases can't be attached or detached, and extensions can't be loaded")
}

// schema allows changes to the database itself, and to temporary objects where
// nobody else could meet them.
func (g *guard) schema(name string) sqlite3.AuthorizerReturnCode {
	if strings.EqualFold(name, "temp") && g.mode != sessionMode {
		return g.deny(walls.Shared, "Temporary tables, views and triggers need a session")
	}
	return sqlite3.AUTH_OK
}

// table allows reading any table that is not one of the modules kept away.
func (g *guard) table(name string) sqlite3.AuthorizerReturnCode {
	name = strings.ToLower(name)
	pragma, isPragma := strings.CutPrefix(name, "pragma_")
	if moduleVerdict(name).denied || isPragma && pragmaVerdict(pragma, "", false) != pragmaRead {
		return g.deny(walls.Modules, "The table %q is not available", name)
	}
	return sqlite3.AUTH_OK
}

func (g *guard) function(name string) sqlite3.AuthorizerReturnCode {
	switch functionVerdict(strings.ToLower(name)) {
	case functionAllowed:
		return sqlite3.AUTH_OK
	case functionKillable:
		if g.killable {
			return sqlite3.AUTH_OK
		}
		return g.deny(walls.Functions, "The function %s is not available on this server, because a long call of it could not be stopped", name)
	}
	return g.deny(walls.Functions, "The function %s is not available", name)
}

func (g *guard) pragma(name, arg string) sqlite3.AuthorizerReturnCode {
	if g.explain { // SQLite carries out most of them while it compiles
		return g.deny(walls.Explain, "EXPLAIN of a PRAGMA is not available")
	}
	g.seen.pragma = true
	rule := pragmaVerdict(name, arg, arg != "" || g.assigns())
	switch {
	case rule == pragmaRead:
		return sqlite3.AUTH_OK
	case rule == pragmaWrite:
		g.seen.changes = true
		return sqlite3.AUTH_OK
	case rule == pragmaState && g.mode == sessionMode:
		return sqlite3.AUTH_OK
	case rule == pragmaState:
		if g.several && !g.down.Has(walls.Shared) {
			g.refusal = fault.New(fault.Invalid, "PRAGMA %s can't stand among other statements; nothing was written. Use a session", name)
		}
		return g.deny(walls.Shared, "PRAGMA %s changes how a connection works, and connections are shared: use a session", name)
	}
	return g.deny(walls.Pragmas, "PRAGMA %s is not available", name)
}

// assigns reports whether the statement being compiled is a PRAGMA with an
// argument. SQLite tells an empty argument as it tells none, but some pragmas
// take one to mean "off".
func (g *guard) assigns() bool {
	return firstWord(g.text) == "PRAGMA" && strings.ContainsAny(g.text, "=(")
}
