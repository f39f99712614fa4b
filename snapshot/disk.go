package snapshot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"

	"ayb/catalog"
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
	object, ok := objectOf(f)
	if !ok {
		return nil
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

// objectOf returns the path of the object that becomes, or has become, of a file that
// the driver of directories writes. It is not known of a driver that has other names,
// or writes elsewhere first.
func objectOf(f *os.File) (object string, ok bool) {
	object, ok = strings.CutSuffix(f.Name(), ".tmp")
	if !ok || filepath.Ext(object) == "" {
		return "", false
	}
	object = strings.TrimSuffix(object, filepath.Ext(object))
	_, err := os.Stat(object)
	return object, err == nil
}

// readable finds out whether all directories can be read in which there can be objects
// whose keys begin with prefix.
func (v *Vault) readable(prefix string) error {
	if v.opt.Directory == "" {
		return nil
	}
	return eachDirectory(v.opt.Directory, prefix[:max(0, strings.LastIndex(prefix, "/"))])
}

// eachDirectory reads the directory of a key below root, and all below that in which
// objects of ours can be. Others may be anybody's, like lost+found.
func eachDirectory(root, key string) error {
	entries, err := readDir(filepath.Join(root, filepath.FromSlash(key)))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		below := strings.TrimPrefix(key+"/"+entry.Name(), "/")
		if entry.IsDir() && holdsObjects(below) {
			if err := eachDirectory(root, below); err != nil {
				return err
			}
		}
	}
	return nil
}

// holdsObjects reports whether keys of ours can begin with that of a directory.
func holdsObjects(key string) bool {
	parts := strings.Split(key, "/")
	switch {
	case key+"/" == filePrefix:
		return true
	case len(parts) == 1:
		parts = append(parts, "any")
	case len(parts) > 2:
		return false
	}
	return Place{catalog.Slug(unsegment(parts[0])), unsegment(parts[1])}.check() == nil
}

// readDir lists a directory. One that is not there has nothing in it, and neither has
// no path.
func readDir(path string) ([]fs.DirEntry, error) {
	if path == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// errSet ends a copy when all that was wanted of it is done.
var errSet = errors.New("the metadata are set")

// setMetadataOnDisk gives an object new metadata in one step: the driver of
// directories would write them over those that are there, so that who asks
// meanwhile, or after a crash, finds half of them, and can't use the object.
func (v *Vault) setMetadataOnDisk(ctx context.Context, key string, metadata map[string]string) bool {
	ctx, cancel := v.request(ctx)
	defer cancel()
	err := v.bucket.Copy(ctx, key, key, &blob.CopyOptions{BeforeCopy: func(as func(any) bool) error {
		var file *os.File
		if !as(&file) {
			return errors.ErrUnsupported
		}
		object, ok := objectOf(file)
		if !ok {
			return errors.ErrUnsupported
		}
		return cmp.Or(rewriteMetadata(object+".attrs", metadata), errSet)
	}})
	if !errors.Is(err, errSet) && !errors.Is(err, errors.ErrUnsupported) {
		v.opt.Logger.DebugContext(ctx, "metadata can't be changed alone", "key", key, "err", err)
	}
	return errors.Is(err, errSet)
}

// rewriteMetadata puts metadata into a file of the driver of directories, and leaves
// everything else in it as it is.
func rewriteMetadata(path string, metadata map[string]string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(text, &attributes); err != nil {
		return err
	}
	const name = "user.metadata"
	if _, ok := attributes[name]; !ok {
		return errors.ErrUnsupported // it is in another form
	}
	if attributes[name], err = json.Marshal(metadata); err != nil {
		return err
	}
	if text, err = json.Marshal(attributes); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // sweep knows it
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = cmp.Or(err, f.Sync()); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if err := cmp.Or(f.Close(), os.Rename(f.Name(), path)); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return durable.SyncDir(filepath.Dir(path))
}

// isTorn reports whether an object can't be used because what the driver of
// directories has written about it ends too early, or is no such thing.
func isTorn(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	return syntax || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
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
