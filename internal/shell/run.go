package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/peterh/liner"
	"golang.org/x/term"

	"ayb/fault"
	"ayb/internal/format"
)

// Run is the session of somebody at the terminal of the program, which is its
// standard input. It returns when they end it, with nil whatever the statements came to, or when ctx is cancelled.
//
// While it runs, Ctrl-C is its own: at a prompt it drops what was typed, and a
// running statement it cancels. When the program is told to end (SIGTERM,
// SIGHUP) the terminal is given back as it was, and Run returns
// context.Canceled. A terminal that can't move its cursor (TERM=dumb), and an
// output that is none, get plain lines.
//
// Only one Run may be under way in a program, since there is one terminal.
func Run(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)

	s := newSession(cfg)
	s.timer, s.paging = true, strings.TrimSpace(cfg.Pager) != ""
	if cfg.Mode == "" && s.terminal != nil {
		s.mode = format.Auto
	}
	t := &typist{session: s, interrupts: interrupts, hint: true}
	if err := t.open(ctx); err != nil {
		return err
	}
	defer t.editor.close()
	defer s.output.close()
	return t.loop(ctx)
}

// A typist is a session with somebody who types.
type typist struct {
	*session
	interrupts chan os.Signal
	history    *history
	collector  collector
	lines      []string // typed since the last complete statement
	abandoned  int      // times in a row that Ctrl-C found nothing to drop
	hint       bool     // what BEGIN means has yet to be said
}

// open greets, and makes the editor and its history.
func (t *typist) open(ctx context.Context) error {
	if err := t.say("Launching an interactive session for %s\n", t.cfg.Name); err != nil {
		return err
	}
	if t.terminal != nil {
		if err := t.say("A statement ends with a semicolon; .help lists the commands.\n"); err != nil {
			return err
		}
	}
	t.editor = t.newEditor(ctx)
	var entries []string
	var err error
	if t.history, entries, err = openHistory(t.cfg.History); err != nil {
		t.withoutHistory(err)
	}
	for _, entry := range entries {
		t.editor.remember(entry)
	}
	return nil
}

func (t *typist) newEditor(ctx context.Context) editor {
	prompts := t.cfg.Stdout
	if t.terminal == nil {
		prompts = t.cfg.Stderr
	}
	if !t.canEdit() {
		return newPlainEditor(t.cfg.Stdin, prompts, t.interrupts)
	}
	var e *lineEditor
	e = newLineEditor(t.interrupts, func(line string, pos int) (string, []string, string) {
		head, words, tail, cycle := t.complete(ctx, line, pos)
		e.cycle(cycle)
		return head, words, tail
	})
	return e
}

// canEdit reports whether lines can be edited: on the program's own terminal, if
// it moves its cursor and knows its size.
func (t *typist) canEdit() bool {
	if t.terminal == nil || t.cfg.Stdin != os.Stdin || !liner.TerminalSupported() || !term.IsTerminal(int(os.Stdin.Fd())) {
		return false
	}
	width, _, err := term.GetSize(int(t.terminal.Fd()))
	return err == nil && width > 0
}

// withoutHistory says once that nothing is kept, and why.
func (t *typist) withoutHistory(err error) {
	t.history.path = ""
	fmt.Fprintln(t.cfg.Stderr, "Lines are not kept for the next session.", fault.Message(fileFault("use", t.cfg.History, err)))
}

