package main

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/ncruces/go-sqlite3/driver"

	"ayb/fault"
)

// errNoMetadata says that nothing has been made yet.
var errNoMetadata = errors.New("no metadata yet")

func (c *config) examineMetadata(ctx context.Context) []finding {
	const subject = "metadata"
	version, where, err := c.schemaVersion(ctx)
	switch {
	case errors.Is(err, errNoMetadata):
		return []finding{found(fine, subject, "%s is empty; the server sets it up when it starts", where)}
	case err != nil:
		return []finding{found(broken, subject, "%s can't be read (%s); check database_url and the database behind it", where, plain(err))}
	}
	return []finding{found(fine, subject, "%s can be read; its schema is number %d", where, version)}
}

// schemaVersion returns the number of the last migration of the metadata, and
// in which words to speak of the database: without its password. Unlike a server
// that starts it changes nothing.
func (c *config) schemaVersion(ctx context.Context) (version int, where string, err error) {
	pool, where, err := c.openMetadata()
	if err != nil {
		return 0, where, err
	}
	defer pool.Close()
	var tables int
	if err := pool.QueryRowContext(ctx, "SELECT count(*) FROM "+pool.catalog+" WHERE "+pool.column+" = 'schema_migration'").Scan(&tables); err != nil {
		return 0, where, err
	}
	if tables == 0 {
		return 0, where, errNoMetadata
	}
	err = pool.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema_migration").Scan(&version)
	return version, where, err
}

// A metadataPool is a database of which the tables can be listed.
type metadataPool struct {
	*sql.DB
	catalog, column string
}

// openMetadata opens the metadata database for reading.
func (c *config) openMetadata() (pool *metadataPool, where string, err error) {
	if path, ok := strings.CutPrefix(c.DatabaseURL, "sqlite://"); ok || c.DatabaseURL == "" {
		if path == "" {
			path = filepath.Join(c.DataPath, "ayb.sqlite")
		}
		return openSQLiteMetadata(path)
	}
	cfg, err := pgx.ParseConfig(c.DatabaseURL)
	if err != nil { // which quotes the URL, password and all
		return nil, "PostgreSQL", fault.New(fault.Invalid, "database_url is not a valid postgresql:// URL")
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return &metadataPool{stdlib.OpenDB(*cfg), "pg_catalog.pg_class", "relname"}, "PostgreSQL on " + cfg.Host, nil
}

func openSQLiteMetadata(path string) (pool *metadataPool, where string, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, path, errNoMetadata
	case err != nil:
		return nil, path, err
	case info.Size() == 0:
		return nil, path, errNoMetadata
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, path, err
	}
	// A reader of a log makes the log's files if they are missing, and if it is
	// root who asks, the server could not use them. So without them the file is
	// read as one that nobody changes, which is then true.
	name := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=ro"}
	if !exists(abs+"-wal") || !exists(abs+"-shm") {
		name.RawQuery = "immutable=1"
	}
	db, err := driver.Open(name.String())
	if err != nil {
		return nil, path, err
	}
	return &metadataPool{db, "sqlite_schema", "name"}, path, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
