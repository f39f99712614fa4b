package snapshot

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/blake3"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"ayb/catalog"
)

// How objects are sent. Services take an object in at most 10,000 parts; parts in
// transit are held in memory.
const (
	partSize  = 8 << 20
	partsSent = 2
	mostParts = 9000
)

// contentType is what the objects say they are.
const contentType = "application/zstd"

// An Image is a file with a copy of a database that nobody writes to any more,
// and what Hash has found in it.
type Image struct {
	File *os.File // open for as long as the image is used
	ID   string   // the BLAKE3 hash of the file
	Size int64    // of the file, in bytes
}

// Hash reads a file to its end and returns what it is. Errors: [fault.Unavailable],
// [ErrChanged] (it has become longer or shorter meanwhile).
func Hash(ctx context.Context, f *os.File) (Image, error) {
	info, err := f.Stat()
	if err != nil {
		return Image{}, localError(err, "read the copy of the database")
	}
	h, image := blake3.New(), Image{File: f, Size: info.Size()}
	size, err := copyPieces(h, image.reader(), func(int) error { return ctx.Err() })
	switch {
	case ctx.Err() != nil:
		return Image{}, ctx.Err()
	case err != nil:
		return Image{}, localError(err, "read the copy of the database")
	case size != image.Size:
		return Image{}, failure(ErrChanged, nil)
	}
	image.ID = hexOf(h)
	return image, nil
}

// reader reads the file from its beginning. If it has become longer, that shows, but
// it is not read without end.
func (i Image) reader() io.Reader { return io.NewSectionReader(i.File, 0, i.Size+1) }

// A Taking says why and when a snapshot is taken.
type Taking struct {
	Kind  catalog.SnapshotKind
	Note  string    // at most catalog.MaxNoteBytes
	Taken time.Time // as Stamp gives it
}

// snapshot returns the snapshot that an image becomes.
func (t Taking) snapshot(image Image) catalog.Snapshot {
	s := catalog.Snapshot{ID: image.ID, Size: image.Size, Kind: t.Kind, Note: t.Note, Taken: t.Taken.UTC()}
	switch t.Kind {
	case catalog.Automatic:
		s.Round = s.Taken
	case catalog.Replaced:
		s.Replaced = s.Taken
	}
	return s
}

// Put stores an image and returns the snapshot that it is. If the content is
// there already, only its metadata change: when it was taken and why, and its
// note if there is a new one. Nothing is visible before all of it is, and a
// failure leaves what was there before, or what was to be there.
//
// Errors: [fault.Invalid] (the place or the note), [ErrChanged], [ErrDamaged] (the
// bucket has stored something else, which was removed), and those of the bucket.
func (v *Vault) Put(ctx context.Context, place Place, image Image, taking Taking) (catalog.Snapshot, error) {
	key, err := place.key(image.ID)
	if err != nil {
		return catalog.Snapshot{}, err
	}
	if err := catalog.CheckNote(taking.Note); err != nil {
		return catalog.Snapshot{}, err
	}
	s := taking.snapshot(image)
	switch old, err := v.stat(ctx, key, image.ID); {
	case err == nil:
		s = again(old, s)
		if v.setMetadata(ctx, key, encode(s)) {
			v.opt.Logger.DebugContext(ctx, "snapshot was there already", "place", place, "id", s.ID)
			return s, nil
		}
	case !errors.Is(err, ErrNoSnapshot) && !errors.Is(err, ErrDamaged):
		return catalog.Snapshot{}, err
	}
	s.Stored, err = v.store(ctx, key, image, encode(s))
	if err != nil {
		return catalog.Snapshot{}, err
	}
	v.opt.Logger.DebugContext(ctx, "snapshot stored", "place", place, "id", s.ID, "bytes", s.Size, "stored", s.Stored)
	return s, nil
}

// setMetadata gives an object new metadata without sending it again, and reports
// whether that was done. A failure is none: sending it again may still work, and
// if it does not, says why.
func (v *Vault) setMetadata(ctx context.Context, key string, metadata map[string]string) bool {
	if v.isOnDisk {
		return v.setMetadataOnDisk(ctx, key, metadata)
	}
	if v.opt.SetMetadata == nil {
		return false
	}
	ctx, cancel := v.request(ctx)
	defer cancel()
	err := v.bucket.Copy(ctx, key, key, &blob.CopyOptions{BeforeCopy: func(as func(any) bool) error {
		if !v.opt.SetMetadata(as, metadata) {
			return errors.ErrUnsupported
		}
		return nil
	}})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		v.opt.Logger.DebugContext(ctx, "metadata can't be changed alone", "key", key, "err", err)
	}
	return err == nil
}

// store compresses an image into an object, checks what has arrived, and returns
// the size of that.
func (v *Vault) store(ctx context.Context, key string, image Image, metadata map[string]string) (int64, error) {
	if err := v.mounted(); err != nil {
		return 0, err
	}
	sent, err := v.send(ctx, key, image, metadata)
	if err != nil {
		return 0, err
	}
	if err := v.verify(ctx, key, image, sent); err != nil {
		return 0, err
	}
	return sent.size, nil
}

