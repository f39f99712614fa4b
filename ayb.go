// Package ayb hosts databases: many small SQLite databases that belong to users
// and organizations, are shared among them, and run SQL from strangers within
// bounds. It is the engine behind the ayb server and can be embedded in any Go
// program.
//
// [Open] returns an [Engine] that works on one directory. Every call names the
// [Principal] it is made for and is checked against it in one place; whoever
// calls the engine in process is trusted to say for whom. An HTTP server is
// package ayb/httpapi over an engine.
//
// Errors are of type [Error]: a kind to test for with errors.Is and a sentence
// for the user. Each method documents the kinds that are its own. Besides them,
// any method may answer [ErrUnauthenticated] (the principal's token or account
// is no longer valid), [ErrDenied] (or ErrUnauthenticated for anonymous callers:
// not permitted), [ErrInvalid] (a name that cannot be one), [ErrNotFound],
// [ErrUnavailable] (the metadata database is down, or the engine is closed), and
// a context's own error.
//
// A database that a caller may not even see is refused to them in the same words
// as one that does not exist; only those who could see it read that it does not
// exist.
package ayb

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"ayb/auth"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/durable"
	"ayb/snapshot"
	"ayb/store"
)

// Bounds on what the engine does on its own.
const (
	closeTime   = 5 * time.Second  // for the last flush of the audit trail
	releaseTime = 10 * time.Second // for the running queries of a database to end
	tidyEvery   = time.Hour
	settleEvery = time.Second // a transfer that could not be completed
)

// An Engine hosts the databases below one directory. All methods may be called
// from many goroutines at once.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	lock    *os.File
	store   *store.Store
	runner  hosting.Runner
	journal *journal
	ids     *ids
	vault   *snapshot.Vault // nil if no snapshots are taken
	taking  chan struct{}   // holds a token for each snapshot that somebody has asked for

	emailKeys *auth.EmailKeys // nil if nobody can register or log in by e-mail
	requests  *rateLimit      // of e-mails
	failures  *rateLimit      // of their records in the audit trail

	// moving holds the databases whose file is being made or moved.
	moving locks
	// keeping holds what restores have put away and is being uploaded, or removed.
	keeping locks
	// restoring holds the databases that are being restored.
	restoring locks
	// replacing holds the owners of whose databases one is just being replaced.
	replacing locks
	// adopting holds the owners for whom an import is checked and put in its place.
	adopting locks
	// snapshotting holds the databases of which a snapshot is being taken, or whose
	// snapshots are being removed.
	snapshotting locks
	snapshots    snapshotCounters
	// metadata is what rounds know of the copies of the metadata.
	metadata metadataKeeper
	// changes are the databases that are noted to have changed.
	changes changes
	disk    disk
	// copying bounds the exports and imports that are under way.
	copying shares
	// working notes for whom they are made, and snapshots.
	working workNotes
	// growth is what will count for quotas, claiming whose is being decided about.
	growth   growth
	claiming locks
	// measuring holds the owners whose databases are being added up.
	measuring locks
	// sums are what is told of owners with many databases.
	sums ownerSums
	// purging is held by the purge that runs.
	purging locks
	// deletions is held while a deleted thing is brought back, and guards expired.
	deletions sync.Mutex
	expired   time.Time // what was deleted before is purged, and can't be brought back

	calls      *gate
	background sync.WaitGroup
	life       context.Context // of what runs beside the calls
	stop       context.CancelFunc
	closing    sync.Once
	closed     error
}

// Open opens the engine on cfg.DataPath and makes what is missing there. One
// directory can be open once at a time, in whatever process. Errors:
// [ErrInvalid] (the configuration; all problems at once), [ErrConflict] (the
// directory is in use, or a newer ayb has used it), [ErrUnavailable].
func Open(ctx context.Context, cfg Config) (_ *Engine, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := newEngine(cfg)
	defer func() {
		if err != nil {
			e.shut()
		}
	}()
	if err := os.MkdirAll(e.cfg.DataPath, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The data path can't be made")
	}
	if e.lock, err = lockFile(filepath.Join(e.cfg.DataPath, "lock")); err != nil {
		return nil, err
	}
	if err := refuseUnrecovered(e.cfg.DataPath); err != nil {
		return nil, err
	}
	if e.emailKeys, err = openEmailKeys(e.cfg); err != nil {
		return nil, err
	}
	if e.store, err = openStore(ctx, e.cfg); err != nil {
		return nil, err
	}
	if err := e.proveKey(ctx); err != nil {
		return nil, err
	}
	if e.runner, err = openRunner(e.cfg); err != nil {
		return nil, err
	}
	if e.vault, err = openVault(ctx, e.cfg, e.store); err != nil {
		return nil, err
	}
	e.taking = make(chan struct{}, e.cfg.Snapshots.Parallel)
	if err := e.sweepImages(ctx); err != nil {
		e.log.Warn("temporary copies of databases are removed at the next start", "error", err)
	}
	if err := e.sweepTransfers(ctx); err != nil {
		// They take room and do no other harm: the metadata says what is current.
		e.log.Warn("files that a transfer left behind are removed later", "error", err)
	}
	if err := e.sweepWork(); err != nil {
		e.log.Warn("temporary files could not be removed", "error", err)
	}
	e.journal = newJournal(e.store, e.ids, e.cfg)
	e.start()
	return e, nil
}

