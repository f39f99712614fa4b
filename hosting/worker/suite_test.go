//go:build linux

package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ayb/hosting"
	"ayb/hosting/hostingtest"
	"ayb/hosting/sandbox"
)

// idleName is the name of a program that does nothing.
const idleName = "idle"

// TestMain makes this program a worker when it was started as one, or something
// that only looks like one if it was started by a name that says so.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	if evil, ok := strings.CutPrefix(name, evilPrefix); ok {
		exit(beEvil(evil))
	}
	switch name {
	case orphanName:
		beParent()
	case idleName:
		os.Exit(0)
	}
	Main()
	os.Exit(m.Run())
}

// noWalls is a sandbox without layers.
var noWalls = []sandbox.Layer{}

// runSuite holds that SQL that runs in processes of its own behaves as it does
// within the program.
func runSuite(t *testing.T, policy sandbox.Policy) {
	hostingtest.Run(t, func(t *testing.T, dir string, limits hosting.Limits) hosting.Runner {
		t.Helper()
		r, err := New(Config{Dir: dir, Limits: limits, Idle: time.Second, Sandbox: policy, Logger: listen(t)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}, &hostingtest.Options{Kills: true})
}

func TestRunner(t *testing.T) { runSuite(t, sandbox.Policy{Layers: noWalls}) }

// TestRunner_sandboxed runs the suite behind all walls that stand on this machine.
func TestRunner_sandboxed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report, err := sandbox.Probe(t.Context(), self, sandbox.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the walls of this machine:\n%v", report)
	if len(report.Entered()) == 0 {
		if os.Getenv("AYB_TEST_REQUIRE") != "" {
			t.Fatal("none stands")
		}
		t.Skip("none stands")
	}
	runSuite(t, sandbox.Policy{Layers: report.Entered()})
}

// TestRunner_jailed runs the parts of the suite that have most to do with processes
// and files under each jail that is there.
func TestRunner_jailed(t *testing.T) {
	for kind, variable := range map[sandbox.JailKind]string{sandbox.Nsjail: "AYB_NSJAIL", sandbox.Bubblewrap: "AYB_BUBBLEWRAP"} {
		t.Run(string(kind), func(t *testing.T) {
			path := os.Getenv(variable)
			if path == "" {
				if kind == sandbox.Bubblewrap && os.Getenv("AYB_TEST_REQUIRE") != "" {
					t.Fatalf("%s does not name it; scripts/bubblewrap gets it", variable)
				}
				t.Skipf("NOT TESTED: %s does not name it", variable)
			}
			policy := sandbox.Policy{Jail: sandbox.Jail{Kind: kind, Path: path}}
			r, err := New(Config{Dir: t.TempDir(), Sandbox: policy})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			t.Logf("the walls of this machine:\n%v", r.Sandbox())
			policy.Layers = r.Sandbox().Entered()
			runSuite(t, policy)
		})
	}
}
