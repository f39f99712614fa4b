package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestReadme does what the README tells its readers to do: the blocks of its
// sessions, those marked console, are run as they stand there, and what they
// print is compared with what the README says. Only the port is another one, so
// that the test needs none for itself. In what the README says
//
//	...          stands for any number of lines
//	<API_TOKEN>  for the token of this session, <TOKEN_FROM_EMAIL> for the one mailed last
//	0.5 ms       for any time
//
// A line that begins with # is for the reader.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := readmeSteps(string(text))
	if len(steps) < 8 {
		t.Fatalf("the README has only %d commands in its sessions", len(steps))
	}
	dir := t.TempDir()
	r := &reader{t: t, home: dir}
	for _, s := range steps {
		if s.command == "ayb server" {
			r.serve(s)
			continue
		}
		r.do(s)
	}
}

// A readmeStep is a command of the README and what it prints, up to what is typed
// into it.
type readmeStep struct {
	command string
	want    []string
	typed   []readmeLine
}

// A readmeLine is typed at a prompt.
type readmeLine struct {
	input string
	want  []string
}

var (
	readmePrompt = regexp.MustCompile(`^\w\S*/\S+> ?(.*)$`)
	readmeTime   = regexp.MustCompile(`[0-9]\\\.[0-9]+ m?s`)
)

// readmeSteps returns the commands of all sessions.
func readmeSteps(text string) (steps []readmeStep) {
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside || strings.HasPrefix(line, "# "):
		case isCommand:
			steps = append(steps, readmeStep{command: command})
		default:
			s := &steps[len(steps)-1]
			if match := readmePrompt.FindStringSubmatch(line); match != nil {
				s.typed = append(s.typed, readmeLine{input: match[1]})
			} else if n := len(s.typed); n > 0 {
				s.typed[n-1].want = append(s.typed[n-1].want, line)
			} else {
				s.want = append(s.want, line)
			}
		}
	}
	return steps
}

// A reader follows the README at a terminal.
type reader struct {
	t      *testing.T
	home   string
	server *process
	token  string // of the API
}

const readmeAddress = "127.0.0.1:5433"

func (r *reader) serve(s readmeStep) {
	r.server = startServer(r.t, r.home)
	r.compare(s.command, r.server.out.String(), s.want)
}

// do runs a command and compares what it prints.
func (r *reader) do(s readmeStep) {
	r.t.Helper()
	command := strings.ReplaceAll(s.command, "<API_TOKEN>", r.token)
	command = strings.ReplaceAll(command, readmeAddress, r.address())
	if strings.Contains(command, "<TOKEN_FROM_EMAIL>") {
		command = strings.ReplaceAll(command, "<TOKEN_FROM_EMAIL>", mailedToken(r.t, filepath.Join(r.home, "ayb_data", "emails.jsonl")))
	}
	cmd := r.shell(command)
	if len(s.typed) > 0 {
		r.converse(cmd, s)
		return
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("$ %s\n%v\n%s", s.command, err, &out)
	}
	r.compare(s.command, out.String(), s.want)
}

// shell returns a command for a person's shell, with ayb where it finds programs.
func (r *reader) shell(line string) *exec.Cmd {
	ayb := command(r.t, r.home, nil)
	cmd := exec.CommandContext(r.t.Context(), require(r.t, "sh"), "-c", line)
	cmd.Dir = r.home
	for _, pair := range ayb.Env {
		if name, _, _ := strings.Cut(pair, "="); !slices.Contains([]string{"HOME", "PATH", "TERM", "XDG_CONFIG_HOME"}, name) {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+r.home, "PATH="+filepath.Dir(ayb.Path)+":"+os.Getenv("PATH"), "TERM=dumb", "no_proxy=*")
	return cmd
}

func (r *reader) address() string {
	if r.server == nil {
		return readmeAddress
	}
	return strings.TrimPrefix(r.server.url, "http://")
}

// converse runs a command at a terminal and types into it; at the last prompt,
// it ends the input.
func (r *reader) converse(cmd *exec.Cmd, s readmeStep) {
	r.t.Helper()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 120})
	if err != nil {
		r.t.Fatal(err)
	}
	defer terminal.Close()
	shown, ended := newOutput(), make(chan error, 1)
	go func() {
		shown.readFrom(terminal)
		ended <- cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	prompts, from := 0, 0
	// until returns what was shown before the next prompt.
	until := func() string {
		prompts++
		pattern := regexp.MustCompile(fmt.Sprintf(`(?s)(?:.*?(?:^|\n)\w\S*/\S+> ){%d}`, prompts))
		match := shown.await(ctx, pattern)
		if match == nil {
			r.t.Fatalf("$ %s\nno prompt after\n%s", s.command, shown)
		}
		text := match[0][from:]
		from = len(match[0])
		return text[:strings.LastIndex(text, "\n")+1]
	}
	r.compare(s.command, until(), s.want)
	for _, line := range s.typed {
		if line.input == "" {
			fmt.Fprint(terminal, "\x04")
			break
		}
		fmt.Fprintf(terminal, "%s\r", line.input)
		_, answer, _ := strings.Cut(until(), "\n") // the first line is what was typed
		r.compare(line.input, answer, line.want)
	}
	select {
	case err := <-ended:
		if err != nil {
			r.t.Errorf("$ %s ended with %v\n%s", s.command, err, shown)
		}
	case <-ctx.Done():
		r.t.Errorf("$ %s does not end\n%s", s.command, shown)
	}
}

// readFrom takes what a terminal shows, until it is closed.
func (o *output) readFrom(terminal *os.File) {
	buffer := make([]byte, 4096)
	for {
		n, err := terminal.Read(buffer)
		o.Write(bytes.ReplaceAll(buffer[:n], []byte("\r"), nil))
		if err != nil {
			return
		}
	}
}

// compare fails the test unless text is what the README says, and remembers the
// token if there is one. Blanks at the ends of lines do not count: they do not
// survive in a README.
func (r *reader) compare(command, text string, want []string) {
	r.t.Helper()
	text = strings.ReplaceAll(text, r.address(), readmeAddress)
	text = regexp.MustCompile(`[ \t]+\n`).ReplaceAllString(text, "\n") + "\n"
	pattern := `^\s*`
	for _, line := range want {
		if line == "..." {
			pattern += `(?:.*\n)*`
		} else {
			quoted := strings.ReplaceAll(regexp.QuoteMeta(line), `<API_TOKEN>`, `(?P<token>ayb_\w+)`)
			pattern += readmeTime.ReplaceAllString(quoted, `[0-9.]+ m?s`) + `\s*\n`
		}
	}
	re := regexp.MustCompile(pattern + `\s*$`)
	match := re.FindStringSubmatch(text)
	if match == nil {
		r.t.Fatalf("$ %s\nshows\n%s\nand the README says\n%s", command, text, strings.Join(want, "\n"))
	}
	if at := re.SubexpIndex("token"); at >= 0 {
		r.token = match[at]
	}
}
