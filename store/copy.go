package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/uptrace/bun"

	"ayb/fault"
)

// State is what is known of the metadata themselves.
type State struct {
	// Lineage tells the metadata from those of another server, by 16 hexadecimal
	// digits. Copies have it too. Empty if they are not in SQLite.
	Lineage string

	// Changes is another number after every change that is worth a copy, and Counts
	// after one that is not: a query was counted, a token used, the trail trimmed.
	// Neither changes if the metadata are not in SQLite.
	Changes, Counts int64

	// KeyProof is what SetKeyProof was given last; empty: nothing.
	KeyProof string
}

type stateRow struct {
	bun.BaseModel `bun:"table:metadata_state"`

	Lineage  string
	Changes  int64
	Counts   int64
	KeyProof string
}

func (r stateRow) state() State { return State{r.Lineage, r.Changes, r.Counts, r.KeyProof} }

// State returns what is known of the metadata themselves.
func (s *Store) State(ctx context.Context) (State, error) {
	var row stateRow
	err := s.read(ctx, nil, func(ctx context.Context) error { return s.db.NewSelect().Model(&row).Scan(ctx) })
	return row.state(), err
}

// Totals returns how many entities and databases live.
func (s *Store) Totals(ctx context.Context) (entities, databases int64, err error) {
	err = s.read(ctx, nil, func(ctx context.Context) (err error) {
		if entities, err = s.db.NewSelect().Table("entity").Where("deleted_at IS NULL").Count(ctx); err == nil {
			databases, err = s.db.NewSelect().Table("database").Where("deleted_at IS NULL").Count(ctx)
		}
		return err
	})
	return entities, databases, err
}

// SetKeyProof keeps what shows which key was used, of at most 500 characters.
func (s *Store) SetKeyProof(ctx context.Context, proof string) error {
	return s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*stateRow)(nil)).Set("key_proof = ?", proof).Set("changes = changes + 1").Where("1 = 1").Exec(ctx)
		return err
	})
}

// CanCopy reports whether Copy can do anything: the metadata are in a SQLite file.
func (s *Store) CanCopy() bool { return s.copies }

// Copy writes a consistent copy of the metadata, as of one moment, to a new SQLite
// file for this user alone, on a connection of its own: reads and writes go on
// meanwhile. It takes as long as it takes. The caller removes the file, also after a
// failure. Errors: Unsupported (CanCopy is false), Unavailable.
func (s *Store) Copy(ctx context.Context, path string) error {
	if !s.copies {
		return fault.New(fault.Unsupported, "The metadata are not in a file of SQLite; copy them with the tools of their database")
	}
	if s.closed.Load() {
		return errClosed
	}
	// SQLite writes into an empty file. It would make one for everybody.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The file for a copy of the metadata can't be made")
	}
	_, err = s.db.DB.ExecContext(ctx, "VACUUM INTO ?", path)
	return explain(ctx, err, answers{unexplained: {fault.Unavailable, "The metadata can't be copied; their file, or the disk, may be damaged"}})
}

// Inspect makes sure that a file is a sound copy of metadata that this ayb can use,
// and returns their state. It changes nothing. Errors: Invalid (it is none, or
// damaged), Conflict (it was made by a newer ayb), Unavailable.
func Inspect(ctx context.Context, path string) (State, error) {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return State{}, err
	}
	pool, err := driver.Open((&url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&immutable=1"}).String())
	if err != nil {
		return State{}, notMetadata(err)
	}
	defer pool.Close()
	var finding string
	if err := pool.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&finding); err != nil || finding != "ok" {
		return State{}, explain(ctx, errors.Join(err, errors.New(finding)), answers{unexplained: {fault.Invalid, "The copy of the metadata is damaged"}})
	}
	have, err := lookAtVersion(ctx, pool, sqliteDialect())
	switch {
	case err != nil:
		return State{}, explain(ctx, err, answers{unexplained: notMetadataAnswer})
	case have > len(steps):
		return State{}, newerSchema(have, len(steps))
	}
	var row stateRow
	err = pool.QueryRowContext(ctx, "SELECT lineage, changes, counts, key_proof FROM metadata_state").Scan(&row.Lineage, &row.Changes, &row.Counts, &row.KeyProof)
	if errors.Is(err, sql.ErrNoRows) {
		return State{}, notMetadata(err)
	}
	return row.state(), explain(ctx, err, answers{unexplained: notMetadataAnswer})
}

var notMetadataAnswer = answer{fault.Invalid, "The file is no copy of metadata"}

func notMetadata(err error) error { return notMetadataAnswer.fault(err) }

// Path returns where the SQLite file is that url names, as for [Open]; empty if the
// metadata are elsewhere. Errors: Invalid (the URL), Unavailable.
func Path(url string) (string, error) {
	d, err := dialectOf(url)
	if err != nil || !d.copies {
		return "", err
	}
	return sqlitePath(url)
}
