package snapshot

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/blake3"

	"ayb/catalog"
	"ayb/internal/durable"
)

// maxWindow bounds the memory that an object can make its decoder take. The
// encoders of all levels that ask for no extra stay below it.
const maxWindow = 32 << 20

// Get writes the image of a snapshot to w. Only after it has returned without an
// error, w has an image that may be used: what is wrong with an object shows at
// its end. It never writes more than the image is large.
//
// Errors: [fault.Invalid] (the place or the id), [ErrNoSnapshot], [ErrDamaged],
// [ErrTruncated], [ErrTooLarge], those of the bucket, and those of w.
func (v *Vault) Get(ctx context.Context, place Place, id string, w io.Writer) (catalog.Snapshot, error) {
	key, err := place.key(id)
	if err != nil {
		return catalog.Snapshot{}, err
	}
	s, err := v.stat(ctx, key, id)
	if err != nil {
		return catalog.Snapshot{}, err
	}
	counted := &counter{to: w}
	if err := v.receive(ctx, key, id, s.Size, counted); err != nil {
		return catalog.Snapshot{}, err
	}
	s.Size = counted.size
	return s, nil
}

// Fetch is Get into a new file, for this user alone, which is there and durable
// if there is no error, and not there if there is one. Its directory must be on
// one file system with it, and no other call may have the same path. told is called
// now and then with how many bytes of the image there are; nil: nobody wants to
// know. Errors: as Get, and [ErrDiskFull].
func (v *Vault) Fetch(ctx context.Context, place Place, id, path string, told func(bytes int64)) (s catalog.Snapshot, err error) {
	err = whole(path, func(w io.Writer) (err error) {
		s, err = v.Get(ctx, place, id, &counter{to: w, told: told})
		return err
	})
	return s, err
}

// Stat returns what the bucket knows of a snapshot. Errors: [fault.Invalid],
// [ErrNoSnapshot], and those of the bucket.
func (v *Vault) Stat(ctx context.Context, place Place, id string) (catalog.Snapshot, error) {
	key, err := place.key(id)
	if err != nil {
		return catalog.Snapshot{}, err
	}
	return v.stat(ctx, key, id)
}

// whole makes a file of what write gives, or none.
func whole(path string, write func(w io.Writer) error) error {
	const doing = "write the snapshot to its disk"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return localError(err, doing)
	}
	err = write(&localWriter{f})
	if err == nil {
		err = localError(f.Sync(), doing)
	}
	err = cmp.Or(err, localError(f.Close(), doing))
	if err == nil {
		err = localError(durable.SyncDir(filepath.Dir(path)), doing)
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

// A localWriter makes faults of what goes wrong on this machine's disk.
type localWriter struct{ io.Writer }

// Write writes.
func (w *localWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	return n, localError(err, "write the snapshot to its disk")
}

// A counter counts what passes.
type counter struct {
	to   io.Writer
	size int64
	told func(size int64) // nil: nobody wants to know
}

// Write writes.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	if c.size += int64(n); c.told != nil {
		c.told(c.size)
	}
	return n, err
}

// receive writes to w what an object holds, which must have the hash id and the
// given size in bytes, if that is not 0.
func (v *Vault) receive(ctx context.Context, key, id string, size int64, w io.Writer) error {
	t := v.transfer(ctx)
	defer t.end()
	r, err := v.bucket.NewReader(t, key, nil)
	if err != nil {
		return v.bucketError(t, err, ErrNoSnapshot)
	}
	defer r.Close()
	from := &received{t: t, from: r}
	dec, err := zstd.NewReader(bufio.NewReaderSize(from, pieceSize), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true))
	if err != nil {
		return v.receiveError(t, from, err)
	}
	defer dec.Close()
	bound := cmp.Or(size, v.opt.MaxImage)
	h := blake3.New()
	n, err := copyPieces(io.MultiWriter(h, w), &objectReader{io.LimitReader(dec, bound+1)}, func(int) error { return t.Err() })
	broken, isBroken := errors.AsType[*objectError](err)
	switch {
	case n > bound: // one byte more than there may be
		return failure(ErrTooLarge, nil)
	case isBroken:
		return v.receiveError(t, from, broken.error)
	case err != nil && t.Err() != nil:
		return v.bucketError(t, err, nil)
	case err != nil:
		return err // of w
	case n < size:
		return failure(ErrTruncated, nil)
	case hexOf(h) != id:
		return failure(ErrDamaged, errors.New("it has another hash"))
	}
	return nil
}

// receiveError tells a bucket that fails from an object that is broken.
func (v *Vault) receiveError(t *transfer, from *received, err error) error {
	switch {
	case t.Err() != nil || from.err != nil:
		return v.bucketError(t, cmp.Or(from.err, err), ErrNoSnapshot)
	case errors.Is(err, io.ErrUnexpectedEOF), from.size == 0:
		return failure(ErrTruncated, err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return failure(ErrTooLarge, err)
	}
	return failure(ErrDamaged, err)
}

// received is the way of an object from the bucket.
type received struct {
	t    *transfer
	from io.Reader
	size int64
	err  error // of the bucket, other than that the object ends
}

// Read reads, at the pace of the vault.
func (r *received) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	p = p[:min(len(p), pieceSize)]
	if r.err = r.t.step(0); r.err != nil { // how many come is not known yet
		return 0, r.err
	}
	n, err := r.from.Read(p)
	r.t.v.pace.spend(n)
	r.size += int64(n)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// An objectReader marks the failures to read and decode an object.
type objectReader struct{ io.Reader }

// Read reads.
func (r *objectReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = &objectError{err}
	}
	return n, err
}

// An objectError is a failure to read or decode an object.
type objectError struct{ error }

// Unwrap returns what happened.
func (e *objectError) Unwrap() error { return e.error }
