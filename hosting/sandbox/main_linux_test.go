package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is an ordinary user, whether or not the system has a name for it.
const nobody = 65534

// childArgument begins the argument by which a process of this test binary knows
// that it is a child: one that a test has started behind some layers.
const childArgument = "child:"

// children are what a child may be asked to do, by name. Each enters its policy
// itself.
var children = map[string]func(p Policy, args []string) error{
	"alien":     runAlien,
	"contained": runContained,
	"crowd":     runCrowd,
	"echo":      runEcho,
	"grow":      runGrow,
	"nothing":   func(p Policy, _ []string) error { return enterAll(p) },
	"parent":    runParent,
	"powerless": runPowerless,
	"setuid":    runSetuid,
	"signals":   runSignals,
	"work":      runWork,
}

func TestMain(m *testing.M) {
	Main()
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], childArgument) {
		syscall.Exit(runChild()) // os.Exit waits for a second under the race detector
	}
	os.Exit(m.Run())
}

func runChild() int {
	p, args, err := FromArgs(os.Args)
	if err == nil {
		err = children[args[1][len(childArgument):]](p, args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// enterAll enters the layers and fails if one is missing.
func enterAll(p Policy) error {
	report, err := Enter(p)
	if err == nil && report.Err() != nil {
		err = fmt.Errorf("%w:\n%v", report.Err(), report)
	}
	return err
}

// child returns a command that starts a child of this test binary.
func child(t testing.TB, p Policy, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return childOf(t, exe, p, name, args...)
}

// childOf returns a command that starts a child of a copy of this test binary.
func childOf(t testing.TB, exe string, p Policy, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), exe, append([]string{childArgument + name}, args...)...)
	if err := p.Command(cmd); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// usable returns a policy with the layers that this machine has, and a directory
// that the worker may use, and fails or skips if layers are missing.
func usable(t testing.TB, jail Jail) Policy {
	t.Helper()
	p := Policy{
		Dirs: []string{sharedDir(t)}, Jail: jail,
		DataBytes: 768 << 20, FileBytes: 4 << 30, OpenFiles: 1024, Threads: 200,
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report, err := Probe(t.Context(), exe, p)
	if err != nil {
		t.Fatalf("%v\n%v", err, report)
	}
	for _, f := range report.Missing() {
		untested(t, string(f.Layer)+": "+f.Reason)
	}
	p.Layers = report.Entered()
	return p
}

// untested says that something could not be tested, which is a failure where
// everything must be.
func untested(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("AYB_TEST_REQUIRE") != "" {
		t.Errorf("NOT TESTED: %s", what)
		return
	}
	t.Logf("NOT TESTED: %s", what)
}

// sharedDir returns a directory that any user may reach and use.
func sharedDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// needRoot skips a test that an ordinary user can't do.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this part needs root")
	}
}

// copyProgram copies this test binary to where any user can start it.
func copyProgram(t *testing.T, mode os.FileMode) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(sharedDir(t), "sandbox.test")
	if err := os.WriteFile(place, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(place, mode); err != nil {
		t.Fatal(err)
	}
	return place
}

// Everything here holds for an ordinary user too: the tests run once more as one.
func TestAsAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user runs the other tests already")
	}
	cmd := exec.CommandContext(t.Context(), copyProgram(t, 0o755), "-test.v", "-test.timeout=2m", "-test.skip=^Test(NsjailConfig|BubblewrapArguments)$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "TMPDIR="+sharedDir(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		return
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "--- ") || strings.Contains(line, "NOT TESTED") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
