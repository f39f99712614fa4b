package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ayb/hosting"
	"ayb/hosting/hostingtest"
)

// TestMain makes this program a worker when it was started as one, or something
// that only looks like one if it was started by a name that says so.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	if evil, ok := strings.CutPrefix(name, evilPrefix); ok {
		os.Exit(beEvil(evil))
	}
	if name == orphanName {
		beParent()
	}
	Main()
	os.Exit(m.Run())
}

func open(t *testing.T, dir string, limits hosting.Limits) hosting.Runner {
	t.Helper()
	r, err := New(Config{Dir: dir, Limits: limits, Idle: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRunner holds that SQL that runs in processes of its own behaves as it does
// within the program.
func TestRunner(t *testing.T) {
	hostingtest.Run(t, open, &hostingtest.Options{Kills: true})
}
