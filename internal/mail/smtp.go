package mail

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"ayb/fault"
)

// DefaultTimeout is how long one conversation with a mail server may take.
const DefaultTimeout = 30 * time.Second

const (
	maxConversations = 8         // at once; mail servers allow a client only some
	maxReplies       = 256 << 10 // bytes that a mail server may send in one conversation
	farewellTime     = time.Second
)

// Security says how a connection to a mail server is encrypted. The zero value
// is ImplicitTLS.
type Security string

// The ways to encrypt, by their names in the configuration.
const (
	ImplicitTLS Security = "tls"      // from the first byte; usually port 465
	StartTLS    Security = "starttls" // after the STARTTLS command, or not at all; usually port 587
	Plain       Security = "plain"    // never; for a mail server on the same machine
)

// ParseSecurity reads the name of a Security; an empty one is [ImplicitTLS]. It
// fails as [fault.Invalid].
func ParseSecurity(text string) (Security, error) {
	switch s := Security(text); s {
	case "":
		return ImplicitTLS, nil
	case ImplicitTLS, StartTLS, Plain:
		return s, nil
	}
	return "", fault.New(fault.Invalid, `The security of a mail server is one of "tls", "starttls" and "plain"`)
}

// SMTP is a transport that hands each message to a mail server, on a connection
// of its own. It is safe for concurrent use: up to 8 conversations go on at a
// time, and more wait within their Timeout.
type SMTP struct {
	Host     string   // required; a name or an IP address
	Port     int      // required
	Security Security // zero: ImplicitTLS

	// Username and Password are for a server that wants a log-in; both are
	// empty for one that does not. With Plain they are sent to this very
	// machine only.
	Username, Password string

	From    Address // required
	ReplyTo Address // zero: From

	// TLSConfig is for a server with a certificate of its own authority. Nil:
	// the authorities of the system, and the certificate must be for Host.
	TLSConfig *tls.Config

	// Timeout bounds one conversation, from looking up the name to the server's
	// word that it has the message. 0: DefaultTimeout.
	Timeout time.Duration

	Now    func() time.Time // dates the messages; nil: time.Now
	Random io.Reader        // makes the ids of messages; nil: crypto/rand.Reader

	once  sync.Once
	slots chan struct{}
}

// A RecipientError is a mail server's refusal to take mail for an address, for
// good.
type RecipientError struct {
	Code  int    // of SMTP
	Reply string // the server's words, for the log
}

// Error returns the code and the reply.
func (e *RecipientError) Error() string {
	return fmt.Sprintf("recipient refused: %d %s", e.Code, e.Reply)
}

// Name returns "smtp".
func (s *SMTP) Name() string { return "smtp" }

// Validate reports, all at once and as [fault.Invalid], what is wrong with the
// settings as far as that can be seen without asking the server.
func (s *SMTP) Validate() error {
	var problems []error
	refuse := func(bad bool, sentence string) {
		if bad {
			problems = append(problems, fault.New(fault.Invalid, "%s", sentence))
		}
	}
	refuse(s.Host == "", "The mail server needs a host")
	refuse(s.Port < 1 || s.Port > 65535, "The port of the mail server must be between 1 and 65535")
	refuse(!s.From.isValid(), "The mail server needs a sender, like Ann <ann@example.org>")
	refuse(!s.ReplyTo.IsZero() && !s.ReplyTo.isValid(), "The address for answers must look like Ann <ann@example.org>")
	refuse((s.Username == "") != (s.Password == ""), "The mail server needs both a user name and a password, or neither")
	if _, err := ParseSecurity(string(s.Security)); err != nil {
		problems = append(problems, err)
	}
	ip := net.ParseIP(s.Host)
	here := s.Host == "localhost" || ip != nil && ip.IsLoopback()
	refuse(s.Security == Plain && s.Username != "" && !here, noPlainPassword)
	return errors.Join(problems...)
}

const noPlainPassword = "A password is not sent to another machine without encryption; set the security of the mail server to tls or starttls"

// Send hands msg to the mail server. It fails as [fault.Invalid] or
// [fault.TooLarge] for a message that cannot be sent; as Invalid with a
// [*RecipientError] as cause if the server wants no mail for the address; as
// [fault.TimedOut] if Timeout has passed, when the message may yet arrive; else
// as [fault.Unavailable].
func (s *SMTP) Send(ctx context.Context, msg Message) error {
	mail, err := msg.parse()
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	letter, err := s.letter(mail)
	if err != nil {
		return err
	}
	return s.converse(ctx, func(c *smtp.Client) error { return deliver(c, letter) })
}

// Check connects to the mail server, greets it, logs in and takes leave; it
// sends nothing. It fails as Send does.
func (s *SMTP) Check(ctx context.Context) error {
	if err := s.Validate(); err != nil {
		return err
	}
	return s.converse(ctx, func(c *smtp.Client) error { return unavailable(c.Noop(), "The mail server does not answer") })
}

func (s *SMTP) letter(mail envelope) (letter, error) {
	random, now := s.Random, s.Now
	if random == nil {
		random = rand.Reader
	}
	if now == nil {
		now = time.Now
	}
	id := make([]byte, 16)
	if _, err := io.ReadFull(random, id); err != nil {
		return letter{}, fault.Wrap(fault.Internal, err, "")
	}
	return letter{
		envelope: mail, from: s.From, replyTo: s.ReplyTo, date: now(),
		id: hex.EncodeToString(id) + "@" + s.From.domain(),
	}, nil
}

