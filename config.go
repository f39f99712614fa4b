package ayb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"ayb/auth"
	"ayb/fault"
	"ayb/hosting"
	"ayb/internal/walls"
)

// Config says how an [Engine] works. Only DataPath is required.
type Config struct {
	// DataPath is the directory that holds everything; made if missing.
	DataPath string

	// MetadataURL says where users, databases and permissions are kept:
	// sqlite://relative/path, sqlite:///absolute/path or postgresql://...
	// Empty: the file ayb.sqlite in DataPath.
	MetadataURL string

	// Limits are the bounds of what one tenant may use.
	Limits Limits

	// DeletionKeep is how long a deleted database or entity can be brought
	// back. 0: 7 days.
	DeletionKeep time.Duration

	// TokenIdle is how long a token that is not used stays valid. 0: 365 days;
	// negative: for ever.
	TokenIdle time.Duration

	// Audit bounds the audit trail.
	Audit AuditConfig

	// Mail sends the e-mails with which people register and log in. Nil: they
	// can't, and accounts are made by CreateEntity alone.
	Mail Mailer

	// EmailKeys are the Fernet keys of the tokens in those e-mails, each 32 bytes
	// in URL-safe base64. The first seals, all open. Engines that share metadata
	// need the same ones. Empty: a key is made and kept in the file fernet.key in
	// DataPath.
	EmailKeys []string

	// EmailTokenTTL is how long a token in an e-mail is valid. 0: 1 hour; at most
	// 30 days.
	EmailTokenTTL time.Duration

	// PublicURL is what links in e-mails begin with. Empty: http://localhost:5433.
	PublicURL string

	// RequestRate is how often per minute one client may call Register and LogIn,
	// and how often they may be called for one e-mail address and one entity; and
	// how often the links of one profile may be changed, and by one entity. IPv6
	// clients count by /64. 0: 10; negative: any number.
	RequestRate int

	// Snapshots says where snapshots go and how they are taken.
	Snapshots SnapshotConfig

	// Runner runs the SQL. It keeps its files in the directory OwnersDir of
	// DataPath, and is not closed by the engine. Nil: one within this process,
	// where a query that will not stop can't be killed; package hosting/worker has
	// one that runs it in processes of each owner's own.
	Runner hosting.Runner

	// Observer is told what happens.
	Observer Observer

	// Now is the clock. Nil: time.Now. It does not move deadlines of queries.
	Now func() time.Time

	// Random makes ids and tokens. Nil: crypto/rand.Reader.
	Random io.Reader

	// Logger takes what an operator may want to know. Nil: silence.
	Logger *slog.Logger

	// Walls says which defences are down. Only a test of this module can set it.
	Walls walls.Down
}

// Limits are the bounds of what one tenant may use. The embedded ones hold for
// each query, connection and database; a zero field takes its default.
type Limits struct {
	hosting.Limits

	// DatabaseBytes, and those below, hold for whom no quota says otherwise, see
	// Engine.SetQuota. It is how large one database may become. 0: no bound.
	DatabaseBytes int64

	// EntityBytes is how large all databases of one entity may become together,
	// deleted ones that are kept included. 0: no bound. It holds to the byte for
	// what is written; a database that is new has 4 KiB whatever is left.
	EntityBytes int64

	// ImportBytes is how large a file that is imported may be. 0: 1 GiB.
	ImportBytes int64

	// Copies is how many exports and imports may be under way, and AccountCopies how
	// many of one entity, or one address without an account. An import has up to
	// ImportBytes on the disk until it is done, and an export a copy of the database. 0:
	// 64, and 4.
	Copies, AccountCopies int

	// DiskReserve is how many bytes of the disk stay free for queries: snapshots,
	// restores, imports and exports that would leave less are refused. 0: 100 MiB.
	DiskReserve int64

	// Databases is how many databases one entity may have. 0: any number.
	Databases int64

	// Tokens is how many valid API tokens one entity may have. Somebody who logs in
	// gets one all the same, in the place of the one that was not used for longest.
	// 0: 1,000.
	Tokens int
}

// AuditConfig bounds the audit trail; what is beyond a bound is removed, oldest
// first.
type AuditConfig struct {
	Keep time.Duration // how long records are kept; 0: 90 days
	Rows int64         // how many are kept; 0: 1,000,000
}

