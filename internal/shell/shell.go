// Package shell is the interactive session with a database, and the same for
// SQL that comes from a file: [Run] and [Script].
//
// Both take SQL line by line and send what SQLite calls a complete statement: up
// to a semicolon that stands in no text, name or comment, and in a trigger up to
// "; END;". Two things go together as one text, because the server keeps no
// transaction between two requests: everything from BEGIN to COMMIT (of which
// the last result is shown; ROLLBACK drops it all unsent), and PRAGMA
// foreign_keys = OFF with what follows it, as dumps write it.
//
// A line that begins with a dot is a command of the shell: .help lists them.
//
// The package talks to a [Database] and knows nothing of where it is.
package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/format"
)

// A Sink takes what a query answers: the columns, if it has any, then each row.
// The Row is valid until the method returns. An error ends the query.
type Sink interface {
	Columns([]catalog.Column) error
	Row(catalog.Row) error
}

// A Database runs SQL, one statement or several, each text whole or not at all.
// It ends soon after ctx is cancelled, with ctx's error or with one that says
// what came of the text. An error of the sink is returned as it is.
type Database interface {
	Run(ctx context.Context, st catalog.Statement, sink Sink) (catalog.Summary, error)
}

// Config says what a session works with.
type Config struct {
	Database Database // required
	Name     string   // what it is called, in the prompt: "alice/test.sqlite"

	// Mode is the form of results; empty is format.Auto on a terminal, where
	// tables too wide for it are shown a value a line, and format.Table
	// elsewhere.
	Mode       format.Mode
	Parameters []catalog.Arg // values of named parameters, as by .param set
	Color      bool          // the terminal may be sent colors

	// History is the file in which lines are kept from one session to the next;
	// empty for none. It is made with mode 0600 and holds 1,000 lines; one that
	// begins with a space is not kept.
	History string
	// Pager is the command that shows what is larger than the screen; empty for
	// none. See DefaultPager.
	Pager string

	Stdin  *os.File  // nil: os.Stdin; for Run, which edits lines only on that
	Stdout io.Writer // nil: os.Stdout
	Stderr io.Writer // nil: os.Stderr; for errors

	// Summary is where a script says how many rows each statement had; nil: below
	// them, on Stdout.
	Summary io.Writer

	Now func() time.Time // nil: time.Now
}

func (c Config) withDefaults() Config {
	if c.Stdin == nil {
		c.Stdin = os.Stdin
	}
	if c.Stdout == nil {
		c.Stdout = os.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Script runs the SQL and the dot commands in r, and stops at the first error,
// which says on which line of r it happened. What ran before it stays; nothing
// after it is sent. A last statement needs no semicolon; one that can't be
// complete is an error that says where it began.
//
// Results go to Stdout, each followed (where people read) by an empty line and
// the number of its rows. Errors: those of the Database, of kind as they are;
// those of Stdout and of the context untouched; [fault.Invalid] for commands;
// [fault.TooLarge] for a statement of more than 16 MiB.
func Script(ctx context.Context, cfg Config, r io.Reader) error {
	cfg = cfg.withDefaults()
	s := newSession(cfg)
	defer s.output.close()
	err := s.script(ctx, r, 0)
	if errors.Is(err, errQuit) {
		err = nil
	}
	return errors.Join(err, s.output.close())
}

// maxDepth bounds scripts that read scripts.
const maxDepth = 16

var errDepth = fault.New(fault.Invalid, "Files that .read each other are %d deep, which is too much", maxDepth)

// script runs what r holds, at a depth of .read.
func (s *session) script(ctx context.Context, r io.Reader, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	var c collector
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(in)
		if err != nil && err != io.EOF {
			return atLine(c.scan.line+1, unreadable(err))
		}
		if c.scan.line == 0 {
			line = strings.TrimPrefix(line, "\uFEFF") // as some editors begin a file
		}
		if ran := s.scriptLine(ctx, &c, line, depth); ran != nil {
			return ran
		}
		if err == io.EOF {
			break
		}
	}
	u, ok, err := c.finish()
	if err != nil || !ok {
		return err
	}
	return s.scriptUnit(ctx, u)
}

// unreadable returns an error for the user from one of reading a script.
func unreadable(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fault.Wrap(fault.Unavailable, err, "The SQL can't be read: %v", err)
}

func (s *session) scriptLine(ctx context.Context, c *collector, line string, depth int) error {
	if c.between() && isCommand(line) {
		c.scan.line++
		return atLine(c.scan.line, s.command(ctx, line, depth))
	}
	units, err := c.add(line)
	for _, u := range units {
		if err := s.scriptUnit(ctx, u); err != nil {
			return err
		}
	}
	return err
}

func (s *session) scriptUnit(ctx context.Context, u unit) error {
	if u.rollback {
		return nil
	}
	redirected := s.output.redirected()
	err := s.run(ctx, u.text)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok && redirected { // those of Stdout stay as they are
		err = fault.Wrap(fault.Unavailable, err, "The output can't be written: %v", e.Err)
	}
	first := firstToken(u.text)
	at, ok := place(u.text, fault.Message(err))
	switch last := u.line + strings.Count(strings.TrimSpace(u.text[first:]), "\n"); {
	case ok:
		return atLine(u.line+strings.Count(u.text[first:max(at, first)], "\n"), err)
	case u.several && last > u.line:
		return prefixed(fmt.Sprintf("Lines %d to %d", u.line, last), err) // nobody tells which of the statements it was
	}
	return atLine(u.line, err)
}

// firstToken returns the index at which the statement in sql begins.
func firstToken(sql string) int {
	for at := range tokens(sql) {
		return at
	}
	return 0
}

// atLine returns err with the number of a line before its message.
func atLine(line int, err error) error { return prefixed(fmt.Sprintf("Line %d", line), err) }

// prefixed returns err with a place before its message. Errors that are not
// faults, such as a closed pipe, stay as they are.
func prefixed(place string, err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	return &fault.Error{Kind: e.Kind, Message: place + ": " + e.Message, Code: e.Code, Statement: e.Statement, Err: err}
}

// readLine reads a line with its end. Errors: io.EOF with the last line,
// [fault.TooLarge].
func readLine(in *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := in.ReadSlice('\n')
		b.Write(part)
		switch {
		case b.Len() > maxText:
			return "", fault.New(fault.TooLarge, "The line is longer than %d MiB", maxText>>20)
		case !errors.Is(err, bufio.ErrBufferFull):
			return b.String(), err
		}
	}
}
