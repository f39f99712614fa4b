package hosting

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/ext/rtree"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
)

// A conn is one connection to a database, with everything that a tenant's SQL
// is met by already in place. It is used by one goroutine at a time.
type conn struct {
	db    *database
	jail  *jail
	c     *sqlite3.Conn
	intr  interrupt
	guard guard
	row   stmtRow

	statements map[string]*statement // kept, by their text
	ticks      uint64                // counts uses of statements
	host       map[string]*sqlite3.Stmt

	held   *[]byte // the memory of the driver; only its length is of interest
	memory int64   // bytes last accounted
	pages  int64   // PRAGMA max_page_count last set; 0: never

	place int // of the statement that is compiled or run, in its text; from 1

	ownerFull bool // what sets it is the room that the owner has left

	waits func() // called before a commit, which waits for the disk; nil: nobody wants to know

	reads  bool // it is not for writing, nor a session's
	empty  bool // of a database without a file: sees none of it when it is made
	broken bool // a panic passed through; only closing is safe

	logs    bool   // the file is in WAL mode
	viewing bool   // a read transaction is open that outlives the texts that use it
	seen    uint64 // database.commits when the last text began to read; noCommits: none has

	naming     bool        // a panic now is the driver's, which reads no names of 1,000,000 bytes
	committing bool        // a panic now leaves the outcome unknown
	working    atomic.Bool // it is running somebody's text

	since atomic.Int64 // database.written before it began to read
}

// access says how a connection is opened.
type access uint8

const (
	toRead access = iota
	toWrite
	toSession     // reads and writes, for a session
	toReadSession // reads, for a session
	toCopy        // reads, for the host
)

// The memory that a connection is accounted with beyond what SQLite uses in it,
// and the size beyond which it is closed after its request, because the memory
// of a connection never shrinks.
const (
	connOverhead = 48 << 10
	connRetained = 8 << 20
)

// open makes a connection. The order matters: what the host sets up comes before
// the guard is in place.
func (db *database) open(how access) (_ *conn, err error) {
	c := &conn{db: db, jail: newJail(db), seen: noCommits, statements: map[string]*statement{}, host: map[string]*sqlite3.Stmt{}}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	defer c.recovered(&err)
	c.reads = how == toRead || how == toCopy
	c.intr.Context, c.intr.closing, c.intr.due = context.Background(), &db.r.closing, db.r.hooks.Due
	c.guard.killable = db.r.killable
	c.empty = !db.exists()
	ctx := sqlite3.WithMaxMemory(context.Background(), db.r.limits.ConnectionMemory)
	if c.c, err = sqlite3.OpenContext(ctx, c.uri(how)); err != nil {
		return nil, c.fault(err)
	}
	c.held = driverMemory(c.c)
	if how == toWrite || how == toSession {
		if err = db.weigh(); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "The database's file can't be read; please tell whoever runs this server")
		}
	}
	c.c.SetInterrupt(&c.intr)
	// Setting it up reads the schema, in a time that grows with the square of what is in it.
	if c.intr.arm(context.Background(), "limits.query_time", db.r.limits.QueryTime, 0); how == toCopy {
		c.intr.allow("limits.maintenance_time", db.r.limits.MaintenanceTime)
	}
	if err = c.configure(how); err != nil {
		return nil, c.fault(err)
	}
	c.intr.disarm()
	c.account()
	db.r.stats.connections.Add(1)
	db.mu.Lock()
	db.conns[c] = struct{}{}
	db.mu.Unlock()
	return c, nil
}

// uri names the file for SQLite: the database's own, or nowhere if it has none.
func (c *conn) uri(how access) string {
	query := url.Values{"vfs": {c.jail.name}, "mode": {"ro"}}
	switch {
	case c.empty:
		query.Set("mode", "memory")
	case how == toWrite || how == toSession:
		query.Set("mode", "rw")
	}
	return fileURI(c.db.path, query)
}

func fileURI(path string, query url.Values) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return u.String()
}

