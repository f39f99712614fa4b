package hosting

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"ayb/catalog"
	"ayb/fault"
)

// What holds of every Runner is tested by package hostingtest. These tests are
// about what only this one has.

// rows is a Sink that keeps everything.
type rows struct {
	columns []catalog.Column
	rows    [][]catalog.Value
}

func (r *rows) Columns(c []catalog.Column) error {
	r.columns = append([]catalog.Column(nil), c...)
	return nil
}

func (r *rows) Row(row catalog.Row) error {
	r.rows = append(r.rows, catalog.Values(row))
	return nil
}

// harness is a Runner on a directory of its own with one created database.
type harness struct {
	testing.TB
	*InProcess
	db DB
}

func newHarness(t testing.TB, limits Limits) *harness {
	t.Helper()
	r, err := NewInProcess(Config{Dir: t.TempDir(), Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	h := &harness{TB: t, InProcess: r}
	h.db = h.create()
	return h
}

func (h *harness) create() DB {
	h.Helper()
	id := func() catalog.ID { return catalog.NewID(h.now(), h.random) }
	db := DB{Owner: id(), Database: id(), Version: id()}
	if err := h.Create(context.Background(), db); err != nil {
		h.Fatal(err)
	}
	return db
}

func (h *harness) query(class Class, sql string, args ...any) ([][]catalog.Value, error) {
	st, err := catalog.NewStatement(sql, args...)
	if err != nil {
		return nil, err
	}
	var out rows
	_, err = h.Run(context.Background(), Job{DB: h.db, Class: class, Statement: st}, &out)
	return out.rows, err
}

func (h *harness) must(sql string, args ...any) [][]catalog.Value {
	h.Helper()
	out, err := h.query(Write, sql, args...)
	if err != nil {
		h.Fatalf("%s: %v", sql, err)
	}
	return out
}

// count checks how many rows the table t has.
func (h *harness) count(want int64) {
	h.Helper()
	if got := h.must("SELECT count(*) FROM t")[0][0].Int64(); got != want {
		h.Errorf("t has %d rows, want %d", got, want)
	}
}

// A sick disk fails writes or syncs of the files whose name ends in suffix.
type sickDisk struct {
	vfs.VFS
	suffix          string
	write, sync     atomic.Pointer[error]
	writes, failing atomic.Int64
}

func (d *sickDisk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err == nil && strings.HasSuffix(name.String(), d.suffix) {
		file = &sickFile{file, d}
	}
	return file, out, err
}

type sickFile struct {
	vfs.File
	disk *sickDisk
}

func (f *sickFile) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }

func (f *sickFile) WriteAt(p []byte, off int64) (int, error) {
	f.disk.writes.Add(1)
	if err := f.disk.write.Load(); err != nil {
		f.disk.failing.Add(1)
		return 0, *err
	}
	return f.File.WriteAt(p, off)
}

func (f *sickFile) Sync(flags vfs.SyncFlag) error {
	if err := f.disk.sync.Load(); err != nil {
		f.disk.failing.Add(1)
		return *err
	}
	return f.File.Sync(flags)
}

func (h *harness) sicken(suffix string) *sickDisk {
	d := &sickDisk{VFS: vfs.Find(""), suffix: suffix}
	h.disk = d
	h.db = h.create()
	h.must("CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	return d
}

func failure(err error) *error { return &err }

func TestInProcess_full_disk_loses_nothing_and_says_so(t *testing.T) {
	h := newHarness(t, Limits{})
	disk := h.sicken("-wal")
	disk.write.Store(failure(syscall.ENOSPC))
	for _, sql := range []string{"INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)", "CREATE TABLE u(a)"} {
		_, err := h.query(Write, sql)
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.Message(err), "disk is full") || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v (%s), want unavailable: the disk is full", sql, err, fault.KindOf(err))
		}
		h.count(1)
	}
	if disk.failing.Load() == 0 {
		t.Error("no write failed: the test tests nothing")
	}
	disk.write.Store(nil)
	h.must("INSERT INTO t VALUES (5)")
	h.count(2)
}

func TestInProcess_failed_sync_is_an_unknown_outcome(t *testing.T) {
	h := newHarness(t, Limits{})
	disk := h.sicken("-wal")
	for _, sql := range []string{"INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)"} {
		disk.sync.Store(failure(syscall.EIO))
		_, err := h.query(Write, sql)
		if fault.KindOf(err) != fault.OutcomeUnknown {
			t.Errorf("%s: %v (%s), want outcome_unknown", sql, err, fault.KindOf(err))
		}
		disk.sync.Store(nil)
		h.must("INSERT INTO t VALUES (5)") // the next write has a connection that knows what there is
	}
	if err := h.Check(context.Background(), h.db, IntegrityCheck); err != nil {
		t.Error(err)
	}
}

func TestInProcess_new_log_is_in_its_synced_directory(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	before := h.Stats().Syncs
	h.must("INSERT INTO t VALUES (1)")
	if got := h.Stats().Syncs - before; got != 1 {
		t.Errorf("a commit took %d syncs, want 1", got)
	}
}

