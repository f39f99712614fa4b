package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/ncruces/go-sqlite3/driver"
)

// A Database is an empty metadata database, lent out for the length of a test,
// and the ways to trouble it. The functions fail the test if they cannot do what
// they are asked to. None of them disturbs other tests.
type Database struct {
	// URL is what store.Open takes.
	URL string

	// Exec runs SQL text on a connection that is no Store's.
	Exec func(t testing.TB, text string)

	// Cut breaks every connection there is at this moment, as far as the database
	// has connections; new ones may be made at once.
	Cut func(t testing.TB)

	// Hold makes every write wait until release is called.
	Hold func(t testing.TB) (release func())

	// Outage takes the database away, as far as writes are concerned at least,
	// until restore is called.
	Outage func(t testing.TB) (restore func())
}

// SQLite lends out a file in a temporary directory.
func SQLite(t testing.TB) *Database {
	path := filepath.Join(t.TempDir(), "meta.sqlite")
	connect := func(t testing.TB) *sql.DB {
		t.Helper()
		name := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)"}
		db, err := driver.Open(name.String())
		must(t, err)
		db.SetMaxOpenConns(1)
		return db
	}
	hold := func(t testing.TB) func() {
		t.Helper()
		db := connect(t)
		_, err := db.Exec("BEGIN IMMEDIATE")
		must(t, err)
		return func() { must(t, db.Close()) }
	}
	run := func(t testing.TB, text string) {
		t.Helper()
		db := connect(t)
		defer db.Close()
		_, err := db.Exec(text)
		must(t, err)
	}
	return &Database{
		URL:    "sqlite://" + path,
		Exec:   run,
		Cut:    func(t testing.TB) { t.Helper(); run(t, "VACUUM") }, // the nearest to it: all pages move
		Hold:   hold,
		Outage: hold, // what a file can suffer short of losing it
	}
}

// Postgres lends out a database on the server whose superuser's URL stands in
// AYB_TEST_POSTGRES, as scripts/postgres sets it. Without a server it skips the
// test, or fails it if AYB_TEST_REQUIRE is set. Outages concern this database
// alone: the URL leads through a relay, which can be cut.
func Postgres(t testing.TB) *Database {
	t.Helper()
	server := os.Getenv("AYB_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("AYB_TEST_REQUIRE") != "" {
			t.Fatal("AYB_TEST_REQUIRE is set and AYB_TEST_POSTGRES is not: run the tests with scripts/postgres")
		}
		t.Skip("no PostgreSQL server to test with; `make test` starts one, and so does scripts/postgres go test ./...")
	}
	cfg, err := pgx.ParseConfig(server)
	must(t, err)
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	name := "ayb_" + strings.ToLower(rand.Text()[:16])
	runPostgres(t, cfg, "CREATE DATABASE "+name)
	t.Cleanup(func() { runPostgres(t, cfg, "DROP DATABASE "+name+" WITH (FORCE)") })

	relay := newRelay(t, cfg.Host, cfg.Port)
	address, err := url.Parse(server)
	must(t, err)
	address.Host, address.Path = relay.address(), "/"+name

	inside := cfg.Copy()
	inside.Database = name
	return &Database{
		URL:  address.String(),
		Exec: func(t testing.TB, text string) { t.Helper(); runPostgres(t, inside, text) },
		Cut: func(t testing.TB) {
			t.Helper()
			runPostgres(t, cfg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
		},
		Hold:   func(t testing.TB) func() { t.Helper(); return holdPostgres(t, inside) },
		Outage: func(t testing.TB) func() { t.Helper(); relay.stop(); return func() { relay.start(t) } },
	}
}

func runPostgres(t testing.TB, cfg *pgx.ConnConfig, text string) {
	t.Helper()
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := db.ExecContext(ctx, text)
	must(t, err)
}

// holdPostgres locks the tables against writes, not against reads.
func holdPostgres(t testing.TB, cfg *pgx.ConnConfig) func() {
	t.Helper()
	db := stdlib.OpenDB(*cfg)
	tx, err := db.Begin()
	must(t, err)
	_, err = tx.Exec("LOCK TABLE entity, database, access_grant, api_token, audit_record, query_count IN EXCLUSIVE MODE")
	must(t, err)
	return func() { must(t, tx.Rollback()); must(t, db.Close()) }
}