func (c *conn) configure(how access) error {
	limits, down := &c.db.r.limits, c.db.r.down
	c.guard.down = down
	if err := c.c.BusyTimeout(limits.QueueTime); err != nil {
		return err
	}
	for _, set := range []struct {
		option sqlite3.DBConfig
		value  bool
	}{
		{sqlite3.DBCONFIG_DEFENSIVE, !down.Has(walls.Defensive)},
		{sqlite3.DBCONFIG_TRUSTED_SCHEMA, down.Has(walls.TrustedSchema)},
		{sqlite3.DBCONFIG_ENABLE_FKEY, true},
		{sqlite3.DBCONFIG_DQS_DML, true}, // "PostgreSQL" in double quotes is a text, as ayb's users write it
		{sqlite3.DBCONFIG_DQS_DDL, true},
	} {
		if _, err := c.c.Config(set.option, set.value); err != nil {
			return err
		}
	}
	pragmas := "PRAGMA temp_store=FILE;"
	if how == toWrite || how == toSession {
		pragmas += "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=16777216;"
	}
	if err := c.c.Exec(pragmas); err != nil {
		return err
	}
	extensions := []func(*sqlite3.Conn) error{fts5.Register, rtree.Register, overrideFunctions}
	if down.Has(walls.Replaced) {
		extensions = extensions[:2]
	}
	for _, extend := range extensions {
		if err := extend(c.c); err != nil {
			return err
		}
	}
	if !down.Has(walls.Refused) {
		if err := c.refuseFunctions(); err != nil {
			return err
		}
	}
	c.watch(how)
	// What has to work when memory is short is compiled while there is plenty.
	commands := []string{"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "PRAGMA journal_mode"}
	if how == toWrite {
		commands = append(commands, markWrite, undoWrite, unmarkWrite)
	}
	for _, text := range commands {
		if _, err := c.hosted(text); err != nil {
			return err
		}
	}
	for category, value := range map[sqlite3.LimitCategory]int{
		sqlite3.LIMIT_LENGTH:              limits.ValueBytes,
		sqlite3.LIMIT_SQL_LENGTH:          max(limits.SQLBytes, 1<<16),
		sqlite3.LIMIT_VARIABLE_NUMBER:     limits.Parameters,
		sqlite3.LIMIT_LIKE_PATTERN_LENGTH: limits.LikePatternBytes,
		sqlite3.LIMIT_EXPR_DEPTH:          limits.ExpressionDepth,
		sqlite3.LIMIT_COMPOUND_SELECT:     limits.CompoundSelect,
		sqlite3.LIMIT_COLUMN:              limits.Columns,
		sqlite3.LIMIT_FUNCTION_ARG:        limits.FunctionArgs,
		sqlite3.LIMIT_TRIGGER_DEPTH:       limits.TriggerDepth,
		sqlite3.LIMIT_VDBE_OP:             limits.ProgramOps,
		sqlite3.LIMIT_WORKER_THREADS:      0,
		sqlite3.LIMIT_ATTACHED:            0,
	} {
		c.c.Limit(category, value)
	}
	if how == toCopy || down.Has(walls.AttachLimit) {
		c.c.Limit(sqlite3.LIMIT_ATTACHED, 1)
	}
	if how == toCopy {
		return nil // the host's own: it has no guard
	}
	return c.c.SetAuthorizer(c.guard.authorize)
}

// watch counts commits, and leaves checkpoints to the writer, which makes them
// when nobody waits for an answer.
func (c *conn) watch(how access) {
	if how != toWrite && how != toSession {
		return
	}
	c.c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		grown := int64(pages) - c.db.logged.Swap(int64(pages))
		if grown < 0 { // the log has begun anew
			grown = int64(pages)
		}
		c.db.written.Add(grown)
		c.jail.settle(true)
		c.db.commits.Add(1)
		c.db.r.stats.commits.Add(1)
		return nil
	})
}

// exec runs SQL of the host, a constant, and remembers it prepared.
func (c *conn) exec(text string) error {
	was := c.guard.mode
	c.guard.mode = hostMode
	defer func() { c.guard.mode = was }()
	stmt, err := c.hosted(text)
	if err != nil {
		return err
	}
	return stmt.Exec()
}

// command runs SQL of the host as exec does, where nobody recovers.
func (c *conn) command(text string) (err error) {
	defer c.recovered(&err)
	return c.exec(text)
}

// hosted returns a statement of the host, prepared once.
func (c *conn) hosted(text string) (*sqlite3.Stmt, error) {
	if stmt := c.host[text]; stmt != nil {
		return stmt, nil
	}
	stmt, _, err := c.c.PrepareFlags(text, sqlite3.PREPARE_PERSISTENT)
	if err == nil {
		c.host[text] = stmt
	}
	return stmt, err
}

// set runs a PRAGMA of the host that changes the connection: it does so while it
// is compiled, so it is compiled each time.
func (c *conn) set(pragma string) (err error) {
	was := c.guard.mode
	c.guard.mode = hostMode
	defer func() { c.guard.mode = was }()
	defer c.recovered(&err)
	return c.c.Exec(pragma)
}

// rollback ends what is open, whatever it is. It cannot be interrupted, and it
// does not panic, for it is called where nobody recovers.
func (c *conn) rollback() {
	c.viewing = false
	if c.broken || c.c.GetAutocommit() {
		return
	}
	c.intr.disarm()
	if err := c.command("ROLLBACK"); err != nil {
		c.broken = true
	}
}

// account tells the Runner how much memory the connection holds now.
func (c *conn) account() {
	now := int64(len(*c.held)) + connOverhead
	c.db.r.stats.memory.Add(now - c.memory)
	c.memory = now
}

// reusable reports whether the connection may serve another request.
func (c *conn) reusable() bool {
	return !c.broken && !c.empty && (c.memory <= connRetained || c.db.r.down.Has(walls.Retire)) && c.intr.killed.Load() == nil
}

