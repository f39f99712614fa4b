// Package mail sends the e-mails of ayb: short plain texts, each to one person.
//
// A [Mailer] gives every message to all of its transports: [SMTP], a real mail
// server; [File], a file of JSON lines for machines without one; [Memory], for
// tests. One success is enough. What a transport reports is meant for the
// operator; what the mailer reports may be shown to whoever asked for the mail.
//
// Nothing is queued and nothing is tried twice: the person who waits for the
// mail learns at once that it could not be sent, and asks again.
package mail

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"ayb/fault"
)

// A Transport is one way to deliver a message. It is safe for concurrent use.
type Transport interface {
	// Send delivers the message, or hands it to somebody who promises to. It
	// returns when that is done or has failed, and soon after the end of ctx.
	// Errors are faults, except that of ctx itself.
	Send(ctx context.Context, msg Message) error

	// Name says in one word what the transport is, for the log.
	Name() string
}

// A Mailer sends messages by several transports. It is safe for concurrent use.
type Mailer struct {
	transports []Transport
	logger     *slog.Logger
}

// New returns a Mailer that uses all of the transports. A nil logger means
// silence. A mailer without transports refuses every message as
// [fault.Unavailable].
func New(logger *slog.Logger, transports ...Transport) *Mailer {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Mailer{transports: transports, logger: logger}
}

// Send gives msg to all transports at once and waits for all of them. It
// succeeds if one does, and logs the failures of the others. It fails as
// [fault.Invalid] or [fault.TooLarge] for a message that cannot be sent, as
// Invalid with a [*RecipientError] as cause if a mail server wants no mail for
// the address, and else as [fault.Unavailable] with the causes joined; if ctx
// has ended, with the error of ctx.
func (m *Mailer) Send(ctx context.Context, msg Message) error {
	if len(m.transports) == 0 {
		return fault.New(fault.Unavailable, "This server is not set up to send e-mail; ask its operator")
	}
	if _, err := msg.parse(); err != nil {
		return err
	}
	failures := m.try(ctx, msg)
	if len(failures) == len(m.transports) {
		return failed(ctx, errors.Join(failures...))
	}
	return nil
}

// SendMail is Send for callers that do without the types of this package.
func (m *Mailer) SendMail(ctx context.Context, to, subject, body string) error {
	return m.Send(ctx, Message{To: to, Subject: subject, Body: body})
}

// try sends msg by all transports, and returns the failures, which it logs
// unless there is nothing else: then they are the caller's to report. The
// transports do not wait for one another, since a mail server that hangs would
// use up the time of the file.
func (m *Mailer) try(ctx context.Context, msg Message) (failures []error) {
	results := make([]error, len(m.transports))
	var wg sync.WaitGroup
	for i, t := range m.transports {
		wg.Go(func() { results[i] = t.Send(ctx, msg) })
	}
	wg.Wait()
	for _, err := range results {
		if err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) == len(m.transports) {
		return failures
	}
	for i, err := range results {
		if err != nil {
			m.logger.WarnContext(ctx, "e-mail not sent by one of the transports", "transport", m.transports[i].Name(), "error", err)
		}
	}
	return failures
}

// failed says to the person who asked for the mail that no transport sent it.
func failed(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, refused := errors.AsType[*RecipientError](cause); refused {
		return fault.Wrap(fault.Invalid, cause, "The mail server accepts no e-mail for this address; check the address")
	}
	return fault.Wrap(fault.Unavailable, cause, "The e-mail could not be sent; try again later")
}
