package main

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"ayb/fault"
)

// An argumentReader reads a command line word by word against the grammar, which
// kong has made of the commands. It finds every mistake, in the words that scripts
// know, and hands on a line in a form about which kong has no questions. Halfway
// through a line it knows what may follow, which is what completion asks it.
//
// What it adds to kong: a hyphen is the same as an underscore in the names of
// commands and options; an option belongs to the command it stands behind; the
// tag greedy makes an option take all words up to the next option; "help" is a
// command wherever there are commands.
type argumentReader struct {
	node    *kong.Node   // the command so far
	pending *kong.Flag   // the option that takes the next word
	greedy  *kong.Flag   // the option that takes words up to the next option
	plain   bool         // after "--": no more options
	helping bool         // after "help": words name the command to explain
	given   []givenValue // in order
	stop    *kong.Flag   // --help or --version: the rest does not matter
}

// A givenValue is an option or an argument with the text that was given for it.
type givenValue struct {
	value *kong.Value
	texts []string
}

// readArguments reads a whole command line and returns it as kong is to read it.
// Errors: *usageError.
func readArguments(root *kong.Application, args []string) ([]string, error) {
	r := &argumentReader{node: root.Node}
	for _, arg := range args {
		if err := r.read(arg); err != nil {
			return nil, err
		}
		if r.stop != nil {
			return append(r.path(), "--"+r.stop.Name), nil
		}
	}
	if r.helping {
		return append(r.path(), "--help"), nil
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.line(), nil
}

// read takes the next word.
func (r *argumentReader) read(arg string) error {
	option := !r.plain && isOption(arg)
	switch {
	case !utf8.ValidString(arg): // kong would change it without a word
		return r.wrong("invalid UTF-8 was detected in one or more arguments")
	case r.helping:
		return r.enter(arg)
	case r.pending != nil && option:
		return r.valueMissing(r.pending)
	case r.pending != nil:
		flag := r.pending
		r.pending = nil
		return r.take(flag.Value, arg)
	case option:
		r.greedy = nil
		return r.option(arg)
	case r.greedy != nil:
		return r.take(r.greedy.Value, arg)
	case !r.node.Leaf():
		return r.command(arg)
	}
	return r.argument(arg)
}

// isOption tells an option from a value that happens to begin with a hyphen: a
// negative number, or SQL that begins with a comment.
func isOption(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' {
		return false
	}
	name, _, _ := strings.Cut(arg, "=")
	if strings.ContainsFunc(name, unicode.IsSpace) {
		return false
	}
	return arg[1] == '-' || unicode.IsLetter(rune(arg[1]))
}

func (r *argumentReader) option(arg string) error {
	if arg == "--" {
		r.plain = true
		return nil
	}
	name, text, hasText := strings.Cut(arg, "=")
	flag := r.find(name)
	switch {
	case flag == nil:
		return r.unknownOption(name)
	case flag.Name == "help" || flag.Name == "version":
		r.stop = flag
		return nil
	case flag.IsBool() && hasText:
		return r.wrong("unexpected value '%s' for '%s' found; no more were expected", text, optionName(flag))
	case r.has(flag.Value) && !repeatable(flag):
		return r.wrong("the argument '%s' cannot be used multiple times", optionWithValue(flag))
	case flag.IsBool():
		r.given = append(r.given, givenValue{value: flag.Value})
		return nil
	case flag.Tag.Has("greedy") && !hasText:
		r.greedy = flag
		r.expect(flag.Value)
		return nil
	case !hasText:
		r.pending = flag
		return nil
	}
	return r.take(flag.Value, text)
}

// repeatable reports whether an option may be given several times.
func repeatable(flag *kong.Flag) bool { return flag.IsSlice() || flag.Tag.Has("greedy") }

// expect notes that a greedy option was given, perhaps with no words at all.
func (r *argumentReader) expect(value *kong.Value) {
	if !r.has(value) {
		r.given = append(r.given, givenValue{value: value})
	}
}

// find returns the option of the command so far that has a name, with its
// hyphens; nil if there is none.
func (r *argumentReader) find(name string) *kong.Flag {
	for _, flag := range r.options() {
		if optionName(flag) == underscored(name) || len(name) == 2 && flag.Short == rune(name[1]) {
			return flag
		}
	}
	return nil
}

// options returns what may be given behind the command so far.
func (r *argumentReader) options() (flags []*kong.Flag) {
	for _, flag := range r.node.Flags {
		if !flag.Hidden {
			flags = append(flags, flag)
		}
	}
	if r.node.Parent != nil { // --help belongs to every command; kong gives it to the root only
		for node := r.node; node != nil; node = node.Parent {
			for _, flag := range node.Flags {
				if node.Parent == nil && flag.Name == "help" {
					flags = append(flags, flag)
				}
			}
		}
	}
	return flags
}

