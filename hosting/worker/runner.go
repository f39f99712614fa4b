package worker

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/hosting/sandbox"
	"ayb/internal/machine"
)

// Config says how a Runner works.
type Config struct {
	// Dir is the directory that holds the owners' directories; made if missing.
	// Required.
	Dir string

	// Limits hold as in [hosting.Limits], with a ValueBytes of 16 MiB and a
	// LikePatternBytes of 1,000 by default, since what takes too long can be
	// ended. Bounds per database on readers and temporary files hold in each of
	// an owner's two workers.
	Limits hosting.Limits

	// OwnerMemory bounds the memory of the connections of one worker: texts
	// that would need more wait for their turn. 0: 512 MiB.
	OwnerMemory int64

	// Memory bounds the memory of the texts of all owners that run at the same
	// time, each counted as limits.connection_memory, together with that of open
	// databases: texts for which there is none wait for their turn. 0: half of the
	// machine's, or of its container's.
	Memory int64

	// Workers bounds the processes of all owners together. When they are all
	// there, one that is idle makes room. 0: 256.
	Workers int

	// Idle is for how long a worker stays when nobody needs it. 0: one minute.
	Idle time.Duration

	// Executable is the program that is started as a worker, which must call
	// [Main]. Empty: this one.
	Executable string

	// Sandbox says which walls the operating system is to put around workers,
	// by whom they are run, and in what jail. The Runner fills in a worker's
	// directory, its memory and its descriptors. If Layers is nil, New tries all
	// of them out and goes on with those that stand on this machine, see
	// [Runner.Sandbox]. Other Layers, even none, are taken as they are: if the
	// kernel refuses one, no worker starts.
	Sandbox sandbox.Policy

	// Require makes New fail if a layer that it tried is missing.
	Require bool

	// Logger takes what workers that failed have said. Nil: silence.
	Logger *slog.Logger
}

// Runner is a [hosting.Runner] that runs SQL in worker processes. It is safe for
// concurrent use.
type Runner struct {
	cfg    Config
	limits hosting.Limits
	logger *slog.Logger

	report    sandbox.Report
	closing   chan struct{} // closed when the Runner is
	arrivals  atomic.Uint64
	offenders offenders
	memory    atomic.Int64 // of the connections of all workers, as told
	budget    budget
	large     atomic.Int64 // bytes of large rows on their way
	failures  atomic.Uint64
	evictions atomic.Uint64
	processes processes
	watching  watching

	mu        sync.Mutex
	closed    bool
	seats     map[seatKey]*seat
	databases map[hosting.DB]*database
	workers   map[*worker]struct{}
	admitted  int           // workers, and those about to be started
	relieved  chan struct{} // closed when there may be room for a worker
	past      hosting.Stats // counters of workers that have ended
}

var _ hosting.Runner = (*Runner)(nil)

// New returns a Runner that keeps databases below config.Dir. Only one Runner at a
// time may use a directory; keeping others out is its caller's part. The program
// must call [Main]. Errors: Invalid (no Dir), Unsupported (not on this system),
// Unavailable (the directory, or a layer of the sandbox that is required).
func New(config Config) (*Runner, error) {
	if config.Dir == "" {
		return nil, fault.New(fault.Invalid, "A runner needs a directory")
	}
	if !supported {
		return nil, fault.New(fault.Unsupported, "Worker processes are not available on this system; run SQL in the server's own process")
	}
	config.Limits.ValueBytes = orDefault(config.Limits.ValueBytes, 16<<20)
	config.Limits.LikePatternBytes = orDefault(config.Limits.LikePatternBytes, 1000)
	config.OwnerMemory = orDefault(config.OwnerMemory, 512<<20)
	config.Memory = orDefault(config.Memory, machine.Memory()/2)
	config.Workers = orDefault(config.Workers, 256)
	config.Idle = orDefault(config.Idle, time.Minute)
	if config.Executable == "" {
		var err error
		if config.Executable, err = thisProgram(config.Sandbox.Jail.Kind != ""); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "The server's own program can't be found")
		}
	}
	config.Logger = orDefault(config.Logger, slog.New(slog.DiscardHandler))
	var err error
	if config.Dir, err = filepath.Abs(config.Dir); err == nil {
		err = os.MkdirAll(config.Dir, 0o700)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The directory for databases can't be made")
	}
	r := &Runner{
		cfg: config, limits: config.Limits.WithDefaults(), logger: config.Logger, closing: make(chan struct{}),
		seats: map[seatKey]*seat{}, databases: map[hosting.DB]*database{}, workers: map[*worker]struct{}{}, relieved: make(chan struct{}),
	}
	r.budget = budget{all: config.Memory, text: r.limits.ConnectionMemory, relieve: func() bool { return r.evict(true) }}
	return r, r.tryWalls()
}

// probePatience is how long it may take to try the layers of the sandbox out.
const probePatience = time.Minute

// tryWalls finds out which layers of the sandbox stand on this machine. Workers
// get no others, because the start of one for which the kernel refuses a layer
// would fail.
func (r *Runner) tryWalls() error {
	p := &r.cfg.Sandbox
	if p.Layers != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), probePatience)
	defer cancel()
	var err error
	if r.report, err = sandbox.Probe(ctx, r.cfg.Executable, *p); err != nil {
		return err
	}
	if err := r.report.Err(); err != nil && r.cfg.Require {
		return err
	}
	for _, f := range r.report.Missing() {
		r.logger.Warn("a wall around worker processes is missing", "layer", f.Layer, "reason", f.Reason)
	}
	for _, f := range r.report.Unproven() {
		r.logger.Info("a wall around worker processes is put up unproven", "layer", f.Layer, "reason", f.Reason)
	}
	p.Layers = r.report.Entered()
	return nil
}

