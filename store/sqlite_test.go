package store

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ayb/catalog"
	"ayb/fault"
)

func TestOpen_SQLite(t *testing.T) {
	ctx := context.Background()

	t.Run("files_are_for_this_user_alone", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a b", "ü#%41")
		s, err := Open(ctx, "sqlite://"+dir+"/meta.sqlite", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.CreateEntity(ctx, catalog.Entity{ID: catalog.ID{1}, Slug: "a"}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]fs.FileMode{
			"..": 0o700, ".": 0o700, "meta.sqlite": 0o600, "meta.sqlite-wal": 0o600,
		} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s has mode %o, want %o", name, got, want)
			}
		}
	})

	t.Run("a_relative_path_is_one", func(t *testing.T) {
		t.Chdir(t.TempDir())
		s, err := Open(ctx, "sqlite://sub/meta.sqlite", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := os.Stat("sub/meta.sqlite"); err != nil {
			t.Error(err)
		}
	})

	t.Run("every_connection_is_durable_and_checks_references", func(t *testing.T) {
		s, err := Open(ctx, "sqlite://"+t.TempDir()+"/meta.sqlite", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range 3 {
			conn, err := s.db.DB.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() // at the end, so that each is another one
			for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
				var got string
				if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
					t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
				}
			}
		}
	})

	t.Run("a_path_that_can_not_be_is_unavailable_and_not_shown", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		for path, kind := range map[string]fault.Kind{
			file + "/meta.sqlite": fault.Unavailable, dir: fault.Unavailable, file: fault.Internal,
		} {
			_, err := Open(ctx, "sqlite://"+path, nil)
			if fault.KindOf(err) != kind || strings.Contains(fault.Message(err), dir) {
				t.Errorf("%s: %v (%q)", path, err, fault.KindOf(err))
			}
		}
	})
}
