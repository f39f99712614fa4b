//go:build linux

package attack

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ayb"
	"ayb/hosting/worker"
)

// cases are the attacks of testdata/attacks.
const cases = "../testdata/attacks"

// template is where the tenants are from which every world is copied.
var population string

func TestMain(m *testing.M) {
	worker.Main()
	if os.Getenv(controlProcess) != "" {
		keepTime()
	}
	if id := os.Getenv(childCase); id != "" {
		os.Exit(child(id))
	}
	flag.Parse()
	os.Exit(testMain(m))
}

// testMain runs the tests with a directory for temporary files of their own, in
// which none must be made.
func testMain(m *testing.M) int {
	base, err := os.MkdirTemp("", "ayb-attack-")
	if err == nil {
		defer os.RemoveAll(base)
		population = filepath.Join(base, "template")
		err = os.Mkdir(population, 0o700)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(base, "tmp"), 0o700)
	}
	if err == nil {
		err = os.Setenv("TMPDIR", filepath.Join(base, "tmp"))
	}
	if err == nil {
		err = populate(population)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func readCases(t *testing.T) []*Case {
	t.Helper()
	all, err := Read(os.DirFS(cases))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAttacks_fail carries out every attack in every mode. None comes to what it
// is after, and nobody else notices.
func TestAttacks_fail(t *testing.T) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			if m.missing != "" && os.Getenv("AYB_TEST_REQUIRE") != "" {
				t.Fatal(m.missing)
			}
			if m.missing != "" {
				t.Skip(m.missing)
			}
			var err error
			if m.control, err = newControl(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				m.control.close()
				excused, sum := m.control.excuses()
				t.Logf("%d times somebody was late because the machine was; %v are excluded in all", excused, sum)
				if sum > slowness*mostExcused {
					t.Errorf("the machine was late by %v, more than %v: on this machine nothing can be said about time", sum, mostExcused)
				}
			}()
			for _, c := range readCases(t) {
				t.Run(c.ID(), func(t *testing.T) {
					switch {
					case !c.HoldsIn(m.kind):
						t.Skip(c.Because)
					case c.Open != "":
						t.Skip("this attack still succeeds: " + c.Open)
					}
					dir := filepath.Join(filepath.Dir(population), "world")
					findings, err := carryOut(c, m, dir, nil, func() {})
					os.RemoveAll(dir)
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range findings {
						t.Error(f)
					}
				})
			}
		})
	}
}

// carryOut prepares a case and attacks, with walls taken down or none, and
// returns what has gone wrong. started is called between the two.
func carryOut(c *Case, m mode, dir string, down []string, started func()) (findings []string, err error) {
	files, goroutines := descriptors(), runtime.NumGoroutine()
	w, err := newWorld(population, dir, m, c, down)
	if err != nil {
		return nil, err
	}
	r := &run{world: w, c: c, mode: m.kind, hasty: down != nil, sessions: map[string]*ayb.Session{}}
	if err = r.attack(started); err != nil {
		w.close()
		return nil, err
	}
	if r.hasty && r.hung {
		return r.findings, nil // what hangs can't be closed
	}
	for _, s := range r.sessions {
		s.Close()
	}
	if err := w.close(); err != nil {
		r.find("closing: %v", err)
	}
	r.findings = append(r.findings, leftovers(files, goroutines)...)
	return r.findings, nil
}

func (r *run) attack(started func()) error {
	if err := r.steps(false); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	before, err := r.untouched()
	if err != nil {
		return err
	}
	neighbours := r.neighbours()
	meter := newMeter()
	started()
	err = r.steps(true)
	grown := meter.grown()
	if r.hasty && r.hung {
		return err // what hangs would keep everything that follows waiting
	}
	r.findings = append(r.findings, neighbours.end()...)
	if err != nil {
		return err
	}
	bound := int64(memoryBound)
	if r.c.Memory > 0 {
		bound = r.c.Memory
	}
	if grown > bulk*bound {
		r.find("the program has grown by %d MiB", grown>>20)
	}
	r.alive()
	after, err := r.untouched()
	if err != nil {
		return err
	}
	if after != before {
		r.find("files outside have changed:\n%s", difference(before, after))
	}
	r.sound()
	return nil
}

// difference returns the lines that only one of two texts has.
func difference(before, after string) string {
	var b strings.Builder
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for sign, pair := range map[string][2][]string{"-": {old, now}, "+": {now, old}} {
		have := map[string]bool{}
		for _, line := range pair[1] {
			have[line] = true
		}
		for _, line := range pair[0] {
			if !have[line] {
				fmt.Fprintln(&b, sign, line)
			}
		}
	}
	return b.String()
}

// findingsLine begins the line on which a child reports.
const findingsLine = "FINDINGS "

func report(findings []string) {
	text, _ := json.Marshal(findings)
	fmt.Println(findingsLine + string(text))
}
