//go:build unix

package hosting

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// logged makes a database whose last commits are in its log alone, and returns
// copies of both files as a killed process would leave them.
func logged(t *testing.T) (file, log []byte, size int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), fileName)
	c, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exec := func(text string) {
		t.Helper()
		if err := c.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	exec("PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(900000)); PRAGMA wal_checkpoint; PRAGMA cache_size=10")
	exec("INSERT INTO t VALUES (zeroblob(100000))") // the log begins anew, with older frames behind
	stmt, _, err := c.Prepare("PRAGMA page_count")
	if err != nil || !stmt.Step() {
		t.Fatal(err)
	}
	size = stmt.ColumnInt64(0) * pageSize
	stmt.Close()
	exec("BEGIN; INSERT INTO t VALUES (zeroblob(500000))") // spills, and does not commit
	if file, err = os.ReadFile(path); err == nil {
		log, err = os.ReadFile(path + "-wal")
	}
	if err != nil || int64(len(file)) == size || len(log) < 500_000 {
		t.Fatal(len(file), len(log), err)
	}
	exec("ROLLBACK")
	return file, log, size
}

func TestFileSize_is_that_of_the_last_commit(t *testing.T) {
	file, log, size := logged(t)
	for name, tt := range map[string]struct {
		log  []byte
		want int64
	}{
		"with its log":               {log, size},
		"with a log cut short":       {log[:logHeader+10], int64(len(file))},
		"with half a header":         {log[:20], int64(len(file))},
		"with an empty log":          {[]byte{}, int64(len(file))},
		"with a log of other salts":  {append(append(append([]byte{}, log[:16]...), make([]byte, 16)...), log[32:]...), int64(len(file))},
		"with a log of nothing else": {make([]byte, 100_000), int64(len(file))},
	} {
		path := filepath.Join(t.TempDir(), fileName)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+"-wal", tt.log, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, page, err := fileSize(path); got != tt.want || page != pageSize || err != nil {
			t.Errorf("%s: %d in pages of %d, want %d, %v", name, got, page, tt.want, err)
		}
	}
}

// Whoever has taken a worker over can put anything in place of the files.
func TestFileSize_follows_no_link_and_waits_for_nothing(t *testing.T) {
	file, _, _ := logged(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"a link":      func(path string) error { return os.Symlink(elsewhere, path) },
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := filepath.Join(t.TempDir(), fileName)
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		if size, _, err := fileSize(path); size != 0 || err != nil {
			t.Errorf("%s as the file: %d, %v", name, size, err)
		}
		path = filepath.Join(t.TempDir(), fileName)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := put(path + "-wal"); err != nil {
			t.Fatal(err)
		}
		if size, _, err := fileSize(path); size != int64(len(file)) || err != nil {
			t.Errorf("%s as the log: %d, %v", name, size, err)
		}
	}
}
