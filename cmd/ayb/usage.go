package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// A usageError is a command line that means nothing. Its text is several lines
// and names what would have been right.
type usageError struct {
	message string   // one sentence
	detail  []string // lines below it
	tip     string   // what may have been meant
	usage   string   // how the command is used
}

// Error returns the text.
func (e *usageError) Error() string {
	var b strings.Builder
	b.WriteString(e.message)
	for _, line := range e.detail {
		b.WriteString("\n  " + line)
	}
	if e.tip != "" {
		b.WriteString("\n\n  tip: " + e.tip)
	}
	if e.usage != "" {
		b.WriteString("\n\nUsage: " + e.usage)
	}
	b.WriteString("\n\nFor more information, try '--help'.")
	return b.String()
}

// wrong returns an error that shows how the command is used.
func (r *argumentReader) wrong(format string, args ...any) *usageError {
	return &usageError{message: fmt.Sprintf(format, args...), usage: usageLine(r.node)}
}

func (r *argumentReader) unknownOption(name string) error {
	e := r.wrong("unexpected argument '%s' found", name)
	var names []string
	for _, flag := range r.options() {
		names = append(names, flag.Name)
	}
	if best := nearest(strings.TrimLeft(underscored(name), "-"), names); best != "" && len(name) > 2 {
		e.tip = fmt.Sprintf("a similar argument exists: '--%s'", best)
		return e
	}
	for node := r.node; node.Parent != nil; node = node.Parent {
		for _, flag := range node.Parent.Flags {
			if optionName(flag) == underscored(name) {
				e.tip = fmt.Sprintf("'%s' is an option of '%s': put it before '%s'", optionName(flag), node.Parent.FullPath(), node.Name)
			}
		}
	}
	return e
}

func (r *argumentReader) unknownCommand(name string) error {
	e := r.wrong("unrecognized subcommand '%s'", name)
	names := []string{"help"}
	for _, child := range r.node.Children {
		names = append(names, child.Name)
	}
	if best := nearest(underscored(name), names); best != "" {
		e.tip = fmt.Sprintf("a similar subcommand exists: '%s'", best)
	}
	return e
}

func (r *argumentReader) commandMissing() error {
	e := r.wrong("'%s' requires a subcommand but one was not provided", r.node.FullPath())
	var names []string
	for _, child := range r.node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	e.detail = []string{"[subcommands: " + strings.Join(append(names, "help"), ", ") + "]"}
	return e
}

func (r *argumentReader) valueMissing(flag *kong.Flag) error {
	e := &usageError{message: fmt.Sprintf("a value is required for '%s' but none was supplied", optionWithValue(flag))}
	e.detail = possible(flag.Value)
	return e
}

func (r *argumentReader) notPossible(value *kong.Value, text string) error {
	e := r.invalid(value, text, "")
	e.detail = possible(value)
	if best := nearest(text, enumOf(value)); best != "" {
		e.tip = fmt.Sprintf("a similar value exists: '%s'", best)
	}
	return e
}

// possible returns the line that lists the values there are; none if any text is
// a value.
func possible(value *kong.Value) []string {
	texts := enumOf(value)
	if texts == nil {
		return nil
	}
	return []string{"[possible values: " + strings.Join(texts, ", ") + "]"}
}

func (r *argumentReader) invalid(value *kong.Value, text, reason string) *usageError {
	return &usageError{message: fmt.Sprintf("invalid value '%s' for '%s'%s", text, valueName(value), reason)}
}

// missing returns the error for arguments that have not been given. Its usage
// shows those and the ones that were given.
func (r *argumentReader) missing(names []string) error {
	words := []string{r.node.FullPath()}
	for _, flag := range r.node.Flags {
		if flag.Required || r.has(flag.Value) {
			words = append(words, optionWithValue(flag))
		}
	}
	for _, value := range r.node.Positional {
		switch {
		case value.Required:
			words = append(words, "<"+value.Name+">")
		case r.has(value):
			words = append(words, "["+value.Name+"]")
		}
	}
	return &usageError{
		message: "the following required arguments were not provided:",
		detail:  names,
		usage:   strings.Join(words, " "),
	}
}

// usageLine returns how a command is used.
func usageLine(node *kong.Node) string {
	words := []string{node.FullPath()}
	var required []string
	optional := false
	for _, flag := range node.Flags {
		switch {
		case flag.Required:
			required = append(required, optionWithValue(flag))
		case !flag.Hidden && flag.Name != "help" && flag.Name != "version":
			optional = true
		}
	}
	if optional {
		words = append(words, "[OPTIONS]")
	}
	words = append(words, required...)
	for _, value := range node.Positional {
		if value.Required {
			words = append(words, "<"+value.Name+">")
		} else {
			words = append(words, "["+value.Name+"]")
		}
	}
	if !node.Leaf() {
		words = append(words, "<COMMAND>")
	}
	return strings.Join(words, " ")
}

// valueName returns how an option or an argument is called in an error.
func valueName(value *kong.Value) string {
	switch {
	case value.Flag != nil:
		return optionWithValue(value.Flag)
	case value.Required:
		return "<" + value.Name + ">"
	}
	return "[" + value.Name + "]"
}

func optionName(flag *kong.Flag) string { return "--" + flag.Name }

func optionWithValue(flag *kong.Flag) string {
	if flag.IsBool() {
		return optionName(flag)
	}
	placeholder := flag.PlaceHolder
	if placeholder == "" {
		placeholder = "value"
	}
	if flag.Tag.Has("greedy") {
		return optionName(flag) + " [<" + placeholder + ">...]"
	}
	return optionName(flag) + " <" + placeholder + ">"
}
