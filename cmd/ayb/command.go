package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"ayb/fault"
)

// The exit statuses.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitInterrupted = 128 + int(syscall.SIGINT)
	exitUnread      = 128 + 13 // what a shell says of a program that SIGPIPE has ended
)

// The commands are what can be typed after "ayb".
type commands struct {
	Version kong.VersionFlag `short:"V" help:"Print the version."`

	Client              clientCommand        `cmd:"" help:"Use a server: make databases, query and share them."`
	Server              serverCommand        `cmd:"" help:"Run the server. It needs no configuration to begin with."`
	DefaultServerConfig defaultConfigCommand `cmd:"" name:"default_server_config" help:"Print a configuration to start from, with a fresh key."`
	Config              struct {
		Check checkCommand `cmd:"" help:"Check the configuration, and report all of its problems."`
	} `cmd:"" help:"Work with the server's configuration."`
	Snapshots  snapshotsCommand  `cmd:"" help:"Find out whether snapshots can be restored; for whoever runs the server."`
	Recover    recoverCommand    `cmd:"" help:"Bring a server back from its bucket, on an empty machine; for whoever runs the server."`
	Admin      adminCommand      `cmd:"" help:"Set quotas and see who uses what; for whoever runs the server."`
	Doctor     doctorCommand     `cmd:"" help:"Look at everything the server needs, and say what to do. Changes nothing."`
	Health     healthCommand     `cmd:"" help:"Ask the server of this configuration whether it answers."`
	Completion completionCommand `cmd:"" help:"Print what makes a shell complete the commands of ayb."`
	Complete   completeCommand   `cmd:"" hidden:"" help:"Print what may follow in a command line."`
}

// A configFlag names the configuration file.
type configFlag struct {
	Config *string `placeholder:"FILE" env:"AYB_SERVER_CONFIG_FILE" help:"The configuration file (default: ./ayb.toml, if it is there)."`
}

// A surrounding is what a command may use of the process it runs in.
type surrounding struct {
	environ     []string
	in          io.Reader
	out, errout io.Writer
}

// variable returns a variable of the environment.
func (s surrounding) variable(name string) (value string, ok bool) {
	for _, pair := range s.environ {
		if rest, found := strings.CutPrefix(pair, name+"="); found {
			value, ok = rest, true // of several, the last
		}
	}
	return value, ok
}

// load reads the configuration.
func (f configFlag) load(s surrounding) (*config, error) {
	if f.Config == nil {
		return loadConfig("", s.environ)
	}
	if *f.Config == "" {
		return nil, fault.New(fault.Invalid, "The name of the configuration file is empty; leave out --config and AYB_SERVER_CONFIG_FILE for the default")
	}
	return loadConfig(*f.Config, s.environ)
}

// newParser makes the grammar of the commands. What ends the process by itself
// sets exited.
func newParser(cmd *commands, s surrounding, exited *int) *kong.Kong {
	parser, err := kong.New(cmd,
		kong.Name("ayb"),
		kong.Description("Create databases, share them, and query them from anywhere."),
		kong.Vars{"version": versionLine()},
		kong.Writers(s.out, s.errout),
		kong.Help(printHelp),
		kong.Exit(func(status int) { *exited = status }),
	)
	if err != nil {
		panic(err) // the tags of the commands are wrong
	}
	parser.Model.HelpFlag.Help = "Print help."
	return parser
}

// run does what the arguments say and returns the exit status.
func run(args []string, s surrounding) int {
	var cmd commands
	exited := -1
	printed := &checkedWriter{w: s.out}
	s.out = printed
	parser := newParser(&cmd, s, &exited)
	if len(args) == 0 {
		// Nothing asked, nothing answered: scripts see an empty standard output,
		// people see what there is.
		parser.Stdout = s.errout
		args = []string{"--help"}
	}
	line, err := readArguments(parser.Model, args)
	var parsed *kong.Context
	if err == nil {
		parsed, err = parser.Parse(line)
	}
	switch {
	case exited >= 0: // by --help or --version
		return printed.status(s.errout, exited)
	case err != nil:
		fmt.Fprintf(s.errout, "error: %s\n", visibleLines(err.Error()))
		return exitUsage
	}
	conn := &connection{surrounding: s, options: &cmd.Client}
	defer conn.close()
	err = parsed.Run(s, conn, parser)
	return printed.status(s.errout, conn.report(err))
}

// errReported ends a command that has said by itself what is wrong.
var errReported = errors.New("reported")

// report writes a failure for whoever runs the server. Unlike the people who use
// it, they may read the cause.
func report(w io.Writer, err error) {
	if errors.Is(err, errReported) {
		return
	}
	if list, ok := errors.AsType[problems](err); ok {
		fmt.Fprintf(w, "Error: %s\n", list)
		return
	}
	fmt.Fprintf(w, "Error: %s\n", strings.Join(sentences(err), "\nError: "))
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok:
		fmt.Fprintf(w, "Cause: %v\n", err)
	case f.Err != nil && (f.Kind == fault.Unavailable || f.Kind == fault.Internal):
		fmt.Fprintf(w, "Cause: %v\n", f.Err)
	}
}

// A checkedWriter remembers that something could not be written, so that nobody
// has to look after each line.
type checkedWriter struct {
	w   io.Writer
	err error // the first
}

// Write writes until it has failed once.
func (c *checkedWriter) Write(p []byte) (n int, err error) {
	if c.err == nil {
		n, c.err = c.w.Write(p)
	}
	return n, c.err
}

// status returns the exit status of a program that would otherwise end with
// another. A reader that has seen enough, as head does, is no failure to tell of.
func (c *checkedWriter) status(errout io.Writer, otherwise int) int {
	switch {
	case c.err == nil || otherwise == exitUsage:
		return otherwise
	case isBrokenPipe(c.err):
		return exitUnread
	case otherwise == exitOK:
		fmt.Fprintf(errout, "Error: The output can't be written: %s\n", reason(c.err))
		return exitError
	}
	return otherwise
}

// isBrokenPipe reports whether nobody reads any more.
func isBrokenPipe(err error) bool {
	const wsaNoData = syscall.Errno(232) // what Windows says for EPIPE
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, wsaNoData) || errors.Is(err, io.ErrClosedPipe)
}

// isInterruption reports whether a command ended because a person wanted it to.
func isInterruption(err error) bool { return errors.Is(err, context.Canceled) }

// checkCommand is "ayb config check".
type checkCommand struct{ configFlag }

// Run reads the configuration, and says which one it was.
func (cmd checkCommand) Run(s surrounding) error {
	c, err := cmd.load(s)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, c.summary())
	return nil
}