// defaultResultBytes is the default of Limits.ResultBytes, which bounds both
// what a Runner keeps of a write and what Query returns.
const defaultResultBytes = 100 << 20

// Validate reports everything that is wrong with the configuration at once.
// Errors: [ErrInvalid].
func (c Config) Validate() error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fault.New(fault.Invalid, format, args...))
	}
	if c.DataPath == "" {
		problem("Config.DataPath is required: the directory for the data")
	}
	if scheme, _, _ := strings.Cut(c.MetadataURL, ":"); c.MetadataURL != "" && !slices.Contains([]string{"sqlite", "postgresql", "postgres"}, scheme) {
		problem("Config.MetadataURL must begin with sqlite:// or postgresql://")
	}
	for _, name := range negatives(reflect.ValueOf(c.Limits)) {
		problem("Config.Limits.%s is negative", name)
	}
	for _, name := range negatives(reflect.ValueOf(c.Audit)) {
		problem("Config.Audit.%s is negative", name)
	}
	if c.DeletionKeep < 0 {
		problem("Config.DeletionKeep is negative")
	}
	problems = append(problems, c.Snapshots.problems()...)
	return errors.Join(append(problems, c.validateAccounts())...)
}

// validateAccounts reports everything that is wrong with the fields that Register
// and LogIn use.
func (c Config) validateAccounts() error {
	var problems []error
	problem := func(text string) { problems = append(problems, fault.New(fault.Invalid, "%s", text)) }
	if len(c.EmailKeys) > 0 {
		if _, err := auth.ParseEmailKeys(c.EmailKeys...); err != nil {
			problem("Config.EmailKeys: " + fault.Message(err))
		}
	}
	if c.EmailTokenTTL < 0 || c.EmailTokenTTL > maxEmailTokenTTL {
		problem("Config.EmailTokenTTL must be between 0 and 30 days")
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" &&
		(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "") {
		problem("Config.PublicURL must begin with http:// or https:// and have no query")
	}
	return errors.Join(problems...)
}

// negatives returns the names of the fields that are below zero.
func negatives(v reflect.Value) (names []string) {
	for field, value := range v.Fields() {
		switch {
		case field.Anonymous:
			names = append(names, negatives(value)...)
		case value.CanInt() && value.Int() < 0:
			names = append(names, field.Name)
		}
	}
	return names
}

// withDefaults returns the configuration with every unset field set.
func (c Config) withDefaults() Config {
	if abs, err := filepath.Abs(c.DataPath); err == nil {
		c.DataPath = abs // a later os.Chdir must not move the data
	}
	if c.MetadataURL == "" {
		c.MetadataURL = fmt.Sprintf("sqlite://%s", filepath.Join(c.DataPath, "ayb.sqlite"))
	}
	if c.DeletionKeep == 0 {
		c.DeletionKeep = 7 * 24 * time.Hour
	}
	if c.TokenIdle == 0 {
		c.TokenIdle = 365 * 24 * time.Hour
	}
	if c.Audit.Keep == 0 {
		c.Audit.Keep = 90 * 24 * time.Hour
	}
	if c.Audit.Rows == 0 {
		c.Audit.Rows = 1_000_000
	}
	if c.EmailTokenTTL == 0 {
		c.EmailTokenTTL = time.Hour
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://localhost:5433"
	}
	if c.RequestRate == 0 {
		c.RequestRate = 10
	}
	if c.Limits.ResultBytes == 0 {
		c.Limits.ResultBytes = defaultResultBytes
	}
	if c.Limits.Tokens == 0 {
		c.Limits.Tokens = 1000
	}
	c.Snapshots = c.Snapshots.withDefaults()
	if c.Limits.ImportBytes == 0 {
		c.Limits.ImportBytes = 1 << 30
	}
	if c.Limits.Copies == 0 {
		c.Limits.Copies = 64
	}
	if c.Limits.AccountCopies == 0 {
		c.Limits.AccountCopies = 4
	}
	if c.Limits.DiskReserve == 0 {
		c.Limits.DiskReserve = defaultDiskReserve
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	} else {
		c.Random = &lockedReader{r: c.Random}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// OwnersDir is the directory below Config.DataPath that holds the files of the
// Runner.
const OwnersDir = "owners"

// owners is the directory of the Runner's files.
func (c Config) owners() string { return filepath.Join(c.DataPath, OwnersDir) }
