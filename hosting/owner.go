package hosting

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"ayb/catalog"
	"ayb/fault"
)

// An owner is what the databases of one tenant share: the directory of its
// temporary files and the meters of what it uses.
type owner struct {
	r       *InProcess
	id      catalog.ID
	path    string
	handles int // of its databases that are there; guarded by r.mu

	temp   atomic.Int64 // bytes of temporary files
	making sync.Mutex   // of the temporary directory
	made   bool

	open sync.Map // of *database

	sizing    sync.Mutex // guards what follows, and the sizes of the databases
	measured  bool
	measures  int          // counts how often they were
	surveying *survey      // nil: none is under way
	sum       int64        // bytes of all databases, claims included, once measured
	files     atomic.Int64 // how many there were when they were measured
}

// owner returns what is known of an owner. The caller holds r.mu.
func (r *InProcess) owner(id catalog.ID) *owner {
	o := r.owners[id]
	if o == nil {
		o = &owner{r: r, id: id, path: OwnerPath(r.dir, id)}
		r.owners[id] = o
	}
	return o
}

// manyFiles is how many databases an owner has whose sum is worth more than the memory
// that it takes to remember it.
const manyFiles = 100

// disown forgets an owner of whom no database is open any more. The caller holds r.mu.
func (r *InProcess) disown(o *owner) {
	if o.handles--; o.handles == 0 && o.files.Load() < manyFiles {
		delete(r.owners, o.id)
	}
}

// keep has an owner remembered, although none of their databases may be open, until
// unkeep.
func (r *InProcess) keep(o *owner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.handles++
}

func (r *InProcess) unkeep(o *owner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disown(o)
}

// tempDir makes the directory for temporary files. What a process that was
// killed has left in it goes the first time.
func (o *owner) tempDir() (string, error) {
	dir := filepath.Join(o.path, o.r.tmp)
	o.making.Lock()
	defer o.making.Unlock()
	if o.made {
		return dir, nil
	}
	err := os.RemoveAll(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	o.made = err == nil
	return dir, err
}

// tempFile makes a temporary file and unlinks it at once, so that it is gone
// with the process.
func (o *owner) tempFile() (*os.File, error) {
	dir, err := o.tempDir()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// growTemp charges for temporary files, or refuses.
func (o *owner) growTemp(bytes int64) error {
	limit := o.r.limits.TempBytes
	if o.temp.Add(bytes) > limit {
		o.temp.Add(-bytes)
		return fault.New(fault.TooLarge, "The query needs more temporary space than limits.temp_bytes (%d MiB) allows; nothing was written. Narrow it down, or add an index", limit>>20)
	}
	o.r.stats.temp.Add(bytes)
	return nil
}

func (o *owner) shrinkTemp(bytes int64) {
	o.temp.Add(-bytes)
	o.r.stats.temp.Add(-bytes)
}

// watch is called when a database was closed so that somebody may move its file, or
// put one there. The function that it returns, called when that is over, changes the
// sum by as much. If that is not possible, all files are looked at anew.
func (o *owner) watch(db *database) (adjust func()) {
	if IsImage(db.id.Version) {
		return func() {} // of the sum it is no part
	}
	o.sizing.Lock()
	defer o.sizing.Unlock()
	measures := o.measures
	before, _, err := fileSize(db.path)
	return func() {
		o.sizing.Lock()
		defer o.sizing.Unlock()
		after, _, err2 := fileSize(db.path)
		if o.sum += after - before; err != nil || err2 != nil || o.measures != measures {
			o.measured = false
		}
		if o.surveying != nil {
			o.surveying.spoiled = true
		}
	}
}

// weigh takes the size of a database from its files, before it is written for
// the first time since it was opened.
func (db *database) weigh() error {
	o := db.owner
	o.sizing.Lock()
	defer o.sizing.Unlock()
	return db.weighed(false)
}

// weighed does so for a caller who holds o.sizing; fresh: the file was made just now.
func (db *database) weighed(fresh bool) (err error) {
	if db.sized {
		return nil
	}
	if db.size, db.page, err = fileSize(db.path); err != nil {
		return err
	}
	db.sized = true
	db.owner.count(db, fresh)
	return nil
}

// room returns how large a database may be while all of its owner's have so many
// bytes together, if that is known.
func (db *database) room(ownerBytes int64) (room int64, known bool) {
	o := db.owner
	o.sizing.Lock()
	defer o.sizing.Unlock()
	return db.size + ownerBytes - o.sum, o.known()
}

// resize changes the size of a database, and with it the owner's sum. The caller
// holds o.sizing.
func (db *database) resize(by int64) {
	db.size += by
	db.owner.sum += by // for nothing if that is not measured
}

// errOwnerFull is what a write gets that would make the owner's databases larger
// than they may be together.
var errOwnerFull = fault.New(fault.TooLarge, "The databases of this owner have together reached their size limit; nothing was written. Delete rows and run VACUUM, or ask whoever runs this server for more room. A deleted database counts until it is removed for good")

// claim is called before the log gets the frame that commits, from when on the
// database has so many pages. Of all the owner's databases that grow at the same
// moment, those get room for which there is some: what one has claimed no other
// one can, until its transaction is over. Claims of one transaction replace one
// another.
func (j *jail) claim(pages int64) error {
	db, o := j.db, j.db.owner
	o.sizing.Lock()
	defer o.sizing.Unlock()
	growth := pages*db.page - db.size
	if j.ownerBytes > 0 && growth > 0 {
		if !o.known() {
			return errUnsurveyed
		}
		if o.sum+growth > j.ownerBytes {
			return errOwnerFull
		}
	}
	db.resize(growth)
	j.claimed += growth
	return nil
}

// settle ends a claim: the transaction was committed, or nothing of it was kept.
func (j *jail) settle(kept bool) {
	if j.claimed != 0 && !kept {
		o := j.db.owner
		o.sizing.Lock()
		defer o.sizing.Unlock()
		j.db.resize(-j.claimed)
	}
	j.claimed = 0
}
