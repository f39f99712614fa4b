package main

import (
	"fmt"
	"slices"
	"strings"

	"ayb/fault"
)

// problems are all the things that are wrong with a configuration, each a
// sentence that begins with where it stands.
type problems []string

// maxProblems is how many problems are shown.
const maxProblems = 100

// Error returns the problems one by line.
func (p problems) Error() string {
	if len(p) == 1 {
		return p[0]
	}
	list, more := p, ""
	if len(p) > maxProblems {
		list, more = p[:maxProblems], "\n  and so on"
	}
	return fmt.Sprintf("The configuration has %d problems:\n  %s%s", len(p), strings.Join(list, "\n  "), more)
}

// A settingTable fills settings from a file and the environment, and gathers
// what is wrong with them.
type settingTable struct {
	list     []*setting
	byName   map[string]*setting // under all of their names
	names    []string            // all of them
	tables   map[string]bool
	refused  map[*setting]bool // given a value that does not fit
	problems problems
}

func newSettingTable(list []*setting) *settingTable {
	t := &settingTable{list: list, byName: map[string]*setting{}, tables: map[string]bool{}, refused: map[*setting]bool{}}
	for _, s := range list {
		for _, name := range append([]string{s.name}, s.also...) {
			t.byName[name] = s
			t.names = append(t.names, name)
			for table := parent(name); table != ""; table = parent(table) {
				t.tables[table] = true
			}
		}
	}
	return t
}

func (t *settingTable) problem(from, format string, args ...any) {
	t.problems = append(t.problems, from+": "+fmt.Sprintf(format, args...))
}

// from returns who has set a setting; empty: nobody.
func (t *settingTable) from(name string) string { return t.byName[name].from }

// fromAny returns who has set the first of the settings that is set.
func (t *settingTable) fromAny(names ...string) string {
	for _, name := range names {
		if from := t.from(name); from != "" {
			return from
		}
	}
	return ""
}

// tried reports whether somebody has given the setting a value that was refused.
func (t *settingTable) tried(name string) bool { return t.refused[t.byName[name]] }

// set gives a setting its value by way of fill.
func (t *settingTable) set(s *setting, from, name string, fill func() error) {
	s.from = from
	if err := fill(); err != nil {
		t.refused[s] = true
		t.problem(from, "%s %s", name, err)
	}
}

// applyFile takes the entries of a file.
func (t *settingTable) applyFile(file *configFile) {
	if file.broken != "" {
		t.problem(fmt.Sprintf("%s:%d", file.path, file.line), "%s", file.broken)
		return
	}
	unknown := map[string]bool{} // tables of which nothing more is said
	for _, e := range file.entries {
		from := fmt.Sprintf("%s:%d", file.path, e.line)
		if table := parent(e.name); unknown[table] {
			unknown[e.name] = e.isTable
			continue
		}
		s := t.byName[e.name]
		switch {
		case s == nil && t.tables[e.name] && !e.isTable:
			t.problem(from, "%s must be a table: write [%s], and its settings on lines of their own", e.name, e.name)
		case s == nil && t.tables[e.name]:
		case s == nil:
			unknown[e.name] = e.isTable
			t.unknownInFile(from, e)
		case e.isTable:
			unknown[e.name] = true
			t.problem(from, "%s is a setting, not a table", e.name)
		case s.isSet():
			t.problem(from, "%s means the same as what stands on %s; remove one of them", e.name, s.from)
		default:
			t.set(s, from, e.name, func() error { return s.value.fromFile(e.value) })
		}
	}
}

func (t *settingTable) unknownInFile(from string, e entry) {
	if len(t.problems) >= maxProblems { // nobody reads on, so do not look for what was meant
		t.problem(from, "unknown name %s", e.name)
		return
	}
	what, names := "setting", t.names
	if e.isTable {
		what, names = "table", nil
		for table := range t.tables {
			names = append(names, table)
		}
		slices.Sort(names)
	}
	if best := nearest(e.name, names); best != "" {
		t.problem(from, "unknown %s %s; did you mean %s?", what, e.name, best)
		return
	}
	t.problem(from, "unknown %s %s; docs/configuration.md lists all that there are", what, e.name)
}

// sentences returns what may be shown of every error that err joins.
func sentences(err error) (list []string) {
	switch e := err.(type) {
	case nil:
	case *fault.Error:
		list = []string{fault.Message(e)}
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			list = append(list, sentences(each)...)
		}
	default:
		list = []string{fault.Message(err)}
	}
	return list
}
