package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb"
	"ayb/client"
	"ayb/hosting"
	"ayb/snapshot"
)

// copiedBytes is how large the database is that is copied, unless AYB_BENCH_MIB says
// otherwise.
const copiedBytes = 1 << 30

// copyRounds is how often a snapshot is taken, in turns with its steps.
const copyRounds = 3

// copyWriters is how many clients write while the database is copied.
const copyWriters = 4

// copies measures what a server with worker processes needs to copy a database to and
// from everywhere: by how much the memory of all of its processes grows, how long a
// snapshot takes against the steps of which it consists, each done by itself in the same run,
// and what is left to those who write meanwhile.
func copies(ctx context.Context, dir string) (figures []figure, err error) {
	dir = filepath.Join(dir, "copies")
	c := &copied{ctx: ctx, dir: dir, data: filepath.Join(dir, "data"), bytes: copiedBytes}
	if mib, err := strconv.ParseInt(os.Getenv("AYB_BENCH_MIB"), 10, 64); err == nil {
		c.bytes = mib << 20
	}
	if c.program, err = buildServer(ctx, dir); err != nil {
		return nil, err
	}
	if err := c.make(); err != nil {
		return nil, err
	}
	for _, method := range []string{"Vacuum", "Backup"} {
		more, err := c.snapshots(method)
		if err != nil {
			return nil, err
		}
		figures = append(figures, more...)
	}
	more, err := c.others()
	return append(figures, more...), err
}

// A copied is the database that is copied, and a server that does it.
type copied struct {
	ctx                context.Context
	dir, data, program string
	bytes              int64
	token, path        string
	snapshot           string // the last

	server *process
	client *client.Client
}

// make makes the database, in the engine. Its rows compress as text does.
func (c *copied) make() (err error) {
	if err := os.MkdirAll(filepath.Join(c.dir, "bucket"), 0o700); err != nil {
		return err
	}
	eng, err := ayb.Open(c.ctx, ayb.Config{DataPath: c.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	if _, err := eng.CreateEntity(c.ctx, ayb.System, "alice", nil); err != nil {
		return err
	}
	if c.token, _, err = eng.CreateToken(c.ctx, ayb.System, "alice", nil); err != nil {
		return err
	}
	if _, err := eng.CreateDatabase(c.ctx, ayb.System, "alice/db", nil); err != nil {
		return err
	}
	sql := "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE TABLE w(a)"
	for size := int64(0); size < c.bytes; {
		if _, err := eng.Query(c.ctx, ayb.System, "alice/db", sql); err != nil {
			return err
		}
		sql = "INSERT INTO t(a, b) SELECT hex(randomblob(250)), 'place number ' || value FROM generate_series(1, 16384)"
		db, err := eng.Database(c.ctx, ayb.System, "alice/db")
		if err != nil {
			return err
		}
		size = db.Size
		c.path = hosting.FilePath(filepath.Join(c.data, ayb.OwnersDir), hosting.DB{Owner: db.Owner, Database: db.ID, Version: db.Version})
	}
	return nil
}

// start starts the server.
func (c *copied) start(method string) (err error) {
	c.server, err = startServer(c.ctx, c.program, c.dir, c.data, "AYB__ISOLATION__MODE=process", "AYB__LIMITS__IMPORT_BYTES=16GiB",
		"AYB__SNAPSHOTS__URL=file://"+filepath.Join(c.dir, "bucket"), "AYB__SNAPSHOTS__SQLITE_METHOD="+method)
	if err != nil {
		return err
	}
	c.client, err = client.New(client.Config{URL: "http://" + c.server.address, Token: c.token})
	return err
}

// snapshots measures snapshots by one method.
func (c *copied) snapshots(method string) (figures []figure, err error) {
	if err := c.start(method); err != nil {
		return nil, err
	}
	defer c.server.stop()
	take := func() error {
		s, err := c.client.CreateSnapshot(c.ctx, "alice/db", "")
		c.snapshot = s.ID
		return err
	}
	var ratios []float64
	var most float64
	var last string
	for range copyRounds {
		steps, err := c.steps(method)
		if err != nil {
			return nil, err
		}
		if _, err := c.client.Query(c.ctx, "alice/db", "INSERT INTO w VALUES (1)"); err != nil {
			return nil, err
		}
		took, extra, err := c.measure(take)
		if err != nil {
			return nil, err
		}
		ratios, most = append(ratios, float64(took)/float64(steps.sum())), max(most, extra)
		last = fmt.Sprintf("the last: %.1f s; %s", took.Seconds(), steps)
	}
	quiet, err := c.writing(func() error { time.Sleep(5 * time.Second); return nil })
	if err != nil {
		return nil, err
	}
	beside, err := c.writing(take)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("snapshot of %d MB by %s: ", c.bytes>>20, method)
	return []figure{
		{what: what + "time / separate steps", value: median(ratios), low: ratios[0], high: ratios[copyRounds-1], atMost: 1.2, note: last},
		{what: what + "extra memory", value: most, unit: "MB", atMost: 64},
		{what: what + "writers' rate beside it / alone", value: beside / quiet, atLeast: 0.5, note: fmt.Sprintf("%.0f and %.0f a second", beside, quiet)},
	}, nil
}

// others measures the memory of everything else that copies.
func (c *copied) others() ([]figure, error) {
	if err := c.start("Vacuum"); err != nil {
		return nil, err
	}
	defer c.server.stop()
	exported := [2]string{filepath.Join(c.dir, "exported.sqlite"), filepath.Join(c.dir, "exported.sql")}
	export := func(path, format string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		_, err = c.client.Export(c.ctx, "alice/db", format, f)
		return errors.Join(err, f.Close())
	}
	imports := func(path, format, ref string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = c.client.Import(c.ctx, ref, f, &client.ImportOptions{Format: format})
		return err
	}
	var figures []figure
	for _, m := range []struct {
		what string
		do   func() error
	}{
		{"restore", func() error {
			_, err := c.client.RestoreSnapshot(c.ctx, "alice/db", c.snapshot, nil)
			return err
		}},
		{"export, a SQLite file", func() error { return export(exported[0], client.FormatSQLite) }},
		{"export, SQL", func() error { return export(exported[1], client.FormatSQL) }},
		{"import, a SQLite file", func() error { return imports(exported[0], client.FormatSQLite, "alice/file") }},
		{"import, SQL", func() error { return imports(exported[1], client.FormatSQL, "alice/sql") }},
	} {
		took, extra, err := c.measure(m.do)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.what, err)
		}
		figures = append(figures, figure{what: fmt.Sprintf("%s of %d MB: extra memory", m.what, c.bytes>>20), value: extra, unit: "MB", atMost: 64, note: fmt.Sprintf("%.1f s", took.Seconds())})
	}
	return figures, nil
}

