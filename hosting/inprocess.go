package hosting

import (
	"container/list"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/crew"
	"ayb/internal/walls"
)

// Config says how a Runner of this package works.
type Config struct {
	Dir    string           // required: the directory that holds the owners' directories; made if missing
	Limits Limits           // zero fields take their defaults
	Now    func() time.Time // for making ids; nil: time.Now
	Random io.Reader        // for making ids; nil: crypto/rand.Reader
	Logger *slog.Logger     // nil: silence

	// Temp is the name of the directory for temporary files within each
	// owner's; it begins with tmp, so that Sweep finds it. Empty: tmp. Runners of several processes may share Dir if each
	// has another Temp, no two of them write to the same database, those beside which
	// another writes are Shared, and they are
	// all told of a Release.
	Temp string

	// Shared says that other processes write to the databases meanwhile, so that a
	// Runner does not know of every commit.
	Shared bool

	// Killable says that whoever runs this process ends it if a text does not
	// end in time. Functions that no interrupt stops are then available.
	Killable bool

	// Writers bounds how many databases are written at the same moment, sessions
	// and those that wait for the disk apart, because each may take
	// limits.connection_memory for it. 0: no bound.
	Writers int

	Hooks Hooks

	// Walls says which defences are down. Only a test of this module can set it.
	Walls walls.Down
}

// InProcess is the Runner whose walls stand inside this process: the memory of
// each connection is a bounded WebAssembly memory, its file system is a jail of
// one database, and its SQL passes a guard that denies what it does not know.
//
// A goroutine cannot be killed. SQLite looks up at least every thousand steps of
// a loop, so a text ends at its deadline or soon after, and functions that could
// run for long without looking up are replaced or not available here. What is
// left is SQL made for the purpose: hundreds of calls of a function on a large
// value, in one expression without a loop, run to their end. Strangers' SQL
// belongs into a process that can be killed.
type InProcess struct {
	dir    string
	limits Limits
	now    func() time.Time
	random io.Reader
	logger *slog.Logger
	down   walls.Down

	tmp      string // Config.Temp
	shared   bool
	killable bool
	hooks    Hooks
	writers  gate
	crew     *crew.Crew // works queues off

	disk     vfs.VFS    // below the jails; tests make it fail
	making   sync.Mutex // of the template
	template []byte     // a database without tables, in WAL mode; nil: not made yet
	closing  atomic.Bool
	stats    counters

	mu     sync.Mutex
	open   map[DB]*database
	lru    *list.List // of *database, the most recently used first
	owners map[catalog.ID]*owner
}

var _ Runner = (*InProcess)(nil)

type counters struct {
	reads, writes, failures, interrupts atomic.Uint64
	commits, syncs, evictions           atomic.Uint64
	batches                             [len(Batches{}.Counts)]atomic.Uint64
	batched                             atomic.Uint64 // writes
	prepared, compiled                  atomic.Uint64 // statements
	queuedReads, queuedWrites           atomic.Int64
	connections, sessions               atomic.Int64
	memory, temp                        atomic.Int64
}

// batch counts a commit of so many writes.
func (s *counters) batch(writes int) {
	s.batches[min(bits.Len(uint(writes-1)), len(s.batches)-1)].Add(1)
	s.batched.Add(uint64(writes))
}

// NewInProcess returns a Runner that keeps databases below config.Dir. Only one
// Runner at a time may use a directory; keeping others out is its caller's part.
// Errors: Invalid (no Dir), Unavailable.
func NewInProcess(config Config) (*InProcess, error) {
	if config.Dir == "" {
		return nil, fault.New(fault.Invalid, "A runner needs a directory")
	}
	r := &InProcess{
		dir: config.Dir, limits: config.Limits.WithDefaults(), now: config.Now, random: config.Random, logger: config.Logger,
		tmp: config.Temp, shared: config.Shared, killable: config.Killable, hooks: config.Hooks, down: config.Walls,
		crew: crew.New(keptIdle), disk: vfs.Find(""), open: map[DB]*database{}, lru: list.New(), owners: map[catalog.ID]*owner{},
	}
	if config.Writers > 0 {
		r.writers = make(gate, config.Writers)
	}
	if r.tmp == "" {
		r.tmp = tmpName
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.random == nil {
		r.random = rand.Reader
	}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The directory for databases can't be made")
	}
	return r, nil
}

