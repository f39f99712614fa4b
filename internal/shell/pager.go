package shell

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/mattn/go-runewidth"
)

// shellSigns are what makes a command one for a shell to read.
const shellSigns = "|&;<>()$`\\\"'*?[#~=%"

// maxHeld is how much output waits for the decision whether to page it.
const maxHeld = 1 << 20

// errPagerLeft says that the reader has left the pager: no failure, and the end
// of the query.
var errPagerLeft = errors.New("the pager was left")

// DefaultPager returns the command that users of a terminal expect: $PAGER, also
// if it is empty, which means none; else less, if it is there.
func DefaultPager(lookupEnv func(string) (string, bool)) string {
	if pager, ok := lookupEnv("PAGER"); ok {
		return pager
	}
	if _, err := exec.LookPath("less"); err == nil {
		return "less"
	}
	return ""
}

// A paged Writer holds its output until it is larger than the screen, then hands
// it and what follows to a pager; what fits goes to the screen on Close.
type paged struct {
	screen        io.Writer
	command       string
	width, height int
	prepare       func() (restore func()) // makes the terminal fit for another program

	held    bytes.Buffer
	lines   int // of the screen that held takes
	column  int // in bytes, on the last of them
	failed  error
	process *exec.Cmd
	pipe    io.WriteCloser
	restore func()
}

func (p *paged) Write(b []byte) (int, error) {
	if p.process == nil {
		p.held.Write(b)
		p.count(b)
		if p.lines < p.height && p.held.Len() < maxHeld || p.command == "" {
			return len(b), p.spill()
		}
		if p.start(); p.process == nil {
			return len(b), p.spill()
		}
		b = p.held.Bytes()
	}
	n, err := p.pipe.Write(b)
	if err != nil {
		err = errPagerLeft
	}
	return n, err
}

// spill writes what is held to the screen if there is no pager for it.
func (p *paged) spill() error {
	if p.command != "" {
		return nil
	}
	_, err := p.held.WriteTo(p.screen)
	return err
}

// count follows how many lines of the screen the output takes. The width of a
// line is measured in bytes: with letters of several bytes a pager may come a
// little early, and less then ends by itself.
func (p *paged) count(b []byte) {
	for _, c := range b {
		p.column++
		if c == '\n' || p.width > 0 && p.column > p.width {
			p.lines++
			p.column = 0
		}
	}
}

// start begins the pager. If that is impossible there is none from now on.
func (p *paged) start() {
	fields := strings.Fields(p.command)
	cmd := exec.Command(fields[0], fields[1:]...)
	if strings.ContainsAny(p.command, shellSigns) && runtime.GOOS != "windows" {
		cmd = exec.Command("sh", "-c", p.command)
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	if _, ok := os.LookupEnv("LESS"); !ok {
		// Leave at the end of what fits on one screen, pass colors, chop long
		// lines, and leave the text on the screen.
		cmd.Env = append(cmd.Env, "LESS=FRSX")
	}
	pipe, err := cmd.StdinPipe()
	if err == nil {
		p.restore = p.prepare()
		if err = cmd.Start(); err != nil {
			p.restore()
		}
	}
	if err != nil {
		p.failed, p.command = err, ""
		return
	}
	p.process, p.pipe = cmd, pipe
}

// Close writes what is still held, or waits until the reader leaves the pager.
func (p *paged) Close() error {
	if p.process == nil {
		_, err := p.held.WriteTo(p.screen)
		return err
	}
	p.pipe.Close()
	err := p.process.Wait()
	p.restore()
	p.process = nil
	// A pager ends as its reader likes; that of a program that is not there
	// must be told, since the output went nowhere.
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && (exit.ExitCode() == 126 || exit.ExitCode() == 127) {
		p.failed = err
	}
	return nil
}

// screenWidth returns how many columns text takes.
func screenWidth(text string) int { return runewidth.StringWidth(text) }
