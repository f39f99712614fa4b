package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ayb/hosting/sandbox"
)

// The walls themselves are tried in hosting/sandbox and hosting/worker; this holds
// that the server puts its tenants behind them without being told.
func TestServer_runs_SQL_in_worker_processes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("worker processes are the default on Linux")
	}
	p := startServer(t, t.TempDir(), "AYB__LIMITS__QUERY_TIME=300ms")
	authorized := "Bearer " + p.database()
	var h verboseHealth
	if err := json.Unmarshal([]byte(p.must("GET", "/health?verbose", "")), &h); err != nil || h.Isolation.Mode != workerProcesses {
		t.Fatalf("/health tells %+v, %v", h, err)
	}
	for _, layer := range h.Isolation.Walls.Active() {
		if !strings.Contains(p.out.String(), string(layer)) {
			t.Errorf("the server does not say that the wall %s stands:\n%s", layer, p.out)
		}
	}
	for _, f := range h.Isolation.Walls.Missing() {
		if !strings.Contains(p.errout.String(), "WARNING: worker processes run without the wall "+string(f.Layer)) {
			t.Errorf("the server does not warn of the wall %s that is missing:\n%s", f.Layer, p.errout)
		}
	}
	const endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c"
	if status, text := p.request("POST", "/v1/alice/t/query", endless, "authorization", authorized); status != 504 {
		t.Errorf("an endless query is answered with %d %s", status, text)
	}
	if childrenOf(t, p.cmd.Process.Pid) == 0 {
		t.Error("the server has no worker process")
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("the server ended with %v\n%s", err, p.errout)
	}
}

func TestIsolation_each_wall_is_explained_once(t *testing.T) {
	var out, errout strings.Builder
	i := isolation{mode: workerProcesses, walls: sandbox.Report{
		{Layer: sandbox.Limits, State: sandbox.Active},
		{Layer: sandbox.Privileges, State: sandbox.Unproven, Reason: "Nothing shows it."},
		{Layer: sandbox.Landlock, State: sandbox.Missing, Reason: "The kernel lacks it. Files are open."},
		{Layer: sandbox.Seccomp, State: sandbox.Off},
	}}
	i.say(&out, &errout)
	if want := "Isolation: SQL runs in worker processes of each owner's own, behind limits.\n" +
		"Isolation: the wall privileges is up too, unproven. Nothing shows it.\n"; out.String() != want {
		t.Errorf("it says\n%swant\n%s", out.String(), want)
	}
	if want := "WARNING: worker processes run without the wall landlock. The kernel lacks it. Files are open.\n"; errout.String() != want {
		t.Errorf("it warns\n%swant\n%s", errout.String(), want)
	}
}

// childrenOf returns how many children a process has.
func childrenOf(t *testing.T, pid int) (n int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have ended
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			n++
		}
	}
	return n
}
