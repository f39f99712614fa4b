package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ayb/fault"
)

var hello = Message{To: "ann@example.org", Subject: "Your login credentials", Body: loginBody}

// testSMTP returns a transport to a port of this machine that logs in if a user
// is given.
func testSMTP(port int, security Security, config *tls.Config, user, password string) *SMTP {
	return &SMTP{
		Host: "127.0.0.1", Port: port, Security: security, Username: user, Password: password, TLSConfig: config,
		From: Address{"Server Sender", "server@example.org"}, Now: testTime, Random: bytes.NewReader(make([]byte, 1000)),
	}
}

func checkKind(t *testing.T, err error, want fault.Kind, message string) {
	t.Helper()
	if fault.KindOf(err) != want || !strings.Contains(fault.Message(err), message) {
		t.Errorf("%v: kind %s and %q, want %s and %q", err, fault.KindOf(err), fault.Message(err), want, message)
	}
}

func TestSMTP_Send_delivers(t *testing.T) {
	ca := newAuthority(t)
	for _, security := range []Security{"", ImplicitTLS, StartTLS, Plain} {
		for _, user := range []string{"", testUser} {
			t.Run("by "+string(security)+" as "+user, func(t *testing.T) {
				server := startServer(t, security == "" || security == ImplicitTLS, func(s *mailServer) {
					s.passwords = user != ""
					if security != Plain {
						s.TLSConfig = ca.server(t, "127.0.0.1")
					}
				})
				client := testSMTP(server.port, security, ca.client(), user, "")
				if user != "" {
					client.Password = testPassword
				}
				if err := client.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := client.Send(t.Context(), hello); err != nil {
					t.Fatal(err)
				}
				want := received{
					from: "server@example.org", to: "ann@example.org", user: user, hello: "example.org", tls: security != Plain,
					raw: strings.ReplaceAll(`From: "Server Sender" <server@example.org>
To: ann@example.org
Subject: Your login credentials
Date: Sun, 22 Nov 2026 12:44:08 +0000
Message-ID: <00000000000000000000000000000000@example.org>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

`+loginBody+"\n", "\n", "\r\n"),
				}
				if got := server.received(); !reflect.DeepEqual(got, []received{want}) {
					t.Errorf("got\n%+v\nwant\n%+v", got, want)
				}
			})
		}
	}
}