func TestJail_shows_one_database_only(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a)")
	other := h.create()
	db, err := h.enter(context.Background(), h.db)
	if err != nil {
		t.Fatal(err)
	}
	defer h.leave(db)
	j := newJail(db)
	defer j.close()
	for _, path := range []string{
		filepath.Join(VersionPath(h.dir, other), "db"), "/etc/passwd", db.path + "/../db", db.path + "-shm", db.path + "x", filepath.Dir(db.path), "", "db", "/dev/null",
	} {
		if full, err := j.FullPathname(path); err == nil {
			t.Errorf("FullPathname(%q) is %q", path, full)
		}
		if ok, _ := j.Access(path, vfs.ACCESS_EXISTS); ok {
			t.Errorf("%q is seen", path)
		}
		if err := j.Delete(path, false); err == nil {
			t.Errorf("%q was deleted", path)
		}
	}
	if err := j.Delete(db.path, false); err == nil {
		t.Error("the database was deleted")
	}
	for _, uri := range []string{"file:/etc/passwd?mode=ro&vfs=" + j.name, "file:" + VersionPath(h.dir, other) + "/db?vfs=" + j.name, "file:/tmp/new?vfs=" + j.name} {
		c, err := sqlite3.Open(uri)
		if err == nil {
			c.Close()
			t.Errorf("%s could be opened", uri)
		}
	}
}

func TestJail_does_not_follow_links(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE secret(a); INSERT INTO secret VALUES (42)")
	target, victim := h.db, h.create()
	for _, id := range []DB{target, victim} {
		resume, err := h.Release(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		defer resume()
	}
	link := filepath.Join(VersionPath(h.dir, victim), "db")
	if err := errors.Join(os.Remove(link), os.Symlink(filepath.Join(VersionPath(h.dir, target), "db"), link)); err != nil {
		t.Fatal(err)
	}
	r, err := NewInProcess(Config{Dir: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = r.Run(context.Background(), Job{DB: victim, Statement: catalog.Statement{SQL: "SELECT * FROM secret"}}, nil)
	if fault.KindOf(err) != fault.Unavailable || strings.Contains(fault.Message(err), h.dir) {
		t.Errorf("a link instead of the file: %v", err)
	}
}

func TestInProcess_files_are_for_ayb_alone(t *testing.T) {
	h := newHarness(t, Limits{})
	h.must("CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	h.must("SELECT * FROM t")
	seen := map[string]bool{}
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == h.dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		seen[d.Name()] = true
		return nil
	})
	if err != nil || !seen["db"] || !seen["db-wal"] || !seen["db-shm"] {
		t.Errorf("%v, seen %v", err, seen)
	}
}

func TestInProcess_closes_what_was_not_used_for_longest(t *testing.T) {
	const room = 5 // connections
	h := newHarness(t, Limits{OpenMemory: room * (400 << 10)})
	dbs := []DB{h.db}
	for range 20 {
		dbs = append(dbs, h.create())
	}
	for round := range 3 {
		for i, db := range dbs {
			h.db = db
			if round == 0 {
				h.must("CREATE TABLE t(a)")
			}
			h.must("INSERT INTO t VALUES (?)", i)
			h.count(int64(round + 1))
		}
	}
	stats := h.Stats()
	if stats.Memory > h.limits.OpenMemory || stats.Evictions == 0 || stats.Databases > room {
		t.Errorf("%+v, want at most %d bytes", stats, h.limits.OpenMemory)
	}
	for _, db := range dbs {
		resume, err := h.Release(context.Background(), db)
		if err != nil {
			t.Fatal(err)
		}
		resume()
	}
	if stats := h.Stats(); stats.Memory != 0 || stats.Connections != 0 || stats.Databases != 0 {
		t.Errorf("after all were released: %+v", stats)
	}
}

func TestInProcess_connection_that_grew_is_closed(t *testing.T) {
	h := newHarness(t, Limits{ValueBytes: 32 << 20})
	h.must("CREATE TABLE t(a)")
	h.must("SELECT length(randomblob(20000000))")
	if stats := h.Stats(); stats.Memory > 4*connRetained/2 {
		t.Errorf("%d bytes are still held", stats.Memory)
	}
	h.count(0)
}

func TestInProcess_log_is_bounded(t *testing.T) {
	h := newHarness(t, Limits{WALBytes: 1 << 20})
	h.must("CREATE TABLE t(a)")
	_, err := h.query(Write, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) INSERT INTO t SELECT randomblob(5000) FROM n")
	if fault.KindOf(err) != fault.TooLarge || !strings.Contains(fault.Message(err), "limits.wal_bytes") {
		t.Errorf("%v, want too_large", err)
	}
	h.count(0)
	for range 20 { // smaller steps go on for ever
		h.must("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) INSERT INTO t SELECT randomblob(5000) FROM n")
	}
	h.count(2000)
}

func TestInProcess_leftovers_of_a_killed_process_go(t *testing.T) {
	h := newHarness(t, Limits{})
	dir := filepath.Join(OwnerPath(h.dir, h.db.Owner), tmpName, "left")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := NewInProcess(Config{Dir: h.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	next := DB{Owner: h.db.Owner, Database: catalog.NewID(h.now(), h.random), Version: catalog.NewID(h.now(), h.random)}
	if err := r.Create(context.Background(), next); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}
