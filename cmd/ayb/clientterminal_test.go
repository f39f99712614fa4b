//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A terminalCommand is the program at a terminal.
type terminalCommand struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys *os.File
	seen *output
	done chan error
}

// atTerminal starts the program at a terminal of its own.
func atTerminal(t *testing.T, environ []string, args ...string) *terminalCommand {
	t.Helper()
	c := &terminalCommand{t: t, cmd: command(t, t.TempDir(), append(environ, "TERM=xterm"), args...), seen: newOutput(), done: make(chan error, 1)}
	keys, err := pty.StartWithSize(c.cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	c.keys = keys
	t.Cleanup(func() { keys.Close(); c.cmd.Process.Kill() })
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := keys.Read(buf)
			c.seen.Write(buf[:n])
			if err != nil {
				return // the terminal is gone when the program is
			}
		}
	}()
	go func() {
		<-read
		c.done <- c.cmd.Wait()
	}()
	return c
}

// await waits until something is on the screen.
func (c *terminalCommand) await(pattern string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if c.seen.await(ctx, regexp.MustCompile(pattern)) == nil {
		c.t.Fatalf("%s does not appear on the screen:\n%q", pattern, c.seen)
	}
}

// reset forgets what was on the screen.
func (o *output) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
}

// press types something.
func (c *terminalCommand) press(keys string) {
	c.t.Helper()
	if _, err := c.keys.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// end waits for the end and returns the exit status.
func (c *terminalCommand) end() int {
	c.t.Helper()
	select {
	case err := <-c.done:
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode()
		}
		return 0
	case <-time.After(patience):
		c.t.Fatalf("the program does not end; the screen shows\n%q", c.seen)
		return -1
	}
}

const endless = "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c"

func TestClient_at_a_terminal(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir(), "AYB__LIMITS__REQUEST_RATE=1000")
	token := p.account("alice")
	p.must("POST", "/v1/alice/test/create", "", "db-type", "sqlite", "authorization", "Bearer "+token)
	p.must("POST", "/v1/alice/test/query", "CREATE TABLE t(a)", "authorization", "Bearer "+token)
	environ := []string{"HOME=" + t.TempDir(), "AYB_SERVER_URL=" + p.url, "AYB_API_TOKEN=" + token, "no_proxy=*"}

	t.Run("Ctrl-C cancels a query on the server and takes the progress away", func(t *testing.T) {
		c := atTerminal(t, environ, "client", "query", "alice/test", endless)
		c.await(`running 1s`)
		c.press("\x03")
		if status := c.end(); status != 130 {
			t.Errorf("the exit status is %d", status)
		}
		if screen := c.seen.String(); !strings.Contains(screen, "\r\x1b[KError: The query was cancelled; nothing of it was kept\r\n") {
			t.Errorf("the screen shows %q", screen)
		}
		p.errout.await(t.Context(), regexp.MustCompile(`(?m)queries/\{id\}/cancel status=200`))
	})
	t.Run("Ctrl-C before a file is complete leaves none", func(t *testing.T) {
		c := atTerminal(t, environ, "client", "query", "alice/test", "--format", "csv", "--output", "out.csv", strings.Replace(endless, "count(*)", "i", 1))
		c.await(`rows 1s`)
		c.press("\x03")
		if status := c.end(); status != 130 {
			t.Errorf("the exit status is %d", status)
		}
		if list, err := os.ReadDir(c.cmd.Dir); err != nil || len(list) != 0 {
			t.Errorf("left: %v %v", list, err)
		}
	})
	t.Run("what takes something away asks first", func(t *testing.T) {
		c := atTerminal(t, environ, "client", "delete_database", "alice/test")
		c.await(`Delete alice/test\? Type yes to go on: $`)
		c.press("no\n")
		c.await(`Error: Nothing was done`)
		if status := c.end(); status != 1 {
			t.Errorf("the exit status is %d", status)
		}
		c = atTerminal(t, environ, "client", "delete_database", "alice/test")
		c.await(`Type yes`)
		c.press("\x03")
		if status := c.end(); status != 130 {
			t.Errorf("the exit status is %d", status)
		}
		c = atTerminal(t, environ, "client", "database_details", "alice/test")
		c.await(`ReadWrite`)
	})
	t.Run("nothing commands the terminal, and only a terminal has colours", func(t *testing.T) {
		sql := "SELECT char(27) || '[31m' || char(7) AS red, NULL AS n"
		for _, format := range []string{"table", "csv", "json", "jsonl"} {
			c := atTerminal(t, append(environ, "NO_COLOR=1"), "client", "query", "alice/test", "--format", format, sql)
			if status := c.end(); status != 0 || strings.ContainsAny(c.seen.String(), "\x1b\a") {
				t.Errorf("%s: %d %q", format, status, c.seen)
			}
		}
		c := atTerminal(t, environ, "client", "query", "alice/test", sql)
		if c.end(); !regexp.MustCompile(`\x1b\[[0-9;]*m *NULL`).MatchString(c.seen.String()) {
			t.Errorf("NULL is not told from a text: %q", c.seen)
		}
	})
	t.Run("a session is a session", func(t *testing.T) {
		c := atTerminal(t, append(environ, "PAGER="), "client", "query", "alice/test")
		c.await(`Launching an interactive session for alice/test\r\n`)
		c.await(`alice/test> `)
		c.press("SELECT 1\n+ 1 AS sum;\n")
		c.await(`sum`)
		for range 2 {
			c.press(endless + ";\n")
			c.await(`running 1s`)
			c.press("\x03")
			c.await(`cancelled`)
			c.seen.reset()
			c.press("SELECT 40 + 2 AS answer;\n")
			c.await(`42`)
			c.seen.reset()
		}
		c.press(".quit\n")
		if status := c.end(); status != 0 {
			t.Errorf("the exit status is %d", status)
		}
		home := strings.TrimPrefix(environ[0], "HOME=")
		if info, err := os.Stat(filepath.Join(home, ".config", "ayb", "history")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the history is not kept for this person alone: %v %v", info, err)
		}
	})
}

