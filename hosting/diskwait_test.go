package hosting

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"ayb/catalog"
)

// A stuckDisk does not come back from flushing the log of one database until it is
// freed.
type stuckDisk struct {
	vfs.VFS
	db    DB
	waits chan struct{} // receives when a flush has begun
	free  chan struct{} // closed: it ends
}

func (d *stuckDisk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err == nil && strings.HasSuffix(name.String(), "-wal") && strings.Contains(name.String(), d.db.Version.String()) {
		file = stuckFile{file, d}
	}
	return file, out, err
}

type stuckFile struct {
	vfs.File
	disk *stuckDisk
}

func (f stuckFile) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }

func (f stuckFile) Sync(flags vfs.SyncFlag) error {
	f.disk.waits <- struct{}{}
	<-f.disk.free
	return f.File.Sync(flags)
}

// stick begins a write whose commit waits for the disk, and returns how to let it end,
// which tells how it did.
func (h *harness) stick(sql string) (end func() error) {
	h.Helper()
	d := &stuckDisk{VFS: vfs.Find(""), db: h.db, waits: make(chan struct{}, 100), free: make(chan struct{})}
	h.disk = d
	open, err := h.Release(context.Background(), h.db) // so that its log is opened anew, on this disk
	if err != nil {
		h.Fatal(err)
	}
	open()
	written := make(chan error, 1)
	go func() {
		_, err := h.query(Write, sql)
		written <- err
	}()
	select {
	case <-d.waits:
	case err := <-written:
		h.Fatalf("the write ended without a flush of the log: %v", err)
	case <-time.After(time.Minute):
		h.Fatal("the write did not come to its commit")
	}
	return func() error {
		close(d.free)
		return <-written
	}
}

// TestInProcess_no_reader_waits_for_a_commit reads on all connections that there may
// be, old and new ones, while the disk keeps a commit from ending.
func TestInProcess_no_reader_waits_for_a_commit(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	end := h.stick("INSERT INTO t VALUES (2)")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const readers = 20
	done := make(chan error, readers)
	for range readers {
		go func() {
			for range 10 {
				var out rows
				_, err := h.Run(ctx, Job{DB: h.db, Statement: catalog.Statement{SQL: "SELECT count(*) FROM t"}}, &out)
				if err != nil || out.rows[0][0].Int64() != 1 {
					t.Errorf("while a commit waits for the disk, a read answers %v, %v", out.rows, err)
				}
			}
			done <- nil
		}()
	}
	for range readers {
		<-done
	}
	if err := end(); err != nil {
		t.Errorf("the write: %v", err)
	}
	h.count(2)
}

// TestInProcess_who_waits_for_the_disk_keeps_no_place has a write to one database wait
// for the disk, and writes to another, where only one may be written at a time.
func TestInProcess_who_waits_for_the_disk_keeps_no_place(t *testing.T) {
	h := newHarness(t, Limits{})
	h.writers = make(gate, 1)
	stuck, other := h.db, h.create()
	for _, db := range []DB{other, stuck} {
		h.db = db
		h.must("CREATE TABLE t(a)")
	}
	end := h.stick("INSERT INTO t VALUES (1)")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := h.Run(ctx, Job{DB: other, Class: Write, Statement: catalog.Statement{SQL: "INSERT INTO t VALUES (1)"}}, nil); err != nil {
		t.Errorf("a write to another database: %v", err)
	}
	if err := end(); err != nil {
		t.Errorf("the write that waited: %v", err)
	}
}

// TestInProcess_who_holds_much_memory_keeps_the_place is the other side of it: what
// the places bound is memory.
func TestInProcess_who_holds_much_memory_keeps_the_place(t *testing.T) {
	h := newHarness(t, Limits{ValueBytes: 16 << 20})
	h.writers = make(gate, 1)
	h.must("CREATE TABLE t(a)")
	end := h.stick("INSERT INTO t VALUES (zeroblob(0) || hex(zeroblob(6000000)))")
	if len(h.writers) != 1 {
		t.Error("a connection that holds much memory waits for the disk without a place")
	}
	if err := end(); err != nil {
		t.Errorf("the write: %v", err)
	}
}

// TestInProcess_nobody_waits_for_who_comes_after_them has a text that would run for
// long wait behind one that is being committed by its caller.
func TestInProcess_nobody_waits_for_who_comes_after_them(t *testing.T) {
	h := newHarness(t, Limits{QueryTime: time.Hour})
	h.must("CREATE TABLE t(a)")
	end := h.stick("INSERT INTO t VALUES (1)")
	ctx, cancel := context.WithCancel(context.Background())
	behind := make(chan error, 1)
	go func() {
		endless := "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
		_, err := h.Run(ctx, Job{DB: h.db, Class: Write, Statement: catalog.Statement{SQL: endless}}, nil)
		behind <- err
	}()
	for deadline := time.Now().Add(time.Minute); h.Stats().QueuedWrites == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the text does not wait")
		}
	}
	if err := end(); err != nil {
		t.Errorf("the write: %v", err)
	}
	cancel()
	if err := <-behind; !errors.Is(err, context.Canceled) {
		t.Errorf("the text behind it: %v", err)
	}
	h.count(1)
}
