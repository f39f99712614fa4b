package main

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"ayb"
)

// diagnose runs "ayb doctor" in the current directory.
func diagnose(t *testing.T, environ ...string) (status int, report string) {
	t.Helper()
	status, report, errout := runCommand(environ, "doctor")
	if errout != "" {
		t.Errorf("on standard error: %s", errout)
	}
	return status, report
}

// has reports whether one line of a report begins with a grade and a subject and
// holds a text.
func has(report string, g grade, subject, text string) bool {
	for line := range strings.Lines(report) {
		rest, ok := strings.CutPrefix(line, string(g))
		if ok && strings.HasPrefix(strings.TrimSpace(rest), subject) && strings.Contains(rest, text) {
			return true
		}
	}
	return false
}

func TestDoctor_before_the_first_start(t *testing.T) {
	t.Chdir(t.TempDir())
	status, report := diagnose(t)
	for _, want := range []struct {
		grade         grade
		subject, text string
	}{
		{fine, "configuration", "there is no ayb.toml"},
		{fine, "data path", "./ayb_data is not there yet"},
		{fine, "metadata", "is empty"},
		{fine, "e-mail", "emails.jsonl can be written"},
		{warning, "e-mail", "there is no mail server"},
		{warning, "snapshots", "not configured"},
		{fine, "isolation", "worker processes stand behind"},
	} {
		if !has(report, want.grade, want.subject, want.text) {
			t.Errorf("no line says %s %s ... %s", want.grade, want.subject, want.text)
		}
	}
	if status != 0 {
		t.Errorf("exit status %d", status)
	}
	if entries, _ := os.ReadDir("."); len(entries) > 0 {
		t.Errorf("it left %v behind", entries)
	}
	if t.Failed() {
		t.Log(report)
	}
}

func TestDoctor_knows_a_server_that_runs_and_one_that_ran(t *testing.T) {
	t.Chdir(t.TempDir())
	eng, err := ayb.Open(t.Context(), ayb.Config{DataPath: "ayb_data"})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	_, report := diagnose(t)
	if !has(report, fine, "server", "process "+strconv.Itoa(os.Getpid())+" is running") || !has(report, fine, "metadata", "its schema is number") {
		t.Errorf("while it runs:\n%s", report)
	}
	if err := eng.Close(); err != nil {
		t.Fatal(err)
	}
	before := files(t)
	status, report := diagnose(t)
	if status != 0 || !has(report, fine, "server", "none is running") || !has(report, fine, "metadata", "its schema is number") {
		t.Errorf("after it ran: exit status %d\n%s", status, report)
	}
	if after := files(t); after != before {
		t.Errorf("it changed the files from\n%s to\n%s", before, after)
	}
}

