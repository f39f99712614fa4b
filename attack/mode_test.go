//go:build linux

package attack

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"time"

	"ayb/hosting"
	"ayb/hosting/sandbox"
	"ayb/hosting/worker"
)

// A mode is a way in which the server keeps tenants apart. Cases know it by its
// kind: process in a jail is process.
type mode struct {
	name, kind string
	grace      time.Duration // by which a query may overstay its time
	missing    string        // why it can't be tried here; empty: it can
	open       func(hosting.Config) (hosting.Runner, error)
	control    *control // nil: nothing is excluded
}

// modes returns the ways that there are. Walls are taken down in the first.
func modes() []mode {
	jail, missing := bubblewrap()
	return []mode{
		{
			name: "in-process", kind: "in-process", grace: 2 * time.Second,
			open: func(c hosting.Config) (hosting.Runner, error) { return hosting.NewInProcess(c) },
		},
		{name: "process", kind: "process", grace: processGrace, open: inWorkers(sandbox.Policy{})},
		{name: "process-in-bubblewrap", kind: "process", grace: processGrace, missing: missing, open: inWorkers(sandbox.Policy{Jail: jail})},
	}
}

// processGrace is by how much a query may overstay its time where its process can
// be killed.
const processGrace = 250 * time.Millisecond

// bubblewrap finds the outer jail that continuous integration uses.
func bubblewrap() (sandbox.Jail, string) {
	path := os.Getenv("AYB_BUBBLEWRAP")
	if path == "" {
		path, _ = exec.LookPath("bwrap")
	}
	if path == "" {
		return sandbox.Jail{}, "NOT TESTED: AYB_BUBBLEWRAP does not name bubblewrap; scripts/bubblewrap gets it"
	}
	return sandbox.Jail{Kind: sandbox.Bubblewrap, Path: path}, ""
}

// inWorkers returns what opens a Runner whose workers stand behind all walls of
// this machine. They are tried out once.
func inWorkers(p sandbox.Policy) func(hosting.Config) (hosting.Runner, error) {
	probe := sync.OnceValues(func() (sandbox.Report, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return sandbox.Probe(context.Background(), self, p)
	})
	return func(c hosting.Config) (hosting.Runner, error) {
		report, err := probe()
		if err != nil {
			return nil, err
		}
		policy := p
		policy.Layers = report.Entered()
		return worker.New(worker.Config{Dir: c.Dir, Limits: c.Limits, Sandbox: policy})
	}
}
