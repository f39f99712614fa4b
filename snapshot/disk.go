package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ayb/internal/durable"
)

// settle makes an object on disk outlast a power cut: the driver of directories
// writes f beside the object, a file with metadata as well, and renames, but syncs
// nothing. f is the file that was renamed, or nil if the bucket is no directory.
// The content has been synced before.
func (v *Vault) settle(key string, f *os.File) error {
	if !v.isOnDisk || f == nil {
		return nil
	}
	object, ok := strings.CutSuffix(f.Name(), ".tmp")
	if !ok || filepath.Ext(object) == "" {
		return nil // a newer driver has other names, and does what it thinks fit
	}
	object = strings.TrimSuffix(object, filepath.Ext(object))
	if _, err := os.Stat(object); err != nil {
		return nil // it was written to elsewhere first
	}
	if metadata, err := os.OpenFile(object+".attrs", os.O_RDWR, 0); err == nil {
		err = metadata.Sync()
		metadata.Close()
		if err != nil {
			return localError(err, "make the snapshot durable")
		}
	}
	dir := filepath.Dir(object)
	v.sweep(dir)
	for range strings.Count(key, "/") + 1 {
		if err := durable.SyncDir(dir); err != nil {
			return localError(err, "make the snapshot durable")
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// staleAfter is after how long nobody writes any more to what an upload has begun: one
// that stands still is given up long before.
const staleAfter = 24 * time.Hour

// sweep removes what uploads of processes that were killed have left beside an object:
// files without a name of their own, and metadata without an object. What can't be
// removed stays for the next time; nothing of it is ever taken for a snapshot.
func (v *Vault) sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		object, isMetadata := strings.CutSuffix(path, ".attrs")
		if !isMetadata && !strings.HasSuffix(path, ".tmp") {
			continue
		}
		if isMetadata {
			if _, err := os.Lstat(object); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if info, err := entry.Info(); err != nil || !info.Mode().IsRegular() || v.opt.Now().Sub(info.ModTime()) < staleAfter {
			continue
		}
		if err := os.Remove(path); err == nil {
			v.opt.Logger.Info("an upload that was not ended has been removed", "path", path)
		}
	}
}
