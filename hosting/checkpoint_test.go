package hosting

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"ayb/catalog"
	"ayb/fault"
)

// What holds of the log with every Runner is tested by package hostingtest.

const (
	logTable = "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(1000000))"
	logWrite = "UPDATE t SET a = randomblob(1000000)" // some 1 MB of log
)

// logHarness has the table of logWrite, and sessions that may idle.
func logHarness(t *testing.T, limits Limits) *harness {
	limits.SessionIdle, limits.SessionTime = time.Minute, time.Minute
	h := newHarness(t, limits)
	h.must(logTable)
	return h
}

// handle returns what is known of the database.
func (h *harness) handle() *database {
	h.InProcess.mu.Lock()
	defer h.InProcess.mu.Unlock()
	return h.open[h.db]
}

// pin begins a session that reads. It reads again, and ends.
func (h *harness) pin() (again func() error, end func()) {
	h.Helper()
	s, err := h.Begin(context.Background(), Job{DB: h.db, Class: Read})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { s.Close() })
	run := func(sql string) error {
		st, err := catalog.NewStatement(sql)
		if err == nil {
			_, err = s.Run(context.Background(), st, nil)
		}
		return err
	}
	if err := run("BEGIN; SELECT a FROM t"); err != nil {
		h.Fatal(err)
	}
	return func() error { return run("SELECT a FROM t") }, func() { s.Close() }
}

// A gatedFile is the file of a database, not its log, that is written when somebody
// allows it.
type gatedFile struct {
	vfs.File
	disk *gatedDisk
}

type gatedDisk struct {
	vfs.VFS
	blocks atomic.Bool
	begun  chan struct{} // receives when a write has to wait
	open   chan struct{}
}

func (d *gatedDisk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err == nil && flags&vfs.OPEN_MAIN_DB != 0 {
		file = &gatedFile{file, d}
	}
	return file, out, err
}

func (f *gatedFile) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }

func (f *gatedFile) WriteAt(p []byte, off int64) (int, error) {
	if f.disk.blocks.CompareAndSwap(true, false) {
		close(f.disk.begun)
		<-f.disk.open
	}
	return f.File.WriteAt(p, off)
}

// TestCheckpoint_writers_do_not_wait_for_much_to_be_copied has a long reader keep
// much of the log, and then has a disk on which copying that lasts for ever.
func TestCheckpoint_writers_do_not_wait_for_much_to_be_copied(t *testing.T) {
	disk := &gatedDisk{VFS: vfs.Find(""), begun: make(chan struct{}), open: make(chan struct{})}
	h := logHarness(t, Limits{})
	h.disk = disk
	h.db = h.create()
	h.must(logTable)
	again, end := h.pin()
	for h.handle().logged.Load() < besidePages+2*checkpointPages {
		h.must(logWrite)
	}
	if err := again(); err != nil {
		t.Fatalf("the reader, with %d pages in the log: %v", h.handle().logged.Load(), err)
	}
	end()
	disk.blocks.Store(true)
	for copying := false; !copying; {
		h.must(logWrite)
		select {
		case <-disk.begun:
			copying = true
		default:
		}
	}
	for range 20 {
		h.must(logWrite)
	}
	close(disk.open)
	for written := h.handle().written.Load(); h.handle().logged.Load() > 8*checkpointPages; {
		h.must(logWrite)
		if h.handle().written.Load() > written+3*besidePages {
			t.Fatalf("the log does not begin anew: %d pages", h.handle().logged.Load())
		}
	}
}

// TestCheckpoint_ends_those_who_keep_much holds that who began to read a moment ago
// is not taken for who keeps the log from being emptied.
func TestCheckpoint_ends_those_who_keep_much(t *testing.T) {
	h := logHarness(t, Limits{})
	old, _ := h.pin()
	h.must(logWrite)
	h.must(logWrite)
	young, _ := h.pin()
	h.must(logWrite)
	if !h.handle().endLongReaders(400) {
		t.Error("there was nobody")
	}
	if err := old(); fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.Message(err), "limits.wal_bytes") {
		t.Errorf("who kept 500 pages is told %v", err)
	}
	if err := young(); err != nil {
		t.Errorf("who kept 250 pages is told %v", err)
	}
}

// A stuckSink waits at its first row, and can be stopped if stop is there.
type stuckSink struct {
	reached, opened chan struct{}
}

func newStuckSink() *stuckSink {
	return &stuckSink{make(chan struct{}), make(chan struct{})}
}

var errStuck = errors.New("stuck")

func (s *stuckSink) Columns([]catalog.Column) error { return nil }
func (s *stuckSink) Row(catalog.Row) error {
	close(s.reached)
	<-s.opened
	return errStuck
}

type stoppableSink struct{ *stuckSink }

func (s stoppableSink) Stop() { close(s.opened) }

// TestCheckpoint_under_a_sink_that_is_stuck holds what becomes of readers and writers
// when a sink does not return.
func TestCheckpoint_under_a_sink_that_is_stuck(t *testing.T) {
	for _, stops := range []bool{true, false} {
		h := logHarness(t, Limits{WALBytes: 8 << 20})
		stuck := newStuckSink()
		var sink Sink = stuck
		if stops {
			sink = stoppableSink{stuck}
		}
		read := make(chan error, 1)
		go func() {
			st, _ := catalog.NewStatement("SELECT a FROM t")
			_, err := h.Run(context.Background(), Job{DB: h.db, Class: Read, Statement: st}, sink)
			read <- err
		}()
		<-stuck.reached
		var refused error
		for i := 0; i < 20 && refused == nil; i++ {
			_, refused = h.query(Write, logWrite)
		}
		if stops {
			if refused != nil {
				t.Errorf("a write failed: %v", refused)
			}
		} else {
			if fault.KindOf(refused) != fault.Busy {
				t.Errorf("a write beyond the log was told %v", refused)
			}
			close(stuck.opened)
		}
		if err := <-read; fault.KindOf(err) != fault.TooLarge || !strings.Contains(fault.Message(err), "limits.wal_bytes") {
			t.Errorf("the reader was told %v", err)
		}
		h.must(logWrite) // it goes on
		h.count(1)
	}
}
