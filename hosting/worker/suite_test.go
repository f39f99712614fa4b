package worker_test

import (
	"os"
	"testing"
	"time"

	"ayb/hosting"
	"ayb/hosting/hostingtest"
	"ayb/hosting/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

func open(t *testing.T, dir string, limits hosting.Limits) hosting.Runner {
	t.Helper()
	r, err := worker.New(worker.Config{Dir: dir, Limits: limits, Idle: time.Second})
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
