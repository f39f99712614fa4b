package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"ayb"
	"ayb/fault"
	"ayb/hosting/sandbox"
	"ayb/hosting/worker"
)

// Where SQL runs.
const (
	inProcess       = "in-process"
	workerProcesses = "process"
)

// defaultIsolation is where SQL runs unless somebody says otherwise.
func defaultIsolation() string {
	if runtime.GOOS == "linux" {
		return workerProcesses
	}
	return inProcess // no other system has the walls
}

// workers returns the configuration of worker processes.
func (c *config) workers(logger *slog.Logger) worker.Config {
	w := worker.Config{
		Dir:         filepath.Join(c.DataPath, ayb.OwnersDir),
		Limits:      c.Limits.engine().Limits,
		OwnerMemory: c.Limits.OwnerMemory,
		Memory:      c.Limits.Memory,
		Workers:     int(c.Isolation.Workers),
		Idle:        c.Isolation.Idle,
		Require:     c.Isolation.Require,
		Logger:      logger,
	}
	if c.Isolation.NsjailPath != "" {
		path, err := filepath.Abs(c.Isolation.NsjailPath)
		if err != nil {
			path = c.Isolation.NsjailPath
		}
		w.Sandbox.Jail = sandbox.Jail{Kind: sandbox.Nsjail, Path: path}
	}
	return w
}

// An isolation is what stands between the SQL of tenants and everything else.
type isolation struct {
	mode   string
	runner *worker.Runner // nil: the engine's own, within this process
	walls  sandbox.Report // of worker processes
}

// isolate makes what runs SQL. The caller closes it after the engine. Errors:
// Unavailable (a wall is missing that is required, no directory).
func (c *config) isolate(logger *slog.Logger) (*isolation, error) {
	i := &isolation{mode: c.Isolation.Mode}
	if i.mode == inProcess {
		return i, nil
	}
	var err error
	if i.runner, err = worker.New(c.workers(logger)); err != nil {
		return nil, err
	}
	i.walls = i.runner.Sandbox()
	return i, nil
}

// close ends the workers.
func (i *isolation) close() error {
	if i.runner == nil {
		return nil
	}
	return i.runner.Close()
}

// say tells whoever starts the server what stands, and of each wall that is
// missing, why, and what its absence means.
func (i *isolation) say(out, errout io.Writer) {
	if i.mode == inProcess {
		fmt.Fprintln(out, "Isolation: SQL runs within the server process, in a bounded SQLite memory behind an allow-list. A query that will not stop can't be killed here.")
		return
	}
	var names []string
	for _, layer := range i.walls.Active() {
		names = append(names, string(layer))
	}
	fmt.Fprintf(out, "Isolation: SQL runs in worker processes of each owner's own, behind %s.\n", strings.Join(names, ", "))
	for _, f := range i.walls.Unproven() {
		fmt.Fprintf(out, "Isolation: the wall %s is up too, unproven. %s\n", f.Layer, f.Reason)
	}
	for _, f := range i.walls.Missing() {
		fmt.Fprintf(errout, "WARNING: worker processes run without the wall %s. %s\n", f.Layer, f.Reason)
	}
}

// A verboseHealth is what /health?verbose tells an operator.
type verboseHealth struct {
	Status    string `json:"status"`
	Isolation struct {
		Mode  string         `json:"mode"`
		Walls sandbox.Report `json:"walls,omitempty"`
	} `json:"isolation"`
}

// health returns what /health?verbose answers.
func (i *isolation) health() any {
	h := verboseHealth{Status: "ok"}
	h.Isolation.Mode, h.Isolation.Walls = i.mode, i.walls
	return h
}

// examineIsolation tries the walls out, as the server does when it starts.
func (c *config) examineIsolation(ctx context.Context) []finding {
	if c.Isolation.Mode == inProcess {
		return []finding{found(warning, "isolation", "SQL runs within the server process, where a query that will not stop can't be killed; for SQL of strangers set isolation.mode to \"process\"")}
	}
	exe, err := os.Executable()
	if err != nil {
		return []finding{found(broken, "isolation", "the server's own program can't be found, so no worker process can be started")}
	}
	report, err := sandbox.Probe(ctx, exe, c.workers(nil).Sandbox)
	if err != nil {
		return []finding{found(broken, "isolation", "no worker process can be started: %s", fault.Message(err))}
	}
	list := []finding{found(fine, "isolation", "worker processes stand behind %d of %d walls, each tried out", len(report.Active()), len(sandbox.Layers()))}
	for _, f := range report.Unproven() {
		list = append(list, found(fine, "isolation", "the wall %s is up too, unproven. %s", f.Layer, f.Reason))
	}
	severity := warning
	if c.Isolation.Require {
		severity = broken
	}
	for _, f := range report.Missing() {
		list = append(list, found(severity, "isolation", "the wall %s is missing. %s", f.Layer, f.Reason))
	}
	return list
}
