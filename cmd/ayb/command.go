package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"ayb/fault"
)

// The exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// The commands are what can be typed after "ayb".
type commands struct {
	Version kong.VersionFlag `short:"V" help:"Print the version."`

	Server              serverCommand        `cmd:"" help:"Run the server. It needs no configuration to begin with."`
	DefaultServerConfig defaultConfigCommand `cmd:"" name:"default_server_config" help:"Print a configuration to start from, with a fresh key."`
	Config              struct {
		Check checkCommand `cmd:"" help:"Check the configuration, and report all of its problems."`
	} `cmd:"" help:"Work with the configuration."`
	Doctor doctorCommand `cmd:"" help:"Look at everything the server needs, and say what to do. Changes nothing."`
	Health healthCommand `cmd:"" help:"Ask the server of this configuration whether it answers."`
}

// A configFlag names the configuration file.
type configFlag struct {
	Config *string `placeholder:"FILE" env:"AYB_SERVER_CONFIG_FILE" help:"The configuration file (default: ./ayb.toml, if it is there)."`
}

// A surrounding is what a command may use of the process it runs in.
type surrounding struct {
	environ     []string
	out, errout io.Writer
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

// run does what the arguments say and returns the exit status.
func run(args, environ []string, out, errout io.Writer) int {
	var cmd commands
	exited := -1
	parser, err := kong.New(&cmd,
		kong.Name("ayb"),
		kong.Description("Create databases, share them, and query them from anywhere."),
		kong.Vars{"version": versionLine()},
		kong.Writers(out, errout),
		kong.Exit(func(status int) { exited = status }),
	)
	if err != nil {
		panic(err) // the tags above are wrong
	}
	if len(args) == 0 {
		// Nothing asked, nothing answered: scripts see an empty standard output,
		// people see what there is.
		parser.Stdout = errout
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // by --help or --version
		return exited
	}
	if err != nil {
		fmt.Fprintf(errout, "Error: %v\n\nFor more information, try 'ayb --help'.\n", err)
		return exitUsage
	}
	if err := parsed.Run(surrounding{environ: environ, out: out, errout: errout}); err != nil {
		report(errout, err)
		return exitError
	}
	return exitOK
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