// keptIdle is how many goroutines wait for a queue to work off, when there is none.
const keptIdle = 8

// A gate lets so many through at once as it has places, in the order in which they
// come; nil: all.
type gate chan struct{}

func (g gate) take() {
	if g != nil {
		g <- struct{}{}
	}
}

// try takes a place if one is free.
func (g gate) try() bool {
	if g == nil {
		return true
	}
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g gate) give() {
	if g != nil {
		<-g
	}
}

// enter finds or opens the handle of a database and holds on to it until leave.
// While the database is released it waits for the resume.
func (r *InProcess) enter(ctx context.Context, id DB) (*database, error) {
	var waited *time.Timer
	for {
		r.mu.Lock()
		if r.closing.Load() {
			r.mu.Unlock()
			return nil, errClosed
		}
		db := r.open[id]
		if db == nil {
			db = r.add(id)
		}
		held := db.held
		if held == nil {
			db.refs++
			r.lru.MoveToFront(db.place)
			r.mu.Unlock()
			return db, nil
		}
		r.mu.Unlock()
		if waited == nil {
			waited = time.NewTimer(r.limits.QueueTime)
			defer waited.Stop()
		}
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-waited.C:
			return nil, fault.Refuse(fault.Moving, "The database is being moved or restored; try again in a moment")
		}
	}
}

// add makes a handle. The caller holds r.mu.
func (r *InProcess) add(id DB) *database {
	db := newDatabase(r, id)
	r.open[id] = db
	db.owner.handles++
	db.place = r.lru.PushFront(db)
	return db
}

// leave gives back what enter returned, and closes databases that were not used
// for longest if all of them together hold too much memory.
func (r *InProcess) leave(db *database) {
	if r.release(db); r.crowded() {
		r.evict()
	}
}

func (r *InProcess) release(db *database) {
	r.mu.Lock()
	defer r.mu.Unlock()
	db.refs--
	if db.refs == 0 && db.idle != nil {
		close(db.idle)
		db.idle = nil
	}
}

// leaveBehind is leave for who may be working off the queue of the database that has to
// go, and would wait for themselves.
func (r *InProcess) leaveBehind(db *database) {
	if r.release(db); r.crowded() {
		go r.evict()
	}
}

// crowded reports whether open databases hold too much memory.
func (r *InProcess) crowded() bool { return r.stats.memory.Load() > r.limits.OpenMemory }

// evict closes idle databases, the least recently used first, until the rest
// fits into limits.OpenMemory.
func (r *InProcess) evict() {
	for r.crowded() {
		db := r.victim()
		if db == nil {
			return
		}
		r.stats.evictions.Add(1)
		db.close()
		r.drop(db)
	}
}

// victim picks a database to close and keeps newcomers waiting for it.
func (r *InProcess) victim() *database {
	r.mu.Lock()
	defer r.mu.Unlock()
	for place := r.lru.Back(); place != nil; place = place.Prev() {
		if db := place.Value.(*database); db.refs == 0 && db.held == nil {
			db.held = make(chan struct{})
			return db
		}
	}
	return nil
}

// drop forgets a held and closed database, and lets newcomers open it anew. It
// does nothing the second time.
func (r *InProcess) drop(db *database) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[db.id] != db {
		return
	}
	delete(r.open, db.id)
	r.lru.Remove(db.place)
	r.disown(db.owner)
	close(db.held)
}

// Run implements Runner.
func (r *InProcess) Run(ctx context.Context, job Job, sink Sink) (catalog.Summary, error) {
	sum, err := r.run(ctx, &job, sink)
	if err != nil {
		r.stats.failures.Add(1)
	}
	return sum, err
}