func (t *typist) loop(ctx context.Context) error {
	for {
		line, err := t.editor.line(ctx, t.prompt())
		switch {
		case errors.Is(err, errInterrupted):
			err = t.drop()
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return t.end(err)
		default:
			t.abandoned = 0
			err = t.take(ctx, line)
		}
		if errors.Is(err, errQuit) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// roomToType is how many columns a prompt leaves for what is typed.
const roomToType = 20

// prompt returns the prompt, or one that goes on, as wide; a short one where the
// screen leaves too little room beside it.
func (t *typist) prompt() string {
	first := format.Visible(t.cfg.Name) + "> "
	further := fmt.Sprintf("%*s", screenWidth(first), "...> ")
	if width, _ := t.size(); screenWidth(first)+roomToType > width {
		first, further = "> ", ". "
	}
	if t.collector.pending() {
		return further
	}
	return first
}

// drop forgets what was typed, and the second time that there is nothing to
// forget says how to end.
func (t *typist) drop() error {
	if t.collector.pending() {
		t.collector.reset()
		t.lines, t.abandoned = nil, 0
		return nil
	}
	if t.abandoned++; t.abandoned == 1 {
		return nil // perhaps there was half a line
	}
	return t.say("To end the session type .quit or press Ctrl-D.\n")
}

// end is reached with the end of the input.
func (t *typist) end(err error) error {
	if err := t.say("\n"); err != nil {
		return err
	}
	if t.collector.pending() {
		fmt.Fprintln(t.cfg.Stderr, "The statement that was not finished was not run.")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) {
		return nil // or the terminal is gone
	}
	return fault.Wrap(fault.Unavailable, err, "The terminal can't be read: %v", err)
}

// take handles a line that was typed.
func (t *typist) take(ctx context.Context, line string) error {
	if !t.collector.pending() {
		switch bare := strings.ToLower(strings.TrimRight(strings.TrimSpace(line), "; ")); {
		case bare == "":
			return nil
		case bare == "quit" || bare == "exit":
			return errQuit
		case bare == "help":
			line = ".help"
		case bare == "?" || strings.HasPrefix(bare, `\`): // no SQL begins so
			return t.attempt(ctx, "", func(context.Context) error { return errOtherShell })
		}
		t.collector.scan.line = 0 // lines count from where a statement begins
	}
	if t.collector.between() && isCommand(line) {
		t.keep(line)
		err := t.attempt(ctx, "", func(ctx context.Context) error { return t.command(ctx, line, 0) })
		if errors.Is(err, errCancelled) {
			return nil
		}
		return err
	}
	t.lines = append(t.lines, line)
	units, err := t.collector.add(line + "\n")
	if len(units) > 0 || !t.collector.pending() {
		t.keep(t.lines...)
		t.lines = nil
	}
	for _, u := range units {
		switch err := t.runUnit(ctx, u); {
		case errors.Is(err, errCancelled):
			t.collector.reset() // what else was on the line
			t.lines = nil
			return nil
		case err != nil:
			return err
		}
	}
	if err != nil {
		t.lines = nil
		return t.attempt(ctx, "", func(context.Context) error { return err })
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "quit", "exit", "help", ".quit", ".exit", ".help":
		if t.collector.pending() {
			return t.say("The statement is not finished: a semicolon ends it, Ctrl-C drops it.\n")
		}
	}
	return t.explainBegin()
}

// errOtherShell answers what is a command in the shells of other databases.
var errOtherShell = fault.New(fault.Invalid, "Commands begin with a dot here; .help lists them")

func (t *typist) runUnit(ctx context.Context, u unit) error {
	if u.rollback {
		return t.say("Nothing of the transaction was run.\n")
	}
	return t.attempt(ctx, u.text, func(ctx context.Context) error { return t.run(ctx, u.text) })
}

// explainBegin says once what a transaction is here.
func (t *typist) explainBegin() error {
	if !t.collector.transaction || !t.hint {
		return nil
	}
	t.hint = false
	return t.say("What follows is sent as one transaction at COMMIT; ROLLBACK or Ctrl-C drops it.\n")
}

// keep adds a statement to the history: as one line if that means the same,
// else its lines.
func (t *typist) keep(lines ...string) {
	if whole, ok := oneLine(strings.Join(lines, "\n")); ok && len(whole) <= maxEntry {
		lines = []string{whole}
	}
	for _, entry := range lines {
		entry = strings.TrimRight(entry, " \t")
		if !t.history.keeps(entry) {
			continue
		}
		t.editor.remember(entry)
		if err := t.history.add(entry); err != nil {
			t.withoutHistory(err)
		}
	}
}

// errCancelled says that Ctrl-C ended a statement.
var errCancelled = errors.New("cancelled")

// attempt does something that Ctrl-C cancels, and shows what went wrong, for the
// session goes on. It returns errCancelled, or what ends the session: errQuit,
// the end of ctx, or that the output is gone.
func (t *typist) attempt(ctx context.Context, sql string, do func(context.Context) error) error {
	select {
	case <-t.interrupts: // of an earlier moment
	default:
	}
	cancellable, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-t.interrupts:
			cancel()
		case <-cancellable.Done():
		}
	}()
	err := do(cancellable)
	cancelled := cancellable.Err() != nil && ctx.Err() == nil
	cancel()
	<-done
	switch {
	case err == nil || errors.Is(err, errQuit):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case cancelled && (errors.Is(err, context.Canceled) || errors.Is(err, fault.NotApplied)):
		fmt.Fprintln(t.cfg.Stderr, "cancelled")
		return errCancelled
	}
	if _, ok := errors.AsType[*fault.Error](err); !ok && !errors.Is(err, context.DeadlineExceeded) {
		return t.outputFailed(err)
	}
	return t.complain(sql, err)
}

// outputFailed is for errors of no kind: a file or the screen can't be written.
func (t *typist) outputFailed(err error) error {
	if t.terminal != nil || t.output.redirected() {
		_ = t.output.close()
		return t.complain("", fault.Wrap(fault.Unavailable, err, "The output can't be written: %v", err))
	}
	return err
}

// complain shows an error, and where in sql it is if that is known.
func (t *typist) complain(sql string, err error) error {
	message := fault.Message(err)
	shown := "Error: " + visibleLines(message) + "\n"
	if at, ok := place(sql, message); ok {
		width, _ := t.size()
		shown += excerpt(sql, at, width)
	}
	_, err = io.WriteString(t.cfg.Stderr, shown)
	return err
}

// visibleLines returns a message that a terminal can be sent, its lines kept.
func visibleLines(message string) string {
	lines := strings.Split(message, "\n")
	for i := range lines {
		lines[i] = format.Visible(lines[i])
	}
	return strings.Join(lines, "\n")
}
