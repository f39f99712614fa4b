package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// environmentPrefix begins the names of variables that are settings.
const environmentPrefix = "AYB__"

// variableOf returns the name of the variable for a setting.
func variableOf(name string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "__"))
}

// settingOf returns the name of the setting for a variable, whatever its case.
func settingOf(variable string) (name string, ok bool) {
	if len(variable) < len(environmentPrefix) || !strings.EqualFold(variable[:len(environmentPrefix)], environmentPrefix) {
		return "", false
	}
	return strings.ReplaceAll(strings.ToLower(variable[len(environmentPrefix):]), "__", "."), true
}

// applyEnvironment takes the variables that are settings, over what a file has
// said. environ is as os.Environ returns it.
func (t *settingTable) applyEnvironment(environ []string) {
	by := map[*setting]string{} // the variable that has set it
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		variable, text, _ := strings.Cut(pair, "=")
		name, ok := settingOf(variable)
		if !ok {
			continue
		}
		s := t.byName[name]
		switch {
		case s == nil:
			t.unknownVariable(variable, name)
		case by[s] != "":
			t.problem(variable, "means the same as %s; remove one of them", by[s])
		case !utf8.ValidString(text):
			t.problem(variable, "must be UTF-8")
		default:
			by[s] = variable
			t.set(s, variable, "the value", func() error { return s.value.fromText(text) })
		}
	}
}

func (t *settingTable) unknownVariable(variable, name string) {
	if best := nearest(name, t.names); best != "" {
		t.problem(variable, "there is no such setting; did you mean %s?", variableOf(best))
		return
	}
	t.problem(variable, "there is no such setting; docs/configuration.md lists all that there are")
}
