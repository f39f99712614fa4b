package ayb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob/fileblob"

	"ayb"
)

// A diskScene is an engine whose data and bucket are below one directory. alice/db
// has had 1 in it, of which there is the snapshot first, and has 2.
type diskScene struct {
	*ayb.Engine
	dir      string
	first    string
	exported [2][]byte // alice/db, by ExportFormat
	log      *logText
	end      func() error
}

// openDiskScene opens a scene, and makes it if there is none.
func openDiskScene(t testing.TB, dir string) *diskScene {
	t.Helper()
	bucket := filepath.Join(dir, "bucket")
	must(t, os.MkdirAll(bucket, 0o700))
	b, err := fileblob.OpenBucket(bucket, &fileblob.Options{NoTempDir: true, DirFileMode: 0o700})
	must(t, err)
	log := new(logText)
	cfg := ayb.Config{DataPath: filepath.Join(dir, "data"), Limits: ayb.Limits{DiskReserve: 1}, Logger: slog.New(slog.NewTextHandler(log, nil))}
	cfg.Snapshots.Bucket, cfg.Snapshots.Directory = b, bucket
	eng, err := ayb.Open(ctx, cfg)
	must(t, err)
	s := &diskScene{Engine: eng, dir: dir, log: log, end: func() error { return errors.Join(eng.Close(), b.Close()) }}
	if _, err := eng.Entity(ctx, ayb.System, "alice"); err == nil {
		list, err := eng.Snapshots(ctx, ayb.System, "alice/db", ayb.Page{})
		must(t, err)
		s.first = list.Items[slices.IndexFunc(list.Items, func(s ayb.Snapshot) bool { return s.Note == "first" })].ID
		return s
	}
	_, err = eng.CreateEntity(ctx, ayb.System, "alice", nil)
	must(t, err)
	_, err = eng.CreateDatabase(ctx, ayb.System, "alice/db", nil)
	must(t, err)
	s.query(t, "alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	taken, err := eng.CreateSnapshot(ctx, ayb.System, "alice/db", "first")
	must(t, err)
	s.first = taken.ID
	s.query(t, "alice/db", "UPDATE t SET a = 2")
	_, err = eng.CreateDatabase(ctx, ayb.System, "alice/unwritten", nil)
	must(t, err)
	return s
}

// A logText is what an engine has logged. It is safe for concurrent use.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (s *diskScene) query(t testing.TB, ref, sql string) string {
	t.Helper()
	result, err := s.Query(ctx, ayb.System, ref, sql)
	must(t, err)
	if len(result.Rows) == 0 {
		return ""
	}
	return result.Rows[0][0].String()
}

// export exports alice/db, to be imported.
func (s *diskScene) export(t testing.TB) {
	t.Helper()
	for _, format := range []ayb.ExportFormat{ayb.ExportSQLite, ayb.ExportSQL} {
		var file bytes.Buffer
		must(t, s.Export(ctx, ayb.System, "alice/db", format, &file))
		s.exported[format] = file.Bytes()
	}
}

// content returns what table t of a database has in it.
func (s *diskScene) content(t testing.TB, ref string) string {
	t.Helper()
	return s.query(t, ref, "SELECT group_concat(a) FROM t")
}

// snapshots returns the ids of the snapshots of alice/db other than the first.
func (s *diskScene) snapshots(t testing.TB) (ids []string) {
	t.Helper()
	list, err := s.Snapshots(ctx, ayb.System, "alice/db", ayb.Page{})
	must(t, err)
	for _, snapshot := range list.Items {
		ids = append(ids, snapshot.ID)
	}
	if !slices.Contains(ids, s.first) {
		t.Errorf("the first snapshot is not in %v", ids)
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == s.first })
}

// holds reports whether a snapshot has the content.
func (s *diskScene) holds(t testing.TB, id, content string) bool {
	t.Helper()
	ref := "alice/of-" + id[:8]
	_, err := s.RestoreSnapshot(ctx, ayb.System, "alice/db", id, &ayb.RestoreOptions{To: ref})
	must(t, err)
	return s.content(t, ref) == content
}

// left returns what is on disk that should not be.
func (s *diskScene) left(t testing.TB) []string {
	left := leftoversOf(t, s.Engine, filepath.Join(s.dir, "data"))
	for _, pattern := range []string{"tmp*", "incoming"} {
		found, err := filepath.Glob(filepath.Join(s.dir, "data", ayb.OwnersDir, "*", "*", pattern, "*"))
		must(t, err)
		left = append(left, found...)
	}
	return left
}

// settle waits until nothing is left on disk that should not be, as what a restore has
// replaced, and returns what is left all the same.
func (s *diskScene) settle(t testing.TB) (left []string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if left = s.left(t); len(left) == 0 {
			return nil
		}
	}
	return left
}

// A diskWork is something during which the disk fails.
type diskWork struct {
	do func(s *diskScene) error

	// prepare is done before, if it is not nil.
	prepare func(s *diskScene, t testing.TB)

	full bool // only that the disk is full is of interest

	// check finds out whether the scene, which was opened anew, is as it was before or
	// as it was to be: that for certain if done.
	check func(t *testing.T, s *diskScene, done bool) error
}

