package mail

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// An authority is a self-made certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, key := newCertificate(t, template, nil)
	return &authority{cert, key}
}

// newCertificate signs the template by an authority, or by itself.
func newCertificate(t *testing.T, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = &authority{template, key}
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// server returns the configuration of a server with a certificate for a host.
func (a *authority) server(t *testing.T, host string) *tls.Config {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}}
	if ip := net.ParseIP(host); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	cert, key := newCertificate(t, template, a)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
}

// client returns the configuration of a client that trusts the authority.
func (a *authority) client() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots}
}

const testUser, testPassword = "login@example.org", "correct horse"

// A received mail, as the server saw it.
type received struct {
	from, to, raw, user, hello string
	tls, utf8                  bool
}

// A mailServer is a real mail server within the test.
type mailServer struct {
	*smtp.Server
	port       int
	passwords  bool            // offers log-in, and demands it
	refuse     *smtp.SMTPError // of recipients
	holdData   chan struct{}   // if set, mails are taken when it is closed
	talking    chan struct{}   // if set, gets a value for each mail under way
	mu         sync.Mutex
	mails      []received
	logIns     []string // attempts, as "user:password"
	insideData int
	maxInside  int
}

// startServer starts a mail server, with implicit TLS if asked, set up by setUp.
func startServer(t *testing.T, implicit bool, setUp func(*mailServer)) *mailServer {
	t.Helper()
	s := &mailServer{}
	s.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		_, encrypted := c.TLSConnectionState()
		return &mailSession{server: s, mail: received{tls: encrypted, hello: c.Hostname()}}, nil
	}))
	s.AllowInsecureAuth = true // what is refused must be refused by the client
	s.ErrorLog = log.New(io.Discard, "", 0)
	if setUp != nil {
		setUp(s)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	if implicit {
		listener = tls.NewListener(listener, s.TLSConfig)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	t.Cleanup(func() {
		s.Close()
		listener.Close() // of which Serve may not have told s yet
		<-served
	})
	return s
}

func (s *mailServer) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// A mailSession is one connection, and carries one mail.
type mailSession struct {
	server *mailServer
	mail   received
}

func (m *mailSession) Reset()        {}
func (m *mailSession) Logout() error { return nil }

func (m *mailSession) AuthMechanisms() []string {
	if m.server.passwords {
		return []string{sasl.Plain}
	}
	return nil
}

func (m *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		m.server.mu.Lock()
		defer m.server.mu.Unlock()
		m.server.logIns = append(m.server.logIns, user+":"+password)
		if user != testUser || password != testPassword {
			return smtp.ErrAuthFailed
		}
		m.mail.user = user
		return nil
	}), nil
}

func (m *mailSession) Mail(from string, options *smtp.MailOptions) error {
	if m.server.passwords && m.mail.user == "" {
		return smtp.ErrAuthRequired
	}
	m.mail.from, m.mail.utf8 = from, options.UTF8
	return nil
}

func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if m.server.refuse != nil {
		return m.server.refuse
	}
	m.mail.to = to
	return nil
}

func (m *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mail.raw = string(raw)
	s := m.server
	s.count(1)
	defer s.count(-1)
	if s.talking != nil {
		s.talking <- struct{}{}
	}
	if s.holdData != nil {
		<-s.holdData
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m.mail)
	return nil
}

// count counts the mails that are under way.
func (s *mailServer) count(delta int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insideData += delta
	s.maxInside = max(s.maxInside, s.insideData)
}

// script starts a server that is no mail server: it runs talk on each
// connection, and then closes it. It returns the port.
func script(t *testing.T, talk func(c *scriptConn)) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			wg.Go(func() {
				defer conn.Close()
				talk(&scriptConn{conn, bufio.NewReader(conn)})
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return listener.Addr().(*net.TCPAddr).Port
}

type scriptConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *scriptConn) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c, format+"\r\n", args...)
	return err
}

// hear reads one line.
func (c *scriptConn) hear() string {
	line, _ := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n")
}

// hang says nothing more until the client has gone.
func (c *scriptConn) hang() { _, _ = io.Copy(io.Discard, c.r) }

// play answers each line that begins as the next entry says. An empty answer is
// none, for ever.
func (c *scriptConn) play(answers ...[2]string) {
	for _, a := range answers {
		for a[0] != "" && !strings.HasPrefix(c.hear(), a[0]) {
			if _, err := c.r.Peek(1); err != nil {
				return
			}
		}
		if a[1] == "" {
			c.hang()
			return
		}
		if c.say("%s", a[1]) != nil {
			return
		}
	}
}
