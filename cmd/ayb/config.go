package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ayb"
	"ayb/hosting"
	"ayb/internal/mail"
)

// leastValueBytes is the least that a text or a row may be bounded to; SQLite has
// texts of its own.
const leastValueBytes = 1 << 10

// defaultConfigFile is read if it is there and no other is named.
const defaultConfigFile = "./ayb.toml"

// A config is everything an operator can say. Its fields are described, checked
// and filled by the settings.
type config struct {
	Host           string
	Port           int64
	DatabaseURL    string
	DataPath       string
	PublicURL      string
	TrustedProxies []string
	CORS           struct{ Origin string }
	Authentication struct {
		FernetKey              string
		FernetKeys             []string
		TokenExpirationSeconds int64
		TokenIdleDays          int64
	}
	Email struct {
		SMTP struct {
			From, ReplyTo, Host          string
			Port                         int64
			Username, Password, Security string
		}
		File struct{ Path string }
	}
	Limits    limits
	Snapshots snapshotConfig
	Deletion  struct{ Keep time.Duration }
	Audit     struct {
		Keep time.Duration
		Rows int64
	}
	Log     struct{ Format, Level string }
	Metrics struct {
		Listen      string
		AllowRemote bool
	}
	Isolation struct {
		Mode, NsjailPath string
		Require          bool
		Workers          int64
		Idle             time.Duration
	}

	file string // the file that was read; empty if there is none
	set  int    // how many settings were set
}

// limits are the bounds of what one tenant may use, as the file has them.
type limits struct {
	QueryTime, MaintenanceTime, StreamTime, WriteStall, QueueTime, IdleTime time.Duration
	SessionIdle, SessionTime, SessionWriteTime                              time.Duration
	SQLBytes, ValueBytes, ResultBytes                                       int64
	ConnectionMemory, OwnerMemory, Memory, OpenMemory                       int64
	DatabaseBytes, EntityBytes, Databases, ImportBytes, TempBytes, WALBytes int64
	Parameters, LikePatternBytes, ExpressionDepth, CompoundSelect           int64
	Columns, FunctionArgs, TriggerDepth, ProgramOps                         int64
	Readers, QueuedReads, QueuedWrites, BatchWrites                         int64
	Statements, Sessions, RequestRate                                       int64
	Tokens, Copies, AccountCopies, DiskReserve, Connections                 int64
}

// newConfig returns the configuration of someone who has said nothing.
func newConfig() *config {
	c := &config{Host: "127.0.0.1", Port: 5433, DataPath: "./ayb_data"}
	c.Authentication.TokenExpirationSeconds, c.Authentication.TokenIdleDays = 3600, 365
	c.Email.SMTP.Security = string(mail.ImplicitTLS)
	c.Deletion.Keep = 7 * day
	c.Audit.Keep, c.Audit.Rows = 90*day, 1_000_000
	c.Log.Format, c.Log.Level = "text", "info"
	c.Snapshots = newSnapshotConfig()
	c.Isolation.Mode, c.Isolation.Workers, c.Isolation.Idle = defaultIsolation(), 256, time.Minute
	c.Limits = limits{
		QueryTime: 30 * time.Second, MaintenanceTime: 10 * time.Minute, StreamTime: time.Hour,
		WriteStall: 30 * time.Second, QueueTime: 5 * time.Second, IdleTime: 2 * time.Minute,
		SessionIdle: 10 * time.Second, SessionTime: 5 * time.Minute, SessionWriteTime: 30 * time.Second,
		SQLBytes: 1 << 20, ResultBytes: 100 << 20,
		ConnectionMemory: 64 << 20, OwnerMemory: 512 << 20, ImportBytes: 1 << 30, TempBytes: 1 << 30, WALBytes: 1 << 30, DiskReserve: 100 << 20,
		Parameters: 32766, ExpressionDepth: 200, CompoundSelect: 100,
		Columns: 2000, FunctionArgs: 127, TriggerDepth: 32, ProgramOps: 1_000_000,
		Readers: 8, QueuedReads: 256, QueuedWrites: 4096, BatchWrites: 256, Statements: 64, Sessions: 64, RequestRate: 10, Tokens: 1000,
		Copies: 64, AccountCopies: 4, Connections: 10_000,
	}
	return c
}

