package snapshot

import (
	"context"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

// filePrefix is where files are that are no snapshots. No entity has a name that
// begins with an underscore.
const filePrefix = "_ayb/"

// A File is something else that is kept beside snapshots, like a copy of the
// metadata from which everything can be recovered.
type File struct {
	Name   string
	Hash   string // the BLAKE3 hash of the content, in hexadecimal digits
	Taken  time.Time
	Size   int64 // in bytes; 0: not known
	Stored int64 // compressed, in bytes
}

// fileName is what a file may be called. File systems allow no more than 255 bytes,
// of which drivers use some.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$`)

// fileKey returns the key of a file.
func fileKey(name string) (string, error) {
	if !fileName.MatchString(name) || strings.HasSuffix(name, "..") {
		return "", fault.New(fault.Invalid, "%q can't be the name of a file in the bucket", name)
	}
	return filePrefix + name, nil
}

// PutFile stores what Hash has read, under a name of at most 200 letters, digits,
// hyphens, underscores and periods, in place of what was there under that name before.
// Until all of it is there, that remains. Errors: as Put.
func (v *Vault) PutFile(ctx context.Context, name string, file Image, taken time.Time) error {
	key, err := fileKey(name)
	if err != nil {
		return err
	}
	_, err = v.store(ctx, key, file, map[string]string{
		metaHash: file.ID, metaSize: strconv.FormatInt(file.Size, 10), metaTaken: formatTime(taken),
	})
	return err
}

// FetchFile writes a file that was stored with PutFile to a new file at path, as
// Fetch does. Errors: as Fetch, with [ErrNoFile] for [ErrNoSnapshot].
func (v *Vault) FetchFile(ctx context.Context, name, path string) (File, error) {
	f, key, err := v.statFile(ctx, name)
	if err != nil {
		return File{}, err
	}
	return f, whole(path, func(w io.Writer) error { return v.receive(ctx, key, f.Hash, f.Size, w) })
}

// Files lists the files that were stored with PutFile, in the order of their
// names. Errors: those of the bucket.
func (v *Vault) Files(ctx context.Context) ([]File, error) {
	var list []File
	for object, err := range v.objects(ctx, filePrefix) {
		if err != nil {
			return nil, err
		}
		f, _, err := v.statFile(ctx, strings.TrimPrefix(object.Key, filePrefix))
		switch {
		case err == nil:
			list = append(list, f)
		case !isForeign(err):
			return nil, err
		}
	}
	return list, nil
}

// DeleteFile deletes a file that was stored with PutFile. Errors: [fault.Invalid]
// (the name), [ErrNoFile], and those of the bucket.
func (v *Vault) DeleteFile(ctx context.Context, name string) error {
	key, err := fileKey(name)
	if err != nil {
		return err
	}
	return v.delete(ctx, key, ErrNoFile)
}

// statFile returns what the bucket knows of a file, and its key. A file whose name
// ends in a hyphen and its hash can be read although its metadata are lost, as
// happens when a bucket is copied by a tool that does not know of them; how large
// it is, and when it was stored first, is not known then.
func (v *Vault) statFile(ctx context.Context, name string) (File, string, error) {
	key, err := fileKey(name)
	if err != nil {
		return File{}, "", err
	}
	a, err := v.attributes(ctx, key)
	if err != nil {
		return File{}, "", v.bucketError(ctx, err, ErrNoFile)
	}
	f := File{Name: name, Hash: a.Metadata[metaHash], Stored: a.Size}
	if f.Hash == "" {
		if f.Hash = name[strings.LastIndexByte(name, '-')+1:]; catalog.IsSnapshotID(f.Hash) {
			f.Taken = a.ModTime
			return f, key, nil
		}
	}
	f.Taken, _ = parseTime(a.Metadata[metaTaken])
	size, err := strconv.ParseInt(a.Metadata[metaSize], 10, 64)
	if err != nil || size < 0 || !catalog.IsSnapshotID(f.Hash) {
		return File{}, "", failure(ErrDamaged, err)
	}
	f.Size = size
	return f, key, nil
}
