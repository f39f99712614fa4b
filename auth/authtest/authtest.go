// Package authtest reads the table of permissions that the policy and the
// engine are both tested against.
package authtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// An Outcome is how a call is expected to end.
type Outcome string

// The outcomes, from the most lenient to the strictest.
const (
	Yes      Outcome = "yes" // allowed
	ReadOnly Outcome = "ro"  // refused, because the caller may only read
	No       Outcome = "no"  // refused
	Hidden   Outcome = "hid" // refused as if the thing did not exist
)

// strictness orders the outcomes; "-" stands for "no stricter than without".
var strictness = []Outcome{"-", Yes, ReadOnly, No, Hidden}

// Stricter returns the stricter of two outcomes.
func Stricter(a, b Outcome) Outcome {
	if slices.Index(strictness, a) > slices.Index(strictness, b) {
		return a
	}
	return b
}

// A Table is what the file says. The sections are database, account, host and
// token; the file itself explains their columns.
type Table struct {
	sections map[string]map[string]map[string]Outcome // section, action, column
	order    map[string][]string                      // columns of a section
}

// Read reads a file of permissions.
func Read(path string) (*Table, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t := &Table{sections: map[string]map[string]map[string]Outcome{}, order: map[string][]string{}}
	section := ""
	for n, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "["):
			section = strings.Trim(fields[0], "[]")
			t.sections[section] = map[string]map[string]Outcome{}
			t.order[section] = fields[1:]
		default:
			if err := t.addLine(section, fields); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
			}
		}
	}
	return t, nil
}

func (t *Table) addLine(section string, fields []string) error {
	action, cells, columns := fields[0], fields[1:], t.order[section]
	if t.sections[section] == nil || len(cells) != len(columns) {
		return fmt.Errorf("%s has %d cells, but section %q has %d columns", action, len(cells), section, len(columns))
	}
	if t.sections[section][action] != nil {
		return fmt.Errorf("%s stands twice in section %q", action, section)
	}
	row := map[string]Outcome{}
	for i, cell := range cells {
		if !slices.Contains(strictness, Outcome(cell)) {
			return fmt.Errorf("%s: %q is no outcome", action, cell)
		}
		row[columns[i]] = Outcome(cell)
	}
	t.sections[section][action] = row
	return nil
}

// Columns returns the columns of a section, in the order of the file.
func (t *Table) Columns(section string) []string { return t.order[section] }

// Has reports whether a section has a line for the action.
func (t *Table) Has(section, action string) bool { return t.sections[section][action] != nil }

// Lines returns how many lines a section has.
func (t *Table) Lines(section string) int { return len(t.sections[section]) }

// Outcome returns one cell. It panics if there is none, because a test that asks
// for a cell that is missing is wrong.
func (t *Table) Outcome(section, action, column string) Outcome {
	o, ok := t.sections[section][action][column]
	if !ok {
		panic(fmt.Sprintf("authtest: no cell for %s, %s in section %s", action, column, section))
	}
	return o
}
