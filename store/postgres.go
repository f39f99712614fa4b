package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun/dialect/pgdialect"

	"ayb/fault"
)

// The pool of connections to PostgreSQL.
const (
	postgresConnections = 20
	postgresIdleTime    = time.Minute
	postgresConnectTime = 5 * time.Second
)

// postgresMaxAge bounds how late a node sees what another node changed, such as
// the revocation of a token.
const postgresMaxAge = 5 * time.Second

func postgresDialect() dialect {
	return dialect{
		bun:     pgdialect.New(),
		open:    openPostgres,
		look:    openPostgres, // makes nothing
		writers: postgresConnections,
		maxAge:  postgresMaxAge,
		text:    `TEXT COLLATE "C"`,
		// The number is ours alone: "ayb" and "meta" in ASCII. The lock ends with
		// the transaction, and so with the process that holds it.
		lock:      "SET LOCAL lock_timeout = '60s'; SELECT pg_advisory_xact_lock(x'6179626d657461'::bigint)",
		hasSchema: "SELECT count(to_regclass('schema_migration'))",
	}
}

func openPostgres(_ context.Context, address string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		// The cause is left out: it quotes the address, password and all.
		return nil, fault.New(fault.Invalid, "The address of the metadata database is not a valid postgresql:// URL")
	}
	// bun writes arguments into the text itself, so preparing statements would
	// only cost time. Its quoting relies on these two settings.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.RuntimeParams["standard_conforming_strings"] = "on"
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > postgresConnectTime {
		cfg.ConnectTimeout = postgresConnectTime
	}
	// A connection that broke while it lay idle is noticed before it is used, so
	// that a restart of the server costs nobody an error.
	pool := stdlib.OpenDB(*cfg, stdlib.OptionShouldPing(
		func(context.Context, stdlib.ShouldPingParams) bool { return true }))
	pool.SetMaxOpenConns(postgresConnections)
	pool.SetMaxIdleConns(postgresConnections)
	pool.SetConnMaxIdleTime(postgresIdleTime)
	return pool, nil
}
