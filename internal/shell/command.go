package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"ayb/fault"
	"ayb/internal/distance"
	"ayb/internal/format"
)

// errQuit ends a session.
var errQuit = errors.New("quit")

// A command is what a line with a dot at its beginning does.
type command struct {
	name, args, help string
	// run gets what stands behind the name, without blanks around it.
	run func(ctx context.Context, s *session, rest string, depth int) error
}

// commands returns all commands in the order of .help.
func commands() []command {
	return []command{
		{".tables", "[PATTERN]", "list tables and views", tables},
		{".schema", "[TABLE]", "show the statements that made tables", schemaOf},
		{".indexes", "[TABLE]", "list indexes", indexes},
		{".mode", "[MODE]", "table, csv, json, jsonl, line or auto (table if it fits)", setMode},
		{".headers", "on|off", "names above tables and CSV", func(_ context.Context, s *session, rest string, _ int) error {
			names := !s.noHeader
			err := s.toggle(".headers", rest, &names)
			s.noHeader = !names
			return err
		}},
		{".timer", "on|off", "say how long a statement took", func(_ context.Context, s *session, rest string, _ int) error {
			return s.toggle(".timer", rest, &s.timer)
		}},
		{".pager", "on|off", "page what is larger than the screen", func(_ context.Context, s *session, rest string, _ int) error {
			return s.toggle(".pager", rest, &s.paging)
		}},
		{".param", "set NAME VALUE", "give :NAME a value; also unset NAME, list, clear", param},
		{".read", "FILE", "run the statements in a file", read},
		{".output", "[FILE]", "send results to a file, or to the screen again", func(_ context.Context, s *session, rest string, _ int) error {
			return s.redirect(".output", rest, false)
		}},
		{".once", "FILE", "send the next result to a file", func(_ context.Context, s *session, rest string, _ int) error {
			if rest == "" {
				return usage(".once", "FILE")
			}
			return s.redirect(".once", rest, true)
		}},
		{".help", "", "this list", help},
		{".quit", "", "end the session, like .exit and Ctrl-D", quit},
		{".exit", "", "", quit},
	}
}

// isCommand reports whether a line, where a statement may begin, is a command.
func isCommand(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), ".") }

// command runs a line that is a command. Errors: [fault.Invalid] and those of
// the database; errQuit.
func (s *session) command(ctx context.Context, line string, depth int) error {
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if head, tail, ok := strings.Cut(verb, "\t"); ok {
		verb, rest = head, tail+" "+rest
	}
	verb = strings.ToLower(strings.TrimSuffix(verb, ";"))
	var names []string
	for _, c := range commands() {
		if c.name == verb {
			return c.run(ctx, s, strings.TrimSpace(rest), depth)
		}
		names = append(names, c.name)
	}
	suggestion := "; .help lists the commands"
	if name := nearest(verb, names); name != "" {
		suggestion = "; did you mean " + name + "? .help lists the commands"
	}
	return fault.New(fault.Invalid, "There is no command %s%s", format.Visible(verb), suggestion)
}

func usage(name, args string) error {
	return fault.New(fault.Invalid, "Usage: %s %s", name, args)
}

// argument returns the one argument of a command, without quotes around it.
func argument(rest string) string {
	if n := len(rest); n > 1 && (rest[0] == '\'' || rest[0] == '"') && rest[n-1] == rest[0] {
		return rest[1 : n-1]
	}
	return strings.TrimSuffix(rest, ";")
}

// toggle sets a switch, or shows it.
func (s *session) toggle(name, rest string, on *bool) error {
	switch strings.ToLower(argument(rest)) {
	case "on", "yes", "1", "true":
		*on = true
	case "off", "no", "0", "false":
		*on = false
	case "":
		word := "off"
		if *on {
			word = "on"
		}
		return s.say("%s %s\n", name, word)
	default:
		return usage(name, "on|off")
	}
	return nil
}

// say writes to the screen.
func (s *session) say(text string, args ...any) error {
	_, err := fmt.Fprintf(s.cfg.Stdout, text, args...)
	return err
}

func setMode(_ context.Context, s *session, rest string, _ int) error {
	if rest == "" {
		return s.say(".mode %s\n", s.mode)
	}
	mode, err := format.ParseMode(argument(rest))
	if err == nil {
		s.mode = mode
	}
	return err
}

func param(_ context.Context, s *session, rest string, _ int) error {
	verb, rest, _ := strings.Cut(rest, " ")
	paramName, value, given := strings.Cut(strings.TrimSpace(rest), " ")
	switch {
	case strings.EqualFold(verb, "set") && given:
		arg, err := ParseParameter(paramName, strings.TrimSpace(value))
		if err == nil {
			s.parameters.set(arg)
		}
		return err
	case strings.EqualFold(verb, "unset") && paramName != "":
		if !s.parameters.unset(bareName(paramName)) {
			return fault.New(fault.Invalid, "No parameter %s is set; .param list shows those that are", format.Visible(paramName))
		}
		return nil
	case strings.EqualFold(verb, "clear"):
		s.parameters = nil
		return nil
	case strings.EqualFold(verb, "list") || verb == "":
		return s.listParameters()
	}
	return usage(".param", "set NAME VALUE | unset NAME | list | clear")
}

func (s *session) listParameters() error {
	if len(s.parameters) == 0 {
		return s.say("No parameters are set\n")
	}
	w := format.New(format.Table, s.cfg.Stdout, format.Options{Terminal: true, BlobLiterals: true})
	err := w.Columns(format.Names("Name", "Type", "Value"))
	for _, arg := range s.parameters {
		if err == nil {
			err = w.Row(format.Strings{":" + arg.Name, arg.Value.Type().String(), arg.Value.String()})
		}
	}
	return errors.Join(err, w.End())
}

func read(ctx context.Context, s *session, rest string, depth int) error {
	path := argument(rest)
	if path == "" {
		return usage(".read", "FILE")
	}
	f, err := os.Open(path)
	if err != nil {
		return fileFault("read", path, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fault.New(fault.Invalid, "Can't read %s: it is a directory", format.Visible(path))
	}
	err = s.script(ctx, f, depth+1)
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return &fault.Error{Kind: e.Kind, Message: format.Visible(path) + ": " + e.Message, Code: e.Code, Statement: e.Statement, Err: err}
	}
	return err
}

func (s *session) redirect(name, rest string, once bool) error {
	path := argument(rest)
	if strings.HasPrefix(path, "|") {
		return fault.New(fault.Invalid, "%s writes to a file; pipe the output of a program that runs the query instead", name)
	}
	return s.output.to(path, once)
}

func help(_ context.Context, s *session, _ string, _ int) error {
	w := tabwriter.NewWriter(s.cfg.Stdout, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		if c.help != "" {
			fmt.Fprintf(w, "%s %s\t%s\n", c.name, c.args, c.help)
		}
	}
	fmt.Fprintln(w, "Ctrl-C\tcancel the statement, or drop what was typed")
	if err := w.Flush(); err != nil {
		return err
	}
	return s.say("A statement may take many lines; it ends with a semicolon.\nFrom BEGIN to COMMIT all is sent at once.\n")
}

func quit(context.Context, *session, string, int) error { return errQuit }

// nearest returns the name that differs least from the one given, or that it
// abbreviates; empty if none comes near.
func nearest(given string, names []string) string {
	best, least := "", max(2, len(given)/3)+1
	for _, candidate := range names {
		if len(given) > 2 && strings.HasPrefix(candidate, given) {
			return candidate
		}
		if d := distance.Edits(given[:min(len(given), 50)], candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}