// underscored returns the name of an option or a command as it is spelled here.
func underscored(name string) string {
	trimmed := strings.TrimLeft(name, "-")
	return name[:len(name)-len(trimmed)] + strings.ReplaceAll(trimmed, "-", "_")
}

func (r *argumentReader) command(arg string) error {
	if arg == "help" {
		r.helping = true
		return nil
	}
	return r.enter(arg)
}

// enter goes on to a command within the command so far.
func (r *argumentReader) enter(arg string) error {
	for _, child := range r.node.Children {
		if child.Name == underscored(arg) {
			r.node = child
			return nil
		}
	}
	return r.unknownCommand(arg)
}

func (r *argumentReader) argument(arg string) error {
	value := r.nextArgument()
	if value == nil {
		return r.wrong("unexpected argument '%s' found", arg)
	}
	return r.take(value, arg)
}

// nextArgument returns the argument that a word without an option would be; nil
// if there are enough.
func (r *argumentReader) nextArgument() *kong.Value {
	for _, value := range r.node.Positional {
		if !r.has(value) || value.IsSlice() {
			return value
		}
	}
	return nil
}

func (r *argumentReader) has(value *kong.Value) bool {
	return slices.ContainsFunc(r.given, func(g givenValue) bool { return g.value == value })
}

// take keeps the text of a value, if it is one.
func (r *argumentReader) take(value *kong.Value, text string) error {
	if err := r.check(value, text); err != nil {
		return err
	}
	if i := slices.IndexFunc(r.given, func(g givenValue) bool { return g.value == value }); i >= 0 && value.Tag.Has("greedy") {
		r.given[i].texts = append(r.given[i].texts, text)
		return nil
	}
	r.given = append(r.given, givenValue{value: value, texts: []string{text}})
	return nil
}

// check tries whether a text is a value of its type.
func (r *argumentReader) check(value *kong.Value, text string) error {
	if possible := enumOf(value); possible != nil && !slices.Contains(possible, text) {
		return r.notPossible(value, text)
	}
	if value.Tag.Has("greedy") {
		return nil
	}
	target := reflect.New(value.Target.Type()).Elem()
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
	}
	scan := kong.ScanFromTokens(kong.Token{Value: text, Type: kong.FlagValueToken})
	err := value.Mapper.Decode(&kong.DecodeContext{Value: value, Scan: scan}, target)
	if err == nil {
		return nil
	}
	reason := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		reason = f.Message
	}
	return r.invalid(value, text, ": "+reason)
}

// enumOf returns the texts that a value may be; nil if it may be any. That an
// option may be left out is an empty text to kong, and is none here.
func enumOf(value *kong.Value) []string {
	if value.Enum == "" {
		return nil
	}
	return slices.DeleteFunc(value.EnumSlice(), func(text string) bool { return text == "" })
}

// finish finds what is missing at the end.
func (r *argumentReader) finish() error {
	if r.pending != nil {
		return r.valueMissing(r.pending)
	}
	if !r.node.Leaf() && r.node.Parent != nil {
		return r.commandMissing()
	}
	var missing []string
	for _, flag := range r.node.Flags {
		if flag.Required && !r.has(flag.Value) {
			missing = append(missing, optionWithValue(flag))
		}
	}
	for _, value := range r.node.Positional {
		if value.Required && !r.has(value) {
			missing = append(missing, "<"+value.Name+">")
		}
	}
	if missing != nil {
		return r.missing(missing)
	}
	return nil
}

// path returns the names of the commands so far.
func (r *argumentReader) path() (names []string) {
	for node := r.node; node.Parent != nil; node = node.Parent {
		names = append(names, node.Name)
	}
	slices.Reverse(names)
	return names
}

// line returns the command line for kong: commands, options, arguments.
func (r *argumentReader) line() []string {
	line := r.path()
	var arguments []string
	for _, g := range r.given {
		switch {
		case g.value.Flag == nil:
			arguments = append(arguments, g.texts...)
		case g.value.Tag.Has("greedy"):
			list, err := json.Marshal(append([]string{}, g.texts...))
			if err != nil {
				panic(err) // strings are always JSON
			}
			line = append(line, "--"+g.value.Name+"="+string(list))
		case g.texts == nil:
			line = append(line, "--"+g.value.Name)
		default:
			line = append(line, "--"+g.value.Name+"="+g.texts[0])
		}
	}
	if arguments != nil {
		line = append(append(line, "--"), arguments...)
	}
	return line
}
