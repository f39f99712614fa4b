package snapshot

import (
	"os"
	"path/filepath"
	"strings"

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
	for range strings.Count(key, "/") + 1 {
		if err := durable.SyncDir(dir); err != nil {
			return localError(err, "make the snapshot durable")
		}
		dir = filepath.Dir(dir)
	}
	return nil
}
