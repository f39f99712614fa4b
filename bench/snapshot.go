package main

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"gocloud.dev/blob/fileblob"

	"ayb/snapshot"
)

// imageSize is how large the image is that is stored and read back, in bytes.
const imageSize = 1 << 30

// snapshots measures how a vault stores and reads back an image in a directory:
// against the sum of the steps that it takes, each done by itself in the same
// run, and how much main memory it takes on top.
func snapshots(ctx context.Context, dir string) ([]figure, error) {
	dir = filepath.Join(dir, "snapshots")
	if err := os.MkdirAll(filepath.Join(dir, "bucket"), 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "image")
	if err := writeImage(path); err != nil {
		return nil, err
	}
	bucket, err := fileblob.OpenBucket(filepath.Join(dir, "bucket"), &fileblob.Options{NoTempDir: true})
	if err != nil {
		return nil, err
	}
	defer bucket.Close()
	vault, place := snapshot.New(bucket, snapshot.Options{}), snapshot.Place{Entity: "alice", Database: "test"}

	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var image snapshot.Image
	hash, err := timed(func() (err error) { image, err = snapshot.Hash(ctx, file); return err })
	if err != nil {
		return nil, err
	}
	packed := filepath.Join(dir, "packed")
	compress, err := timed(func() error { return pack(path, packed) })
	if err != nil {
		return nil, err
	}
	write, err := timed(func() error { return copyFile(packed, filepath.Join(dir, "copy")) })
	if err != nil {
		return nil, err
	}
	unpacked, err := timed(func() error { return unpack(packed, filepath.Join(dir, "unpacked")) })
	if err != nil {
		return nil, err
	}
	var putExtra, getExtra float64
	put, err := timed(func() (err error) {
		putExtra, err = extraMemory(func() error {
			_, err := vault.Put(ctx, place, image, snapshot.Taking{Taken: time.Now()})
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	get, err := timed(func() (err error) {
		getExtra, err = extraMemory(func() error {
			_, err := vault.Fetch(ctx, place, image.ID, filepath.Join(dir, "fetched"), nil)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	rate := func(what string, took time.Duration) figure {
		return figure{what: what, value: imageSize / (1 << 20) / took.Seconds(), unit: "MB/s", note: took.Round(time.Millisecond).String()}
	}
	return []figure{
		rate("snapshot of 1 GB: hash", hash), rate("snapshot of 1 GB: compress", compress), rate("snapshot of 1 GB: write", write),
		rate("snapshot of 1 GB: store", put), rate("snapshot of 1 GB: decompress and write", unpacked), rate("snapshot of 1 GB: fetch", get),
		{what: "snapshot: hash and store / separate steps", value: float64(hash+put) / float64(hash+compress+write), atMost: 1.2},
		{what: "snapshot: fetch / separate steps", value: float64(get) / float64(hash+unpacked), atMost: 1.2},
		{what: "snapshot: extra memory to store", value: putExtra, unit: "MB", atMost: 64},
		{what: "snapshot: extra memory to fetch", value: getExtra, unit: "MB", atMost: 64},
	}, nil
}

// timed returns how long f takes.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// extraMemory returns by how many megabytes the main memory of this process was
// larger while f ran than before.
func extraMemory(f func() error) (float64, error) {
	debug.FreeOSMemory() // or what others have left would count as there before
	before, most := resident(), 0.0
	stop, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() {
		for {
			most = max(most, resident())
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	err := f()
	close(stop)
	wg.Wait()
	return most - before, err
}

// writeImage writes a file that compresses about as a database does.
func writeImage(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(1, 2))
	page := make([]byte, 0, 1<<20)
	for size := 0; size < imageSize; size += len(page) {
		for page = page[:0]; len(page) < 1<<20-200; {
			page = fmt.Appendf(page, "%d\x00a name of a place\x00%f\x00%x\x00\x00\x00", random.IntN(1<<20), random.Float64()*180, random.Uint32())
		}
		page = page[:min(1<<20, imageSize-size)]
		if _, err := f.Write(page); err != nil {
			return err
		}
	}
	return f.Sync()
}

// pack compresses a file to another one, which it syncs.
func pack(from, to string) error {
	return through(from, to, func(w io.Writer, r io.Reader) error {
		enc, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
		if err != nil {
			return err
		}
		if _, err := io.Copy(enc, r); err != nil {
			return err
		}
		return enc.Close()
	})
}

// unpack is the reverse of pack.
func unpack(from, to string) error {
	return through(from, to, func(w io.Writer, r io.Reader) error {
		dec, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(2))
		if err != nil {
			return err
		}
		defer dec.Close()
		_, err = io.Copy(w, dec)
		return err
	})
}

// copyFile copies a file as the driver of directories does, with its checksum.
func copyFile(from, to string) error {
	return through(from, to, func(w io.Writer, r io.Reader) error {
		_, err := io.Copy(io.MultiWriter(w, md5.New()), r)
		return err
	})
}

// through opens one file, makes another, and syncs what do has written to it.
func through(from, to string, do func(w io.Writer, r io.Reader) error) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := do(w, r); err != nil {
		return err
	}
	return w.Sync()
}