func TestDoctor_configuration(t *testing.T) {
	t.Run("problems of the configuration", func(t *testing.T) {
		t.Chdir(t.TempDir())
		status, report := diagnose(t, "AYB__PROT=1", "AYB__PORT=x")
		if status != 1 || !has(report, broken, "configuration", "AYB__PROT: ") || !has(report, broken, "configuration", "AYB__PORT: ") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
	t.Run("links that lead nowhere", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if _, report := diagnose(t, "AYB__HOST=0.0.0.0"); !has(report, warning, "configuration", "set public_url") {
			t.Error(report)
		}
		if _, report := diagnose(t, "AYB__HOST=0.0.0.0", "AYB__PUBLIC_URL=https://ayb.example.org"); has(report, warning, "configuration", "public_url") {
			t.Error(report)
		}
	})
}

func TestDoctor_data_path(t *testing.T) {
	t.Run("a data path that is a file", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("ayb_data", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if status, report := diagnose(t); status != 1 || !has(report, broken, "data path", "is not a directory") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
	t.Run("what others may read", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := os.Mkdir("ayb_data", 0o700); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"ayb_data", "ayb_data/fernet.key", "ayb.toml"} {
			if err := os.WriteFile(path, nil, 0o600); err != nil && path != "ayb_data" {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		status, report := diagnose(t)
		for subject, text := range map[string]string{"configuration": "chmod 600 ayb.toml", "data path": "chmod 700 ./ayb_data"} {
			if !has(report, warning, subject, text) {
				t.Errorf("nothing says %s", text)
			}
		}
		if status != 0 || !has(report, warning, "data path", "chmod 600 ayb_data/fernet.key") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
	t.Run("a directory that can't be written", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "ayb_data"), 0o555); err != nil {
			t.Fatal(err)
		}
		out, err := unprivileged(t, command(t, dir, nil, "doctor")).Output()
		if exitStatus(err) != exitError || !has(string(out), broken, "data path", "can't be written (permission denied)") {
			t.Errorf("exit status %d\n%s", exitStatus(err), out)
		}
	})
}

func TestDoctor_metadata(t *testing.T) {
	t.Run("metadata that is no database", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("other.sqlite", []byte(strings.Repeat("not a database", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, report := diagnose(t, "AYB__DATABASE_URL=sqlite://other.sqlite"); status != 1 || !has(report, broken, "metadata", "other.sqlite can't be read") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
	t.Run("PostgreSQL that is not there", func(t *testing.T) {
		t.Chdir(t.TempDir())
		status, report := diagnose(t, "AYB__DATABASE_URL=postgresql://ayb:hunter2@"+closedPort(t)+"/ayb")
		if status != 1 || !has(report, broken, "metadata", "PostgreSQL on 127.0.0.1 can't be read") || strings.Contains(report, "hunter2") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
}

func TestDoctor_PostgreSQL(t *testing.T) {
	url := os.Getenv("AYB_TEST_POSTGRES")
	if url == "" {
		if os.Getenv("AYB_TEST_REQUIRE") != "" {
			t.Fatal("AYB_TEST_POSTGRES is not set; run the tests through scripts/postgres")
		}
		t.Skip("AYB_TEST_POSTGRES is not set; run the tests through scripts/postgres")
	}
	t.Chdir(t.TempDir())
	if _, report := diagnose(t, "AYB__DATABASE_URL="+url); !has(report, fine, "metadata", "PostgreSQL on 127.0.0.1") {
		t.Error(report)
	}
}

func TestDoctor_mail(t *testing.T) {
	mailServer := func(host string) []string {
		name, port, _ := net.SplitHostPort(host)
		return []string{
			"AYB__EMAIL__SMTP__FROM=a@example.org", "AYB__EMAIL__SMTP__SECURITY=plain",
			"AYB__EMAIL__SMTP__SMTP_HOST=" + name, "AYB__EMAIL__SMTP__SMTP_PORT=" + port,
		}
	}
	t.Run("a server that answers", func(t *testing.T) {
		t.Chdir(t.TempDir())
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return noMail{t}, nil }))
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		t.Cleanup(func() {
			server.Close()
			<-served
		})
		status, report := diagnose(t, mailServer(listener.Addr().String())...)
		if status != 0 || !has(report, fine, "e-mail", "the mail server "+listener.Addr().String()+" answers") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
	t.Run("a server that is not there", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if status, report := diagnose(t, mailServer(closedPort(t))...); status != 1 || !has(report, broken, "e-mail", "does not work (The mail server cannot be reached") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
	t.Run("a file that is a directory", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if status, report := diagnose(t, "AYB__EMAIL__FILE__PATH=."); status != 1 || !has(report, broken, "e-mail", ". is a directory") {
			t.Errorf("exit status %d\n%s", status, report)
		}
	})
}

// noMail fails the test if somebody sends mail.
type noMail struct{ t *testing.T }

// Mail is the beginning of a message.
func (s noMail) Mail(string, *smtp.MailOptions) error {
	s.t.Error("an e-mail was sent")
	return errors.New("no")
}

// Rcpt is never reached.
func (noMail) Rcpt(string, *smtp.RcptOptions) error { return errors.New("no") }

// Data is never reached.
func (noMail) Data(io.Reader) error { return errors.New("no") }

// Reset does nothing.
func (noMail) Reset() {}

// Logout does nothing.
func (noMail) Logout() error { return nil }

// closedPort returns an address of this machine on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// files lists what is below the current directory: modes, and of files also size and
// time.
func files(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.Mode().String())
		if !d.IsDir() {
			b.WriteString(" " + strconv.FormatInt(info.Size(), 10) + " " + info.ModTime().String())
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
