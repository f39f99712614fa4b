package aybtest

import (
	"context"
	"strings"

	"ayb"
	"ayb/internal/mail"
)

// A Mailbox keeps the e-mails that an engine sends, the newest 10,000. Its zero
// value is ready. It is safe for concurrent use.
type Mailbox struct{ transport mail.Memory }

// A Mail is an e-mail that was sent.
type Mail struct{ To, Subject, Body string }

// SendMail keeps an e-mail. It refuses what a real mail server would, and fails as
// Fail says.
func (b *Mailbox) SendMail(ctx context.Context, to, subject, body string) error {
	return b.transport.Send(ctx, mail.Message{To: to, Subject: subject, Body: body})
}

// Fail makes every SendMail from now on fail with err; nil ends that.
func (b *Mailbox) Fail(err error) { b.transport.Fail(err) }

// To returns the e-mails to an address, oldest first.
func (b *Mailbox) To(address string) (mails []Mail) {
	for _, msg := range b.transport.Messages() {
		if msg.To == address {
			mails = append(mails, Mail(msg))
		}
	}
	return mails
}

// Token returns the token in the newest e-mail to an address; empty if there is
// no e-mail, or no token in it.
func (b *Mailbox) Token(address string) string {
	msg, _ := b.transport.Last(address)
	_, token, _ := strings.Cut(msg.Body, "\tayb client confirm ")
	return token
}

// MustRegister makes an account by e-mail, as its owner does: it registers, reads
// the e-mail in the fixture's Mailbox, and confirms. It returns the principal that
// acts as the account, and the secret of its first API token.
func (f *Fixture) MustRegister(entity, email string, kind ayb.EntityKind) (_ ayb.Principal, secret string) {
	f.t.Helper()
	if err := f.Register(f.ctx(), ayb.System, ayb.Registration{Entity: entity, Email: email, Kind: kind}); err != nil {
		f.t.Fatalf("registering %s: %v", entity, err)
	}
	ent, secret, _, err := f.Confirm(f.ctx(), ayb.Anonymous, f.Mailbox.Token(strings.ToLower(email)))
	if err != nil {
		f.t.Fatalf("confirming %s: %v", entity, err)
	}
	return f.Owner(ent), secret
}

// MustMember gives a user a role in an organization.
func (f *Fixture) MustMember(organization, entity string, role ayb.Role) {
	f.t.Helper()
	if err := f.SetMember(f.ctx(), ayb.System, organization, entity, role); err != nil {
		f.t.Fatalf("making %s %s of %s: %v", entity, role, organization, err)
	}
}
