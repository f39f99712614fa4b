package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"ayb"
)

// writers is how many connections write at the same time.
const writers = 64

// writes measures durable INSERTs from many clients: into one database, against a
// handler that writes nothing, and each client into a database of its own, against a
// bare handler with one prepared statement for each.
func writes(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "write")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		mode      string
		one, many float64 // bars
	}{{"in-process", 0.45, 0.70}, {"process", 0.40, 0}} {
		api, err := newAPIContender(ctx, program, c.mode, dir)
		if err != nil {
			return nil, err
		}
		one, err := insertDuel(ctx, dir, api, floorContender{api}, "one database, 64 clients", c.one)
		if err != nil {
			return nil, err
		}
		many := manyContender{api, writers}
		if err := many.fill(ctx); err != nil {
			return nil, err
		}
		each, err := insertDuel(ctx, dir, many, bareContender{api, writers}, "64 databases, 64 clients", c.many)
		if err != nil {
			return nil, err
		}
		figures = append(append(figures, one...), each...)
	}
	return figures, nil
}

func insertDuel(ctx context.Context, dir string, a, b contender, what string, bar float64) ([]figure, error) {
	sided, err := sidesOf(ctx, filepath.Join(dir, what, a.name()), writers, a, b)
	if err != nil {
		return nil, err
	}
	defer closeAll(sided)
	r, err := race(sided, (*asker).insert)
	if err != nil {
		return nil, err
	}
	return r.figures(fmt.Sprintf("durable INSERT, %s, %s / %s", what, a.name(), b.name()), bar), nil
}

// A manyContender is the server with a database for each connection.
type manyContender struct {
	apiContender
	databases int
}

// fill makes the databases.
func (c manyContender) fill(ctx context.Context) (err error) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: c.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	for i := range c.databases {
		ref := fmt.Sprintf("alice/places%d", i)
		if _, err := eng.CreateDatabase(ctx, ayb.System, ref, nil); err != nil {
			return err
		}
		if _, err := eng.Query(ctx, ayb.System, ref, makePlaces); err != nil {
			return err
		}
	}
	return nil
}

func (c manyContender) insert(b []byte, home int) []byte {
	return post(b, fmt.Sprintf("/v1/alice/places%d/query", home%c.databases), c.token, []byte(`{"sql":"`+insert+`"}`))
}
