// Package behavior says how ayb behaves whatever door it is called through, and
// wherever its SQL runs. Its suite runs against an engine in this process, against
// one whose SQL runs in worker processes, and against the Go client over HTTP, and a
// program cannot tell which of them it has.
package behavior

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
)

// An API is what a caller can do, as itself. Its methods are those of
// [ayb.Engine], without the principal.
type API interface {
	Register(ctx context.Context, r ayb.Registration) error
	LogIn(ctx context.Context, entity string) error
	Confirm(ctx context.Context, token string) (entity ayb.Slug, secret string, _ error)

	Entity(ctx context.Context, slug string) (ayb.Entity, error)
	UpdateProfile(ctx context.Context, slug string, update ayb.ProfileUpdate) error
	RenameEntity(ctx context.Context, slug, newSlug string) error
	DeleteEntity(ctx context.Context, slug string) error

	Members(ctx context.Context, organization string, page ayb.Page) (ayb.List[ayb.Membership], error)
	SetMember(ctx context.Context, organization, entity string, role ayb.Role) error
	RemoveMember(ctx context.Context, organization, entity string) error
	Memberships(ctx context.Context, page ayb.Page) (ayb.List[ayb.Membership], error)

	CreateDatabase(ctx context.Context, ref string, opt *ayb.DatabaseOptions) (ayb.Database, error)
	Database(ctx context.Context, ref string) (ayb.DatabaseDetails, error)
	Databases(ctx context.Context, entity string, page ayb.Page) (ayb.List[ayb.Database], error)
	SetPublic(ctx context.Context, ref string, level ayb.PublicLevel) error
	SetAnonymousQueries(ctx context.Context, ref string, allowed bool) error
	RenameDatabase(ctx context.Context, ref, newSlug string) error
	TransferDatabase(ctx context.Context, ref, toEntity string) (ayb.Offer, error)
	Offers(ctx context.Context, entity string, page ayb.Page) (ayb.List[ayb.Offer], error)
	AcceptOffer(ctx context.Context, entity, ref, slug string) (ayb.Database, error)
	DeclineOffer(ctx context.Context, entity, ref string) error
	WithdrawOffer(ctx context.Context, ref string) error
	DeleteDatabase(ctx context.Context, ref string) error
	UndeleteDatabase(ctx context.Context, ref string) (ayb.Database, error)
	DeletedDatabases(ctx context.Context, entity string, page ayb.Page) (ayb.List[ayb.DeletedDatabase], error)

	Share(ctx context.Context, ref, entity string, access ayb.Access) error
	Grants(ctx context.Context, ref string, page ayb.Page) (ayb.List[ayb.Grant], error)
	Shared(ctx context.Context, page ayb.Page) (ayb.List[ayb.Share], error)

	CreateToken(ctx context.Context, entity string, opt *ayb.TokenOptions) (secret string, _ ayb.Token, _ error)
	Tokens(ctx context.Context, page ayb.Page) (ayb.List[ayb.TokenDetails], error)
	WhoAmI(ctx context.Context) (ayb.Identity, error)
	RevokeToken(ctx context.Context, short string) error

	Query(ctx context.Context, ref, sql string, args ...any) (*ayb.Result, error)
	Stream(ctx context.Context, ref string, st ayb.Statement, sink ayb.Sink) (ayb.Summary, error)

	Export(ctx context.Context, ref string, format ayb.ExportFormat, w io.Writer) error
	Import(ctx context.Context, ref string, r io.Reader, opt *ayb.ImportOptions) (Filled, error)
	ImportTable(ctx context.Context, ref string, r io.Reader, into ayb.TableImport) (int64, error)

	Snapshots(ctx context.Context, ref string, page ayb.Page) (ayb.List[ayb.Snapshot], error)
	CreateSnapshot(ctx context.Context, ref, note string) (ayb.Snapshot, error)
	DeleteSnapshot(ctx context.Context, ref, id string) error
	RestoreSnapshot(ctx context.Context, ref, id string, opt *ayb.RestoreOptions) (Filled, error)
}

// Filled is what an import or a restore has led to, as far as every door tells it.
type Filled struct {
	Database ayb.Ref
	Undo     string // a snapshot of what was replaced; empty: there was nothing
}

// A Door opens a way to call an engine. The function that it returns gives the
// API to whoever has a token's secret, or, for an empty one, to anybody.
type Door func(t testing.TB, eng *ayb.Engine) func(secret string) API

// resultBytes is what the suite's engines bound results to; a door that has a
// bound of its own sets it to the same.
const resultBytes = 1 << 20

