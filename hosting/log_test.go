package hosting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
)

func TestUseLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	run := func(text string) {
		t.Helper()
		c, err := sqlite3.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	mode := func() string {
		t.Helper()
		c, err := sqlite3.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		stmt, _, err := c.Prepare("PRAGMA journal_mode")
		if err != nil || !stmt.Step() {
			t.Fatal(err)
		}
		defer stmt.Close()
		return stmt.ColumnText(0)
	}
	t.Run("a file without a log gets one and keeps its content", func(t *testing.T) {
		run("PRAGMA page_size=1024; CREATE TABLE t (a); INSERT INTO t VALUES (1)")
		if got := mode(); got != "delete" {
			t.Fatalf("it begins with journal mode %s", got)
		}
		for range 2 {
			if err := UseLog(path); err != nil {
				t.Fatal(err)
			}
			if got := mode(); got != "wal" {
				t.Fatalf("the journal mode is %s", got)
			}
		}
		run("INSERT INTO t SELECT a + 1 FROM t; SELECT 1 FROM t WHERE a = 2")
	})
	t.Run("what is no SQLite file is refused and left alone", func(t *testing.T) {
		for _, text := range []string{"", "SQLite", strings.Repeat("x", 5000), headMagic + strings.Repeat("\x07", 200)} {
			other := filepath.Join(t.TempDir(), "db")
			if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := UseLog(other); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%.10q: %v", text, err)
			}
			if got, err := os.ReadFile(other); err != nil || string(got) != text {
				t.Errorf("%.10q became %.10q, %v", text, got, err)
			}
		}
		if err := UseLog(filepath.Join(t.TempDir(), "none")); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("of a file that is not there: %v", err)
		}
	})
	t.Run("a link is not followed", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "db")
		if err := os.Symlink(path, link); err != nil {
			t.Skip(err)
		}
		if err := UseLog(link); err == nil {
			t.Error("it was")
		}
	})
}