// measure returns how long f takes, and by how many megabytes the server's
// processes together were larger at some moment of that than before.
func (c *copied) measure(f func() error) (took time.Duration, extra float64, err error) {
	if _, err := c.client.Query(c.ctx, "alice/db", "SELECT count(*) FROM w"); err != nil { // the worker is there
		return 0, 0, err
	}
	before, most := treeMemory(c.server.cmd.Process.Pid), 0.0
	stop, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() {
		for {
			most = max(most, treeMemory(c.server.cmd.Process.Pid))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	took, err = timed(f)
	close(stop)
	wg.Wait()
	return took, most - before, err
}

// writing returns how many rows a second clients write while f runs.
func (c *copied) writing(f func() error) (rate float64, err error) {
	var written atomic.Int64
	stop, wg := make(chan struct{}), sync.WaitGroup{}
	failures := make(chan error, writers)
	for range copyWriters {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.client.Query(c.ctx, "alice/db", "INSERT INTO w VALUES (1)"); err != nil {
					failures <- err
					return
				}
				written.Add(1)
			}
		})
	}
	took, err := timed(f)
	close(stop)
	n := written.Load()
	wg.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	return float64(n) / took.Seconds(), err
}

// separate are the steps of a snapshot, each done by itself.
type separate struct{ copy, check, hash, compress, write time.Duration }

func (s separate) sum() time.Duration { return s.copy + s.check + s.hash + s.compress + s.write }

func (s separate) String() string {
	return fmt.Sprintf("copy %.1f, check %.1f, hash %.1f, compress %.1f, write %.1f", s.copy.Seconds(), s.check.Seconds(), s.hash.Seconds(), s.compress.Seconds(), s.write.Seconds())
}

// steps does the steps of a snapshot without a server.
func (c *copied) steps(method string) (s separate, err error) {
	image, packed, stored := filepath.Join(c.dir, "image"), filepath.Join(c.dir, "packed"), filepath.Join(c.dir, "stored")
	defer func() {
		for _, path := range []string{image, packed, stored} {
			os.Remove(path)
		}
	}()
	for _, step := range []struct {
		took *time.Duration
		do   func() error
	}{
		{&s.copy, func() error { return copyDatabase(c.path, image, method) }},
		{&s.check, func() error { return onDatabase(image, "PRAGMA quick_check(1)") }},
		{&s.hash, func() error { return hash(c.ctx, image) }},
		{&s.compress, func() error { return pack(image, packed) }},
		{&s.write, func() error { return copyFile(packed, stored) }},
	} {
		if *step.took, err = timed(step.do); err != nil {
			return s, err
		}
	}
	return s, nil
}

// hash hashes a file.
func hash(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = snapshot.Hash(ctx, f)
	return err
}

// copyDatabase copies a database as a snapshot's method does.
func copyDatabase(from, to, method string) error {
	if method == "Vacuum" {
		return onDatabase(from, "VACUUM INTO '"+to+"'")
	}
	return withDatabase(from, func(conn *sqlite3.Conn) error { return conn.Backup("main", "file:"+to) })
}

func onDatabase(path, sql string) error {
	return withDatabase(path, func(conn *sqlite3.Conn) error { return conn.Exec(sql) })
}

func withDatabase(path string, do func(conn *sqlite3.Conn) error) error {
	conn, err := sqlite3.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close())
}
