package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb"
	"ayb/hosting"
)

// How databases are asked of which most are cold.
const (
	hotDatabases = 1_000
	hotAsks      = 30_000
	coldShare    = 20 // every so many queries is of any database, the others of a hot one
	coldAsks     = 300
)

// crowded measures an engine with 100,000 databases that have files, of which a
// thousand are asked again and again: what memory an open connection takes, and what
// the first query of a database takes that is not open.
func crowded(ctx context.Context, dir string) (_ []figure, err error) {
	c, err := newCrowd(ctx, filepath.Join(dir, "crowded"), manyDatabases, false, 1)
	if err != nil {
		return nil, err
	}
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: c.data})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	who, err := eng.Authenticate(ctx, c.token)
	if err != nil {
		return nil, err
	}
	ask := func(i int) error {
		_, err := eng.Query(ctx, who, c.ref(i), "SELECT b FROM t WHERE a = 1")
		return err
	}
	debug.FreeOSMemory()
	before := resident()
	for n := range hotAsks {
		i := rand.IntN(hotDatabases)
		if n%coldShare == 0 {
			i = rand.IntN(c.size - coldAsks) // those beyond stay cold
		}
		if err := ask(i); err != nil {
			return nil, err
		}
	}
	debug.FreeOSMemory()
	stats := eng.Stats().Runner
	memory := resident() - before
	cold, bare, err := compareCold(c, ask)
	if err != nil {
		return nil, err
	}
	return []figure{
		{
			what: "100,000 databases, of which 1,000 are hot: memory", value: memory, unit: "MB", atMost: 0.45*float64(stats.Connections) + 100,
			note: fmt.Sprintf("%d connections to %d databases, %d evictions", stats.Connections, stats.Databases, stats.Evictions),
		},
		{
			what: "first query of a database that is not open / bare open and query of the same file", value: median(cold) / median(bare), atMost: 2,
			note: fmt.Sprintf("%s and %s ms", spread(cold, "%.2f"), spread(bare, "%.2f")),
		},
	}, nil
}

// compareCold asks databases for the first time, through the engine and with the bare
// driver, in turns. Neither closes what it has opened before the time is taken.
func compareCold(c *crowd, ask func(i int) error) (cold, bare []float64, err error) {
	dir := filepath.Join(c.data, ayb.OwnersDir)
	for n := range coldAsks {
		i := c.size - 1 - n
		engine := func() error { return ask(i) }
		var conn *sqlite3.Conn
		driver := func() (err error) {
			conn, err = bareQuery(hosting.FilePath(dir, c.databases[i]))
			return err
		}
		sides := []struct {
			do   func() error
			took *[]float64
		}{{engine, &cold}, {driver, &bare}}
		if n%2 == 0 { // who comes second finds the file in memory
			sides[0], sides[1] = sides[1], sides[0]
		}
		for _, s := range sides {
			began := time.Now()
			err := s.do()
			*s.took = append(*s.took, time.Since(began).Seconds()*1e3)
			if conn != nil {
				err = errors.Join(err, conn.Close())
				conn = nil
			}
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return cold, bare, nil
}

// bareQuery opens a file and asks it.
func bareQuery(path string) (*sqlite3.Conn, error) {
	conn, err := sqlite3.Open("file:" + path)
	if err != nil {
		return nil, err
	}
	stmt, _, err := conn.Prepare("SELECT b FROM t WHERE a = 1")
	if err != nil {
		return conn, err
	}
	for stmt.Step() {
		_ = stmt.ColumnText(0)
	}
	return conn, stmt.Close()
}