// close frees the connection. One that a panic went through is not asked to
// close itself, for that may panic again and leave its memory, its descriptors
// and its locks behind: they are taken from it, as if its process had died.
func (c *conn) close() {
	defer c.jail.close()
	defer c.jail.settle(c.broken) // if nobody knows whether it was kept, it counts
	c.leave()
	if c.c == nil {
		return
	}
	if !c.broken {
		c.closeDriver()
	}
	if c.broken {
		if err := freeDriver(c.c); err != nil {
			c.db.r.logger.Error("a connection could not be freed", "database", c.db.id.Database, "err", err)
		}
	}
	c.db.r.stats.memory.Add(-c.memory)
	c.c, c.memory = nil, 0
}

// leave takes the connection off the list of the open ones.
func (c *conn) leave() {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if _, open := c.db.conns[c]; open {
		delete(c.db.conns, c)
		c.db.r.stats.connections.Add(-1)
	}
}

// closeDriver closes the connection in the ordinary way, or finds it broken.
func (c *conn) closeDriver() {
	var err error
	defer func() {
		if err != nil {
			c.broken = true
			c.db.r.logger.Error("a connection could not be closed", "database", c.db.id.Database, "err", err)
		}
	}()
	defer c.recovered(&err)
	c.intr.disarm()
	c.intr.killed.Store(nil)
	c.guard.mode = hostMode
	for _, stmt := range slices.Collect(c.c.Stmts()) {
		stmt.Close()
	}
	err = c.c.Close()
}

// start arms the connection for one text of a tenant.
func (c *conn) start(ctx context.Context, m mode) {
	limits := &c.db.r.limits
	stream := time.Duration(0)
	if m == readMode {
		stream = limits.StreamTime
	}
	c.intr.arm(ctx, "limits.query_time", limits.QueryTime, stream)
	c.guard.mode, c.guard.refusal, c.guard.several, c.place = m, nil, false, 0
	c.jail.trouble = nil
	if c.viewing || c.broken || c.c.GetAutocommit() {
		c.since.Store(c.db.written.Load())
	}
	c.working.Store(true)
}

// finish ends it.
func (c *conn) finish() {
	c.working.Store(false)
	c.intr.disarm()
	c.guard.mode = hostMode
	if c.broken {
		return
	}
	if c.jail.claimed != 0 && c.c.GetAutocommit() {
		c.jail.settle(false)
	}
	c.account()
}

// step runs a statement to its end and hands its rows to emit, with the columns
// before the first.
func (c *conn) step(st *statement, columns func([]catalog.Column) error, emit func(catalog.Row) error) (rows int64, err error) {
	if st.maintenance { // for the rest of the text: its commit is part of it
		c.intr.allow("limits.maintenance_time", c.db.r.limits.MaintenanceTime)
	}
	more := st.stmt.Step()
	if err := st.stmt.Err(); err != nil {
		return 0, c.fault(err)
	}
	c.naming = true
	cols := st.load()
	c.naming = false
	if len(cols) > 0 && columns != nil {
		if err := columns(cols); err != nil {
			return 0, err
		}
	}
	c.row.stand(st.stmt, len(st.columns))
	for more {
		if emit != nil {
			c.row.load()
			if err := emit(&c.row); err != nil {
				return rows, err
			}
		}
		rows++
		more = st.stmt.Step()
	}
	return rows, c.fault(st.stmt.Err())
}

// limitPages bounds the size of the database for the next write.
func (c *conn) limitPages(quota Quota) error {
	c.ownerFull, c.jail.ownerBytes = false, quota.OwnerBytes
	pages := int64(maxPages)
	if quota.DatabaseBytes > 0 {
		pages = min(pages, quota.DatabaseBytes/c.db.page)
	}
	if quota.OwnerBytes > 0 {
		room, err := c.room(quota.OwnerBytes)
		if err != nil {
			return err
		}
		if most := room / c.db.page; most < pages {
			pages, c.ownerFull = most, true
		}
	}
	if pages = max(pages, 1); pages == c.pages {
		return nil
	}
	was := c.guard.mode
	c.guard.mode = hostMode
	defer func() { c.guard.mode = was }()
	if err := c.c.Exec("PRAGMA max_page_count=" + strconv.FormatInt(pages, 10)); err != nil {
		return err
	}
	c.pages = pages
	return nil
}

// room returns how large the database may be while all of its owner's have so many
// bytes together. It waits until that is known, which is not the text's time.
func (c *conn) room(ownerBytes int64) (int64, error) {
	for {
		room, known := c.db.room(ownerBytes)
		if known {
			return room, nil
		}
		if c.intr.patience > 0 {
			return 0, errApart // others wait to be committed with the text
		}
		since := time.Now()
		c.intr.pause()
		err := c.db.owner.ready(c.intr.Context)
		if c.intr.exclude(time.Since(since)); err != nil {
			return 0, err
		}
	}
}

const maxPages = 4294967294 // SQLite's own
