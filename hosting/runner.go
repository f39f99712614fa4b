package hosting

import (
	"context"
	"io"
	"time"

	"ayb/catalog"
)

// A Runner runs SQL against the databases of tenants. It is the wall between
// them: how thick the wall is (a goroutine, a process, a jail) is the Runner's
// own affair, and its callers cannot tell one from another. Package hostingtest
// has the suite that every Runner passes.
//
// A Runner trusts its caller, not the SQL: who may do what has been decided
// before a [Job] arrives. All methods may be called from many goroutines at
// once. Errors are [fault.Error]s; a context's own error passes through.
type Runner interface {
	// Run executes one text, whole or not at all, and hands what it answers to
	// sink (nil: nobody wants it). Rows of a text that only reads are handed
	// over as they are read; rows of a text that writes are kept until it is
	// committed. Run returns after the last row. An error from sink ends the
	// text and is returned as it is; a write that was committed by then stays.
	//
	// Errors: Invalid (the SQL or its parameters), ReadOnly (a write in a job
	// of class Read), TooLarge, TimedOut, Busy, Denied (SQL that no tenant may
	// run), Unavailable (disk full, ErrMissing), OutcomeUnknown, ErrUnwritten,
	// ErrUnmarked.
	Run(ctx context.Context, job Job, sink Sink) (catalog.Summary, error)

	// Begin opens a session: a connection of its own on which transactions may
	// span several calls. It holds a place of limits.sessions until it is
	// closed, by its user or by the Runner when one of its bounds is reached.
	// Of the job, Statement is not used. A Bulk session is bounded by StreamTime in
	// place of SessionTime, and so is each text that reads on it, in place of
	// QueryTime. A session of class Read on a database
	// that is Unwritten sees an empty one until the file is there. Errors: Busy,
	// Unavailable, ErrUnwritten (class Write and no file), ErrMissing.
	Begin(ctx context.Context, job Job) (Session, error)

	// Create makes the file of a database that has never been written, empty
	// and durable. It does nothing if the file is there. Errors: Unavailable.
	Create(ctx context.Context, db DB) error

	// Adopt makes the file of a database that has none of an upload: checked,
	// written anew in the form of all databases here, and durable; nothing is made
	// if that fails. The upload may be changed and stays where it is. Of the job,
	// the database, its Quota and the Caller are used. Errors: Invalid (what was sent is no such file, cut short or
	// damaged, or the SQL is wrong; a text's line is named), Denied (there is something
	// in it that no tenant may have), Unsupported, TooLarge, TimedOut (it takes longer
	// than MaintenanceTime), Conflict (there is a file), Unavailable.
	Adopt(ctx context.Context, job Job, upload Upload) error

	// Copy writes a consistent image of the database to w: a SQLite file. It
	// returns a Generation that the image is not older than: while the database
	// has still that Generation, the image is up to date. Errors: ErrMissing (also
	// if it was never written), Unavailable, those of w.
	Copy(ctx context.Context, db DB, method CopyMethod, w io.Writer) (Generation, error)

	// CopyTo is Copy into the file of an image of the same database, whose name
	// [ImageID] has made: none of its bytes go through the caller. The image is not
	// durable, replaces one of that name, and is there as a whole or not at all. It is its
	// caller's to remove. Errors: as Copy.
	CopyTo(ctx context.Context, db DB, method CopyMethod, image catalog.ID) (Generation, error)

	// Check looks for damage. Errors: Internal with the first finding as cause,
	// ErrMissing (also if the database was never written), Unavailable.
	Check(ctx context.Context, db DB, depth CheckDepth) error

	// Release waits for what is running on the database to end, closes it, and
	// returns when no descriptor of it is open. Until resume is called, jobs
	// for this database wait as if queued. Sessions are ended. The caller may
	// move or remove the files meanwhile. Errors: the context's, Unavailable.
	Release(ctx context.Context, db DB) (resume func(), err error)

	// Stats returns counters since the Runner was made and gauges as of now.
	Stats() Stats

	// Close ends what is running, closes every file and frees everything. After
	// it nothing of the Runner's runs. Later calls answer Unavailable.
	Close() error
}

// DB names a database's current file, without saying where it is.
type DB struct {
	Owner    catalog.ID
	Database catalog.ID
	Version  catalog.ID
}

// Class says what a job may do.
type Class uint8

// The classes. A job of class Write may also read, and a text of it that only
// reads runs beside writers like any other read.
const (
	Read Class = iota
	Write
)

// A Job is one text to run. It holds no pointer and no path, so that it can be
// sent to another process as it is.
type Job struct {
	DB
	Class     Class
	Caller    Caller // whom to charge
	Statement catalog.Statement

	// Unwritten says that, as far as the caller knows, the database has never
	// been written. A text that reads sees an empty database if there is no
	// file; one that writes is refused with ErrUnwritten, before it has done
	// anything. Without Unwritten, a missing file is a fault.
	Unwritten bool

	// Unmarked says that the caller has no note that the database has changed. A
	// text that writes is refused with ErrUnmarked, before it has done anything.
	// Begin does not look at it.
	Unmarked bool

	// Bulk says that a session is to move all there is: the caller's own SQL is not
	// run on it. Begin alone looks at it.
	Bulk bool

	Quota Quota
}

