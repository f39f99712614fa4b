package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ayb/client"
	"ayb/fault"
)

// importCommand is "ayb client import".
type importCommand struct {
	databaseArgument
	File    string `arg:"" name:"file" complete:"file" help:"The file to read; - for the standard input."`
	Format  string `name:"format" enum:"auto,sqlite,sql,csv,tsv,jsonl" default:"auto" placeholder:"FORMAT" help:"sqlite, a SQLite file, or sql, a text of SQL; with --table csv, tsv or jsonl. auto looks at the file and its name."`
	Replace bool   `name:"replace" help:"Replace what the database has; that can be undone."`
	Table   string `name:"table" placeholder:"TABLE" help:"Add the rows of a table to this one, which is made if it is not there."`
	Header  string `name:"header" enum:"auto,yes,no" default:"auto" placeholder:"WHEN" help:"Whether the first line of csv and tsv names the columns: yes, no or auto."`
}

// Help shows how it is used.
func (importCommand) Help() string {
	return `The database is created if it does not exist. One that has been written is left alone, unless you say --replace: then the file takes
the place of all that is in it, and the hint says how to undo that. With --table, rows are added to a table of a database that is
there. Nothing is changed if there is anything wrong with the file.

Examples:
  ayb client import marcua/test.sqlite backup.sqlite
  ayb client import marcua/test.sqlite backup.sqlite --replace
  sqlite3 old.sqlite .dump | ayb client import marcua/old.sqlite -
  ayb client import marcua/test.sqlite places.csv --table place`
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
		cmd.Format = cmd.guess(buffered)
	}
	if isTable := slices.Contains(tableFormats, cmd.Format); isTable != (cmd.Table != "") {
		if isTable {
			return &usageError{message: "rows in " + cmd.Format + " need '--table <TABLE>' to go to"}
		}
		return &usageError{message: "the argument '--table <TABLE>' is for csv, tsv and jsonl; say which with '--format <FORMAT>'"}
	}
	if cmd.Replace && cmd.Table != "" {
		return &usageError{message: "the argument '--replace' is for whole databases; rows are added to a table"}
	}
	if cmd.Table != "" {
		return cmd.rows(c, buffered, name, size)
	}
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	if !cmd.Replace {
		c.advise(fault.Conflict, "--replace puts the file in the place of what is there, which can be undone; or import under another name")
	}
	shown := c.transfer(max(size, 0))
	defer shown.end()
	imported, err := api.Import(c.ctx, cmd.ref(), io.TeeReader(buffered, shown), &client.ImportOptions{
		Format: cmd.Format, Length: max(size, 0), Replace: cmd.Replace,
	})
	if err != nil {
		return err
	}
	shown.end()
	c.say("Imported %s into %s", name, cmd.Database)
	cmd.hintUndo(c, imported.Undo)
	return nil
}

// tableFormats are the formats of rows.
var tableFormats = []string{"csv", "tsv", "jsonl"}

// guess returns the format of a file by its beginning and its name.
func (cmd importCommand) guess(r *bufio.Reader) string {
	head, _ := r.Peek(16)
	if bytes.Equal(head, []byte("SQLite format 3\x00")) {
		return client.FormatSQLite
	}
	switch ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(cmd.File), ".")); {
	case slices.Contains(tableFormats, ext):
		return ext
	case ext == "ndjson":
		return "jsonl"
	case cmd.Table != "" && bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")):
		return "jsonl"
	case cmd.Table != "":
		return "csv"
	}
	return client.FormatSQL
}

// rows adds the rows of a file to a table.
func (cmd importCommand) rows(c *connection, r io.Reader, name string, size int64) error {
	c.adviseOn(cmd.Database)
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	shown := c.transfer(max(size, 0))
	defer shown.end()
	into := client.TableImport{Table: cmd.Table, Format: cmd.Format, Header: cmd.Header}
	n, err := api.ImportTable(c.ctx, cmd.ref(), into, io.TeeReader(r, shown), size)
	if err != nil {
		return err
	}
	shown.end()
	c.say("Imported %d rows of %s into %s of %s", n, name, cmd.Table, cmd.Database)
	return nil
}
