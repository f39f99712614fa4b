//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/redteam.md anew")

// The list of what the red team tries, for people to read, and the page that says
// what is not stopped.
const (
	listFile     = "../../../docs/redteam.md"
	securityFile = "../../../docs/security.md"
)

// TestList makes the list of what the red team tries, and fails if the one in the
// documentation is another, or if something is not stopped that is not said to be so.
func TestList(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the list is of amd64, where there is most to try")
	}
	want := list()
	if *update {
		if err := os.WriteFile(listFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(listFile); err != nil || string(got) != want {
		t.Errorf("docs/redteam.md is not the list: run go test ./hosting/worker/redteam -run List -update (%v)", err)
	}
	security, err := os.ReadFile(securityFile)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(security)), " ")
	seen := map[string]bool{}
	check := func(name, open string) {
		if seen[name] {
			t.Errorf("there are two of the name %s", name)
		}
		if seen[name] = true; open != "" && !strings.Contains(said, open) {
			t.Errorf("%s is not stopped, and docs/security.md does not say %q", name, open)
		}
	}
	for _, a := range attempts() {
		check(a.name, a.open)
	}
	for _, l := range lies() {
		check(l.name, l.open)
	}
}

// list returns the list as a page.
func list() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What a worker that was taken over tries\n\nMade by `go test ./hosting/worker/redteam -run List -update`; do not edit.\n\n"+
		"A program takes the place of the worker, enters its walls, and tries each of these as somebody would who runs code of their own in\n"+
		"there. What is tried on the machine must succeed without walls and fail behind them, as root and as an ordinary user, alone, under nsjail and\n"+
		"under bubblewrap; what can't be done on a machine at all is listed by the test and counts for nothing. Of lies to the server neither its\n"+
		"memory nor anybody else's requests may take notice, and who asked the liar gets the error that is given here.\n")
	row := func(name, what, open string, more ...string) {
		if open != "" {
			what += " **Not stopped:** " + open
		}
		fmt.Fprintf(&b, "| %s | %s |\n", name, strings.Join(append([]string{what}, more...), " | "))
	}
	fmt.Fprintf(&b, "\n## On the machine\n\nEach of these %d completes \"the worker ...\".\n\n| attempt | what is tried |\n| --- | --- |\n", len(attempts()))
	for _, a := range attempts() {
		row(a.name, a.what, a.open)
	}
	fmt.Fprintf(&b, "\n## To the server\n\n| lie | what is tried | what its caller gets |\n| --- | --- | --- |\n")
	for _, l := range lies() {
		gets := make([]string, len(l.kinds))
		for i, k := range l.kinds {
			gets[i] = "`" + string(k) + "`"
		}
		if len(gets) == 0 {
			gets = []string{"an answer"}
		}
		row(l.name, l.what, l.open, strings.Join(gets, " or "))
	}
	return b.String()
}