// A Caller is whom a job is charged to: equal for all that one entity, or one
// address without an account, sends. The zero Caller is the host.
type Caller struct {
	Entity  catalog.ID
	Address string
}

// Quota are the bounds of one database that differ from tenant to tenant. A
// zero is no bound.
type Quota struct {
	DatabaseBytes int64 // size of the database
	OwnerBytes    int64 // sum of the sizes of all databases of the owner
}

// A Sink takes what a query answers. Columns is called at most once, before the
// first Row, and not at all if the text answers nothing. The slice may be kept
// and must not be changed; the Row is valid until the method returns. An error
// ends the query.
type Sink interface {
	Columns([]catalog.Column) error
	Row(catalog.Row) error
}

// A Stopper is a Sink that may wait for somebody slow. Stop, which may be called
// from any goroutine and does not wait, makes its methods return soon, with an
// error: a text that holds up others is ended, and why is what Run returns.
type Stopper interface {
	Sink
	Stop()
}

// A Session is a connection of its own. Its methods must not be called at the
// same time, except Close.
type Session interface {
	// Run executes one text on the session. BEGIN, COMMIT, ROLLBACK and
	// SAVEPOINT are the caller's; a text of several statements is not atomic
	// unless the caller makes it so. Rows are handed over as they are read, of
	// writes too. Errors: as Runner.Run; after TimedOut or OutcomeUnknown the
	// transaction is over, and a session past its bounds answers Conflict.
	Run(ctx context.Context, st catalog.Statement, sink Sink) (catalog.Summary, error)

	// InTransaction reports whether a transaction is open.
	InTransaction() bool

	// Close rolls back what is open and gives the place back. It may be called
	// at any time and more than once.
	Close() error
}

// CopyMethod says how a copy is made.
type CopyMethod uint8

// The methods. CopyVacuum writes a new, compact file whose bytes depend on the
// content alone; CopyPages writes the pages as they are.
const (
	CopyVacuum CopyMethod = iota
	CopyPages
)

// CheckDepth says how hard to look.
type CheckDepth uint8

// The depths, by the name of SQLite's pragma.
const (
	QuickCheck CheckDepth = iota
	IntegrityCheck
)

// Generation counts the changes of a database. Two equal Generations of one
// database show the same content. The incarnation is new each time the database
// is opened, so a Generation from before a crash equals none after it.
type Generation struct {
	Incarnation catalog.ID
	Commits     uint64
}

// Stats are a Runner's counters and gauges.
type Stats struct {
	Reads, Writes, Failures uint64 // texts run
	Interrupts              uint64 // texts ended by a bound on time or by their caller
	Commits, Syncs          uint64 // commits of tenants' databases, and syncs of their files
	Evictions               uint64 // databases closed to stay within OpenMemory
	Batches                 Batches
	StatementHits           uint64 // statements that were there prepared
	StatementMisses         uint64 // those that had to be compiled
	QueuedReads             int    // texts that wait for a turn now
	QueuedWrites            int
	Databases, Connections  int   // open now
	Sessions                int   // open now
	Memory                  int64 // bytes of the open connections, as accounted
	TempBytes               int64 // bytes of temporary files now
}

// Batches says how many writes shared their commits: Counts[i] is how many commits
// there were of more than 2^(i-1) and at most 2^i writes, the last of more still.
// Writes is how many all of them had together.
type Batches struct {
	Counts [10]uint64
	Writes uint64
}

// Add adds what others have counted.
func (b *Batches) Add(other Batches) {
	for i, n := range other.Counts {
		b.Counts[i] += n
	}
	b.Writes += other.Writes
}

// Limits are the bounds within which a Runner works. A zero field takes its
// default.
type Limits struct {
	QueryTime       time.Duration // of execution of one text; 30 s
	MaintenanceTime time.Duration // the same for CREATE INDEX, REINDEX, ANALYZE and VACUUM; 10 min
	StreamTime      time.Duration // from first to last row of a read, the reader's time included; 1 h
	QueueTime       time.Duration // waiting for a turn; 5 s

	SQLBytes   int // of a text; 1 MiB
	Parameters int // of a statement; 32,766
	ValueBytes int // of one text or blob, and of a row; 1 MiB

	LikePatternBytes int // 100
	ExpressionDepth  int // 200
	CompoundSelect   int // terms; 100
	Columns          int // of a table, a result or an index; 2,000
	FunctionArgs     int // 127
	TriggerDepth     int // 32
	ProgramOps       int // of the program a statement compiles to; 1,000,000

	ConnectionMemory int64 // of one connection, hard; 64 MiB
	OpenMemory       int64 // of all open connections, kept by closing the least recently used; a quarter of the machine
	ResultBytes      int64 // of the rows kept for a write until its commit; 100 MiB
	TempBytes        int64 // of temporary files of one owner; 1 GiB
	WALBytes         int64 // of one database's write-ahead log; 1 GiB

	Readers      int // connections for reading, per database; 8
	QueuedReads  int // waiting for one, per database; 256
	QueuedWrites int // waiting for the writer, per database; 4,096
	BatchWrites  int // that share a commit when they wait at the same time; 256, and 1: each has its own
	Statements   int // prepared statements kept per connection; 64

	Sessions         int           // per database; 64
	SessionIdle      time.Duration // between two calls; 10 s
	SessionTime      time.Duration // from Begin to Close; 5 min
	SessionWriteTime time.Duration // holding the writer while others wait; 30 s
}
