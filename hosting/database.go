package hosting

import (
	"container/list"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/durable"
	"ayb/internal/walls"
)

// A database is the handle of one version of one database: its connections and
// those who wait for them. It exists while it is in use and for as long after
// as memory allows, and one that is idle, for limits.queue_time, has no goroutine and no timer.
type database struct {
	r     *InProcess
	id    DB
	owner *owner
	path  string // of the file

	commits     atomic.Uint64
	logged      atomic.Int64 // pages in the log after the last commit
	written     atomic.Int64 // pages that were written to the log, since the database was opened
	logFull     atomic.Bool  // a transaction had no room in the log
	incarnation catalog.ID
	found       atomic.Bool // the file is there

	// Guarded by owner.sizing. What is written changes the first.
	size  int64 // bytes as of the last commit, or of the one that is claimed
	page  int64 // bytes of a page
	sized bool  // these are known

	// Guarded by r.mu.
	refs     int
	held     chan struct{} // closed when newcomers may look again; nil: they may come in
	idle     chan struct{} // closed when refs falls to zero, if somebody waits for that
	released bool          // held, closed, and waiting for its resume
	place    *list.Element

	readers readerPool
	writer  writerQueue

	mu       sync.Mutex   // guards what follows
	ending   *fault.Error // why no session may begin; nil: they may
	conns    map[*conn]struct{}
	sessions map[*session]struct{}
}

func newDatabase(r *InProcess, id DB) *database {
	db := &database{
		r: r, id: id, owner: r.owner(id.Owner), path: filepath.Join(VersionPath(r.dir, id), fileName),
		incarnation: catalog.NewID(r.now(), r.random), conns: map[*conn]struct{}{}, sessions: map[*session]struct{}{},
	}
	db.readers.db, db.writer.db = db, db
	db.owner.open.Store(db, nil)
	return db
}

// exists reports whether the database has a file. Once seen it is not looked
// for again: files go away only while the database is released.
func (db *database) exists() bool {
	if db.found.Load() {
		return true
	}
	look := os.Lstat
	if db.r.down.Has(walls.NoFollow) {
		look = os.Stat
	}
	info, err := look(db.path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	db.found.Store(true)
	return true
}

// find makes sure that a database that was written has its file.
func (db *database) find(unwritten bool) error {
	if !unwritten && !db.exists() {
		return ErrMissing
	}
	return nil
}

// create makes the file: complete and durable under another name, then renamed
// to its place, so that a crash leaves all of it or nothing.
func (db *database) create() error {
	if db.exists() {
		return nil
	}
	// The file and the sum of the owner's databases change together.
	db.owner.sizing.Lock()
	defer db.owner.sizing.Unlock()
	if db.exists() {
		return nil
	}
	err := db.materialize()
	if !db.exists() {
		return durable.Fault(err, "The server can't make the file of the database; nothing was written")
	}
	if err := db.weighed(true); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The file of the database can't be read; please tell whoever runs this server")
	}
	return nil
}

func (db *database) materialize() error {
	tmp, err := db.owner.tempDir()
	if err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(tmp, "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	template, err := db.makeTemplate(fresh)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(fresh, fileName), template); err != nil {
		return err
	}
	if err := durable.SyncDir(fresh); err != nil {
		return err
	}
	place := filepath.Dir(db.path)
	if err := durable.MkdirAll(filepath.Dir(place)); err != nil {
		return err
	}
	if err := os.Rename(fresh, place); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(place))
}

// close closes all connections of a database that nobody is in.
func (db *database) close() {
	db.readers.close()
	db.writer.close() // last, so that it can empty the log
	db.owner.open.Delete(db)
}

// makeTemplate returns the bytes of a database without tables, in WAL mode. The
// first time it makes them, in a file below dir.
func (db *database) makeTemplate(dir string) ([]byte, error) {
	r := db.r
	r.making.Lock()
	defer r.making.Unlock()
	if r.template != nil {
		return r.template, nil
	}
	j := newJail(db)
	defer j.close()
	j.copying = filepath.Join(dir, "template")
	c, err := sqlite3.Open(fileURI(j.copying, url.Values{"vfs": {j.name}}))
	if err == nil {
		err = errors.Join(c.Exec("PRAGMA page_size=4096; PRAGMA journal_mode=WAL;"), c.Close())
	}
	if err != nil {
		return nil, errors.Join(err, j.trouble)
	}
	defer os.Remove(j.copying)
	defer os.Remove(j.copying + "-shm") // which the jail makes, for a file that is never shared
	r.template, err = os.ReadFile(j.copying)
	return r.template, err
}

// generation returns the Generation of what is committed now.
func (db *database) generation() Generation {
	return Generation{Incarnation: db.incarnation, Commits: db.commits.Load()}
}

// wait waits for a turn: until ready gives one, or the caller gives up, or
// QueueTime is over.
func wait[T any](ctx context.Context, db *database, ready <-chan T, what string) (turn T, err error) {
	timer := time.NewTimer(db.r.limits.QueueTime)
	defer timer.Stop()
	select {
	case turn = <-ready:
		return turn, nil
	case <-ctx.Done():
		return turn, ctx.Err()
	case <-timer.C:
		return turn, db.queueTime(what)
	}
}

// queueTime refuses who has waited for too long.
func (db *database) queueTime(what string) error {
	return fault.Refuse(fault.QueueTime, "Waited limits.queue_time (%v) for %s; the database is busy, try again", db.r.limits.QueueTime, what)
}
