//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ayb/fault"
	"ayb/hosting"
	"ayb/hosting/sandbox"
)

// A mode is a way in which workers are walled off.
type mode struct {
	name   string
	policy sandbox.Policy
}

// modes returns those that there are on this machine. One that is missing fails the
// test where everything must be tested.
func modes(t *testing.T) []mode {
	list := []mode{{"walls", sandbox.Policy{}}}
	for _, jail := range []struct {
		kind           sandbox.JailKind
		variable, name string
	}{{sandbox.Nsjail, "AYB_NSJAIL", "nsjail"}, {sandbox.Bubblewrap, "AYB_BUBBLEWRAP", "bwrap"}} {
		path := os.Getenv(jail.variable)
		if path == "" {
			path, _ = exec.LookPath(jail.name)
		}
		switch {
		case path != "":
			list = append(list, mode{string(jail.kind), sandbox.Policy{Jail: sandbox.Jail{Kind: jail.kind, Path: path}}})
		case jail.kind == sandbox.Bubblewrap && os.Getenv("AYB_TEST_REQUIRE") != "":
			t.Errorf("%s does not name %s; scripts/%[2]s gets it", jail.variable, jail.kind)
		default:
			t.Logf("NOT TESTED: %s does not name %s", jail.variable, jail.kind)
		}
	}
	return list
}

// try has a worker make all attempts, and returns why each came to nothing.
func (w *world) try(policy sandbox.Policy, exe string) map[string]string {
	s := w.squad(policy, exe, hosting.Limits{})
	defer s.Close()
	for _, f := range s.Sandbox().Missing() {
		w.missing(string(f.Layer) + ": " + f.Reason)
	}
	evil, honest := s.evil(), s.owner()
	w.must(honest.Create(w.Context(), honest.job.DB))
	target := w.target
	target.Own, target.Planted = evil.dir, filepath.Join(evil.dir, "planted")
	w.must(os.Symlink(target.Files["file"], target.Planted))
	failures := map[string]string{}
	for _, a := range attempts() {
		failures[a.name] = evil.attempt(a, target)
		if _, err := honest.ask("SELECT 1"); err != nil {
			w.Errorf("after %s, a neighbour gets %v", a.name, err)
		}
	}
	w.unharmed()
	return failures
}

// attempt has a worker make an attempt, and returns why it came to nothing.
func (o *owner) attempt(a attempt, target target) string {
	text, err := o.command("SELECT 1", order{Attempt: a.name, Target: target})
	switch {
	case a.deadly && fault.KindOf(err) == fault.Unavailable:
		return "the worker was killed"
	case err != nil:
		o.Errorf("%s: %v", a.name, err)
		return err.Error()
	}
	var got outcome
	if err := json.Unmarshal([]byte(text), &got); err != nil || !got.Known {
		o.Errorf("%s: %q, %v", a.name, text, err)
	}
	return got.Failed
}

// missing says that a wall is not there, which fails the test where all must be.
func (w *world) missing(what string) {
	if os.Getenv("AYB_TEST_REQUIRE") != "" {
		w.Errorf("NOT TESTED: %s", what)
		return
	}
	w.Logf("NOT TESTED: %s", what)
}

// TestRedteam_gets_nowhere has a worker that was taken over try everything, behind
// no walls and behind those of each mode. Without walls an attempt must succeed, or
// it shows nothing and is listed as impossible here; behind them it must fail.
func TestRedteam_gets_nowhere(t *testing.T) {
	w := newWorld(t)
	open := w.try(sandbox.Policy{Layers: []sandbox.Layer{}}, w.careless())
	all := modes(t)
	shut := map[string]map[string]string{}
	for _, m := range all {
		shut[m.name] = w.try(m.policy, w.exe)
	}
	var table, impossible strings.Builder
	proven := 0
	for _, a := range attempts() {
		if open[a.name] != "" {
			fmt.Fprintf(&impossible, "%-20s %s\n", a.name, open[a.name])
		} else {
			proven++
		}
		fmt.Fprintf(&table, "%-20s %-12s", a.name, map[bool]string{true: "done", false: "impossible"}[open[a.name] == ""])
		for _, m := range all {
			failed := shut[m.name][a.name]
			fmt.Fprintf(&table, " | %s: %s", m.name, failed)
			switch {
			case a.open == "" && failed == "":
				t.Errorf("behind %s, the worker %s", m.name, a.what)
			case a.open != "" && open[a.name] == "" && failed != "":
				t.Errorf("behind %s, %s is stopped (%s), and docs/security.md says that it is not", m.name, a.name, failed)
			}
		}
		fmt.Fprintln(&table)
	}
	t.Logf("%d attempts, of which %d succeed without walls:\n%s\nThese show nothing, because they can't be done on this machine at all:\n%s", len(attempts()), proven, table.String(), impossible.String())
	if proven < len(attempts())*3/5 {
		t.Errorf("without walls, %d of %d attempts succeed: something is wrong with the others", proven, len(attempts()))
	}
}

// TestRedteam_as_an_ordinary_user runs the other tests once more as one, the lies in
// one mode.
func TestRedteam_as_an_ordinary_user(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user runs the other tests already")
	}
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "redteam-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "redteam.test")
	// A program that another test starts just then would inherit the open file, and
	// nobody can run what somebody may write to.
	syscall.ForkLock.RLock()
	err = os.WriteFile(copied, self, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	cmd := exec.CommandContext(t.Context(), copied, "-test.v", "-test.run=^TestRedteam_(gets|lies)/^walls$", "-test.timeout=5m")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, programVariable+"="+exe)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		return
	}
	t.Logf("%s", out)
}
