package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ncruces/go-sqlite3"

	"ayb"
	"ayb/catalog"
	"ayb/hosting"
)

// A crowd is a data path with many databases, all written: each has its row in the
// metadata and a file of its own in its place, as if its owner had made it.
type crowd struct {
	data  string
	size  int
	each  bool // every database has an owner of its own; else alice has all
	token string

	databases []hosting.DB // of all, by number
	owners    []string     // their owners' names
	made      int          // how many were made since
}

// fillCrowd is what is in each of them.
const fillCrowd = "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t(b) VALUES ('one of many')"

// newCrowd fills a data path. The first database is made by the engine. The others
// are copies of it: rows in the metadata and files where the engine expects them. Those
// beyond fewDatabases are links to copies, of which so many share one, and not to be
// written to.
func newCrowd(ctx context.Context, data string, size int, each bool, links int) (*crowd, error) {
	c := &crowd{data: data, size: size, each: each}
	first, err := c.makeFirst(ctx)
	if err != nil {
		return nil, err
	}
	c.databases, c.owners = []hosting.DB{first}, []string{"alice"}
	for i := 1; i < size; i++ {
		db, owner := hosting.DB{Owner: first.Owner, Database: newID(), Version: newID()}, "alice"
		if each {
			db.Owner, owner = newID(), fmt.Sprintf("owner%07d", i)
		}
		c.databases, c.owners = append(c.databases, db), append(c.owners, owner)
	}
	if err := c.fillMetadata(); err != nil {
		return nil, err
	}
	return c, c.fillFiles(links)
}

func newID() catalog.ID { return catalog.NewID(time.Now(), rand.Reader) }

// ref returns the name of a database.
func (c *crowd) ref(i int) string { return fmt.Sprintf("%s/db%07d", c.owners[i], i) }

// makeFirst makes alice, her token and the database that the others are like.
func (c *crowd) makeFirst(ctx context.Context) (first hosting.DB, err error) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: c.data})
	if err != nil {
		return first, err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	if _, err := eng.CreateEntity(ctx, ayb.System, "alice", nil); err != nil {
		return first, err
	}
	if c.token, _, err = eng.CreateToken(ctx, ayb.System, "alice", nil); err != nil {
		return first, err
	}
	ref := "alice/db0000000"
	if _, err := eng.CreateDatabase(ctx, ayb.System, ref, nil); err != nil {
		return first, err
	}
	if _, err := eng.Query(ctx, ayb.System, ref, fillCrowd); err != nil {
		return first, err
	}
	if c.each { // alice may read all of them
		if err := eng.SetPublic(ctx, ayb.System, ref, ayb.PublicReadOnly); err != nil {
			return first, err
		}
	}
	db, err := eng.Database(ctx, ayb.System, ref)
	return hosting.DB{Owner: db.Owner, Database: db.ID, Version: db.Version}, err
}

// fillMetadata adds the rows, in one transaction, as variations of the first: so it
// knows of the schema only what varies.
func (c *crowd) fillMetadata() (err error) {
	conn, err := sqlite3.Open(filepath.Join(c.data, "ayb.sqlite"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, sql := range []string{
		"CREATE TEMP TABLE one_entity AS SELECT * FROM entity", "CREATE TEMP TABLE one_database AS SELECT * FROM database",
		"UPDATE database SET changed = NULL", "UPDATE one_database SET changed = NULL", "BEGIN IMMEDIATE",
	} {
		if err := conn.Exec(sql); err != nil {
			return err
		}
	}
	entity, err := newCopier(conn, "UPDATE one_entity SET id = ?, slug = ?", "INSERT INTO entity SELECT * FROM one_entity")
	if err != nil {
		return err
	}
	defer entity.close()
	database, err := newCopier(conn, "UPDATE one_database SET id = ?, owner_id = ?, version = ?, slug = ?4, folded_slug = ?4", "INSERT INTO database SELECT * FROM one_database")
	if err != nil {
		return err
	}
	defer database.close()
	for i := 1; i < c.size; i++ {
		db := c.databases[i]
		if c.each {
			err = entity.copy(db.Owner.String(), c.owners[i])
		}
		err = errors.Join(err, database.copy(db.Database.String(), db.Owner.String(), db.Version.String(), fmt.Sprintf("db%07d", i)))
		if err != nil {
			return err
		}
	}
	return conn.Exec("UPDATE entity SET databases = (SELECT count(*) FROM database WHERE database.owner_id = entity.id); COMMIT")
}

// A copier runs two statements, the first with arguments.
type copier [2]*sqlite3.Stmt

func newCopier(conn *sqlite3.Conn, texts ...string) (c copier, err error) {
	for i, text := range texts {
		if c[i], _, err = conn.Prepare(text); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c copier) copy(args ...string) error {
	for i, arg := range args {
		if err := c[0].BindText(i+1, arg); err != nil {
			return err
		}
	}
	return errors.Join(c[0].Exec(), c[1].Exec())
}

func (c copier) close() {
	for _, stmt := range c {
		stmt.Close()
	}
}

// fillFiles puts a file in the place of each database.
func (c *crowd) fillFiles(links int) error {
	dir := filepath.Join(c.data, ayb.OwnersDir)
	content, err := os.ReadFile(hosting.FilePath(dir, c.databases[0]))
	if err != nil {
		return err
	}
	original := ""
	for i, db := range c.databases[1:] {
		path := hosting.FilePath(dir, db)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if i < fewDatabases || i%links == 0 {
			original, err = path, os.WriteFile(path, content, 0o600)
		} else {
			err = os.Link(original, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// drain reads all of an answer.
func drain(body io.ReadCloser) error {
	_, err := io.Copy(io.Discard, body)
	return errors.Join(err, body.Close())
}
