package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3/driver"
)

// runCommand runs the program within the test.
func runCommand(environ []string, args ...string) (status int, out, errout string) {
	var o, e bytes.Buffer
	status = run(args, surrounding{environ: environ, in: strings.NewReader(""), out: &o, errout: &e})
	return status, o.String(), e.String()
}

func TestCommand_usage(t *testing.T) {
	for _, test := range []struct {
		args        []string
		status      int
		out, errout string // patterns; empty: nothing
	}{
		{args: nil, status: 0, errout: `(?s)Usage: ayb <COMMAND>.*default_server_config`},
		{args: []string{"--help"}, status: 0, out: `Usage: ayb <COMMAND>`},
		{args: []string{"server", "--help"}, status: 0, out: `Usage: ayb server \[OPTIONS\]`},
		{args: []string{"--version"}, status: 0, out: `^ayb \d+\.\d+\.\d+ \(commit .+, SQLite \d+\.\d+\.\d+\)\n$`},
		{args: []string{"-V"}, status: 0, out: `^ayb \d`},
		{args: []string{"serve"}, status: 2, errout: `^error: unrecognized subcommand 'serve'\n\n  tip: a similar subcommand exists: 'server'\n`},
		{args: []string{"server", "--confg", "1"}, status: 2, errout: `^error: unexpected argument '--confg' found\n\n  tip: a similar argument exists: '--config'\n\nUsage: ayb server \[OPTIONS\]\n\nFor more information, try '--help'\.\n$`},
		{args: []string{"server", "--config"}, status: 2, errout: `^error: a value is required for '--config <FILE>' but none was supplied\n`},
		{args: []string{"config"}, status: 2, errout: `^error: 'ayb config' requires a subcommand but one was not provided\n  \[subcommands: check, help\]\n`},
		{args: []string{"config", "check", "--config", ""}, status: 1, errout: `^Error: The name of the configuration file is empty`},
		{args: []string{"config", "check", "--config", "none.toml"}, status: 1, errout: `^Error: The configuration file none.toml does not exist; make one with: ayb default_server_config > none.toml\n$`},
	} {
		status, out, errout := runCommand(nil, test.args...)
		if status != test.status || !matches(test.out, out) || !matches(test.errout, errout) {
			t.Errorf("ayb %v: exit status %d\nstdout: %s\nstderr: %s", test.args, status, out, errout)
		}
	}
}

// matches reports whether a text matches a pattern; an empty pattern is an empty
// text.
func matches(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	return regexp.MustCompile(pattern).MatchString(text)
}

func TestCommand_config_check(t *testing.T) {
	t.Chdir(t.TempDir())
	if status, out, _ := runCommand([]string{"AYB__PORT=1"}, "config", "check"); status != 0 || out != "The configuration is fine: there is no ayb.toml, 1 setting is set, and all else is by default.\n" {
		t.Errorf("without a file: %d %s", status, out)
	}
	if err := os.WriteFile("other.toml", []byte("port = 1\nhost = 'a'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, _ := runCommand(nil, "config", "check", "--config", "other.toml"); status != 0 || out != "The configuration in other.toml is fine: 2 settings are set.\n" {
		t.Errorf("with a file: %d %s", status, out)
	}
	status, out, errout := runCommand([]string{"AYB__PORT=x", "AYB__PROT=1"}, "config", "check")
	const want = `Error: The configuration has 2 problems:
  AYB__PORT: the value must be a whole number, from 0 to 65535
  AYB__PROT: there is no such setting; did you mean AYB__PORT?
`
	if status != 1 || out != "" || errout != want {
		t.Errorf("with problems: %d %s%s", status, out, errout)
	}
}

func TestCommand_config_file_is_named_by_the_environment(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AYB_SERVER_CONFIG_FILE", "named.toml")
	if err := os.WriteFile("named.toml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errout := runCommand(nil, "config", "check"); status != 0 || !strings.Contains(out, "named.toml") {
		t.Errorf("%d %s%s", status, out, errout)
	}
}

func TestVersion_names_the_SQLite_that_is_linked(t *testing.T) {
	db, err := driver.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var linked string
	if err := db.QueryRow("SELECT sqlite_version()").Scan(&linked); err != nil {
		t.Fatal(err)
	}
	if linked != sqliteVersion {
		t.Errorf("SQLite is %s, and sqliteVersion says %s", linked, sqliteVersion)
	}
}
