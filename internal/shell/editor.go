package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/peterh/liner"
	"golang.org/x/term"

	"ayb/internal/format"
)

// errInterrupted says that the user pressed Ctrl-C at a prompt.
var errInterrupted = errors.New("interrupted")

// An editor reads lines that somebody types.
type editor interface {
	// line shows a prompt and returns a line without its end. Errors: io.EOF
	// when the user has ended the input, errInterrupted, the context's.
	line(ctx context.Context, prompt string) (string, error)
	// remember makes an earlier line available.
	remember(entry string)
	// lend gives the terminal to another program, until restore is called.
	lend() (restore func())
	// close gives the terminal back as it was.
	close()
}

// An answer is what reading a line came to.
type answer struct {
	line string
	err  error
}

// A lineEditor edits with the cursor keys, on terminals that can.
type lineEditor struct {
	state        *liner.State
	interrupts   <-chan os.Signal
	asked        chan string
	answers      chan answer
	waiting      bool // a line was asked for and has not come
	cooked, edit liner.ModeApplier
}

func newLineEditor(interrupts <-chan os.Signal, complete liner.WordCompleter) *lineEditor {
	e := &lineEditor{interrupts: interrupts, asked: make(chan string), answers: make(chan answer, 1)}
	e.cooked, _ = liner.TerminalMode()
	e.state = liner.NewLiner()
	e.edit, _ = liner.TerminalMode()
	e.state.SetCtrlCAborts(true)
	e.state.SetBeep(false)
	e.state.SetWordCompleter(complete)
	e.state.SetTabCompletionStyle(liner.TabPrints)
	go func() {
		for prompt := range e.asked {
			line, err := e.state.Prompt(prompt)
			e.answers <- answer{line, err}
		}
	}()
	return e
}

func (e *lineEditor) line(ctx context.Context, prompt string) (string, error) {
	if e.waiting {
		fmt.Print(prompt)
	} else {
		e.asked <- prompt
		e.waiting = true
	}
	select {
	case a := <-e.answers:
		e.waiting = false
		if errors.Is(a.err, liner.ErrPromptAborted) {
			return "", errInterrupted
		}
		if a.err == nil {
			e.unfold(prompt, a.line)
		}
		return a.line, a.err
	case <-e.interrupts:
		// Ctrl-C came in the moment before the editor took the terminal over,
		// which has dropped what was typed.
		fmt.Println("^C")
		return "", errInterrupted
	case <-ctx.Done():
		// The read goes on in the background; the session is over.
		return "", ctx.Err()
	}
}

// maxUnfolded is how long a line may be that is shown whole.
const maxUnfolded = 4 << 10

// unfold shows the whole of a line that was edited in a window of the screen's
// width. (The editor's own way to show long lines draws all of them at every
// key, and takes minutes over a long line that is pasted.)
func (e *lineEditor) unfold(prompt, line string) {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err == nil && runtime.GOOS != "windows" && len(line) <= maxUnfolded && screenWidth(prompt+line) >= width {
		fmt.Print("\x1b[1A\r\x1b[K" + prompt + format.Visible(line) + "\n")
	}
}

func (e *lineEditor) remember(entry string) { e.state.AppendHistory(entry) }

func (e *lineEditor) lend() func() {
	apply(e.cooked)
	return func() { apply(e.edit) }
}

func (e *lineEditor) close() {
	close(e.asked)
	e.state.Close()
	apply(e.cooked)
	if !e.waiting {
		return
	}
	// The session was ended from outside while the editor waits for a line. If
	// that was at the very moment at which it took the terminal over, it does so
	// still, and there is no event that says when.
	for range 10 {
		time.Sleep(2 * time.Millisecond)
		apply(e.cooked)
	}
}

// apply sets the mode of the terminal, if it has one.
func apply(mode liner.ModeApplier) {
	if mode != nil {
		// If it fails the terminal is gone, and the next read says so.
		_ = mode.ApplyMode()
	}
}

// A plainEditor reads lines as the terminal gives them, where it can't do more.
type plainEditor struct {
	prompts    io.Writer
	interrupts <-chan os.Signal
	asked      chan struct{}
	answers    chan answer
	waiting    bool // a line was asked for and has not come
}

func newPlainEditor(in io.Reader, prompts io.Writer, interrupts <-chan os.Signal) *plainEditor {
	e := &plainEditor{prompts: prompts, interrupts: interrupts, asked: make(chan struct{}, 1), answers: make(chan answer, 1)}
	go func() {
		r := bufio.NewReader(in)
		for range e.asked {
			line, err := r.ReadString('\n')
			if err == io.EOF && line != "" {
				err = nil
			}
			e.answers <- answer{strings.TrimRight(line, "\r\n"), err}
		}
	}()
	return e
}

func (e *plainEditor) line(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(e.prompts, prompt)
	if !e.waiting {
		e.asked <- struct{}{}
		e.waiting = true
	}
	select {
	case a := <-e.answers:
		e.waiting = false
		return a.line, a.err
	case <-e.interrupts:
		// The terminal has dropped what was typed.
		fmt.Fprintln(e.prompts)
		return "", errInterrupted
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (e *plainEditor) remember(string) {}

func (e *plainEditor) lend() func() { return func() {} }

func (e *plainEditor) close() { close(e.asked) }

// cycle chooses what the next Tab does after a completion: take the next
// possibility, or show the list of them.
func (e *lineEditor) cycle(on bool) {
	style := liner.TabPrints
	if on {
		style = liner.TabCircular
	}
	e.state.SetTabCompletionStyle(style)
}