func TestSMTP_Send_keeps_every_line(t *testing.T) {
	server := startServer(t, false, nil)
	client := testSMTP(server.port, Plain, nil, "", "")
	for claim, body := range map[string]string{
		"dots":              ".\n..\n...x\n.\n\nQUIT\n",
		"a dot at the end":  "x\n.",
		"a long line":       strings.Repeat("0123456789", 1000) + "\n",
		"the longest plain": strings.Repeat("x", 998) + "\n",
		"UTF-8":             "Grüße\n\t日本語 🎉\n",
		"the largest body":  strings.Repeat("é.\n", MaxBody/4),
	} {
		t.Run(claim, func(t *testing.T) {
			msg := hello
			msg.Subject, msg.Body = "Überraschung", body
			if err := client.Send(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
			mails := server.received()
			_, subject, got := readLetter(t, []byte(mails[len(mails)-1].raw))
			if subject != msg.Subject || strings.TrimSuffix(got, "\n") != strings.TrimSuffix(body, "\n") {
				t.Errorf("%q\n%q", subject, got)
			}
		})
	}
}

func TestSMTP_Send_logs_in_or_sends_nothing(t *testing.T) {
	ca := newAuthority(t)
	start := func(passwords bool) *mailServer {
		return startServer(t, true, func(s *mailServer) { s.passwords, s.TLSConfig = passwords, ca.server(t, "127.0.0.1") })
	}
	t.Run("a wrong password", func(t *testing.T) {
		server := start(true)
		err := testSMTP(server.port, ImplicitTLS, ca.client(), testUser, "wrong-secret").Send(t.Context(), hello)
		checkKind(t, err, fault.Unavailable, "refused the user name and password")
		if strings.Contains(err.Error(), "wrong-secret") || len(server.received()) > 0 {
			t.Errorf("%v", err)
		}
	})
	t.Run("no password where one is demanded", func(t *testing.T) {
		server := start(true)
		checkKind(t, testSMTP(server.port, ImplicitTLS, ca.client(), "", "").Send(t.Context(), hello), fault.Unavailable, "refused the sender")
	})
	t.Run("a server that offers no log-in", func(t *testing.T) {
		server := start(false)
		checkKind(t, testSMTP(server.port, ImplicitTLS, ca.client(), testUser, testPassword).Send(t.Context(), hello), fault.Unavailable, "no log-in")
		if len(server.received()) > 0 {
			t.Error("sent all the same")
		}
	})
	t.Run("an old server that knows only LOGIN", func(t *testing.T) {
		port := script(t, func(c *scriptConn) {
			c.play([2]string{"", "220 hi"}, [2]string{"EHLO", "250-hi\r\n250 AUTH LOGIN XOAUTH2"},
				[2]string{"AUTH LOGIN bG9naW5AZXhhbXBsZS5vcmc=", "334 UGFzc3dvcmQ6"}, [2]string{"Y29ycmVjdCBob3JzZQ==", "235 ok"},
				[2]string{"NOOP", "250 ok"}, [2]string{"QUIT", "221 bye"})
		})
		if err := testSMTP(port, Plain, nil, testUser, testPassword).Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSMTP_Send_keeps_the_password_from_the_net(t *testing.T) {
	server := startServer(t, false, func(s *mailServer) { s.passwords = true })
	client := testSMTP(server.port, Plain, nil, testUser, testPassword)
	client.Host = "mail.example.org"
	checkKind(t, client.Validate(), fault.Invalid, "without encryption")
	checkKind(t, client.Send(t.Context(), hello), fault.Invalid, "without encryption")

	// A name of this machine that means another one by the time of dialing.
	err := client.logIn(nil, &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 25})
	checkKind(t, err, fault.Invalid, "without encryption")
	if len(server.logIns) > 0 {
		t.Errorf("%q", server.logIns)
	}
}

func TestSMTP_Send_refuses_servers_that_prove_nothing(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	for _, security := range []Security{ImplicitTLS, StartTLS} {
		for claim, c := range map[string]struct {
			host   string
			client *tls.Config
		}{
			"an unknown authority": {"127.0.0.1", stranger.client()},
			"another host":         {"mail.example.org", ca.client()},
			"not of the system":    {"127.0.0.1", nil},
		} {
			t.Run(string(security)+"/"+claim, func(t *testing.T) {
				server := startServer(t, security == ImplicitTLS, func(s *mailServer) {
					s.passwords, s.TLSConfig = true, ca.server(t, c.host)
				})
				err := testSMTP(server.port, security, c.client, testUser, testPassword).Send(t.Context(), hello)
				checkKind(t, err, fault.Unavailable, "certificate")
				if len(server.logIns) > 0 || len(server.received()) > 0 {
					t.Errorf("%q, %v", server.logIns, server.received())
				}
			})
		}
	}
}

func TestSMTP_Send_never_goes_on_without_STARTTLS(t *testing.T) {
	t.Run("a server that does not offer it", func(t *testing.T) {
		server := startServer(t, false, func(s *mailServer) { s.passwords = true })
		err := testSMTP(server.port, StartTLS, newAuthority(t).client(), testUser, testPassword).Send(t.Context(), hello)
		checkKind(t, err, fault.Unavailable, "STARTTLS")
		if len(server.logIns) > 0 || len(server.received()) > 0 {
			t.Errorf("%q, %v", server.logIns, server.received())
		}
	})
	t.Run("a server that refuses it", func(t *testing.T) {
		port := script(t, func(c *scriptConn) {
			c.play([2]string{"", "220 hi"}, [2]string{"EHLO", "250-hi\r\n250 STARTTLS"}, [2]string{"STARTTLS", "454 not now"})
			if line := c.hear(); line != "" {
				t.Errorf("went on with %q", line)
			}
		})
		checkKind(t, testSMTP(port, StartTLS, nil, "", "").Send(t.Context(), hello), fault.Unavailable, "STARTTLS")
	})
	t.Run("replies that somebody slipped in before TLS are not heard", func(t *testing.T) {
		port := script(t, func(c *scriptConn) {
			c.play([2]string{"", "220 hi"}, [2]string{"EHLO", "250-hi\r\n250 STARTTLS"}, [2]string{"STARTTLS", "220 go\r\n250-hi\r\n250 AUTH PLAIN"})
		})
		checkKind(t, testSMTP(port, StartTLS, nil, testUser, testPassword).Send(t.Context(), hello), fault.Unavailable, "TLS")
	})
	t.Run("TLS spoken to a server without it", func(t *testing.T) {
		server := startServer(t, false, nil)
		checkKind(t, testSMTP(server.port, ImplicitTLS, nil, "", "").Send(t.Context(), hello), fault.Unavailable, "check its port and security")
	})
}

// silences are servers that stop answering, by where they do.
func silences() map[string]func(*scriptConn) {
	upTo := func(last int) func(*scriptConn) {
		lines := [][2]string{
			{"", "220 hi"}, {"EHLO", "250 hi"}, {"MAIL", "250 ok"}, {"RCPT", "250 ok"}, {"DATA", "354 go"}, {".", "250 ok"},
		}
		lines[last][1] = ""
		return func(c *scriptConn) { c.play(lines...) }
	}
	return map[string]func(*scriptConn){
		"before the greeting": upTo(0), "after EHLO": upTo(1), "after MAIL": upTo(2), "after RCPT": upTo(3), "after DATA": upTo(4), "after the mail": upTo(5),
	}
}

func TestSMTP_Send_is_bounded_by_Timeout(t *testing.T) {
	const bound = 100 * time.Millisecond
	check := func(t *testing.T, client *SMTP) {
		client.Timeout = bound
		start := time.Now()
		checkKind(t, client.Send(t.Context(), hello), fault.TimedOut, "100ms")
		if took := time.Since(start); took < bound || took > 50*bound {
			t.Errorf("took %v", took)
		}
	}
	for where, talk := range silences() {
		t.Run(where, func(t *testing.T) { check(t, testSMTP(script(t, talk), Plain, nil, "", "")) })
	}
	t.Run("in the TLS handshake", func(t *testing.T) {
		check(t, testSMTP(script(t, (*scriptConn).hang), ImplicitTLS, nil, "", ""))
	})
	t.Run("in the handshake after STARTTLS", func(t *testing.T) {
		port := script(t, func(c *scriptConn) {
			c.play([2]string{"", "220 hi"}, [2]string{"EHLO", "250-hi\r\n250 STARTTLS"}, [2]string{"STARTTLS", "220 go"}, [2]string{"", ""})
		})
		check(t, testSMTP(port, StartTLS, nil, "", ""))
	})
	t.Run("by a server that answers slowly but steadily", func(t *testing.T) {
		port := script(t, func(c *scriptConn) {
			for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
				if c.say("220-wait") != nil {
					tick.Stop()
					return
				}
			}
		})
		check(t, testSMTP(port, Plain, nil, "", ""))
	})
}

func TestSMTP_Send_ends_with_its_context(t *testing.T) {
	heard := make(chan struct{})
	port := script(t, func(c *scriptConn) {
		c.play([2]string{"", "220 hi"}, [2]string{"EHLO", "250 hi"})
		close(heard)
		c.hang()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-heard; cancel() }()
	if err := testSMTP(port, Plain, nil, "", "").Send(ctx, hello); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

func TestSMTP_Send_succeeds_once_the_server_has_the_mail(t *testing.T) {
	port := script(t, func(c *scriptConn) { // and then never answers QUIT
		c.play([2]string{"", "220 hi"}, [2]string{"EHLO", "250 hi"}, [2]string{"MAIL", "250 ok"}, [2]string{"RCPT", "250 ok"},
			[2]string{"DATA", "354 go"}, [2]string{".", "250 ok"}, [2]string{"QUIT", ""})
	})
	start := time.Now()
	if err := testSMTP(port, Plain, nil, "", "").Send(t.Context(), hello); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestSMTP_Send_stops_a_server_that_talks_without_end(t *testing.T) {
	port := script(t, func(c *scriptConn) {
		for c.say("220-%s", strings.Repeat("x", 1000)) == nil {
		}
	})
	checkKind(t, testSMTP(port, Plain, nil, "", "").Send(t.Context(), hello), fault.Unavailable, "did not greet")
}

func TestSMTP_Send_reports_a_refused_recipient(t *testing.T) {
	for claim, c := range map[string]struct {
		refusal   smtp.SMTPError
		kind      fault.Kind
		recipient bool
	}{
		"an unknown mailbox":    {smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}, fault.Invalid, true},
		"without class":         {smtp.SMTPError{Code: 553, EnhancedCode: smtp.NoEnhancedCode, Message: "no such name"}, fault.Invalid, true},
		"greylisting":           {smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "come again"}, fault.Unavailable, false},
		"a full disk":           {smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "disk full"}, fault.Unavailable, false},
		"no relaying":           {smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "relay access denied"}, fault.Unavailable, false},
		"no relaying, as 550":   {smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "relay access denied"}, fault.Unavailable, false},
		"log-in wanted instead": {smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "log in"}, fault.Unavailable, false},
	} {
		t.Run(claim, func(t *testing.T) {
			server := startServer(t, false, func(s *mailServer) { s.refuse = &c.refusal })
			err := testSMTP(server.port, Plain, nil, "", "").Send(t.Context(), hello)
			refused, ok := errors.AsType[*RecipientError](err)
			if fault.KindOf(err) != c.kind || ok != c.recipient {
				t.Errorf("%v (%s)", err, fault.KindOf(err))
			}
			if ok && (refused.Code != c.refusal.Code || refused.Reply != c.refusal.Message) {
				t.Errorf("%+v", refused)
			}
			if strings.Contains(fault.Message(err), c.refusal.Message) || !strings.Contains(err.Error(), c.refusal.Message) {
				t.Errorf("the server's words belong into the log: %q, %v", fault.Message(err), err)
			}
		})
	}
}

