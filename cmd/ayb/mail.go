package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"ayb/internal/mail"
)

// transports returns the ways in which e-mails are sent. If nobody has said where
// people would read them, they are shown to whoever has started the server; but
// what is no terminal is kept, in a journal for example, and must hold no tokens,
// so there the log says where the e-mail is.
func (c *config) transports(out io.Writer, logger *slog.Logger) (list []mail.Transport) {
	if c.hasMailServer() {
		list = append(list, c.smtp())
	}
	if path := c.mailFile(); path != "" {
		from, replyTo := c.sender()
		var file mail.Transport = &mail.File{Path: path, From: from, ReplyTo: replyTo}
		if c.talksToTerminal() && !isTerminal(out) {
			file = loggedMail{file, path, logger}
		}
		list = append(list, file)
	}
	if c.talksToTerminal() && isTerminal(out) {
		list = append(list, &terminalMail{w: out})
	}
	return list
}

// loggedMail says in the log where an e-mail can be found.
type loggedMail struct {
	mail.Transport
	path   string
	logger *slog.Logger
}

// Send sends the e-mail and logs it.
func (l loggedMail) Send(ctx context.Context, msg mail.Message) error {
	if err := l.Transport.Send(ctx, msg); err != nil {
		return err
	}
	l.logger.InfoContext(ctx, "an e-mail is in the file", "to", msg.To, "file", l.path)
	return nil
}

// terminalMail shows e-mails to whoever has started the server.
type terminalMail struct {
	mu sync.Mutex // one e-mail at a time
	w  io.Writer
}

// Name returns "terminal".
func (t *terminalMail) Name() string { return "terminal" }

// Send shows the e-mail.
func (t *terminalMail) Send(_ context.Context, msg mail.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := fmt.Fprintf(t.w, "\nE-mail to %s: %s\n\n%s\n\n", msg.To, msg.Subject, msg.Body)
	return err
}
