package ayb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/durable"
)

// defaultDiskReserve is the default of Limits.DiskReserve.
const defaultDiskReserve = 100 << 20

// A disk is what is known of the room on the disk of the data path. Work that needs
// much of it claims that first, so that queries, which can't wait, do not find the disk full,
// and nobody copies for minutes what does not fit.
type disk struct {
	dir     string
	reserve int64                           // bytes that stay free for what claims nothing
	free    func(dir string) (int64, error) // durable.Free, but in tests

	mu      sync.Mutex
	claimed int64     // bytes that work under way may still write
	told    time.Time // when it was last logged that the disk is full
}

// claim sets bytes of the disk aside until give is called, when they are written or
// not needed. It refuses if not so many are free. If the system does not tell how many
// there are, it gives what is asked for. Errors: ErrUnavailable with the cause [ErrDiskFull].
func (d *disk) claim(bytes int64) (give func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if free, err := d.free(d.dir); err == nil && free-d.claimed-bytes < d.reserve {
		return nil, d.lacks(free, bytes)
	}
	d.claimed += bytes
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.claimed -= bytes
	}, nil
}

// lacks returns the error of a claim that is refused. The caller holds d.mu.
func (d *disk) lacks(free, bytes int64) error {
	cause := fmt.Errorf("%w: of %s %d bytes are free, of which %d are claimed already and %d are limits.disk_reserve; needed are %d", durable.ErrFull, d.dir, free, d.claimed, d.reserve, bytes)
	return fault.Wrap(fault.Unavailable, cause, "There is no room for this on the server's disk; nothing was changed. Try again later, or tell whoever runs this server")
}

// diskStep is how much is written before it is looked again whether there is room.
const diskStep = 16 << 20

// A diskWriter writes a file of this machine. It makes faults of failures, and beyond
// what has been claimed for the file it leaves the reserve free.
type diskWriter struct {
	disk *disk
	file *os.File
	left int64 // to write until it looks
}

func (d *disk) writer(file *os.File, claimed int64) *diskWriter {
	return &diskWriter{disk: d, file: file, left: claimed}
}

// Write writes.
func (w *diskWriter) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		give, err := w.disk.claim(0)
		if err != nil {
			return 0, err
		}
		give()
		w.left = diskStep
	}
	n, err := w.file.Write(p)
	return n, diskError(err)
}

// watchEvery is how often it is looked whether work leaves room.
const watchEvery = 20 * time.Millisecond

// watched does work that writes in another process, which has claimed what it should need,
// and ends its context when the reserve is reached. Errors: those of the work, and as claim.
func (d *disk) watched(ctx context.Context, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over, watching := make(chan struct{}), sync.WaitGroup{}
	watching.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			if err := d.left(); err != nil {
				cancel(err)
				return
			}
		}
	})
	err := work(ctx)
	close(over)
	watching.Wait()
	if full := context.Cause(ctx); err != nil && errors.Is(full, ErrDiskFull) {
		return full
	}
	return err
}

// left refuses if less is free than the reserve.
func (d *disk) left() error {
	if free, err := d.free(d.dir); err == nil && free < d.reserve {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.lacks(free, 0)
	}
	return nil
}

func diskError(err error) error {
	return durable.Fault(err, "The server can't write a copy of the database; please tell whoever runs it")
}

// fullEvery is how often it is logged that the disk is full, for a full one fails many
// calls.
const fullEvery = time.Minute

// noteFull logs a failure that comes of a full disk.
func (e *Engine) noteFull(ctx context.Context, err error) {
	if !errors.Is(err, ErrDiskFull) {
		return
	}
	d := &e.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	now := e.now()
	if since := now.Sub(d.told); since >= 0 && since < fullEvery {
		return
	}
	d.told = now
	attrs := []any{"path", d.dir, "error", err}
	if free, err := d.free(d.dir); err == nil {
		attrs = append(attrs, "free_bytes", free, "reserve_bytes", d.reserve)
	}
	e.log.ErrorContext(ctx, "A disk is full, or nearly: calls fail. Make room, for example by moving other files away", attrs...)
}

// claimCopies claims what so many copies of a version of a database take, and returns
// the size of one.
func (e *Engine) claimCopies(n int64, of hosting.DB) (size int64, give func(), err error) {
	if size, err = hosting.Size(e.cfg.owners(), of); err == nil {
		give, err = e.disk.claim(n * size)
	}
	return size, give, err
}