func TestSMTP_Send_refuses(t *testing.T) {
	server := startServer(t, false, nil)
	for claim, msg := range badMessages() {
		t.Run(claim, func(t *testing.T) {
			checkBad(t, testSMTP(server.port, Plain, nil, "", "").Send(t.Context(), msg))
		})
	}
	if mails := server.received(); len(mails) > 0 {
		t.Errorf("%v", mails)
	}
}

func TestSMTP_Send_to_addresses_of_the_world(t *testing.T) {
	msg := hello
	msg.To = "zoë@bücher.example"
	server := startServer(t, false, nil)
	checkKind(t, testSMTP(server.port, Plain, nil, "", "").Send(t.Context(), msg), fault.Invalid, "ASCII")
	server = startServer(t, false, func(s *mailServer) { s.EnableSMTPUTF8 = true })
	if err := testSMTP(server.port, Plain, nil, "", "").Send(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	if mails := server.received(); len(mails) != 1 || mails[0].to != msg.To || !mails[0].utf8 {
		t.Errorf("%+v", mails)
	}
}

func TestSMTP_Send_holds_few_conversations_at_a_time(t *testing.T) {
	const mails = 3 * maxConversations
	server := startServer(t, false, func(s *mailServer) {
		s.talking, s.holdData = make(chan struct{}, mails), make(chan struct{})
	})
	client := testSMTP(server.port, Plain, nil, "", "")
	client.Random = nil
	var wg sync.WaitGroup
	for range mails {
		wg.Go(func() {
			if err := client.Send(context.Background(), hello); err != nil {
				t.Error(err)
			}
		})
	}
	for range maxConversations { // all that there may be are under way
		<-server.talking
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := client.Send(ctx, hello); err != context.DeadlineExceeded {
		t.Errorf("a mail beyond the bound: %v", err)
	}
	close(server.holdData)
	wg.Wait()
	if n := len(server.received()); n != mails || server.maxInside != maxConversations {
		t.Errorf("%d mails, %d at a time", n, server.maxInside)
	}
}

func TestSMTP_Send_reports(t *testing.T) {
	t.Run("a server that is down", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		client := testSMTP(listener.Addr().(*net.TCPAddr).Port, Plain, nil, "", "")
		checkKind(t, client.Send(t.Context(), hello), fault.Unavailable, "cannot be reached")
		checkKind(t, client.Check(t.Context()), fault.Unavailable, "cannot be reached")
	})
	t.Run("a server that turns everybody away", func(t *testing.T) {
		port := script(t, func(c *scriptConn) { c.play([2]string{"", "554 no"}) })
		checkKind(t, testSMTP(port, Plain, nil, "", "").Send(t.Context(), hello), fault.Unavailable, "did not greet")
	})
	t.Run("a connection cut in the middle of the mail", func(t *testing.T) {
		port := script(t, func(c *scriptConn) {
			c.play([2]string{"", "220 hi"}, [2]string{"EHLO", "250 hi"}, [2]string{"MAIL", "250 ok"}, [2]string{"RCPT", "250 ok"}, [2]string{"DATA", "354 go"})
		})
		checkKind(t, testSMTP(port, Plain, nil, "", "").Send(t.Context(), hello), fault.Unavailable, "did not take the message")
	})
	t.Run("a mail that the server finds bad", func(t *testing.T) {
		server := startServer(t, false, func(s *mailServer) { s.MaxMessageBytes = 10 })
		checkKind(t, testSMTP(server.port, Plain, nil, "", "").Send(t.Context(), hello), fault.Unavailable, "did not take the message")
	})
	t.Run("randomness that has run out", func(t *testing.T) {
		client := testSMTP(25, Plain, nil, "", "")
		client.Random = strings.NewReader("short")
		if err := client.Send(t.Context(), hello); fault.KindOf(err) != fault.Internal || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v", err)
		}
	})
}

func TestSMTP_Validate_reports_every_problem(t *testing.T) {
	err := (&SMTP{Port: 70000, Security: "ssl", Username: "u", From: Address{"", "a@b\r\nBcc: c@d"}, ReplyTo: Address{"a\nb", "a@b"}}).Validate()
	problems, ok := err.(interface{ Unwrap() []error })
	if !ok || len(problems.Unwrap()) != 6 || fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
	fine := SMTP{Host: "mail.example.org", Port: 465, Username: "u", Password: "p", From: Address{"", "a@b.example"}}
	if err := fine.Validate(); err != nil {
		t.Error(err)
	}
	fine.Host, fine.Security = "localhost", Plain
	if err := fine.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseSecurity(t *testing.T) {
	for text, want := range map[string]Security{"": ImplicitTLS, "tls": ImplicitTLS, "starttls": StartTLS, "plain": Plain} {
		if got, err := ParseSecurity(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := ParseSecurity("TLS"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}
