package main

import (
	"bufio"
	"bytes"
	"io"
	"os"

	"ayb/client"
	"ayb/fault"
)

// importCommand is "ayb client import".
type importCommand struct {
	databaseArgument
	File   string `arg:"" name:"file" complete:"file" help:"The file to read; - for the standard input."`
	Format string `name:"format" enum:"auto,sqlite,sql" default:"auto" placeholder:"FORMAT" help:"sqlite, a SQLite file, or sql, a text of SQL; auto looks."`
}

// Help shows how it is used.
func (importCommand) Help() string {
	return `The database is created if it does not exist. One that has been written is left alone: import under another name, and rename
the two. Nothing is made if there is anything wrong with the file.

Examples:
  ayb client import marcua/test.sqlite backup.sqlite
  sqlite3 old.sqlite .dump | ayb client import marcua/old.sqlite -`
}

// Run makes a database of a file.
func (cmd importCommand) Run(c *connection) error {
	in, size, name := c.in, int64(-1), "the standard input"
	if cmd.File != "-" {
		name = cmd.File
		file, err := os.Open(cmd.File)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "The file %s can't be read: %s", cmd.File, reason(err))
		}
		defer file.Close()
		info, err := file.Stat()
		switch {
		case err != nil:
			return fault.Wrap(fault.Invalid, err, "The file %s can't be read: %s", cmd.File, reason(err))
		case info.IsDir():
			return fault.New(fault.Invalid, "%s is a directory; name a file", cmd.File)
		case info.Mode().IsRegular():
			size = info.Size()
		}
		in = file
	}
	buffered := bufio.NewReaderSize(in, 64<<10)
	if cmd.Format == "auto" {
		cmd.Format = client.FormatSQL
		if head, _ := buffered.Peek(16); bytes.Equal(head, []byte("SQLite format 3\x00")) {
			cmd.Format = client.FormatSQLite
		}
	}
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	c.advise(fault.Conflict, "import under another name; rename_database can change both afterwards")
	shown := c.transfer(max(size, 0))
	defer shown.end()
	if err := api.Import(c.ctx, cmd.ref(), cmd.Format, io.TeeReader(buffered, shown), size); err != nil {
		return err
	}
	shown.end()
	c.say("Imported %s into %s", name, cmd.Database)
	return nil
}
