package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"ayb/catalog"
	"ayb/fault"
)

// patience is how long one operation may take, waiting for a connection or for
// another writer included.
const patience = 10 * time.Second

// defaultCacheEntries bounds each cache if [Options] do not.
const defaultCacheEntries = 10_000

// Options are what [Open] may be told. The zero value works.
type Options struct {
	// Now is the clock: it says how old what is cached is, and in which order
	// grants and tokens were made. Nil: time.Now.
	Now func() time.Time

	// Logger is told of migrations. Nil: silence.
	Logger *slog.Logger

	// CacheEntries bounds each of the six look-up caches. 0: 10,000, which comes
	// to about 17 MB when all of them are full.
	CacheEntries int

	// Databases is how many databases an entity may have, unless its quota says
	// otherwise. 0: any number.
	Databases int64

	// CacheTTL is how old a cached look-up may be, and so how late a change made
	// through another Store may be seen. 0: any age for SQLite, whose file is
	// meant for one Store at a time, and 5 seconds for PostgreSQL, where it is
	// never more than that. Negative: nothing is cached.
	CacheTTL time.Duration

	// Tokens is how many valid tokens one entity may have: those that are neither
	// revoked nor expired, nor have been unused for TokenIdle. 0: any number.
	Tokens int

	// TokenIdle is after what time without use a token is not valid any more. Not
	// positive: never.
	TokenIdle time.Duration
}

// A Store keeps the metadata. Its methods may be called from many goroutines at
// once, and by several Stores, on several machines, that share a PostgreSQL
// database. Values it returns are shared with its caches where they hold slices:
// read them, do not change them.
type Store struct {
	db      *bun.DB
	now     func() time.Time
	bound   tokenBound
	copies  bool          // the metadata are in a file
	writers chan struct{} // holds one element for each write under way
	closed  atomic.Bool

	queries, changes atomic.Uint64

	databaseLimit int64 // Options.Databases

	entities    *cache[catalog.Slug, catalog.Entity]
	entityIDs   *cache[catalog.ID, catalog.Entity]
	databases   *cache[databaseKey, catalog.Database]
	permissions *cache[grantKey, catalog.Access]
	roles       *cache[memberKey, catalog.Role]
	tokens      *cache[string, storedToken]
}

// A dialect is everything in which the two databases differ, apart from their
// error codes.
type dialect struct {
	bun     schema.Dialect
	open    func(ctx context.Context, url string) (*sql.DB, error)
	look    func(ctx context.Context, url string) (*sql.DB, error) // as open, and makes nothing; nil if nothing is there
	writers int                                                    // how many writes may be under way
	maxAge  time.Duration                                          // the most that a cached look-up may be old; 0: any age
	text    string                                                 // type of a text column that sorts by bytes
	lock    string                                                 // what a migration does first so that two cannot race

	hasSchema string // counts the tables schema_migration

	copies bool                                        // there is a file to copy
	count  func(ctx context.Context, tx *sql.Tx) error // has changes counted, after the migrations; nil: they are not
}

// dialectOf chooses by the scheme of a URL. Errors: Invalid.
func dialectOf(url string) (dialect, error) {
	switch scheme, _, _ := strings.Cut(url, "://"); scheme {
	case "sqlite":
		return sqliteDialect(), nil
	case "postgres", "postgresql":
		return postgresDialect(), nil
	}
	return dialect{}, fault.New(fault.Invalid, "A metadata database is named as sqlite://PATH or postgresql://USER:PASSWORD@HOST/NAME")
}

// Open opens the metadata database that url names and brings its schema up to
// date. The URL is one of
//
//	sqlite://relative/path     everything after sqlite:// is the path as it is,
//	sqlite:///absolute/path    without escapes and without parameters
//	postgresql://user:password@host:port/name?sslmode=verify-full
//	postgres://...             the same, with all parameters of libpq
//
// A SQLite file that is missing is made, readable for this user alone, and so
// are the directories above it. A PostgreSQL database must be there and allow
// its user to create tables. Several processes may open one database at the
// same moment. opt may be nil.
//
// Errors: Invalid (the URL), Conflict (the schema was made by a newer ayb),
// Unavailable.
func Open(ctx context.Context, url string, opt *Options) (*Store, error) {
	if opt == nil {
		opt = &Options{}
	}
	d, err := dialectOf(url)
	if err != nil {
		return nil, err
	}
	failed := answers{unexplained: {fault.Internal,
		"The metadata database could not be opened or brought up to date, and nothing in it was changed; does it belong to another program?"}}
	pool, err := d.open(ctx, url)
	if err != nil {
		return nil, explain(ctx, err, failed)
	}
	logger := opt.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if err := migrate(ctx, pool, d, migrations, logger); err != nil {
		pool.Close()
		return nil, explain(ctx, err, failed)
	}
	return newStore(pool, d, opt), nil
}