// loadConfig reads the file and lays the environment over it. An empty path is
// the default one, which may be missing. It fails with problems: everything that
// is wrong, at once.
func loadConfig(path string, environ []string) (*config, error) {
	c := newConfig()
	s := newSettingTable(c.settings())
	file, err := readConfigFile(path)
	switch {
	case err == nil:
		c.file = file.path
		s.applyFile(file)
	case path == "" && errors.Is(err, fs.ErrNotExist):
	default:
		return nil, err
	}
	s.applyEnvironment(environ)
	c.check(s)
	for _, setting := range s.list {
		if setting.isSet() {
			c.set++
		}
	}
	if len(s.problems) > 0 {
		return nil, s.problems
	}
	return c, nil
}

// summary says in one line what holds.
func (c *config) summary() string {
	count := fmt.Sprintf("%d settings are set", c.set)
	if c.set == 1 {
		count = "1 setting is set"
	}
	if c.file == "" {
		return fmt.Sprintf("The configuration is fine: there is no %s, %s, and all else is by default.", filepath.Base(defaultConfigFile), count)
	}
	return fmt.Sprintf("The configuration in %s is fine: %s.", c.file, count)
}

// check adds the problems that lie between settings.
func (c *config) check(s *settingTable) {
	if c.Isolation.Mode == inProcess {
		for _, name := range []string{"isolation.require", "isolation.nsjail_path"} {
			if from := s.from(name); from != "" && (name != "isolation.require" || c.Isolation.Require) {
				s.problem(from, "%s: there are no walls of the operating system within the server process; set isolation.mode to \"process\", or remove the setting", name)
			}
		}
	}
	if n := c.Limits.ValueBytes; n > 0 && n < leastValueBytes {
		s.problem(s.from("limits.value_bytes"), "limits.value_bytes must be at least 1KiB")
	}
	c.checkMetrics(s)
	c.Snapshots.check(s)
	if from := s.fromAny("email.smtp.smtp_host", "email.smtp.smtp_port", "email.smtp.smtp_username", "email.smtp.smtp_password", "email.smtp.security"); from != "" {
		c.checkMailServer(s, from)
	}
}

// checkMailServer checks the settings of the mail server as a whole.
func (c *config) checkMailServer(s *settingTable, from string) {
	m := c.Email.SMTP
	switch {
	case m.Host == "" && !s.tried("email.smtp.smtp_host"):
		s.problem(from, "email.smtp.smtp_host is missing: the mail server")
	case m.From == "" && !s.tried("email.smtp.from"):
		s.problem(from, `email.smtp.from is missing: the sender, like "Ayb <ayb@example.org>"`)
	}
	if m.Host == "" || m.From == "" {
		return
	}
	for _, sentence := range sentences(c.smtp().Validate()) {
		s.problem(from, "email.smtp: %s", sentence)
	}
}

// hasMailServer reports whether e-mails go to a mail server.
func (c *config) hasMailServer() bool { return c.Email.SMTP.Host != "" }

// smtp returns the transport to the mail server.
func (c *config) smtp() *mail.SMTP {
	m := c.Email.SMTP
	port := int(m.Port)
	if port == 0 {
		port = map[string]int{string(mail.StartTLS): 587, string(mail.Plain): 25}[m.Security]
	}
	if port == 0 {
		port = 465
	}
	from, replyTo := c.sender()
	return &mail.SMTP{
		Host: m.Host, Port: port, Security: mail.Security(m.Security),
		Username: m.Username, Password: m.Password, From: from, ReplyTo: replyTo,
	}
}

// sender returns who e-mails are from, and where answers go.
func (c *config) sender() (from, replyTo mail.Address) {
	from = mail.Address{Name: "ayb", Addr: "noreply@localhost"}
	if a, err := mail.ParseAddress(c.Email.SMTP.From); err == nil {
		from = a
	}
	replyTo = from
	if a, err := mail.ParseAddress(c.Email.SMTP.ReplyTo); err == nil {
		replyTo = a
	}
	return from, replyTo
}

