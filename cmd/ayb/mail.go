package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"ayb/internal/mail"
)

// transports returns the ways in which e-mails are sent.
func (c *config) transports(terminal io.Writer) (list []mail.Transport) {
	if c.hasMailServer() {
		list = append(list, c.smtp())
	}
	if path := c.mailFile(); path != "" {
		from, replyTo := c.sender()
		list = append(list, &mail.File{Path: path, From: from, ReplyTo: replyTo})
	}
	if c.talksToTerminal() {
		list = append(list, &terminalMail{w: terminal})
	}
	return list
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