func (r *InProcess) run(ctx context.Context, job *Job, sink Sink) (catalog.Summary, error) {
	if err := r.limits.CheckText(job.Statement); err != nil && !r.down.Has(walls.WholeText) {
		return catalog.Summary{}, err
	}
	db, err := r.enter(ctx, job.DB)
	if err != nil {
		return catalog.Summary{}, err
	}
	defer r.leave(db)
	if err := db.find(job.Unwritten); err != nil {
		return catalog.Summary{}, err
	}
	if r.down.Has(walls.ReadOnly) {
		job.Class = Write
	}
	text, lead, writes := route(job.Statement.SQL)
	if job.Class == Read || !writes {
		r.stats.reads.Add(1)
		sum, err := db.read(ctx, job, text, sink)
		if err != errWrites {
			return sum, err
		}
		if job.Class == Read {
			return catalog.Summary{}, errReadOnly
		}
	}
	if !db.exists() {
		return catalog.Summary{}, ErrUnwritten
	}
	if job.Unmarked {
		return catalog.Summary{}, ErrUnmarked
	}
	r.stats.writes.Add(1)
	return db.write(ctx, *job, text, lead, sink)
}

// Create implements Runner.
func (r *InProcess) Create(ctx context.Context, id DB) error {
	db, err := r.enter(ctx, id)
	if err != nil {
		return err
	}
	defer r.leave(db)
	return db.create()
}

// Release implements Runner.
func (r *InProcess) Release(ctx context.Context, id DB) (func(), error) {
	db, err := r.hold(ctx, id)
	if err != nil {
		return nil, err
	}
	db.endSessions(errReleased)
	if err := r.settle(ctx, db); err != nil {
		r.unhold(db)
		return nil, err
	}
	db.close()
	r.mu.Lock()
	db.released = true
	r.mu.Unlock()
	adjust := db.owner.watch(db)
	return func() {
		adjust()
		r.drop(db)
	}, nil
}

// hold keeps newcomers away from a database.
func (r *InProcess) hold(ctx context.Context, id DB) (*database, error) {
	for {
		db, err := r.enter(ctx, id)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		mine := db.held == nil
		if mine {
			db.held = make(chan struct{})
		}
		r.mu.Unlock()
		if mine {
			return db, nil
		}
		r.leave(db)
	}
}

// settle gives up the caller's own place and waits until nobody else has one.
func (r *InProcess) settle(ctx context.Context, db *database) error {
	r.mu.Lock()
	db.refs--
	if db.refs == 0 {
		r.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	db.idle = idle
	r.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unhold lets newcomers in again: the release was given up.
func (r *InProcess) unhold(db *database) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(db.held)
	db.held, db.idle = nil, nil
	db.mu.Lock()
	defer db.mu.Unlock()
	db.ending = nil
}

// Stats implements Runner.
func (r *InProcess) Stats() Stats {
	r.mu.Lock()
	databases := len(r.open)
	r.mu.Unlock()
	s := &r.stats
	batches := Batches{Writes: s.batched.Load()}
	for i := range s.batches {
		batches.Counts[i] = s.batches[i].Load()
	}
	return Stats{
		Reads: s.reads.Load(), Writes: s.writes.Load(), Failures: s.failures.Load(), Interrupts: s.interrupts.Load(),
		Commits: s.commits.Load(), Syncs: s.syncs.Load(), Evictions: s.evictions.Load(), Batches: batches,
		StatementHits: s.prepared.Load(), StatementMisses: s.compiled.Load(),
		QueuedReads: int(s.queuedReads.Load()), QueuedWrites: int(s.queuedWrites.Load()),
		Databases: databases, Connections: int(s.connections.Load()), Sessions: int(s.sessions.Load()),
		Memory: s.memory.Load(), TempBytes: s.temp.Load(),
	}
}

// Close implements Runner.
func (r *InProcess) Close() error {
	r.mu.Lock()
	again := r.closing.Swap(true)
	r.mu.Unlock()
	if again {
		return nil
	}
	defer r.crew.Dismiss()
	for {
		r.mu.Lock()
		var db *database
		for _, db = range r.open {
			break
		}
		if db == nil {
			r.mu.Unlock()
			return nil
		}
		if db.released { // and nobody has to resume it any more
			r.mu.Unlock()
			r.drop(db)
			continue
		}
		if held := db.held; held != nil { // being released or evicted
			r.mu.Unlock()
			<-held
			continue
		}
		db.held = make(chan struct{})
		db.refs++
		r.mu.Unlock()
		db.endSessions(errClosed)
		_ = r.settle(context.Background(), db)
		db.close()
		r.drop(db)
	}
}
