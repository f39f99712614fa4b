package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"

	"ayb"
	"ayb/hosting"
)

const (
	places = 100_000
	point  = "SELECT name FROM place WHERE id = ?"
	scan   = "SELECT id, name, country, lat, lng FROM place"
	insert = "INSERT INTO place(name, country, lat, lng) VALUES ('a new place', 'GB', 51.5, 0.1)"
)

// makePlaces makes the table of places.
const makePlaces = "CREATE TABLE place(id INTEGER PRIMARY KEY, name TEXT, country TEXT, lat REAL, lng REAL);"

// fillPlaces makes it with places in it.
var fillPlaces = makePlaces + fmt.Sprintf(`
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
	INSERT INTO place SELECT i, 'place number ' || i, substr('ADAEAFAGBRDEFRIN', 1 + 2 * (i %% 8), 2), i * 0.0009, i * 0.0018 FROM n`, places)

// A bed is an engine with one database of some places, and the same database
// under the bare driver.
type bed struct {
	eng  *ayb.Engine
	who  ayb.Principal // of a token, as a server would have it
	bare *sqlite3.Conn
}

func newBed(ctx context.Context, dir string) (*bed, error) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir})
	if err != nil {
		return nil, err
	}
	b := &bed{eng: eng}
	if err := b.fill(ctx); err != nil {
		return nil, errors.Join(err, eng.Close())
	}
	files, err := filepath.Glob(filepath.Join(dir, "owners/*/*/*/*/*/db"))
	if err != nil || len(files) != 1 {
		return nil, errors.Join(fmt.Errorf("found %d files, want 1", len(files)), err, eng.Close())
	}
	if b.bare, err = sqlite3.Open("file:" + files[0] + "?mode=ro"); err != nil {
		return nil, errors.Join(err, eng.Close())
	}
	return b, nil
}

// admit makes an account, its token and its database.
func (b *bed) admit(ctx context.Context) error {
	alice, err := b.eng.CreateEntity(ctx, ayb.System, "alice", nil)
	if err != nil {
		return err
	}
	secret, _, err := b.eng.CreateToken(ctx, b.eng.Owner(alice), "alice", nil)
	if err != nil {
		return err
	}
	if b.who, err = b.eng.Authenticate(ctx, secret); err != nil {
		return err
	}
	_, err = b.eng.CreateDatabase(ctx, b.who, "alice/places", nil)
	return err
}

func (b *bed) fill(ctx context.Context) error {
	if err := b.admit(ctx); err != nil {
		return err
	}
	_, err := b.eng.Query(ctx, b.who, "alice/places", fillPlaces)
	return err
}

func (b *bed) close() error { return errors.Join(b.bare.Close(), b.eng.Close()) }

// queries measures what the engine adds to one prepared query by key.
func queries(ctx context.Context, dir string) (_ []figure, err error) {
	b, err := newBed(ctx, filepath.Join(dir, "query"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	stmt, _, err := b.bare.Prepare(point)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	const n = 20_000
	id := 0
	next := func() int { id++; return id%places + 1 }
	engine := func() error {
		_, err := b.eng.Query(ctx, b.who, "alice/places", point, next())
		return err
	}
	bare := func() error {
		if err := stmt.BindInt64(1, int64(next())); err != nil {
			return err
		}
		for stmt.Step() {
			_ = stmt.ColumnText(0)
		}
		return stmt.Reset()
	}
	allocs, err := allocations(n, engine)
	if err != nil {
		return nil, err
	}
	idle, err := newIdleEngine(ctx, filepath.Join(dir, "idle"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, idle.eng.Close()) }()
	own := func() error {
		_, err := idle.eng.Query(ctx, idle.who, "alice/places", point, next())
		return err
	}
	alone, _, share, err := sides(times(n, own), times(n, bare))
	if err != nil {
		return nil, err
	}
	with, without, ratio, err := sides(times(n, engine), times(n, bare))
	if err != nil {
		return nil, err
	}
	return []figure{
		{what: "query by key, the engine's own cost / bare prepared call", value: share, atMost: 0.60, note: fmt.Sprintf("%.2f µs: principal, permission, audit counter, dispatch", us(alone.Seconds()/n))},
		{what: "query by key, all of it / bare prepared call", value: ratio, note: fmt.Sprintf("%.2f µs and %.2f µs: with the Runner and the result", us(with.Seconds()/n), us(without.Seconds()/n))},
		{what: "query by key, objects allocated", value: allocs, atMost: 10, note: "all of it"},
	}, nil
}

// newIdleEngine returns an engine whose Runner does nothing, so that what is left
// is the engine's own work.
func newIdleEngine(ctx context.Context, dir string) (*bed, error) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir, Runner: idleRunner{}})
	if err != nil {
		return nil, err
	}
	b := &bed{eng: eng}
	if err := b.admit(ctx); err != nil {
		return nil, errors.Join(err, eng.Close())
	}
	return b, nil
}

// idleRunner answers nothing to everything that is asked here.
type idleRunner struct{ hosting.Runner }

func (idleRunner) Run(context.Context, hosting.Job, hosting.Sink) (ayb.Summary, error) {
	return ayb.Summary{}, nil
}

func us(seconds float64) float64 { return seconds * 1e6 }

func times(n int, f func() error) func() error {
	return func() error {
		for range n {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

// A reader is a Sink that looks at every value, as a door that encodes it does.
type reader struct {
	columns []ayb.Column
	rows    int
	bytes   int
	number  float64
}

func (r *reader) Columns(columns []ayb.Column) error { return nil }

func (r *reader) Row(row ayb.Row) error {
	r.rows++
	for i := range row.Len() {
		switch row.Type(i) {
		case ayb.Integer:
			r.number += float64(row.Int64(i))
		case ayb.Real:
			r.number += row.Float64(i)
		default:
			r.bytes += len(row.Bytes(i))
		}
	}
	return nil
}

// scans measures a long read, and the memory that it takes.
func scans(ctx context.Context, dir string) (_ []figure, err error) {
	b, err := newBed(ctx, filepath.Join(dir, "scan"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	stream := func(sql string) error {
		_, err := b.eng.Stream(ctx, b.who, "alice/places", ayb.Statement{SQL: sql}, &reader{})
		return err
	}
	stmt, _, err := b.bare.Prepare(scan)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	with, without, ratio, err := sides(func() error { return stream(scan) }, func() error { return step(stmt) })
	if err != nil {
		return nil, err
	}
	before := resident()
	if err := stream("SELECT a.* FROM place a, (SELECT 1 FROM place LIMIT 10)"); err != nil {
		return nil, err
	}
	return []figure{
		{what: "100,000 rows, 5 columns: stream / bare stepping and reading", value: ratio, atMost: 1.3, note: fmt.Sprintf("%.0f ms and %.0f ms", with.Seconds()*1e3, without.Seconds()*1e3)},
		{what: "memory added by 10 times the rows", value: max(resident()-before, 0), unit: "MB", atMost: 4},
	}, nil
}

func step(stmt *sqlite3.Stmt) error {
	var bytes int
	var number float64
	for stmt.Step() {
		for i := range 5 {
			switch stmt.ColumnType(i) {
			case sqlite3.INTEGER:
				number += float64(stmt.ColumnInt64(i))
			case sqlite3.FLOAT:
				number += stmt.ColumnFloat(i)
			default:
				bytes += len(stmt.ColumnRawText(i))
			}
		}
	}
	return stmt.Reset()
}
