package snapshottest

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"gocloud.dev/blob/fileblob"

	"ayb/fault"
	"ayb/snapshot"
)

// ordinarily runs f as an ordinary user as far as files are concerned: to root no
// directory is closed.
func ordinarily(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() == 0 {
		const nobody = 65534
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		must(t, syscall.Setfsuid(nobody))
		defer syscall.Setfsuid(0)
	}
	f()
}

// TestDirectory_that_cannot_be_read_is_not_taken_for_empty closes the directories of a
// bucket, one after the other.
func TestDirectory_that_cannot_be_read_is_not_taken_for_empty(t *testing.T) {
	dir, err := os.MkdirTemp("", "ayb-test-") // whose parents should be open
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, DirFileMode: 0o755})
	must(t, err)
	defer bucket.Close()
	r := &room{&Bucket{Bucket: bucket}, nil, snapshot.Options{Directory: dir}, t.TempDir()}
	r.vault = snapshot.New(bucket, r.opt)
	r.put(t, place, []byte("kept"), snapshot.Taking{Taken: noon})
	must(t, r.vault.PutFile(t.Context(), "metadata", r.image(t, []byte("metadata")), noon))
	for _, foreign := range []string{"lost+found", "alice/Not a database", "alice/test.sqlite/deeper"} {
		must(t, os.Mkdir(filepath.Join(dir, foreign), 0))
	}
	calls := map[string]func() error{
		"All":   func() error { _, err := r.vault.All(t.Context(), place); return err },
		"Files": func() error { _, err := r.vault.Files(t.Context()); return err },
		"Check": func() error { return r.vault.Check(t.Context()) },
		"Walk": func() (last error) {
			for _, err := range r.vault.Walk(t.Context()) {
				last = err
			}
			return last
		},
	}
	ordinarily(t, func() {
		if _, err := os.ReadDir(filepath.Join(dir, "alice")); err != nil {
			t.Skipf("NOT TESTED: an ordinary user can't read in %s: %v", dir, err)
		}
	})
	for _, c := range []struct {
		closed string
		hides  []string // from which calls
	}{
		{"lost+found", nil},
		{"_ayb", []string{"Files", "Walk"}},
		{"alice/test.sqlite", []string{"All", "Walk"}},
		{"alice", []string{"All", "Walk"}},
		{"", []string{"All", "Files", "Check", "Walk"}},
	} {
		path, hides := filepath.Join(dir, c.closed), map[string]bool{}
		for _, call := range c.hides {
			hides[call] = true
		}
		must(t, os.Chmod(path, 0))
		ordinarily(t, func() {
			for name, call := range calls {
				switch err := call(); {
				case hides[name]:
					wantCause(t, name+" with "+c.closed+" closed", err, snapshot.ErrRefused, fault.Unavailable)
				case err != nil:
					t.Errorf("%s with %s closed: %v", name, c.closed, err)
				}
			}
		})
		must(t, os.Chmod(path, 0o755))
	}
}
