package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ncruces/go-sqlite3/driver"

	"ayb/fault"
)

// Schema looks how far the schema of the metadata is that url names, as for
// [Open]: the number of its last migration, and that of the last one this ayb
// knows. 0 stands for a database in which nothing has been made yet, and for a
// SQLite file that is missing. Unlike Open it changes nothing and makes no file.
// Errors: Invalid (the URL), Unavailable, Internal (the database is none of
// ours).
func Schema(ctx context.Context, url string) (have, want int, err error) {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, 0, err
	}
	d, err := dialectOf(url)
	if err != nil {
		return 0, 0, err
	}
	failed := answers{unexplained: {fault.Internal, "The metadata database can't be read; does it belong to another program?"}}
	pool, err := d.look(ctx, url)
	if err != nil || pool == nil {
		return 0, len(steps), explain(ctx, err, failed)
	}
	defer pool.Close()
	have, err = lookAtVersion(ctx, pool, d)
	return have, len(steps), explain(ctx, err, failed)
}

func lookAtVersion(ctx context.Context, pool *sql.DB, d dialect) (version int, err error) {
	var tables int
	if err := pool.QueryRowContext(ctx, d.hasSchema).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = pool.QueryRowContext(ctx, lastVersion).Scan(&version)
	return version, err
}

// lookAtSQLite opens a file for reading only. It returns nil if there is nothing
// in it.
func lookAtSQLite(_ context.Context, address string) (*sql.DB, error) {
	path, err := sqlitePath(address)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0:
		return nil, nil
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "The file of the metadata database can't be looked at")
	}
	// A reader of a log makes the log's files if they are missing, and if it is
	// root who asks, the server could not use them. So without them the file is
	// read as one that nobody changes, which is then true.
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro"}
	if !exists(path+"-wal") || !exists(path+"-shm") {
		name.RawQuery = "immutable=1"
	}
	return driver.Open(name.String())
}

// sqlitePath returns the absolute path in an address. Errors: Invalid,
// Unavailable.
func sqlitePath(address string) (string, error) {
	path := strings.TrimPrefix(address, "sqlite://")
	if path == "" || strings.HasPrefix(path, ":memory:") || strings.ContainsAny(path, "?\x00") {
		return "", fault.New(fault.Invalid, "A SQLite metadata database is named as sqlite://PATH, where PATH is a file and nothing follows it")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "The file of the metadata database can't be found")
	}
	return path, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
