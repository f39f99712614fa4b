package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// A Mode is how a call to a bucket goes wrong.
type Mode string

// The modes.
const (
	Fails Mode = "fails"            // the bucket does nothing and says that it failed
	Lost  Mode = "loses its answer" // the bucket does it and says that it failed
	Hangs Mode = "hangs"            // there is no answer until the caller gives up
	Gone  Mode = "is gone"          // every call fails, whichever was to
)

// errInjected is the failure of a call that was to fail.
var errInjected = errors.New("injected failure: https://bucket.example/key?signature=SECRET")

// A Faulty is a bucket in front of another one that counts the calls to it, each
// read and write of a stream included, and has one of them go wrong.
type Faulty struct {
	*blob.Bucket

	mu    sync.Mutex
	calls []string
	wrong int // which call, from 1 on; 0: none
	mode  Mode
	watch func(call string) error
}

// NewFaulty puts a Faulty in front of a bucket.
func NewFaulty(bucket *blob.Bucket) *Faulty {
	f := &Faulty{}
	f.Bucket = blob.NewBucket(&faultyDriver{f, bucket})
	return f
}

// Arm forgets the calls that were counted, and has the nth call from now on go
// wrong; the 0th is none.
func (f *Faulty) Arm(n int, mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.wrong, f.mode = nil, n, mode
}

// Watch has each call told before it is made, by its name. If that returns an error,
// the call fails and is not made.
func (f *Faulty) Watch(watch func(call string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watch = watch
}

// Calls returns the names of the calls since Arm.
func (f *Faulty) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// call counts a call and does it, if it is to.
func (f *Faulty) call(ctx context.Context, name string, do func() error) error {
	f.mu.Lock()
	f.calls = append(f.calls, name)
	wrong, mode, watch := len(f.calls) == f.wrong || f.mode == Gone, f.mode, f.watch
	f.mu.Unlock()
	if watch != nil {
		if err := watch(name); err != nil {
			return err
		}
	}
	switch {
	case !wrong:
		return do()
	case mode == Hangs:
		<-ctx.Done()
		return ctx.Err()
	case mode == Lost:
		if err := do(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w", name, errInjected)
}

// A faultyDriver is the driver of a Faulty, on top of a whole bucket.
type faultyDriver struct {
	f  *Faulty
	to *blob.Bucket
}

func (d *faultyDriver) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Code(err) }
func (d *faultyDriver) As(i any) bool                          { return d.to.As(i) }
func (d *faultyDriver) ErrorAs(err error, i any) bool          { return d.to.ErrorAs(err, i) }
func (d *faultyDriver) Close() error                           { return nil }

func (d *faultyDriver) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.ErrUnsupported
}

func (d *faultyDriver) Attributes(ctx context.Context, key string) (a *driver.Attributes, err error) {
	err = d.f.call(ctx, "attributes", func() error {
		from, err := d.to.Attributes(ctx, key)
		if err == nil {
			a = &driver.Attributes{ContentType: from.ContentType, Metadata: from.Metadata, ModTime: from.ModTime, Size: from.Size, MD5: from.MD5, ETag: from.ETag}
		}
		return err
	})
	return a, err
}

func (d *faultyDriver) ListPaged(ctx context.Context, opts *driver.ListOptions) (page *driver.ListPage, err error) {
	token, size := opts.PageToken, opts.PageSize
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	err = d.f.call(ctx, "list", func() error {
		objects, next, err := d.to.ListPage(ctx, token, size, &blob.ListOptions{Prefix: opts.Prefix, Delimiter: opts.Delimiter})
		page = &driver.ListPage{NextPageToken: next}
		for _, o := range objects {
			page.Objects = append(page.Objects, &driver.ListObject{Key: o.Key, ModTime: o.ModTime, Size: o.Size, MD5: o.MD5, IsDir: o.IsDir})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func (d *faultyDriver) Copy(ctx context.Context, dstKey, srcKey string, opts *driver.CopyOptions) error {
	return d.f.call(ctx, "copy", func() error {
		return d.to.Copy(ctx, dstKey, srcKey, &blob.CopyOptions{BeforeCopy: opts.BeforeCopy})
	})
}

func (d *faultyDriver) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	return d.f.call(ctx, "delete", func() error { return d.to.Delete(ctx, key) })
}

func (d *faultyDriver) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	r := &faultyReader{f: d.f, ctx: ctx}
	err := d.f.call(ctx, "open", func() (err error) {
		r.Reader, err = d.to.NewRangeReader(ctx, key, offset, length, nil)
		return err
	})
	if err != nil {
		if r.Reader != nil {
			r.Reader.Close()
		}
		return nil, err
	}
	return r, nil
}

type faultyReader struct {
	*blob.Reader
	f   *Faulty
	ctx context.Context
}

func (r *faultyReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: r.ContentType(), ModTime: r.ModTime(), Size: r.Size()}
}

func (r *faultyReader) Read(p []byte) (n int, err error) {
	err = r.f.call(r.ctx, "read", func() (err error) { n, err = r.Reader.Read(p); return err })
	return n, err
}

func (d *faultyDriver) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &faultyWriter{f: d.f, ctx: ctx, cancel: cancel}
	err := d.f.call(ctx, "create", func() (err error) {
		w.Writer, err = d.to.NewWriter(ctx, key, &blob.WriterOptions{
			ContentType: contentType, Metadata: opts.Metadata, BufferSize: opts.BufferSize,
			MaxConcurrency: opts.MaxConcurrency, BeforeWrite: opts.BeforeWrite,
		})
		return err
	})
	if err != nil {
		cancel()
		if w.Writer != nil {
			w.Writer.Close()
		}
		return nil, err
	}
	return w, nil
}

type faultyWriter struct {
	*blob.Writer
	f      *Faulty
	ctx    context.Context
	cancel context.CancelFunc
}

func (w *faultyWriter) Write(p []byte) (n int, err error) {
	err = w.f.call(w.ctx, "write", func() (err error) { n, err = w.Writer.Write(p); return err })
	return n, err
}

// Close makes the object. When that fails without having been done, what is
// behind must not do it after all.
func (w *faultyWriter) Close() error {
	defer w.cancel()
	closed := false
	err := w.f.call(w.ctx, "close", func() error { closed = true; return w.Writer.Close() })
	if !closed {
		w.cancel()
		w.Writer.Close()
	}
	return err
}
