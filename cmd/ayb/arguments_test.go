package main

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// grammar returns the commands as kong has them.
func grammar() *kong.Application {
	exited := 0
	return newParser(&commands{}, surrounding{out: io.Discard, errout: io.Discard}, &exited).Model
}

func TestArguments_are_handed_on_in_one_form(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"client list a", "client list -- a"},
		{"client --url u --token= list a --format csv", "client --url=u --token= list --format=csv -- a"},
		{"client --url=u=v list --format=csv a", "client --url=u=v list --format=csv -- a"},
		{"client create-database a/b sqlite no-access", "client create_database -- a/b sqlite no-access"},
		{"client update_profile a --links x y --location z", "client update_profile --links=[\"x\",\"y\"] --location=z -- a"},
		{"client update_profile a --links", "client update_profile --links=[] -- a"},
		{"client update_profile a --links x,y", "client update_profile --links=[\"x,y\"] -- a"},
		{"client update_profile --links x --links=y a --links z --links", "client update_profile --links=[\"x\",\"y\",\"z\"] -- a"},
		{"client update_profile --links x -- a", "client update_profile --links=[\"x\"] -- a"},
		{"client query a/b -- --x", "client query -- a/b --x"},
		{"client query a/b -1", "client query -- a/b -1"},
		{"client query a/b --param x=1 --param=y=2", "client query --param=x=1 --param=y=2 -- a/b"},
		{"client delete-database --yes a/b", "client delete_database --yes -- a/b"},
		{"client --help", "client --help"},
		{"client list --help --nonsense", "client list --help"},
		{"help client list", "client list --help"},
		{"client help", "client --help"},
		{"-V", "--version"},
	} {
		got, err := readArguments(grammar(), strings.Fields(test.args))
		// The name of a command ends where its options begin, wherever those stood.
		if want := strings.Fields(test.want); err != nil || !sameLine(got, want) {
			t.Errorf("%s: %q, want %q; %v", test.args, got, want, err)
		}
	}
}

// sameLine compares command lines; kong takes options at any place.
func sameLine(a, b []string) bool {
	return reflect.DeepEqual(sorted(a), sorted(b))
}

func sorted(line []string) (parts [3][]string) {
	for i, word := range line {
		switch {
		case word == "--":
			parts[2] = line[i+1:]
			return parts
		case strings.HasPrefix(word, "-"):
			parts[1] = append(parts[1], word)
		default:
			parts[0] = append(parts[0], word)
		}
	}
	return parts
}

func TestArguments_that_mean_nothing_are_refused(t *testing.T) {
	for _, args := range []string{
		"nonsense", "client nonsense", "client", "client list", "client list a b", "client list --format a", "client list a --format",
		"client list a --format xml", "client query ab", "client --url", "client list a --url u", "client --url u --url v list a",
		"client delete_database a/b --yes=no", "client update_database a/b", "client list a -x", "client list a --", "help nonsense",
		"client query a/b --param x", "client query a/b \xff", "client query a/b --id short", "client list a --format csv --format csv",
	} {
		line, err := readArguments(grammar(), strings.Fields(args))
		if args == "client list a --" { // only that options are over
			if err != nil {
				t.Errorf("%s: %v", args, err)
			}
			continue
		}
		if !errors.As(err, new(*usageError)) {
			t.Errorf("%s became %q; %v", args, line, err)
		}
	}
}

// Whatever is typed is understood or refused as a whole, and kong has nothing to
// add to what is understood.
func FuzzArguments(f *testing.F) {
	for _, line := range []string{"client\nlist\na\n--format=csv", "client\nupdate_profile\na\n--links\nx\n--", "help\nclient", "-V", "client\nquery\na/b\n--param\nx:=1"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		exited := -1
		parser := newParser(&commands{}, surrounding{out: io.Discard, errout: io.Discard}, &exited)
		line, err := readArguments(parser.Model, strings.Split(text, "\n"))
		if err != nil {
			if !errors.As(err, new(*usageError)) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if _, err := parser.Parse(line); err != nil && exited < 0 && len(line) > 0 {
			t.Fatalf("%q became %q, of which kong says: %v", text, line, err)
		}
	})
}
