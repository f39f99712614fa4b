// Package aybtest helps programs that embed ayb to test themselves: [New] opens
// a real engine in a directory of the test's own, with a clock that the test
// sets, and closes it when the test ends.
package aybtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb"
)

// A Fixture is an engine for one test. The Must methods fail the test at once if
// something goes wrong, so they belong on the test's own goroutine.
type Fixture struct {
	*ayb.Engine
	Clock   *Clock
	Mailbox *Mailbox // takes the engine's e-mails, unless its Config sends them elsewhere

	t   testing.TB
	cfg ayb.Config
}

// New opens an engine. cfg may be nil; a DataPath it does not set is a temporary
// directory, and a clock or a Mailer it does not set is the fixture's.
func New(t testing.TB, cfg *ayb.Config) *Fixture {
	t.Helper()
	f := &Fixture{t: t, Clock: NewClock(), Mailbox: &Mailbox{}}
	if cfg != nil {
		f.cfg = *cfg
	}
	if f.cfg.DataPath == "" {
		f.cfg.DataPath = t.TempDir()
	}
	if f.cfg.Now == nil {
		f.cfg.Now = f.Clock.Now
	}
	if f.cfg.Mail == nil {
		f.cfg.Mail = f.Mailbox
	}
	f.open()
	t.Cleanup(func() {
		if err := f.Engine.Close(); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
	})
	return f
}

func (f *Fixture) open() {
	f.t.Helper()
	eng, err := ayb.Open(f.t.Context(), f.cfg)
	if err != nil {
		f.t.Fatalf("opening the engine: %v", err)
	}
	f.Engine = eng
}

// Reopen closes the engine and opens another on the same data, as after a
// restart of the program.
func (f *Fixture) Reopen() {
	f.t.Helper()
	if err := f.Engine.Close(); err != nil {
		f.t.Fatalf("closing the engine: %v", err)
	}
	f.open()
}

// DataPath returns the directory of the engine.
func (f *Fixture) DataPath() string { return f.cfg.DataPath }

// MustEntity creates a user and returns the principal that acts as it.
func (f *Fixture) MustEntity(slug string) ayb.Principal {
	f.t.Helper()
	return f.mustEntity(slug, nil)
}

// MustOrganization creates an organization and returns the principal that acts as
// it.
func (f *Fixture) MustOrganization(slug string) ayb.Principal {
	f.t.Helper()
	return f.mustEntity(slug, &ayb.EntityOptions{Kind: ayb.Organization})
}

func (f *Fixture) mustEntity(slug string, opt *ayb.EntityOptions) ayb.Principal {
	f.t.Helper()
	ent, err := f.CreateEntity(f.ctx(), ayb.System, slug, opt)
	if err != nil {
		f.t.Fatalf("creating entity %s: %v", slug, err)
	}
	return f.Owner(ent)
}

// MustDatabase creates a database, named entity/database, as its owner, and runs
// the texts on it.
func (f *Fixture) MustDatabase(ref string, sql ...string) ayb.Database {
	f.t.Helper()
	entity, _, _ := strings.Cut(ref, "/")
	ent, err := f.Entity(f.ctx(), ayb.System, entity)
	if err != nil {
		f.t.Fatalf("creating database %s: %v", ref, err)
	}
	db, err := f.CreateDatabase(f.ctx(), f.Owner(ent), ref, nil)
	if err != nil {
		f.t.Fatalf("creating database %s: %v", ref, err)
	}
	for _, text := range sql {
		f.MustQuery(f.Owner(ent), ref, text)
	}
	return db
}

// MustQuery runs SQL and returns what it answers.
func (f *Fixture) MustQuery(p ayb.Principal, ref, sql string, args ...any) *ayb.Result {
	f.t.Helper()
	result, err := f.Query(f.ctx(), p, ref, sql, args...)
	if err != nil {
		f.t.Fatalf("%s: %s: %v", ref, sql, err)
	}
	return result
}

// MustShare shares a database as its manager or owner p.
func (f *Fixture) MustShare(p ayb.Principal, ref, entity string, access ayb.Access) {
	f.t.Helper()
	if err := f.Share(f.ctx(), p, ref, entity, access); err != nil {
		f.t.Fatalf("sharing %s with %s: %v", ref, entity, err)
	}
}

// MustToken makes a token for p's entity and returns its secret, and the
// principal that it authenticates. opt may be nil.
func (f *Fixture) MustToken(p ayb.Principal, opt *ayb.TokenOptions) (secret string, _ ayb.Principal) {
	f.t.Helper()
	secret, _, err := f.CreateToken(f.ctx(), p, string(p.Slug), opt)
	if err != nil {
		f.t.Fatalf("creating a token for %s: %v", p.Slug, err)
	}
	through, err := f.Authenticate(f.ctx(), secret)
	if err != nil {
		f.t.Fatalf("authenticating as %s: %v", p.Slug, err)
	}
	return secret, through
}

// ctx is not t.Context, which ends before cleanup functions run.
func (f *Fixture) ctx() context.Context { return context.WithoutCancel(f.t.Context()) }

// A Clock stands still until it is set. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows noon of 1 July 2030, UTC.
func NewClock() *Clock {
	return &Clock{now: time.Date(2030, time.July, 1, 12, 0, 0, 0, time.UTC)}
}

// Now returns the time the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance sets the clock forward, or back if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
