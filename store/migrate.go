package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"text/template"

	"ayb/fault"
)

// migrations holds the steps of the schema, migrations/NNNN_what.sql, numbered
// from 0001 without gaps. A step that was released is never changed; a new one
// is added. Each is a template for text/template, with the column type {{.Text}}.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date: all steps that are missing, in one
// transaction that excludes every other migration. A crash at any point leaves
// the schema as it was and no lock behind. (bun's own migrator marks a step as
// done outside the step's transaction and locks with a row that outlives a
// crash; therefore it is not used.)
func migrate(ctx context.Context, pool *sql.DB, d dialect, files fs.FS, logger *slog.Logger) error {
	steps, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	done, err := schemaVersion(ctx, tx, d)
	if err != nil {
		return err
	}
	if done > len(steps) {
		return newerSchema(done, len(steps))
	}
	for i, step := range steps[done:] {
		if err := apply(ctx, tx, d, files, step, done+i+1); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	if d.count != nil {
		if err := d.count(ctx, tx); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if done < len(steps) {
		logger.InfoContext(ctx, "metadata schema brought up to date", "from", done, "to", len(steps))
	}
	return nil
}

func newerSchema(have, know int) error {
	return fault.New(fault.Conflict,
		"The metadata database was made by a newer ayb (schema %d, this ayb knows %d); start that version, or a newer one", have, know)
}

const lastVersion = "SELECT coalesce(max(version), 0) FROM schema_migration"

// schemaVersion takes the lock and returns the number of the last step applied.
func schemaVersion(ctx context.Context, tx *sql.Tx, d dialect) (version int, err error) {
	for _, statement := range []string{
		d.lock,
		"CREATE TABLE IF NOT EXISTS schema_migration (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL)",
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	err = tx.QueryRowContext(ctx, lastVersion).Scan(&version)
	return version, err
}

func apply(ctx context.Context, tx *sql.Tx, d dialect, files fs.FS, step string, version int) error {
	source, err := template.ParseFS(files, step)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := source.Execute(&text, map[string]string{"Text": d.text}); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, text.String()); err != nil {
		return err
	}
	// Written into the text because the two drivers mark parameters differently;
	// the name is one of our own files'.
	_, err = tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO schema_migration (version, name) VALUES (%d, '%s')", version, step))
	return err
}
