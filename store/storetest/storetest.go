// Package storetest is the conformance suite of package store: what every
// metadata database does, tested through the exported methods alone and in the
// same way for each. It also lends out databases to other packages' tests, see
// [SQLite] and [Postgres].
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

// Run tests a kind of metadata database. open returns a new, empty one each time
// it is called; it may skip the test. Run must be called by a top-level test
// function, and first thing in it, because some tests start the test binary
// again, to kill it.
func Run(t *testing.T, open func(testing.TB) *Database) {
	if runAsChild(t) {
		return
	}
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"entity", entityTests},
		{"database", databaseTests},
		{"quota", quotaTests},
		{"grant", grantTests},
		{"token", tokenTests},
		{"account", accountTests},
		{"member", memberTests},
		{"offer", offerTests},
		{"snapshot", snapshotTests},
		{"replaced", replacedTests},
		{"audit", auditTests},
		{"page", pageTests},
		{"cache", cacheTests},
		{"race", raceTests},
		{"open", openTests},
		{"outage", outageTests},
		{"crash", crashTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, open)
			for _, test := range group.tests {
				t.Run(test.claim, func(t *testing.T) { test.check(t, f) })
			}
		})
	}
}

// A test is one claim about a store. The tests of a group share a database and
// keep apart by the names they use.
type test struct {
	claim string
	check func(*testing.T, *fixture)
}

// A fixture is a store on a database of its own, with a clock that moves only
// when it is told to.
type fixture struct {
	*store.Store
	fresh func(testing.TB) *Database
	db    *Database
	clock *clock
}

func newFixture(t *testing.T, open func(testing.TB) *Database) *fixture {
	f := &fixture{
		fresh: open,
		db:    open(t),
		clock: &clock{now: time.Date(2026, 3, 15, 16, 25, 56, 706720123, time.UTC)},
	}
	f.Store = f.open(t, nil)
	return f
}

// open opens one more store on the fixture's database, for the length of a test.
func (f *fixture) open(t *testing.T, opt *store.Options) *store.Store {
	t.Helper()
	if opt == nil {
		opt = &store.Options{}
	}
	opt.Now = f.clock.Now
	s, err := store.Open(context.Background(), f.db.URL, opt)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// newEntity stores an entity. Tests of one group choose different names.
func (f *fixture) newEntity(t *testing.T, name string) catalog.Entity {
	t.Helper()
	e := catalog.Entity{ID: f.newID(), Slug: catalog.Slug(name), Created: f.stored(f.clock.Now())}
	must(t, f.CreateEntity(context.Background(), e))
	return e
}

func (f *fixture) newDatabase(t *testing.T, owner catalog.Entity, name string) catalog.Database {
	t.Helper()
	d := catalog.Database{
		ID: f.newID(), Owner: owner.ID, OwnerSlug: owner.Slug, Slug: catalog.Slug(name),
		Version: f.newID(), Created: f.stored(f.clock.Now()),
	}
	must(t, f.CreateDatabase(context.Background(), d))
	return d
}

func (f *fixture) newToken(t *testing.T, e catalog.Entity, scope catalog.Scope) catalog.Token {
	t.Helper()
	token := catalog.Token{Short: rand.Text()[:11], Entity: e.ID, Scope: scope, Created: f.stored(f.clock.Now())}
	must(t, f.CreateToken(context.Background(), token, hashOf(token.Short)))
	return token
}

func (f *fixture) newID() catalog.ID { return catalog.NewID(f.clock.Now(), rand.Reader) }

// stored is a time as the store keeps it.
func (f *fixture) stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// hashOf is a text of the form of a hash.
func hashOf(short string) string {
	return strings.Repeat("0", 64-2*len(short)) + fmt.Sprintf("%x", short)
}

// A clock moves only when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the clock's time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// refused fails the test unless err is of that kind and says so in words for a
// person.
func refused(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Fatalf("got error %v of kind %q, want kind %q", err, fault.KindOf(err), kind)
	}
	message := fault.Message(err)
	for _, leak := range []string{"sqlite3", "SQLSTATE", "constraint", "sql: ", "/tmp", "pgx", "127.0.0.1"} {
		if strings.Contains(message, leak) {
			t.Errorf("the message %q shows the driver", message)
		}
	}
	if message == "" || message == "internal error" {
		t.Errorf("the message of %v says nothing", err)
	}
}

func same(t testing.TB, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// collect reads a list to its end, a few items at a time.
func collect[T any](t testing.TB, size int, list func(catalog.Page) (catalog.List[T], error)) []T {
	t.Helper()
	var all []T
	page := catalog.Page{Size: size}
	for range 1000 {
		l, err := list(page)
		must(t, err)
		if l.Items == nil || len(l.Items) > page.Limit() {
			t.Fatalf("a page of %d has %d items (nil: %v)", page.Limit(), len(l.Items), l.Items == nil)
		}
		all = append(all, l.Items...)
		if l.Next == "" {
			return all
		}
		page.After = l.Next
	}
	t.Fatal("the list has no end")
	return nil
}
