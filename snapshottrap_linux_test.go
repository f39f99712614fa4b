package ayb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ayb"
)

// TestSnapshot_of_a_copy_that_is_a_trap has a worker that was taken over put something
// else into the place of the copy.
func TestSnapshot_of_a_copy_that_is_a_trap(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("of somebody else"), 0o600))
	link := func(to string, path func(string) string) func(string) error {
		return func(image string) error {
			return errors.Join(os.RemoveAll(path(image)), os.Symlink(to, path(image)))
		}
	}
	itself := func(path string) string { return path }
	for what, spoil := range map[string]func(path string) error{
		"a link":               link(secret, itself),
		"a link with a way up": link("../../../../../../../"+filepath.Base(secret), itself),
		"a directory that is a link": func(path string) error {
			elsewhere := t.TempDir()
			return errors.Join(os.WriteFile(filepath.Join(elsewhere, filepath.Base(path)), []byte("of somebody else"), 0o600), link(elsewhere, filepath.Dir)(path))
		},
		"nothing":                     os.Remove,
		"a directory":                 func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"a pipe":                      func(path string) error { return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)) },
		"a file larger than the disk": largest,
	} {
		t.Run(what, func(t *testing.T) {
			if err := snapshotSpoiled(t, spoil); !errors.Is(err, ayb.ErrUnavailable) || strings.Contains(ayb.Message(err), "/") {
				t.Errorf("%v", err)
			}
		})
	}
}

// largest makes a file as large as the file system lets one be, of nothing.
func largest(path string) (err error) {
	for size := int64(1) << 62; size > 0; size /= 2 {
		if err = os.Truncate(path, size); err == nil {
			return nil
		}
	}
	return err
}
