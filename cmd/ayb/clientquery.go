package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/httpapi/wire"
	"ayb/internal/format"
	"ayb/internal/shell"
)

// queryCommand is "ayb client query".
type queryCommand struct {
	databaseArgument
	SQL *string `arg:"" optional:"" name:"query" help:"SQL, one statement or several."`
	formatOption
	Params []parameter `name:"param" placeholder:"name=value" sep:"none" help:"The value of a parameter; as often as there are parameters."`
	File   *string     `name:"file" placeholder:"FILE" complete:"file" help:"Read the SQL from a file, - for standard input, and run it statement by statement."`
	Output *string     `name:"output" placeholder:"FILE" complete:"file" help:"Write the rows to a file, which is there once it is complete."`
	ID     queryID     `name:"id" placeholder:"value" help:"What 'ayb client cancel' can name the query by: 16 to 64 letters, digits, '-', '_' and '.'."`
}

// Help shows how it is used.
func (queryCommand) Help() string {
	return `Without SQL, and with a terminal to type on, an interactive session begins; otherwise SQL is read from standard input.

A parameter :name of the SQL gets its value from --param: name=value is a text, name:=value is JSON: a number, true,
false, null, a string, {"int":"9007199254740993"} or {"blob":"base64"}.

CSV, json and jsonl flow through in little memory, whatever their size. Ctrl-C cancels the query on the server.

Examples:
  ayb client query marcua/test.sqlite "SELECT * FROM favorite_databases"
  ayb client query marcua/test.sqlite "SELECT * FROM t WHERE name = :name AND score > :least" --param name=SQLite --param least:=8
  ayb client query marcua/test.sqlite --format csv --output all.csv "SELECT * FROM t"
  ayb client query marcua/test.sqlite < schema.sql
  ayb client query marcua/test.sqlite`
}

// A parameter is the value of a parameter of SQL, as it is typed.
type parameter struct{ catalog.Arg }

// UnmarshalText reads name=text or name:=JSON.
func (p *parameter) UnmarshalText(typed []byte) error {
	name, value, ok := strings.Cut(string(typed), "=")
	name, isJSON := strings.CutSuffix(name, ":")
	if name = strings.TrimLeft(name, ":@$"); !ok || name == "" {
		return fault.New(fault.Invalid, "Argument must be formatted as 'name=text' or 'name:=JSON'")
	}
	p.Name = name
	if !isJSON {
		p.Value = catalog.TextValue(value)
		return nil
	}
	var v wire.Value
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		return fault.New(fault.Invalid, "%s", jsonReason(err))
	}
	p.Value = v.Value
	return nil
}

// jsonReason returns why a text is no value.
func jsonReason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return "What follows ':=' must be JSON; for a text leave out the colon"
}

// A queryID is what a query can be cancelled by.
type queryID string

var queryIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{16,64}$`)

// UnmarshalText reads an id.
func (id *queryID) UnmarshalText(text []byte) error {
	if !queryIDPattern.Match(text) {
		return fault.New(fault.Invalid, "Argument must be 16 to 64 letters, digits, '-', '_' and '.'")
	}
	*id = queryID(text)
	return nil
}

// Run runs SQL.
func (cmd queryCommand) Run(c *connection) error {
	if cmd.SQL != nil && cmd.File != nil {
		return &usageError{message: "the argument '--file <FILE>' cannot be used with '[query]'"}
	}
	interactive := cmd.SQL == nil && cmd.File == nil && isTerminal(c.in)
	if interactive && cmd.Output != nil {
		return &usageError{message: "the argument '--output <FILE>' needs SQL; in a session there is '.output FILE'"}
	}
	c.adviseOn(cmd.Database)
	api, err := c.anybody()
	if err != nil {
		return err
	}
	q := &querying{connection: c, cmd: cmd, api: api}
	if interactive {
		return q.session()
	}
	return q.printed(func(out io.Writer) error {
		if cmd.SQL != nil {
			return q.one(out, *cmd.SQL)
		}
		return q.script(out)
	})
}

// A querying runs SQL for one command.
type querying struct {
	*connection
	cmd     queryCommand
	api     *client.Client
	summary bytes.Buffer // what is said about rows in a file, once that is there
}

// printed calls run with where the rows go: the standard output, or a file that
// appears when run is done without error.
func (q *querying) printed(run func(io.Writer) error) error {
	if q.cmd.Output == nil || *q.cmd.Output == "-" {
		return run(q.out)
	}
	file, err := createOutput(*q.cmd.Output)
	if err != nil {
		return err
	}
	if err := run(file); err != nil {
		file.discard()
		return err
	}
	if err := file.commit(); err != nil {
		return err
	}
	_, err = q.summary.WriteTo(q.out)
	return err
}

// toFile reports whether rows go to a file, and only a summary to the standard
// output.
func (q *querying) toFile(out io.Writer) bool { return out != q.out }

// one runs one text of SQL and prints its answer.
func (q *querying) one(out io.Writer, sql string) error {
	st := catalog.Statement{SQL: sql}
	for _, p := range q.cmd.Params {
		st.Args = slices.DeleteFunc(st.Args, func(arg catalog.Arg) bool { return arg.Name == p.Name }) // the last one counts
		st.Args = append(st.Args, p.Arg)
	}
	printer := q.printer(out)
	sum, err := q.remote().Run(q.ctx, st, printer)
	if err != nil {
		return err
	}
	return printer.end(sum)
}

// remote returns the database as the shell sees it.
func (q *querying) remote() *remote {
	return &remote{
		api: q.api, ref: q.cmd.ref(), id: string(q.cmd.ID), anonymous: q.token == "",
		errout: q.errout, shown: isTerminal(q.errout) && !q.isDumb(), aside: !isTerminal(q.out) || q.cmd.Output != nil,
	}
}

// script runs SQL from a file or the standard input, statement by statement.
func (q *querying) script(out io.Writer) error {
	in, name := q.in, "-"
	if q.cmd.File != nil {
		name = *q.cmd.File
	}
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "The file %s can't be read: %s", name, reason(err))
		}
		defer file.Close()
		in = file
	}
	cfg := q.shell()
	cfg.Stdout = out
	if q.toFile(out) {
		cfg.Summary = &q.summary
	}
	if q.cmd.File == nil && q.cmd.Format == format.Table && !q.toFile(out) {
		fmt.Fprintf(out, "Launching an interactive session for %s\n", q.cmd.Database) // scripts expect it
	}
	return shell.Script(q.ctx, cfg, in)
}

// session lets a person type SQL.
func (q *querying) session() error {
	cfg := q.shell()
	if file := fileOf(q.out); file != nil {
		cfg.Stdout = file
	}
	if q.cmd.Format == format.Table {
		cfg.Mode = "" // what fits the screen
	}
	if path := settingsPath(q.surrounding); path != "" {
		cfg.History = filepath.Join(filepath.Dir(path), "history")
	}
	cfg.Pager = shell.DefaultPager(q.variable)
	// There Ctrl-C is for the query, not for the program.
	return shell.Run(context.WithoutCancel(q.ctx), cfg)
}

// shell returns what both have in common.
func (q *querying) shell() shell.Config {
	cfg := shell.Config{
		Database: q.remote(), Name: q.cmd.ref(), Mode: q.cmd.Format,
		Color: q.hasColor(q.out), Stdout: q.out, Stderr: q.errout,
	}
	for _, p := range q.cmd.Params {
		cfg.Parameters = append(cfg.Parameters, p.Arg)
	}
	return cfg
}

// printer returns what prints the answer to one statement.
func (q *querying) printer(out io.Writer) *rowPrinter {
	p := &rowPrinter{out: out, summary: q.out, mode: q.cmd.Format}
	p.opts = format.Options{Terminal: isTerminal(out), Color: q.hasColor(out)}
	if q.toFile(out) {
		p.file, p.summary = *q.cmd.Output, &q.summary
	}
	return p
}

// A rowPrinter is a sink that prints rows as they come.
type rowPrinter struct {
	out, summary io.Writer
	mode         format.Mode
	opts         format.Options
	file         string // where the rows go, if not to the standard output
	columns      []catalog.Column
	w            format.Writer
}

// Columns takes the description of the rows.
func (p *rowPrinter) Columns(columns []catalog.Column) error {
	p.columns = columns
	return nil
}

// Row prints a row.
func (p *rowPrinter) Row(row catalog.Row) error {
	if p.w == nil {
		if err := p.begin(p.opts); err != nil {
			return err
		}
	}
	return p.w.Row(row)
}

func (p *rowPrinter) begin(opts format.Options) error {
	p.w = format.New(p.mode, p.out, opts)
	return p.w.Columns(p.columns)
}

// end prints what follows the rows.
func (p *rowPrinter) end(sum catalog.Summary) error {
	if p.w == nil && p.columns != nil && p.file != "" && p.mode == format.CSV {
		// A file of no rows still says what there would be.
		if err := p.begin(format.Options{NoHeader: true}); err != nil {
			return err
		}
		names := make(format.Strings, len(p.columns))
		for i, column := range p.columns {
			names[i] = column.Name
		}
		if err := p.w.Row(names); err != nil {
			return err
		}
	}
	if p.w == nil && p.mode == format.JSON {
		if err := p.begin(p.opts); err != nil {
			return err
		}
	}
	if p.w != nil {
		if err := p.w.End(); err != nil {
			return err
		}
	}
	switch {
	case p.file != "":
		fmt.Fprintf(p.summary, "Rows: %d\n", sum.Rows)
	case p.mode.ForPeople():
		fmt.Fprintf(p.summary, "\nRows: %d\n", sum.Rows)
	}
	return nil
}

// cancelCommand is "ayb client cancel".
type cancelCommand struct {
	ID queryID `arg:"" name:"query_id" help:"The id that the query was given with --id."`
}

// Run cancels a query.
func (cmd cancelCommand) Run(c *connection) error {
	api, err := c.authenticated()
	if err != nil {
		return err
	}
	if err := api.Cancel(c.ctx, string(cmd.ID)); err != nil {
		return err
	}
	c.say("Cancelled query %s", cmd.ID)
	return nil
}