func newStore(pool *sql.DB, d dialect, opt *Options) *Store {
	now := opt.Now
	if now == nil {
		now = time.Now
	}
	size, ttl := cacheBounds(opt, d.maxAge)
	return &Store{
		db:      bun.NewDB(pool, d.bun),
		now:     now,
		copies:  d.copies,
		writers: make(chan struct{}, d.writers),

		databaseLimit: opt.Databases,
		bound:         tokenBound{int64(opt.Tokens), opt.TokenIdle},

		entities:    newCache(size, ttl, now, func(_ catalog.Slug, e catalog.Entity) subjects { return subjects{e.ID} }),
		entityIDs:   newCache(size, ttl, now, func(id catalog.ID, _ catalog.Entity) subjects { return subjects{id} }),
		databases:   newCache(size, ttl, now, func(_ databaseKey, d catalog.Database) subjects { return subjects{d.ID, d.Owner} }),
		permissions: newCache(size, ttl, now, func(k grantKey, _ catalog.Access) subjects { return subjects{k.database, k.entity} }),
		roles:       newCache(size, ttl, now, func(k memberKey, _ catalog.Role) subjects { return subjects{k.organization, k.entity} }),
		tokens:      newCache(size, ttl, now, func(_ string, t storedToken) subjects { return subjects{t.Entity, t.Scope.Database} }),
	}
}

// cacheBounds returns how many entries each cache may hold, and how old they may
// be (0: any age) given the most that the dialect allows.
func cacheBounds(opt *Options, maxAge time.Duration) (size int, ttl time.Duration) {
	size, ttl = opt.CacheEntries, opt.CacheTTL
	if size <= 0 {
		size = defaultCacheEntries
	}
	switch {
	case ttl < 0:
		size = 0
	case maxAge > 0 && (ttl == 0 || ttl > maxAge):
		ttl = maxAge
	}
	return size, ttl
}

// Stats returns how often each cache was asked since the Store was opened, by what
// is looked up in it.
func (s *Store) Stats() map[string]CacheStats {
	return map[string]CacheStats{
		"entities": s.entities.stats(), "entity_ids": s.entityIDs.stats(), "databases": s.databases.stats(),
		"permissions": s.permissions.stats(), "roles": s.roles.stats(), "tokens": s.tokens.stats(),
	}
}

// Requests count what the metadata database was asked for since the Store was
// opened.
type Requests struct {
	Queries uint64 // look-ups and lists that no cache answered
	Changes uint64 // transactions
}

// Requests returns these counters.
func (s *Store) Requests() Requests {
	return Requests{Queries: s.queries.Load(), Changes: s.changes.Load()}
}

// Close closes every connection. Later calls answer Unavailable, except that
// look-ups may still be answered from the cache.
func (s *Store) Close() error {
	s.closed.Store(true)
	return explain(context.Background(), s.db.Close(), nil)
}

// Ping asks the database for a row, past all caches. Errors: Unavailable.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, nil, func(ctx context.Context) error {
		var version int
		return s.db.NewSelect().Table("schema_migration").ColumnExpr("max(version)").Scan(ctx, &version)
	})
}

// errClosed answers every call after Close.
var errClosed error = fault.New(fault.Unavailable, "The metadata database is closed")

// read runs one query. No method needs one snapshot over several.
func (s *Store) read(ctx context.Context, own answers, query func(context.Context) error) error {
	if s.closed.Load() {
		return errClosed
	}
	s.queries.Add(1)
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return explain(ctx, query(bounded), own)
}

// write runs change in a transaction: all of it is kept, or nothing. The caller
// may give up until the commit begins; from then on only our own patience can
// end it, so that a caller who leaves does not make the outcome unknown.
func (s *Store) write(ctx context.Context, own answers, change func(context.Context, bun.Tx) error) error {
	if s.closed.Load() {
		return errClosed
	}
	s.changes.Add(1)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	select {
	case s.writers <- struct{}{}:
		defer func() { <-s.writers }()
	case <-bounded.Done():
		return explain(ctx, bounded.Err(), own)
	}
	tx, err := s.db.BeginTx(bounded, nil)
	if err != nil {
		return explain(ctx, err, own)
	}
	if err := change(bounded, tx); err != nil {
		_ = tx.Rollback() // a broken connection rolls back by itself
		return explain(ctx, err, own)
	}
	if !stop() {
		_ = tx.Rollback()
		return ctx.Err()
	}
	return committed(tx.Commit())
}

// committed explains the error of a commit. If the connection broke meanwhile,
// nobody knows whether the server had got that far.
func committed(err error) error {
	if err != nil && reasonOf(err) == unreachable {
		return fault.Wrap(fault.OutcomeUnknown, err,
			"The metadata database went away while it saved the change; look whether it was kept before you try again")
	}
	return explain(context.Background(), err, nil)
}

// require fails with otherwise unless the query finds a row.
func require(ctx context.Context, q *bun.SelectQuery, otherwise answer) error {
	var one int
	err := q.ColumnExpr("1").Limit(1).Scan(ctx, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return otherwise.fault(err)
	}
	return err
}

// nextPosition returns a number greater than all positions in table: usually the
// time in microseconds, so that rows keep the order in which they were made even
// if the clock stands still or is set back.
func (s *Store) nextPosition(ctx context.Context, tx bun.Tx, table string) (int64, error) {
	var last int64
	err := tx.NewSelect().Table(table).ColumnExpr("coalesce(max(position), 0)").Scan(ctx, &last)
	return max(micros(s.now()), last+1), err
}

// storable refuses texts with a NUL, which neither database keeps in a text.
// Texts that are names or ids cannot hold one; these come from people.
func storable(texts ...string) error {
	for _, text := range texts {
		if strings.ContainsRune(text, 0) {
			return fault.New(fault.Invalid, "A text must not hold a NUL character")
		}
	}
	return nil
}

// micros is a time as it is stored, with 0 for the zero time, which row types
// store as NULL.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant is the inverse of micros.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
