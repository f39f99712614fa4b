package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/format"
)

// A session is what commands set and statements need.
type session struct {
	cfg        Config
	mode       format.Mode
	noHeader   bool
	timer      bool
	paging     bool
	terminal   *os.File // standard output, if it is a terminal
	parameters parameters
	output     output
	schema     schema
	editor     editor // nil in a script
}

func newSession(cfg Config) *session {
	s := &session{cfg: cfg, mode: cfg.Mode, schema: schema{db: cfg.Database}}
	if f, ok := cfg.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.terminal = f
	}
	if s.mode == "" {
		s.mode = format.Table
	}
	for _, arg := range cfg.Parameters {
		s.parameters.set(arg)
	}
	return s
}

// size returns the columns and rows of the screen, 80 by 24 if nobody knows.
func (s *session) size() (width, height int) {
	if s.terminal != nil {
		if w, h, err := term.GetSize(int(s.terminal.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// run sends a text and writes what it answers.
func (s *session) run(ctx context.Context, sql string) error {
	opts := s.formatOptions() // of where the result goes, which destination uses up
	out, err := s.destination()
	if err != nil {
		return err
	}
	res := &result{Writer: format.New(s.mode, out, opts)}
	began := s.cfg.Now()
	sum, err := s.cfg.Database.Run(ctx, catalog.Statement{SQL: sql, Args: s.parameters.used(sql)}, res)
	took := s.cfg.Now().Sub(began)
	s.schema.changed(sql)
	if err == nil && res.begun {
		err = res.End()
	}
	err = errors.Join(err, out.Close())
	s.reportPager(out)
	switch {
	case errors.Is(err, errPagerLeft):
		return nil
	case err != nil:
		return single(err)
	}
	return s.footer(sql, sum, took)
}

// single returns the one error that a Join of one holds.
func single(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		if all := many.Unwrap(); len(all) == 1 {
			return all[0]
		}
	}
	return err
}

func (s *session) formatOptions() format.Options {
	opts := format.Options{NoHeader: s.noHeader}
	if s.terminal != nil && !s.output.redirected() {
		opts.Terminal, opts.Color, opts.BlobLiterals = true, s.cfg.Color, s.editor != nil
		opts.Width, _ = s.size()
	}
	return opts
}

// destination returns where the next result goes: a file, a pager, the screen.
func (s *session) destination() (io.WriteCloser, error) {
	switch {
	case s.output.redirected():
		return s.output.next()
	case s.editor != nil && s.terminal != nil && s.paging:
		width, height := s.size()
		// The lines that follow a result are the session's.
		return &paged{screen: s.cfg.Stdout, command: s.cfg.Pager, width: width, height: height - 3, prepare: s.editor.lend}, nil
	}
	return keepOpen{s.cfg.Stdout}, nil
}

// reportPager says why there was no pager, and does without from now on.
func (s *session) reportPager(out io.Writer) {
	if p, ok := out.(*paged); ok && p.failed != nil {
		s.paging = false
		fmt.Fprintf(s.cfg.Stderr, "The pager %s can't be run; results are not paged any more\n", format.Visible(s.cfg.Pager))
	}
}

// footer says how many rows there were, where people read: on a terminal also
// how many changed and how long it took.
func (s *session) footer(sql string, sum catalog.Summary, took time.Duration) error {
	if !s.mode.ForPeople() {
		return nil
	}
	if s.cfg.Summary != nil {
		_, err := fmt.Fprintf(s.cfg.Summary, "Rows: %d\n", sum.Rows)
		return err
	}
	line := fmt.Sprintf("\nRows: %d", sum.Rows)
	if s.editor != nil && s.terminal != nil {
		if sum.Wrote || sum.Changes > 0 || writesRows(sql) {
			line += fmt.Sprintf("  Changes: %d", sum.Changes)
		}
		if s.timer {
			if sum.Elapsed > 0 {
				took = sum.Elapsed
			}
			line += "  Time: " + elapsed(took)
		}
	}
	_, err := fmt.Fprintln(s.cfg.Stdout, line)
	return err
}

// writesRows reports whether people who run sql want to know how many rows it has
// changed, none among them: the API tells the number and not whether the text
// could have changed any.
func writesRows(sql string) bool {
	first := words(sql, 1)
	return len(first) == 1 && slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "REPLACE"}, first[0])
}

// elapsed returns a duration as people read it.
func elapsed(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// A result is the Sink of one statement.
type result struct {
	format.Writer
	begun bool // there are columns
}

func (r *result) Columns(columns []catalog.Column) error {
	r.begun = true
	return r.Writer.Columns(columns)
}

// keepOpen is a Writer whose Close does nothing.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// An output is where .output and .once send results.
type output struct {
	file *os.File // of .output
	once *os.File // of .once
}

func (o *output) redirected() bool { return o.file != nil || o.once != nil }

// next returns the file for the next result.
func (o *output) next() (io.WriteCloser, error) {
	if f := o.once; f != nil {
		o.once = nil
		return f, nil
	}
	return keepOpen{o.file}, nil
}

// to sends results to the file of that name, made or emptied; an empty name ends
// that.
func (o *output) to(path string, once bool) error {
	if err := o.close(); err != nil || path == "" {
		return err
	}
	f, err := os.Create(path)
	switch {
	case err != nil:
		return fileFault("write to", path, err)
	case once:
		o.once = f
	default:
		o.file = f
	}
	return nil
}

func (o *output) close() (err error) {
	for _, f := range []*os.File{o.file, o.once} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	o.file, o.once = nil, nil
	return err
}

// fileFault says that a file of the user's can't be used, and why in the words
// of the system.
func fileFault(verb, path string, err error) error {
	reason := err
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		reason = inner
	}
	return fault.Wrap(fault.Invalid, err, "Can't %s %s: %v", verb, format.Visible(path), reason)
}