// Limits returns the limits of the engines that the suite runs against.
func Limits() ayb.Limits {
	var limits ayb.Limits
	limits.ResultBytes = resultBytes
	return limits
}

// Run holds a door to the behavior of the engine. configure may change the
// configuration of each engine, whose DataPath is set, before it is opened; what it
// leaves to be cleaned up is, after the engine has been closed. It may be nil.
func Run(t *testing.T, door Door, configure func(testing.TB, *ayb.Config)) {
	for _, group := range []struct {
		name      string
		behaviors []behavior
	}{
		{"values", values()}, {"queries", queries()}, {"streams", streams()}, {"accounts", accounts()},
		{"organizations", organizations()}, {"databases", databases()}, {"sharing", sharing()}, {"tokens", tokens()},
		{"copies", copies()}, {"snapshots", snapshots()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, b := range group.behaviors {
				t.Run(b.name, func(t *testing.T) {
					if !b.alone {
						t.Parallel()
					}
					b.check(newWorld(t, door, b, configure))
				})
			}
		})
	}
}

// A behavior is a claim and the check of it.
type behavior struct {
	name  string
	check func(*world)
	cfg   func(*ayb.Config) // of the engine; nil: the suite's
	alone bool              // it measures memory, which others would use at the same time

	snapshots bool // the engine takes them
}

// A world is an engine of a behavior's own, and the door to it.
type world struct {
	*testing.T
	engine *aybtest.Fixture
	with   func(secret string) API
	ended  chan ayb.QueryEvent // queries that the engine has ended
}

func newWorld(t *testing.T, door Door, b behavior, configure func(testing.TB, *ayb.Config)) *world {
	w := &world{T: t, ended: make(chan ayb.QueryEvent, 1024)}
	cfg := ayb.Config{DataPath: t.TempDir(), Limits: Limits(), Observer: ayb.Observer{Query: w.note}}
	if b.cfg != nil {
		b.cfg(&cfg)
	}
	if b.snapshots {
		bucket := memblob.OpenBucket(nil)
		t.Cleanup(func() { bucket.Close() })
		cfg.Snapshots.Bucket = bucket
	}
	if configure != nil {
		configure(t, &cfg)
	}
	w.engine = aybtest.New(t, &cfg)
	w.with = door(t, w.engine.Engine)
	return w
}

// note keeps what happened, as far as there is room.
func (w *world) note(event ayb.QueryEvent) {
	select {
	case w.ended <- event:
	default:
	}
}

// as makes a user and gives it the API.
func (w *world) as(slug string) API {
	w.Helper()
	w.engine.MustEntity(slug)
	return w.again(slug, nil)
}

// again gives the API to somebody who is there already, by way of another token.
func (w *world) again(slug string, opt *ayb.TokenOptions) API {
	w.Helper()
	secret, _, err := w.engine.CreateToken(w.Context(), ayb.System, slug, opt)
	w.must(err)
	return w.with(secret)
}

// database makes a user with a database, both of the usual name, and runs the
// texts on it.
func (w *world) database(sql ...string) API {
	w.Helper()
	alice := w.as("alice")
	w.engine.MustDatabase("alice/db", sql...)
	return alice
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refused fails the test unless an error is of a kind and, unless that is empty,
// has a message.
func (w *world) refused(err error, kind fault.Kind, message string) {
	w.Helper()
	if !errors.Is(err, kind) || fault.KindOf(err) != kind || message != "" && fault.Message(err) != message {
		w.Errorf("got  %v (%s)\nwant %s: %s", err, fault.KindOf(err), kind, message)
	}
}

// query runs SQL and fails the test if that fails.
func (w *world) query(api API, sql string, args ...any) *ayb.Result {
	w.Helper()
	result, err := api.Query(w.Context(), "alice/db", sql, args...)
	if err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
	return result
}

// wait is how long something that is about to happen is waited for.
const wait = 20 * time.Second

// awaitEnd waits for the engine to end a query.
func (w *world) awaitEnd() ayb.QueryEvent {
	w.Helper()
	select {
	case event := <-w.ended:
		return event
	case <-time.After(wait):
		w.Fatal("the engine did not end the query")
		return ayb.QueryEvent{}
	}
}

// endless is a query that runs until somebody ends it.
const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"

// numbers is a query that answers the integers from 1 on.
const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) SELECT i, 'row ' || i AS text, i * 0.5 AS half, x'00ff' AS blob, NULL AS none FROM n"
