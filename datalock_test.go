package ayb_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"ayb"
	"ayb/aybtest"
)

func TestInUse(t *testing.T) {
	if _, used, err := ayb.InUse(t.TempDir()); used || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first engine: %v, %v", used, err)
	}
	f := aybtest.New(t, nil)
	for range 2 { // asking leaves nothing behind
		if pid, used, err := ayb.InUse(f.DataPath()); pid != os.Getpid() || !used || err != nil {
			t.Errorf("while an engine is open: %d, %v, %v", pid, used, err)
		}
	}
	must(t, f.Close())
	if _, used, err := ayb.InUse(f.DataPath()); used || err != nil {
		t.Errorf("after it has been closed: %v, %v", used, err)
	}
	f.Reopen()
}