// diskWorks are all that are looked at.
var diskWorks = map[string]diskWork{
	"snapshot": {
		do: func(s *diskScene) error { _, err := s.CreateSnapshot(ctx, ayb.System, "alice/db", ""); return err },
		check: func(t *testing.T, s *diskScene, done bool) error {
			ids := s.snapshots(t)
			if len(ids) > 1 || done && len(ids) != 1 || s.content(t, "alice/db") != "2" {
				return fmt.Errorf("there are the snapshots %v of %q", ids, s.content(t, "alice/db"))
			}
			again, err := s.CreateSnapshot(ctx, ayb.System, "alice/db", "")
			if err != nil || len(ids) == 1 && ids[0] != again.ID || !s.holds(t, again.ID, "2") {
				return fmt.Errorf("the next try has given %s beside %v, %v", again.ID, ids, err)
			}
			return nil
		},
	},
	"restore": {
		do: func(s *diskScene) error {
			restored, err := s.RestoreSnapshot(ctx, ayb.System, "alice/db", s.first, nil)
			// What was replaced is uploaded beside. If that fails, its image may stay.
			for deadline := time.Now().Add(time.Second); restored.Undo != "" && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				if notes, _ := os.ReadDir(filepath.Join(s.dir, "data", "images")); len(notes) == 0 {
					break
				}
			}
			return err
		},
		check: func(t *testing.T, s *diskScene, done bool) error {
			got := s.content(t, "alice/db")
			if got != "1" && (got != "2" || done) {
				return fmt.Errorf("the database has %q", got)
			}
			if left := s.settle(t); len(left) > 0 {
				return fmt.Errorf("left behind: %v", left)
			}
			if ids := s.snapshots(t); got == "1" && (len(ids) != 1 || !s.holds(t, ids[0], "2")) {
				return fmt.Errorf("what was replaced is not in %v", ids)
			}
			s.query(t, "alice/db", "INSERT INTO t VALUES (9)")
			if _, err := s.RestoreSnapshot(ctx, ayb.System, "alice/db", s.first, nil); err != nil {
				return fmt.Errorf("the next try: %w", err)
			}
			if got := s.content(t, "alice/db"); got != "1" {
				return fmt.Errorf("after the next try the database has %q", got)
			}
			return nil
		},
	},
	"export": {
		do: func(s *diskScene) error {
			return s.Export(ctx, ayb.System, "alice/db", ayb.ExportSQLite, io.Discard)
		}, check: unchanged, full: true,
	},
	"export of SQL": {
		do: func(s *diskScene) error {
			return s.Export(ctx, ayb.System, "alice/db", ayb.ExportSQL, io.Discard)
		}, check: unchanged, full: true,
	},
	"import":        {prepare: (*diskScene).export, do: importing(ayb.ExportSQLite), check: imported, full: true},
	"import of SQL": {prepare: (*diskScene).export, do: importing(ayb.ExportSQL), check: imported, full: true},
	"import into a table": {
		do: func(s *diskScene) error {
			_, err := s.ImportTable(ctx, ayb.System, "alice/db", strings.NewReader("a\n"+strings.Repeat("7\n", 5000)), ayb.TableImport{Table: "t", Format: "csv"})
			return err
		},
		check: more(5000), full: true,
	},
	"write": {
		do: func(s *diskScene) error {
			_, err := s.Query(ctx, ayb.System, "alice/db", "INSERT INTO t SELECT hex(zeroblob(100)) FROM generate_series(1, 1000)")
			return err
		},
		check: more(1000), full: true,
	},
	"first write": {
		do: func(s *diskScene) error {
			_, err := s.Query(ctx, ayb.System, "alice/unwritten", "CREATE TABLE t (a); INSERT INTO t VALUES (3)")
			return err
		},
		check: func(t *testing.T, s *diskScene, done bool) error {
			if !done {
				s.query(t, "alice/unwritten", "CREATE TABLE t (a); INSERT INTO t VALUES (3)")
			}
			if got := s.content(t, "alice/unwritten"); got != "3" {
				return fmt.Errorf("it has %q", got)
			}
			return unchanged(t, s, done)
		},
		full: true,
	},
}

// unchanged is the check of what changes nothing.
func unchanged(t *testing.T, s *diskScene, _ bool) error {
	if got := s.content(t, "alice/db"); got != "2" {
		return fmt.Errorf("the database has %q", got)
	}
	return nil
}

// more is the check of what adds rows to alice/db.
func more(rows int) func(t *testing.T, s *diskScene, done bool) error {
	return func(t *testing.T, s *diskScene, done bool) error {
		got := s.query(t, "alice/db", "SELECT count(*) FROM t")
		if got != strconv.Itoa(rows+1) && (got != "1" || done) {
			return fmt.Errorf("the database has %s rows", got)
		}
		s.query(t, "alice/db", "INSERT INTO t VALUES (4)")
		return nil
	}
}

// importing makes alice/imported of what is exported of alice/db.
func importing(format ayb.ExportFormat) func(s *diskScene) error {
	return func(s *diskScene) error {
		_, err := s.Import(ctx, ayb.System, "alice/imported", bytes.NewReader(s.exported[format]), &ayb.ImportOptions{Format: format})
		return err
	}
}

// imported is the check of that.
func imported(t *testing.T, s *diskScene, done bool) error {
	switch _, err := s.Database(ctx, ayb.System, "alice/imported"); {
	case errors.Is(err, ayb.ErrNotFound) && !done:
		s.export(t)
		must(t, importing(ayb.ExportSQL)(s))
	case err != nil:
		return err
	}
	if got := s.content(t, "alice/imported"); got != "2" {
		return fmt.Errorf("what was imported has %q", got)
	}
	return unchanged(t, s, done)
}
