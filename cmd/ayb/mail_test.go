package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ayb/internal/mail"
)

// TestMail_without_configuration holds that what is kept, as a journal or a file
// is, gets no token to see.
func TestMail_without_configuration(t *testing.T) {
	const secret = "gAAAA-the-token"
	c := newConfig()
	c.DataPath = t.TempDir()
	send := func(out io.Writer) (log string) {
		t.Helper()
		var b bytes.Buffer
		mailer := mail.New(slog.New(slog.DiscardHandler), c.transports(out, slog.New(slog.NewTextHandler(&b, nil)))...)
		if err := mailer.SendMail(t.Context(), "ann@example.org", "Your login credentials", "visit /confirm/"+secret); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var out bytes.Buffer
	if log := send(&out); out.Len() > 0 || strings.Contains(log, secret) || !strings.Contains(log, "emails.jsonl") || !strings.Contains(log, "ann@example.org") {
		t.Errorf("printed %q and logged %q", &out, log)
	}
	kept, err := os.ReadFile(filepath.Join(c.DataPath, "emails.jsonl"))
	if err != nil || !bytes.Contains(kept, []byte(secret)) {
		t.Errorf("the file holds %q, %v", kept, err)
	}
	file, err := os.Create(filepath.Join(c.DataPath, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	send(file)
	if info, err := file.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("%v bytes were written to a file, %v", info, err)
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals here")
	}
	defer terminal.Close()
	if n := len(c.transports(terminal, nil)); n != 2 {
		t.Errorf("with a terminal there are %d ways, want the file and the terminal", n)
	}
}