// mailFile returns the path of the file for e-mails; empty if they are not kept.
// A server that was told nothing of e-mail has one, so that it works.
func (c *config) mailFile() string {
	if c.Email.File.Path == "" && !c.hasMailServer() {
		return filepath.Join(c.DataPath, "emails.jsonl")
	}
	return c.Email.File.Path
}

// talksToTerminal reports whether e-mails are also shown to whoever has started
// the server, since nobody has said where else people would read them.
func (c *config) talksToTerminal() bool { return c.Email.File.Path == "" && !c.hasMailServer() }

// proxies returns the networks of trusted_proxies.
func (c *config) proxies() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range c.TrustedProxies {
		if prefix, err := parseNetwork(text); err == nil {
			list = append(list, prefix)
		}
	}
	return list
}

// address returns where to listen.
func (c *config) address() string { return joined(c.Host, c.Port) }

// joined returns a host and a port as one address.
func joined(host string, port int64) string {
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}

// publicURL returns the address for links, without a slash at its end. port is
// the one that the server listens on.
func (c *config) publicURL(port int) string {
	if c.PublicURL == "" {
		return fmt.Sprintf("http://localhost:%d", port)
	}
	return strings.TrimSuffix(c.PublicURL, "/")
}

// level returns the least level that is logged.
func (c *config) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(c.Log.Level)) // checked when it was read
	return level
}

// engine returns the configuration of the engine, without what is no setting.
func (c *config) engine() ayb.Config {
	keys := c.Authentication.FernetKeys
	if key := c.Authentication.FernetKey; key != "" {
		keys = append([]string{key}, keys...)
	}
	idle := time.Duration(c.Authentication.TokenIdleDays) * day
	if idle == 0 {
		idle = -1
	}
	return ayb.Config{
		DataPath:     c.DataPath,
		MetadataURL:  c.DatabaseURL,
		Limits:       c.Limits.engine(),
		DeletionKeep: c.Deletion.Keep,
		TokenIdle:    idle,
		Audit:        ayb.AuditConfig{Keep: c.Audit.Keep, Rows: c.Audit.Rows},

		Snapshots: c.Snapshots.engine(),

		EmailKeys:     keys,
		EmailTokenTTL: time.Duration(c.Authentication.TokenExpirationSeconds) * time.Second,
		RequestRate:   int(c.Limits.RequestRate),
	}
}

// engine returns the limits as the engine has them.
func (l limits) engine() ayb.Limits {
	return ayb.Limits{
		Limits: hosting.Limits{
			QueryTime: l.QueryTime, MaintenanceTime: l.MaintenanceTime, StreamTime: l.StreamTime, QueueTime: l.QueueTime,
			SQLBytes: int(l.SQLBytes), Parameters: int(l.Parameters), ValueBytes: int(l.ValueBytes),
			LikePatternBytes: int(l.LikePatternBytes), ExpressionDepth: int(l.ExpressionDepth),
			CompoundSelect: int(l.CompoundSelect), Columns: int(l.Columns), FunctionArgs: int(l.FunctionArgs),
			TriggerDepth: int(l.TriggerDepth), ProgramOps: int(l.ProgramOps),
			ConnectionMemory: l.ConnectionMemory, OpenMemory: l.OpenMemory, ResultBytes: l.ResultBytes,
			TempBytes: l.TempBytes, WALBytes: l.WALBytes,
			Readers: int(l.Readers), QueuedReads: int(l.QueuedReads), QueuedWrites: int(l.QueuedWrites), BatchWrites: int(l.BatchWrites), Statements: int(l.Statements),
			Sessions: int(l.Sessions), SessionIdle: l.SessionIdle, SessionTime: l.SessionTime, SessionWriteTime: l.SessionWriteTime,
		},
		DatabaseBytes: l.DatabaseBytes,
		EntityBytes:   l.EntityBytes,
		Databases:     l.Databases,
		Tokens:        int(l.Tokens),
		ImportBytes:   l.ImportBytes,
		Copies:        int(l.Copies),
		AccountCopies: int(l.AccountCopies),
		DiskReserve:   l.DiskReserve,
	}
}
