package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// exportCommand is "ayb client export".
type exportCommand struct {
	databaseArgument
	File   *string `arg:"" optional:"" name:"file" complete:"file" help:"The file to write; - for the standard output. Without it, a file in this directory with the database's name."`
	Format string  `name:"format" enum:"sqlite,sql" default:"sqlite" placeholder:"FORMAT" help:"sqlite, a SQLite file, or sql, statements that make the database anew."`
	Force  bool    `name:"force" help:"Replace a file that is there."`
}

// Help shows how it is used.
func (exportCommand) Help() string {
	return `The database is saved as it is at one moment; whoever works on it is not held up. The file is there once it is complete.

Examples:
  ayb client export marcua/test.sqlite
  ayb client export marcua/test.sqlite backup.sqlite --force
  ayb client export marcua/test.sqlite - --format sql | sqlite3 copy.sqlite`
}

// Run saves a database.
func (cmd exportCommand) Run(c *connection) error {
	c.adviseOn(cmd.Database)
	name := cmd.file()
	if name == "-" && cmd.Format == client.FormatSQLite && isTerminal(c.out) {
		return &usageError{message: "a SQLite file is nothing for a terminal; name a FILE, or use --format sql"}
	}
	if err := cmd.spare(name); err != nil {
		return err
	}
	api, err := c.anybody()
	if err != nil {
		return err
	}
	shown := c.transfer(0)
	defer shown.end()
	if name == "-" {
		_, err := api.Export(c.ctx, cmd.ref(), cmd.Format, io.MultiWriter(c.out, shown))
		return err
	}
	file, err := createOutput(name)
	if err != nil {
		return err
	}
	n, err := api.Export(c.ctx, cmd.ref(), cmd.Format, io.MultiWriter(file, shown))
	if err == nil {
		err = cmd.spare(name) // a file may have come meanwhile
	}
	if err != nil {
		file.discard()
		return err
	}
	if err := file.commit(); err != nil {
		return err
	}
	shown.end()
	c.say("Exported %s to %s (%s)", cmd.Database, name, readable(n))
	return nil
}

// file returns the name of the file to write.
func (cmd exportCommand) file() string {
	if cmd.File != nil {
		return *cmd.File
	}
	name := string(cmd.Database)
	if ref, err := catalog.ParseRef(name); err == nil {
		name = string(ref.Database)
	}
	if cmd.Format == client.FormatSQL {
		return strings.TrimSuffix(name, ".sqlite") + ".sql"
	}
	return name
}

// spare refuses to replace a file, unless that was asked for. Devices and pipes are
// not replaced.
func (cmd exportCommand) spare(name string) error {
	if cmd.Force || name == "-" {
		return nil
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.Mode().IsRegular() && !info.IsDir():
		return nil
	case err != nil:
		return fault.Wrap(fault.Invalid, err, "The file %s can't be written: %s", name, reason(err))
	case info.IsDir():
		return fault.New(fault.Invalid, "%s is a directory; name a file", name)
	}
	return fault.New(fault.Exists, "The file %s is there already; name another one, or replace it with --force", name)
}

// transfer shows how far a file is, if a person watches the standard error; else it
// is nil.
func (c *connection) transfer(total int64) *progress {
	if !isTerminal(c.errout) || c.isDumb() {
		return nil
	}
	return beginTransfer(c.errout, total)
}
