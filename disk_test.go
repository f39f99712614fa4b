package ayb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/hosting"
	"ayb/snapshot/snapshottest"
)

// TestDisk_refuses_what_it_has_no_room_for has the disk tell how much is free: for
// everything that needs much, and a little less.
func TestDisk_refuses_what_it_has_no_room_for(t *testing.T) {
	ctx, log := context.Background(), &bytes.Buffer{}
	e, err := Open(ctx, Config{
		DataPath: t.TempDir(), Limits: Limits{DiskReserve: 1000}, Snapshots: SnapshotConfig{Bucket: snapshottest.Memory(t).Bucket, Parallel: 1},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require(t, err)
	defer e.Close()
	_, err = e.CreateEntity(ctx, System, "alice", nil)
	require(t, err)
	for _, ref := range []string{"alice/db", "alice/small"} {
		_, err = e.CreateDatabase(ctx, System, ref, nil)
		require(t, err)
		_, err = e.Query(ctx, System, ref, "CREATE TABLE t (a); INSERT INTO t SELECT hex(randomblob(500)) FROM generate_series(1, 100)")
		require(t, err)
	}
	_, err = e.Query(ctx, System, "alice/small", "DELETE FROM t")
	require(t, err)
	_, err = e.Query(ctx, System, "alice/small", "VACUUM")
	require(t, err)
	db, err := e.Database(ctx, System, "alice/db")
	require(t, err)
	size := db.Size
	var told atomic.Int64
	setFree := func(bytes int64) { told.Store(bytes) }
	setFree(1 << 40)
	e.disk.free = func(string) (int64, error) { return told.Load(), nil }
	s, err := e.CreateSnapshot(ctx, System, "alice/db", "")
	require(t, err)
	var file, text bytes.Buffer
	require(t, e.Export(ctx, System, "alice/db", ExportSQLite, &file))
	require(t, e.Export(ctx, System, "alice/db", ExportSQL, &text))
	for _, tt := range []struct {
		what  string
		needs int64
		do    func() error
	}{
		{"a snapshot", size, func() error { _, err := e.CreateSnapshot(ctx, System, "alice/db", ""); return err }},
		{"a drill", s.Size, func() error { _, err := e.Drill(ctx, System, "alice/db"); return err }},
		{"a restore", s.Size, func() error { _, err := e.RestoreSnapshot(ctx, System, "alice/db", s.ID, nil); return err }},
		{"an export", size, func() error { return e.Export(ctx, System, "alice/db", ExportSQLite, io.Discard) }},
		{"an export of SQL", size, func() error { return e.Export(ctx, System, "alice/db", ExportSQL, io.Discard) }},
		{"an import", 3 * int64(file.Len()), func() error {
			_, err := e.Import(ctx, System, "alice/imported", bytes.NewReader(file.Bytes()), &ImportOptions{Size: int64(file.Len())})
			return err
		}},
		{"an import that does not say how large it is", 0, func() error {
			_, err := e.Import(ctx, System, "alice/unsaid", bytes.NewReader(text.Bytes()), &ImportOptions{Format: ExportSQL})
			return err
		}},
		{"an import into a table", 12, func() error {
			_, err := e.ImportTable(ctx, System, "alice/db", strings.NewReader("a\n1\n"), TableImport{Table: "u", Format: "csv", Size: 4})
			return err
		}},
	} {
		setFree(tt.needs + 1000 - 1)
		err := tt.do()
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrDiskFull) || strings.Contains(Message(err), e.cfg.DataPath) || !strings.Contains(Message(err), "no room") {
			t.Errorf("%s, with one byte too few: %v", tt.what, err)
		}
		if !strings.Contains(err.Error(), e.cfg.DataPath) {
			t.Errorf("%s: the log is not told which disk: %v", tt.what, err)
		}
		setFree(tt.needs + 1000)
		if err := tt.do(); err != nil {
			t.Errorf("%s, with enough: %v", tt.what, err)
		}
		setFree(1 << 40)
		// What a restore has replaced is uploaded beside.
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if notes, err := os.ReadDir(e.imageNotes()); err == nil && len(notes) == 0 {
				break
			}
		}
	}
	if e.disk.claimed != 0 {
		t.Errorf("%d bytes stay claimed", e.disk.claimed)
	}
	if n := strings.Count(log.String(), "A disk is full, or nearly"); n != 1 || !strings.Contains(log.String(), "free_bytes=") {
		t.Errorf("the log says so %d times:\n%s", n, log)
	}

	t.Run("a round goes on with what there is room for", func(t *testing.T) {
		e.round(ctx)
		for _, ref := range []string{"alice/db", "alice/small"} {
			_, err := e.Query(ctx, System, ref, "INSERT INTO t VALUES (1)")
			require(t, err)
		}
		setFree(size - 1 + 1000)
		log.Reset()
		e.round(ctx)
		if n := strings.Count(log.String(), "Unable to snapshot database"); n != 1 {
			t.Errorf("the log is\n%s", log)
		}
		list, err := e.Snapshots(ctx, System, "alice/small", Page{})
		require(t, err)
		if len(list.Items) != 2 || list.Items[0].Kind != catalog.Automatic {
			t.Errorf("of the other database there are %+v", list.Items)
		}
	})
	t.Run("what is under way counts", func(t *testing.T) {
		setFree(3000)
		give, err := e.disk.claim(1500)
		require(t, err)
		if _, err := e.disk.claim(501); !errors.Is(err, ErrDiskFull) {
			t.Errorf("%v", err)
		}
		give()
		give, err = e.disk.claim(2000)
		require(t, err)
		give()
	})
	t.Run("a disk that does not tell is used", func(t *testing.T) {
		e.disk.free = func(string) (int64, error) { return 0, errors.ErrUnsupported }
		_, err := e.CreateSnapshot(ctx, System, "alice/db", "")
		require(t, err)
	})
}

// TestDisk_ends_work_that_reaches_the_reserve has a Runner write a copy without end.
func TestDisk_ends_work_that_reaches_the_reserve(t *testing.T) {
	ctx := context.Background()
	e, _, db := openForTest(t, Config{DataPath: t.TempDir(), Limits: Limits{DiskReserve: 1000}, Snapshots: SnapshotConfig{Bucket: snapshottest.Memory(t).Bucket}})
	var told atomic.Int64
	told.Store(1 << 40)
	e.disk.free = func(string) (int64, error) { return told.Load(), nil }
	e.runner = endlessCopier{e.runner, func() { told.Store(999) }}
	if _, err := e.CreateSnapshot(ctx, System, db.Ref().String(), ""); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrDiskFull) {
		t.Errorf("%v", err)
	}
	if notes, err := os.ReadDir(e.imageNotes()); err != nil || len(notes) > 0 || e.disk.claimed != 0 {
		t.Errorf("left behind: %v, %v, and %d bytes that are claimed", notes, err, e.disk.claimed)
	}
	// The caller's own end is no full disk.
	told.Store(1 << 40)
	gone, cancel := context.WithCancel(ctx)
	e.runner = endlessCopier{e.runner.(endlessCopier).Runner, cancel}
	if _, err := e.CreateSnapshot(gone, System, db.Ref().String(), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// An endlessCopier is a Runner whose copies come to no end by themselves.
type endlessCopier struct {
	hosting.Runner
	begun func()
}

// CopyTo does not end before its context does.
func (r endlessCopier) CopyTo(ctx context.Context, _ hosting.DB, _ hosting.CopyMethod, _ ID) (hosting.Generation, error) {
	r.begun()
	<-ctx.Done()
	return hosting.Generation{}, ctx.Err()
}