// converse runs talk within a conversation, once it is its turn, and bounds the
// whole by s.Timeout.
func (s *SMTP) converse(parent context.Context, talk func(*smtp.Client) error) error {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	err := s.await(ctx)
	if err == nil {
		err = s.connect(ctx, talk)
		<-s.slots
	}
	switch {
	case err == nil:
		return nil
	case parent.Err() != nil:
		return parent.Err()
	case ctx.Err() != nil:
		return fault.Wrap(fault.TimedOut, err, "The mail server did not answer within %v", timeout)
	}
	return err
}

// await takes one of the slots.
func (s *SMTP) await(ctx context.Context) error {
	s.once.Do(func() { s.slots = make(chan struct{}, maxConversations) })
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connect runs talk on a connection that is encrypted and logged in as
// configured. The library bounds single commands by timers of its own; the
// end of ctx ends them all, by closing the connection under them.
func (s *SMTP) connect(ctx context.Context, talk func(*smtp.Client) error) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return unavailable(err, "The mail server cannot be reached")
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	client, err := s.greet(ctx, &boundedConn{Conn: conn, left: maxReplies})
	if err != nil {
		return err
	}
	if err := s.logIn(client, conn.RemoteAddr()); err != nil {
		return err
	}
	if err := talk(client); err != nil {
		return err
	}
	client.CommandTimeout = farewellTime // the message is theirs; QUIT is mere courtesy
	_ = client.Quit()
	return nil
}

// greet encrypts the connection as configured and says hello.
func (s *SMTP) greet(ctx context.Context, conn net.Conn) (client *smtp.Client, err error) {
	switch s.Security {
	case Plain:
		client = smtp.NewClient(conn)
	case StartTLS:
		// This fails if the server has no STARTTLS, or if somebody on the way
		// has hidden it: there is no going on without.
		if client, err = smtp.NewClientStartTLS(conn, s.tlsConfig()); err != nil {
			return nil, unavailable(err, "The mail server did not start TLS (STARTTLS), and without it nothing is sent; check its port and security")
		}
	default:
		encrypted := tls.Client(conn, s.tlsConfig())
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, notEncrypted(err)
		}
		client = smtp.NewClient(encrypted)
	}
	name := s.From.domain()
	if !isASCII(name) {
		name = "localhost"
	}
	if err := client.Hello(name); err != nil {
		if s.Security == StartTLS { // here the library does the handshake
			return nil, notEncrypted(err)
		}
		return nil, unavailable(err, "The mail server did not greet; check its port and security")
	}
	return client, nil
}

func (s *SMTP) tlsConfig() *tls.Config {
	config := s.TLSConfig.Clone() // of nil: nil
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config.ServerName = s.Host
	}
	return config
}

// logIn proves who we are, if that is configured. The password goes over TLS, or
// to an address of this machine, whatever its name resolved to.
func (s *SMTP) logIn(client *smtp.Client, peer net.Addr) error {
	if s.Username == "" {
		return nil
	}
	if s.Security == Plain {
		if tcp, ok := peer.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
			return fault.New(fault.Invalid, noPlainPassword)
		}
	}
	var proof sasl.Client
	switch {
	case client.SupportsAuth(sasl.Plain):
		proof = sasl.NewPlainClient("", s.Username, s.Password)
	case client.SupportsAuth(sasl.Login):
		proof = sasl.NewLoginClient(s.Username, s.Password)
	default:
		return fault.New(fault.Unavailable, "The mail server offers no log-in by password; leave user name and password out, or check its port and security")
	}
	return unavailable(client.Auth(proof), "The mail server refused the user name and password")
}

// deliver hands over one letter.
func deliver(client *smtp.Client, l letter) error {
	var options smtp.MailOptions
	if !isASCII(l.from.Addr) || !isASCII(l.to.Addr) || !isASCII(l.replyTo.Addr) {
		if ok, _ := client.Extension("SMTPUTF8"); !ok {
			return fault.New(fault.Invalid, "The mail server takes only addresses in ASCII letters")
		}
		options.UTF8 = true
	}
	if err := client.Mail(l.from.Addr, &options); err != nil {
		return unavailable(err, "The mail server refused the sender address")
	}
	if err := client.Rcpt(l.to.Addr, nil); err != nil {
		return recipientRefused(err)
	}
	data, err := client.Data()
	if err == nil {
		_, err = data.Write(l.format())
	}
	if err == nil {
		err = data.Close()
	}
	return unavailable(err, "The mail server did not take the message")
}

// recipientRefused tells a refusal of this one mailbox, for good, from one for
// the moment and from a server's policy towards us: class 7 of RFC 3463.
func recipientRefused(err error) error {
	const policy = 7
	if reply, ok := errors.AsType[*smtp.SMTPError](err); ok && reply.EnhancedCode[1] != policy {
		switch reply.Code {
		case 550, 551, 553, 556: // no such mailbox, not here, not a name, no mail at all
			return fault.Wrap(fault.Invalid, &RecipientError{Code: reply.Code, Reply: reply.Message}, "The mail server accepts no e-mail for this address")
		}
	}
	return unavailable(err, "The mail server did not accept e-mail for this address this time")
}

func notEncrypted(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return unavailable(err, "The certificate of the mail server is not one for its host from a known authority")
	}
	return unavailable(err, "The mail server did not speak TLS; check its port and security")
}

// unavailable wraps err, if there is one.
func unavailable(err error, message string) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "%s", message)
}

// A boundedConn reads no more than so many bytes, so that an endless reply does
// not fill the memory.
type boundedConn struct {
	net.Conn
	left int
}

// Read fails once the bound is used up.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the mail server talks too much")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
