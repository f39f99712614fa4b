package hosting

import (
	"errors"
	"io/fs"
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
	r    *InProcess
	path string

	temp   atomic.Int64 // bytes of temporary files
	sizes  atomic.Int64 // bytes of all databases, once measured
	making sync.Mutex   // of the temporary directory
	made   bool

	open      sync.Map // of *database
	measuring sync.Mutex
	measured  bool
}

// owner returns what is known of an owner. There is one for each owner whose
// database was opened since the Runner was made.
func (r *InProcess) owner(id catalog.ID) *owner {
	if o, ok := r.owners.Load(id); ok {
		return o.(*owner)
	}
	o, _ := r.owners.LoadOrStore(id, &owner{r: r, path: OwnerPath(r.dir, id)})
	return o.(*owner)
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

// grow follows the size of the owner's databases.
func (o *owner) grow(bytes int64) { o.sizes.Add(bytes) }

// size returns the bytes of all the owner's databases. The first call walks the
// owner's directory. A database that is open knows better than its file, because
// part of it may still be in the log.
func (o *owner) size() (int64, error) {
	o.measuring.Lock()
	defer o.measuring.Unlock()
	if o.measured {
		return o.sizes.Load(), nil
	}
	sizes := map[string]int64{}
	err := filepath.WalkDir(o.path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != fileName {
			return ignoreAbsent(err)
		}
		info, err := d.Info()
		if err == nil {
			sizes[path] = info.Size()
		}
		return ignoreAbsent(err)
	})
	if err != nil {
		return 0, err
	}
	o.open.Range(func(db, _ any) bool {
		if db := db.(*database); sizes[db.path] > 0 {
			sizes[db.path] = max(sizes[db.path], db.size.Load())
		}
		return true
	})
	var sum int64
	for _, size := range sizes {
		sum += size
	}
	o.sizes.Store(sum)
	o.measured = true
	return sum, nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// forgetSize makes the next call of size measure anew: files have come or gone.
func (o *owner) forgetSize() {
	o.measuring.Lock()
	defer o.measuring.Unlock()
	o.measured = false
}
