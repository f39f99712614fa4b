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
// handler that writes nothing; and each client into a database of its own, against a
// bare handler with one prepared statement for each. These belong to one owner, as
// those of an application that has one for each of its users, or each to another. In
// worker processes that makes a difference: an owner has one.
func writes(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "write")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		mode string
		one  float64 // bar
	}{{"in-process", 0.45}, {"process", 0.40}} {
		api, err := newAPIContender(ctx, program, c.mode, dir)
		if err != nil {
			return nil, err
		}
		one, err := insertDuel(ctx, dir, api, floorContender{api}, "one database, 64 clients", c.one)
		if err != nil {
			return nil, err
		}
		many := manyContender{apiContender: api}
		if err := many.fill(ctx); err != nil {
			return nil, err
		}
		figures = append(figures, one...)
		for _, belong := range []struct {
			what  string
			homes []home
		}{{"64 databases of one owner, 64 clients", many.homes[:writers]}, {"64 databases of 64 owners, 64 clients", many.homes[writers:]}} {
			each, err := insertDuel(ctx, dir, manyContender{api, belong.homes}, bareContender{api, writers}, belong.what, 0.70)
			if err != nil {
				return nil, err
			}
			figures = append(figures, each...)
		}
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
	homes []home
}

// A home is a database and a token of its owner.
type home struct{ ref, token string }

// fill makes the databases: first those of one owner, then those that have one each.
func (c *manyContender) fill(ctx context.Context) (err error) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: c.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	for i := range writers {
		c.homes = append(c.homes, home{fmt.Sprintf("alice/places%d", i), c.token})
	}
	for i := range writers {
		if _, err := eng.CreateEntity(ctx, ayb.System, tenant(i), nil); err != nil {
			return err
		}
		token, _, err := eng.CreateToken(ctx, ayb.System, tenant(i), nil)
		if err != nil {
			return err
		}
		c.homes = append(c.homes, home{tenant(i) + "/places", token})
	}
	for _, h := range c.homes {
		if _, err := eng.CreateDatabase(ctx, ayb.System, h.ref, nil); err != nil {
			return err
		}
		if _, err := eng.Query(ctx, ayb.System, h.ref, makePlaces); err != nil {
			return err
		}
	}
	return nil
}

func (c manyContender) insert(b []byte, conn int) []byte {
	h := c.homes[conn%len(c.homes)]
	return post(b, "/v1/"+h.ref+"/query", h.token, []byte(`{"sql":"`+insert+`"}`))
}
