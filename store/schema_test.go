package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ayb/fault"
)

func TestSchema_of_SQLite(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	url := "sqlite://" + filepath.Join(dir, "meta.sqlite")
	look := func(name string, wantHave func(want int) int) {
		t.Helper()
		have, want, err := Schema(ctx, url)
		if err != nil || want == 0 || have != wantHave(want) {
			t.Errorf("%s: %d of %d, %v", name, have, want, err)
		}
	}
	nothing := func(int) int { return 0 }
	all := func(want int) int { return want }
	look("before the first start", nothing)
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("looking made %v", entries)
	}
	s, err := Open(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	look("while it is open", all)
	if _, err := s.db.Exec("INSERT INTO schema_migration (version, name) VALUES (9999, 'of the future')"); err != nil {
		t.Fatal(err)
	}
	look("made by a newer ayb", func(int) int { return 9999 })
	if _, err := s.db.Exec("DELETE FROM schema_migration WHERE version > 1"); err != nil {
		t.Fatal(err)
	}
	look("made by an older ayb", func(int) int { return 1 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look("closed", func(int) int { return 1 })

	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]fault.Kind{"sqlite://" + dir + "/other": fault.Internal, "sqlite://": fault.Invalid, "mysql://x": fault.Invalid, "postgresql://%": fault.Invalid} {
		if _, _, err := Schema(ctx, address); !errors.Is(err, want) {
			t.Errorf("%s: %v, want it refused as %s", address, err, want)
		}
	}
}
