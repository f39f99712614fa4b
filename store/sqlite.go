package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"ayb/fault"
	"ayb/internal/durable"
)

// sqliteBusy is how long a connection waits for another process's lock.
const sqliteBusy = 5 * time.Second

// The pool of connections to a SQLite file. One writes at a time; each open one
// takes about 300 KiB, so few are kept.
const (
	sqliteConnections = 8
	sqliteIdle        = 4
)

func sqliteDialect() dialect {
	return dialect{
		bun:     sqlitedialect.New(),
		open:    openSQLite,
		look:    lookAtSQLite,
		writers: 1,
		text:    "TEXT",

		hasSchema: "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migration'",

		copies: true,
		count:  countChangesOf,
	}
}

func openSQLite(ctx context.Context, address string) (*sql.DB, error) {
	path, err := sqlitePath(address)
	if err != nil {
		return nil, err
	}
	if err = makeFile(path); err == nil {
		err = makeFile(path + "-shm") // the driver would make it for everybody
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The file of the metadata database can't be made or opened")
	}
	// A transaction of ours is going to write, so it takes the write lock when it
	// begins, where waiting for it is possible. The file's own permissions are
	// those of the files that SQLite puts beside it.
	escaped := strings.ReplaceAll(url.QueryEscape(path), "+", "%20") // SQLite reads a plus as a plus
	useDisk()
	name := url.URL{Scheme: "file", Path: path, RawQuery: "_txlock=immediate&vfs=" + diskName + "&modeof=" + escaped}
	pool, err := driver.Open(name.String(), prepareConnection)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(sqliteConnections)
	pool.SetMaxIdleConns(sqliteIdle)
	// The first connection makes the log file, whose directory entry has to be on
	// disk before anything is acknowledged; the driver syncs the file alone. The
	// log stays until the last connection is closed.
	if err = pool.PingContext(ctx); err == nil {
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// prepareConnection sets what SQLite keeps per connection. With synchronous=FULL
// a commit returns only when the log is on disk.
func prepareConnection(c *sqlite3.Conn) error {
	if err := c.BusyTimeout(sqliteBusy); err != nil {
		return err
	}
	if err := useLog(c); err != nil {
		return err
	}
	if err := canWrite(c); err != nil {
		return err
	}
	return c.Exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
}

// canWrite refuses a connection that can't write, and would fail whoever gets it
// from the pool: when the index of the log can't be opened, for want of a descriptor say,
// the driver opens it for reading, and keeps it so. That somebody else is writing is
// fine.
func canWrite(c *sqlite3.Conn) error {
	if err := c.BusyTimeout(0); err != nil {
		return err
	}
	if err := c.Exec("BEGIN IMMEDIATE; ROLLBACK"); err != nil && !errors.Is(err, sqlite3.BUSY) {
		return err
	}
	return c.BusyTimeout(sqliteBusy)
}

// useLog puts the file into WAL mode. SQLite does not wait there for others who do
// the same, as several servers do that open a new database at once.
func useLog(c *sqlite3.Conn) error {
	const pause = 2 * time.Millisecond
	for last := time.Now().Add(sqliteBusy); ; time.Sleep(pause) {
		err := c.Exec("PRAGMA journal_mode = WAL")
		if !errors.Is(err, sqlite3.BUSY) || time.Now().After(last) {
			return err
		}
	}
}

// makeFile makes the file if it is missing, for this user alone: it holds the
// hashes of tokens. Directories that it makes are on disk when it returns.
func makeFile(path string) error {
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}