// Sandbox returns which walls stand around workers, as New has found out. It is
// empty if New did not try them.
func (r *Runner) Sandbox() sandbox.Report { return slices.Clone(r.report) }

// policy returns the walls around the workers of one owner.
func (r *Runner) policy(owner catalog.ID) sandbox.Policy {
	p := r.cfg.Sandbox
	p.Dirs = []string{hosting.OwnerPath(r.cfg.Dir, owner)}
	p.DataBytes = orDefault(p.DataBytes, r.cfg.OwnerMemory+spareMemory)
	p.OpenFiles = orDefault(p.OpenFiles, maxOpenFiles)
	p.Threads = orDefault(p.Threads, maxThreads)
	return p
}

const (
	// spareMemory is what a worker may have besides the memory of connections.
	spareMemory = 256 << 20

	maxOpenFiles = 8192
	maxThreads   = 1024
)

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Run implements hosting.Runner.
func (r *Runner) Run(ctx context.Context, job hosting.Job, sink hosting.Sink) (catalog.Summary, error) {
	if err := r.check(&job); err != nil {
		return catalog.Summary{}, r.failed(err)
	}
	c := r.newCall(ctx, request{op: opRun, job: job, wanted: sink != nil})
	c.sink = sink
	if job.Class == hosting.Read || !hosting.Writes(job.Statement.SQL) {
		c.stream = r.limits.StreamTime
	}
	if err := r.call(c); err != nil {
		return catalog.Summary{}, err
	}
	return c.reply.summary, nil
}

// check refuses what need not be sent to a worker to be refused.
func (r *Runner) check(job *hosting.Job) error {
	if err := r.limits.CheckText(job.Statement); err != nil {
		return err
	}
	if q := (request{job: *job}); q.size() > r.limits.ConnectionMemory+int64(r.limits.SQLBytes) {
		return fault.New(fault.TooLarge, "The parameters of the query need more memory than limits.connection_memory (%d MiB) allows", r.limits.ConnectionMemory>>20)
	}
	return r.offenders.check(job.Caller, job.Owner, time.Now())
}

// failed counts a failure that no worker has counted.
func (r *Runner) failed(err error) error {
	r.failures.Add(1)
	return err
}

func (r *Runner) newCall(ctx context.Context, q request) *call {
	return &call{ctx: ctx, request: &q, limits: &r.limits}
}

// call makes a call while its database may be used.
func (r *Runner) call(c *call) error {
	if err := c.ctx.Err(); err != nil {
		return r.failed(err)
	}
	db, err := r.enter(c.ctx, c.request.job.DB)
	if err != nil {
		return r.failed(err)
	}
	defer r.leave(db)
	err = r.pass(c)
	if err != nil && c.reply == nil {
		r.failed(err)
	}
	return err
}

// Create implements hosting.Runner.
func (r *Runner) Create(ctx context.Context, db hosting.DB) error {
	return r.call(r.newCall(ctx, request{op: opCreate, job: hosting.Job{DB: db}}))
}

// Adopt implements hosting.Runner.
func (r *Runner) Adopt(ctx context.Context, job hosting.Job, upload hosting.Upload) error {
	if err := r.offenders.check(job.Caller, job.Owner, time.Now()); err != nil {
		return r.failed(err)
	}
	return r.call(r.newCall(ctx, request{op: opAdopt, how: uint8(upload.Format), file: upload.ID, job: hosting.Job{DB: job.DB, Caller: job.Caller, Quota: job.Quota}}))
}

// Copy implements hosting.Runner.
func (r *Runner) Copy(ctx context.Context, db hosting.DB, method hosting.CopyMethod, w io.Writer) (hosting.Generation, error) {
	c := r.newCall(ctx, request{op: opCopy, how: uint8(method), job: hosting.Job{DB: db}})
	c.writer = w
	if err := r.call(c); err != nil {
		return hosting.Generation{}, err
	}
	return c.reply.generation, nil
}

// CopyTo implements hosting.Runner.
func (r *Runner) CopyTo(ctx context.Context, db hosting.DB, method hosting.CopyMethod, image catalog.ID) (hosting.Generation, error) {
	c := r.newCall(ctx, request{op: opCopyTo, how: uint8(method), file: image, job: hosting.Job{DB: db}})
	if err := r.call(c); err != nil {
		return hosting.Generation{}, err
	}
	return c.reply.generation, nil
}

// Check implements hosting.Runner.
func (r *Runner) Check(ctx context.Context, db hosting.DB, depth hosting.CheckDepth) error {
	return r.call(r.newCall(ctx, request{op: opCheck, how: uint8(depth), job: hosting.Job{DB: db}}))
}

// await waits for an event. Errors: the context's, Unavailable once the Runner
// is closed.
func (r *Runner) await(ctx context.Context, event <-chan struct{}) error {
	select {
	case <-event:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.closing:
		return errClosed
	}
}

// Close implements hosting.Runner.
func (r *Runner) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return nil
	}
	close(r.closing)
	for _, db := range r.allDatabases() {
		db.endSessions(errClosed)
	}
	// Readers first: a log is emptied by the last to close its database, if that
	// may write.
	for _, reader := range []bool{true, false} {
		var leaving []*worker
		for _, w := range r.allWorkers() {
			if w.seat.key.reader == reader {
				w.seat.retire(true)
				leaving = append(leaving, w)
			}
		}
		for _, w := range leaving {
			<-w.gone
		}
	}
	r.vacated()
	r.watching.stop()
	return nil
}