// newEngine returns an engine that holds nothing yet.
func newEngine(cfg Config) *Engine {
	e := &Engine{cfg: cfg.withDefaults(), calls: newGate(), stop: func() {}}
	e.log, e.ids = e.cfg.Logger, &ids{now: e.cfg.Now, random: e.cfg.Random}
	e.copying.all, e.copying.each = e.cfg.Limits.Copies, e.cfg.Limits.AccountCopies
	e.working.dir, e.working.owners = filepath.Join(e.cfg.DataPath, "working"), e.cfg.owners()
	e.disk = disk{dir: e.cfg.owners(), reserve: e.cfg.Limits.DiskReserve, free: durable.Free}
	e.requests, e.failures = newRateLimit(e.cfg.RequestRate, e.cfg.Now), newRateLimit(failureRecords, e.cfg.Now)
	return e
}

func openStore(ctx context.Context, cfg Config) (*store.Store, error) {
	return store.Open(ctx, cfg.MetadataURL, &store.Options{
		Now: cfg.Now, Logger: cfg.Logger, Databases: cfg.Limits.Databases, Tokens: cfg.Limits.Tokens, TokenIdle: cfg.TokenIdle,
	})
}

func openRunner(cfg Config) (hosting.Runner, error) {
	if cfg.Runner != nil {
		return cfg.Runner, nil
	}
	runner, err := hosting.NewInProcess(hosting.Config{
		Dir: cfg.owners(), Limits: cfg.Limits.Limits, Now: cfg.Now, Random: cfg.Random, Logger: cfg.Logger,
		Walls: cfg.Walls,
	})
	if err != nil {
		return nil, err // and no Runner that is a nil pointer
	}
	return runner, nil
}

// start starts what runs beside the calls: the writer of the audit trail, the
// janitor, and the rounds of snapshots.
func (e *Engine) start() {
	ctx, stop := context.WithCancel(context.Background())
	e.life, e.stop = ctx, stop
	e.background.Go(func() { e.journal.run(ctx) })
	e.background.Go(func() { e.tidyUp(ctx) })
	if e.vault != nil && e.cfg.Snapshots.Interval > 0 {
		if !e.store.CanCopy() {
			e.log.Info("the metadata are in PostgreSQL and don't go to the bucket; back them up besides, with pg_dump say: ayb recover needs both")
		}
		e.background.Go(func() { e.takeRounds(ctx) })
	}
	e.background.Go(func() { e.tendOften(ctx) })
}

// Close refuses new calls, ends running queries and sessions, waits for what is
// left, writes the audit trail and frees the directory. After it nothing of the
// engine runs and no file is open. It may be called more than once, but not from
// within a [Sink]. If the [Runner] was given by Config, it stays open, and Close
// waits until its running queries have ended.
func (e *Engine) Close() error {
	e.closing.Do(func() { e.closed = e.shut() })
	return e.closed
}

// shut closes as much as has been opened.
func (e *Engine) shut() error {
	e.calls.shut()
	e.stop()
	var errs []error
	if e.runner != nil && e.cfg.Runner == nil {
		errs = append(errs, e.runner.Close())
	}
	e.calls.wait()
	e.background.Wait()
	if e.journal != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		errs = append(errs, e.journal.flush(ctx))
		cancel()
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
	}
	return errors.Join(errs...)
}

// now returns the time as it is recorded everywhere: in UTC, to the microsecond.
func (e *Engine) now() time.Time { return e.cfg.Now().UTC().Truncate(time.Microsecond) }

var errClosing = fault.New(fault.Unavailable, "The server is shutting down; send the request again in a moment")

// A gate counts the calls that are under way, so that Close can wait for them.
// Unlike a sync.RWMutex it lets a call made within a call fail, not hang, once
// it has been shut.
type gate struct {
	inside atomic.Int64
	isShut atomic.Bool
	left   chan struct{} // holds a signal if the last one may have left
}

func newGate() *gate { return &gate{left: make(chan struct{}, 1)} }

func (g *gate) enter() error {
	g.inside.Add(1)
	if g.isShut.Load() {
		g.leave()
		return errClosing
	}
	return nil
}

func (g *gate) leave() {
	if g.inside.Add(-1) == 0 && g.isShut.Load() {
		select {
		case g.left <- struct{}{}:
		default:
		}
	}
}

func (g *gate) shut() { g.isShut.Store(true) }

// wait returns when nobody is inside; call it after shut.
func (g *gate) wait() {
	for g.inside.Load() > 0 {
		<-g.left
	}
}

// lockedReader makes a source of randomness safe for concurrent use, so that a
// seeded one may be configured.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

// Read reads from the source.
func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return io.ReadFull(l.r, p)
}