// A home that can't be written is no reason to lose a token that works once.
func TestClient_in_a_home_that_cannot_be_written(t *testing.T) {
	t.Parallel()
	p := startServer(t, t.TempDir(), "AYB__LIMITS__REQUEST_RATE=1000")
	home := t.TempDir()
	if err := os.Chmod(home, 0o555); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		// Temporary directories of tests are for their user alone.
		for dir := home; dir != os.TempDir() && strings.HasPrefix(dir, os.TempDir()); dir = filepath.Dir(dir) {
			if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o005 == 0 {
				_ = os.Chmod(dir, info.Mode().Perm()|0o055)
			}
		}
		cmd := unprivileged(t, command(t, "/", []string{"HOME=" + home, "no_proxy=*"}, args...))
		var out, errout strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errout
		err := cmd.Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if err != nil && !ok {
			t.Fatal(err)
		}
		if ok {
			return exit.ExitCode(), out.String(), errout.String()
		}
		return 0, out.String(), errout.String()
	}
	status, out, errout := run("client", "--url", p.url, "register", "alice", "alice@example.org")
	if status != 0 || out != "Check your email to finish registering alice\n" || !strings.HasPrefix(errout, "Warning: "+p.url+" is not remembered as the server. The configuration file "+home) {
		t.Errorf("register: %d %s%s", status, out, errout)
	}
	token := mailedToken(t, filepath.Join(p.dir, "ayb_data", "emails.jsonl"))
	status, out, errout = run("client", "--url", p.url, "confirm", token)
	match := regexp.MustCompile(`^Successfully authenticated alice with token (ayb_\S+), which is not saved\n$`).FindStringSubmatch(out)
	if status != 1 || match == nil || !strings.Contains(errout, "\nhint: keep the token, and give it with --token or in AYB_API_TOKEN\n") {
		t.Fatalf("confirm: %d %s%s", status, out, errout)
	}
	if status, _, errout = run("client", "--url", p.url, "--token", match[1], "list_tokens"); status != 0 {
		t.Errorf("the token does not work: %s", errout)
	}
}