// send uploads what it reads of an image. If anything fails, the object is not
// made.
func (v *Vault) send(ctx context.Context, key string, image Image, metadata map[string]string) (*sent, error) {
	t := v.transfer(ctx)
	defer t.end()
	var file *os.File
	w, err := v.bucket.NewWriter(t, key, &blob.WriterOptions{
		ContentType: contentType, Metadata: metadata, MaxConcurrency: partsSent,
		BufferSize:  int(max(partSize, image.Size/mostParts)),
		BeforeWrite: func(as func(any) bool) error { as(&file); return nil },
	})
	if err != nil {
		return nil, v.bucketError(t, err, nil)
	}
	out := &sent{t: t, to: w}
	if !v.isOnDisk { // the driver of directories hashes what it is given, not what it has stored
		out.md5 = md5.New()
	}
	if err = compress(out, image); err == nil && v.isOnDisk && file != nil {
		err = file.Sync()
	}
	if err != nil {
		t.cancel(err) // before Close, which would take what is there for all of it
		w.Close()
		return nil, v.sendError(ctx, t, err)
	}
	t.timer.Reset(v.opt.Patience)
	if err := w.Close(); err != nil {
		return nil, v.bucketError(t, err, nil)
	}
	return out, v.settle(key, file)
}

// sendError tells whose failure has ended an upload: the caller's, this machine's,
// or the bucket's.
func (v *Vault) sendError(ctx context.Context, t *transfer, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(context.Cause(t), errImpatient) {
		return failure(ErrUnreachable, errImpatient)
	}
	if local, ok := errors.AsType[*readError](err); ok {
		return localError(local.error, "read the copy of the database")
	}
	return v.bucketError(ctx, err, nil)
}

// A readError is a failure to read the image.
type readError struct{ error }

// Unwrap returns what happened.
func (e *readError) Unwrap() error { return e.error }

// compress writes the image compressed, and fails if it is not what it should be.
func compress(to *sent, image Image) error {
	// The encoder that saves memory takes two and a half times as long.
	enc, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return err
	}
	enc.ResetContentSize(to, image.Size)
	defer enc.Reset(nil) // waits for what it does in the background; Close does not if it fails
	h := blake3.New()
	n, err := copyPieces(io.MultiWriter(h, enc), &imageReader{image.reader()}, func(int) error { return to.t.Err() })
	if err == nil && (n != image.Size || hexOf(h) != image.ID) {
		err = failure(ErrChanged, nil)
	}
	if err != nil {
		to.t.cancel(err) // so that what the encoder still has goes nowhere
		return err
	}
	return enc.Close()
}

// An imageReader marks the failures to read an image.
type imageReader struct{ io.Reader }

// Read reads.
func (r *imageReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

// sent is the way of an object to the bucket, and what has gone there.
type sent struct {
	t    *transfer
	to   io.Writer
	fail error // if not nil, nothing goes there any more
	size int64
	md5  hash.Hash // nil: the bucket's checksum tells nothing
}

// Write sends p, at the pace of the vault.
func (s *sent) Write(p []byte) (n int, err error) {
	for len(p) > 0 && s.fail == nil {
		piece := p[:min(len(p), pieceSize)]
		if s.fail = s.t.step(len(piece)); s.fail != nil {
			break
		}
		var m int
		m, s.fail = s.to.Write(piece)
		if s.md5 != nil {
			s.md5.Write(piece[:m])
		}
		n, s.size, p = n+m, s.size+int64(m), p[m:]
	}
	return n, s.fail
}

// verify asks the bucket what it has stored, and removes it if it is not what was
// sent.
func (v *Vault) verify(ctx context.Context, key string, image Image, sent *sent) error {
	a, err := v.attributes(ctx, key)
	if err != nil {
		return v.bucketError(ctx, err, ErrDamaged)
	}
	sound := a.Size == sent.size
	// A checksum that does not match proves nothing: with some kinds of encryption,
	// what a service calls one is something else.
	if sound && (v.opt.Reread || sent.md5 != nil && len(a.MD5) == md5.Size && !bytes.Equal(a.MD5, sent.md5.Sum(nil))) {
		err := v.receive(ctx, key, image.ID, image.Size, io.Discard)
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrTooLarge) {
			return err
		}
		sound = err == nil
	}
	if sound {
		return nil
	}
	v.remove(context.WithoutCancel(ctx), key)
	return failure(ErrDamaged, errors.New("the bucket has stored something else than it was sent"))
}

// attributes asks for the attributes of an object. The error is the driver's, or a
// fault.
func (v *Vault) attributes(ctx context.Context, key string) (*blob.Attributes, error) {
	ctx, cancel := v.request(ctx)
	defer cancel()
	a, err := v.bucket.Attributes(ctx, key)
	switch {
	case err == nil:
	case errors.Is(context.Cause(ctx), errImpatient):
		err = failure(ErrUnreachable, errImpatient)
	case v.isOnDisk && isTorn(err):
		err = failure(ErrDamaged, err)
	}
	return a, err
}

// stat returns the snapshot with an id from the attributes of its object.
func (v *Vault) stat(ctx context.Context, key, id string) (catalog.Snapshot, error) {
	a, err := v.attributes(ctx, key)
	if err != nil {
		return catalog.Snapshot{}, v.bucketError(ctx, err, ErrNoSnapshot)
	}
	return decode(id, a), nil
}

// remove deletes an object. One that is not there is fine.
func (v *Vault) remove(ctx context.Context, key string) error {
	ctx, cancel := v.request(ctx)
	defer cancel()
	err := v.bucket.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return v.bucketError(ctx, err, nil)
}

// copyPieces copies piece by piece, and calls before ahead of each.
func copyPieces(to io.Writer, from io.Reader, before func(n int) error) (size int64, err error) {
	buf := make([]byte, pieceSize)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if err := before(n); err != nil {
				return size, err
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return size, err
			}
			size += int64(n)
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

func hexOf(h *blake3.Hasher) string { return hex.EncodeToString(h.Sum(nil)) }
