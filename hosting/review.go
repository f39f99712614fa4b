package hosting

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ayb/fault"
)

// A schemaObject is an entry of a schema.
type schemaObject struct{ kind, name, table, sql string }

// schemaBytes bounds the schema of an upload, whose text is held in memory.
const schemaBytes = 16 << 20

// readSchema returns the whole schema of the connection's file.
func (c *conn) readSchema() (all []schemaObject, err error) {
	stmt, _, err := c.c.Prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	size := 0
	for stmt.Step() {
		o := schemaObject{stmt.ColumnText(0), stmt.ColumnText(1), stmt.ColumnText(2), stmt.ColumnText(3)}
		if size += len(o.name) + len(o.sql) + 64; size > schemaBytes {
			return nil, fault.New(fault.TooLarge, "The schema of the file has more than %d MiB of text, so nothing was imported", schemaBytes>>20)
		}
		all = append(all, o)
	}
	return all, stmt.Err()
}

// review has the guard look at every statement of a schema, as if its owner sent it:
// each is run in a database in memory. The virtual tables have one of their own,
// because they make tables whose names are among the others.
func (a *adoption) review(ctx context.Context, schema []schemaObject) error {
	var virtual, others []schemaObject
	for _, kind := range []string{"table", "index", "view", "trigger"} {
		for _, o := range schema {
			switch {
			case o.kind != kind:
			case o.kind == "table" && firstWords(o.sql, "CREATE", "VIRTUAL"):
				virtual = append(virtual, o)
			case o.sql == "" && o.kind == "index": // of a PRIMARY KEY or UNIQUE
			case isStatistics(o):
			default:
				others = append(others, o)
			}
		}
	}
	if i := slices.IndexFunc(schema, func(o schemaObject) bool {
		return !slices.Contains([]string{"table", "index", "view", "trigger"}, o.kind)
	}); i >= 0 {
		return refusedObject(schema[i], errors.New("there is no such kind of object"))
	}
	for _, objects := range [][]schemaObject{virtual, others} {
		if err := a.try(ctx, objects); err != nil {
			return err
		}
	}
	return nil
}

// isStatistics reports whether an object is a table that SQLite itself makes.
func isStatistics(o schemaObject) bool {
	switch strings.ReplaceAll(o.sql, " ", "") {
	case "CREATETABLEsqlite_sequence(name,seq)":
		return o.name == "sqlite_sequence"
	case "CREATETABLEsqlite_stat1(tbl,idx,stat)":
		return o.name == "sqlite_stat1"
	case "CREATETABLEsqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)":
		return o.name == "sqlite_stat4"
	}
	return false
}

// firstWords reports whether a statement begins with these keywords.
func firstWords(sql string, words ...string) bool {
	sql = skipBlank(sql)
	for _, want := range words {
		n := word(sql)
		if keyword(sql[:n]) != want && !strings.EqualFold(sql[:n], want) {
			return false
		}
		for sql = sql[n:]; blank(sql) > 0; {
			sql = sql[blank(sql):]
		}
	}
	return true
}

// try makes objects in a database in memory.
func (a *adoption) try(ctx context.Context, objects []schemaObject) error {
	if len(objects) == 0 {
		return nil
	}
	nowhere := a.path + ".none" // which is not there
	return a.write(ctx, nowhere, func(c *conn) error {
		for _, o := range objects {
			if err := c.create(o); err != nil {
				return refusedObject(o, c.fault(err))
			}
		}
		return nil
	})
}

func refusedObject(o schemaObject, err error) error {
	if kind := fault.KindOf(err); kind == fault.TimedOut || kind == fault.Unavailable || kind == fault.TooLarge {
		return err
	}
	return fault.Wrap(fault.Denied, err, "The %s %.100q of the file can't be in a database here, so nothing was imported: %.300s. Drop it from the file and send it again", o.kind, o.name, fault.Message(err))
}

// create runs the one statement that makes an object.
func (c *conn) create(o schemaObject) error {
	if !firstWords(o.sql, "CREATE") || strings.HasPrefix(strings.ToLower(o.name), "sqlite_") {
		return fault.New(fault.Denied, "it is not made by a statement that anybody can send")
	}
	st, tail, err := c.compile(o.sql, 0)
	if err != nil {
		return err
	}
	if st == nil || tail != "" && skipBlank(tail) != "" {
		return fault.New(fault.Denied, "it is made by more than one statement")
	}
	defer st.stmt.Close()
	return st.stmt.Exec()
}

// use compiles statements that use the tables and views of a file, because defaults,
// views and triggers are compiled only then: what can't be used is not taken over.
func (a *adoption) use(ctx context.Context) (err error) {
	db := a.database(a.path)
	c, err := db.open(toRead)
	if err != nil {
		return err
	}
	defer c.close()
	defer c.finish()
	defer c.recovered(&err)
	list, _, err := c.c.Prepare("SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		return c.fault(err)
	}
	defer list.Close()
	c.start(ctx, writeMode)
	c.intr.allow("limits.maintenance_time", a.left())
	for list.Step() {
		o := schemaObject{name: list.ColumnText(0), kind: list.ColumnText(1)}
		if err := c.tryUse(o); err != nil {
			return refusedObject(o, c.fault(err))
		}
	}
	return c.fault(list.Err())
}

func (c *conn) tryUse(o schemaObject) error {
	name := `"` + strings.ReplaceAll(o.name, `"`, `""`) + `"`
	texts := []string{"SELECT * FROM " + name}
	if o.kind == "table" {
		texts = append(texts, "INSERT INTO "+name+" DEFAULT VALUES", "DELETE FROM "+name)
	}
	for _, text := range texts {
		st, _, err := c.compile(text, 0)
		if err != nil {
			return err
		}
		st.stmt.Close()
	}
	return nil
}
