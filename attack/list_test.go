//go:build linux

package attack

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/attacks.md anew")

// listFile is the list of attacks for people to read.
const listFile = "../docs/attacks.md"

// TestAttacks_list makes the list of attacks with the walls that they run into,
// and fails if the one in the documentation is another.
func TestAttacks_list(t *testing.T) {
	want := list(readCases(t))
	if *update {
		if err := os.WriteFile(listFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(listFile)
	if err != nil || string(got) != want {
		t.Errorf("docs/attacks.md is not the list of testdata/attacks: run go test ./attack -run list -update (%v)", err)
	}
}

// TestAttacks_are_many_and_prove_something holds what the list promises.
func TestAttacks_are_many_and_prove_something(t *testing.T) {
	const least, mostGiven = 150, 0.15
	cases := readCases(t)
	seen := map[string]string{}
	ungrounded := 0
	for _, c := range cases {
		if slices.ContainsFunc(c.Walls, isGiven) {
			ungrounded++
		}
		var text strings.Builder
		for _, s := range c.Steps {
			if s.Attack || s.Who == "host" {
				fmt.Fprintln(&text, s.Who, s.What, s.Args, s.On, s.AtOnce, s.Body)
			}
		}
		if other := seen[text.String()]; other != "" && len(c.Set) == 0 {
			t.Errorf("%s attacks as %s does", c.ID(), other)
		}
		seen[text.String()] = c.ID()
		for _, wall := range c.Walls {
			if !isWall(wall) {
				t.Errorf("%s: there is no wall %q", c.ID(), wall)
			}
		}
	}
	t.Logf("%d attacks, %d of them on what can't be taken down", len(cases), ungrounded)
	if len(cases) < least {
		t.Errorf("%d attacks, want %d", len(cases), least)
	}
	if share := float64(ungrounded) / float64(len(cases)); share > mostGiven {
		t.Errorf("%.0f%% of the attacks run into walls that can't be taken down", 100*share)
	}
}

// areas are the directories of attacks, with what they are after.
var areas = []struct{ name, title string }{
	{"reading", "Reading what is not theirs"},
	{"corrupting", "Corrupting"},
	{"exhausting", "Exhausting time, memory, disk and places"},
	{"neighbours", "Harming those who use the same database"},
	{"privilege", "Escaping privilege"},
	{"hostile", "Hostile database files"},
}

// list returns the list of attacks as a page.
func list(cases []*Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Attacks\n\nMade from testdata/attacks by `go test ./attack -run list -update`; do not edit.\n\n"+
		"Each of these %d attacks is carried out against a whole server, and once more with the walls that it runs into taken down,\n"+
		"when it must succeed. Walls with the name of a setting are bounds. A wall in italics can't be taken down.\n", len(cases))
	for _, area := range areas {
		fmt.Fprintf(&b, "\n## %s\n\n| attack | what is tried | wall |\n| --- | --- | --- |\n", area.title)
		for _, c := range cases {
			if c.Area != area.name {
				continue
			}
			title := c.Title
			if c.Open != "" {
				title += " **Open:** " + c.Open
			}
			if len(c.Modes) > 0 {
				title += " (Fails in mode " + strings.Join(c.Modes, ", ") + " only: " + c.Because + ")"
			}
			fmt.Fprintf(&b, "| [%s](../testdata/attacks/%s.txt) | %s | %s |\n", c.Name, c.ID(), strings.ReplaceAll(title, "|", `\|`), wallNames(c.Walls))
		}
	}
	fmt.Fprint(&b, "\n## Walls that can't be taken down\n\n| wall | what it is |\n| --- | --- |\n")
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "| %s | %s |\n", name, given[name])
	}
	return b.String()
}

func wallNames(names []string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		if shown[i] = name; isGiven(name) {
			shown[i] = "*" + name + "*"
		}
	}
	return strings.Join(shown, ", ")
}
