// Package dump writes a SQLite database as a text of SQL that makes it anew, as
// the command .dump of the sqlite3 shell does: the text can be read by the shell,
// by SQLite itself, and by ayb's own import.
package dump

import (
	"bufio"
	"context"
	"io"
	"strconv"
	"strings"

	"ayb/catalog"
)

// A Query runs one statement and hands its rows to row. All that a dump runs must
// see the database as it is at one moment.
type Query func(ctx context.Context, st catalog.Statement, row func(catalog.Row) error) error

// Write writes a dump to w. It holds the schema in memory, and of the rows one at a
// time. Errors: those of query and w.
func Write(ctx context.Context, query Query, w io.Writer) error {
	d := &dumper{ctx: ctx, query: query, w: bufio.NewWriterSize(w, 64<<10)}
	if err := d.write(); err != nil {
		return err
	}
	return d.w.Flush()
}

// insertBytes is how long an INSERT becomes before the next one begins. Many rows
// in one are read faster, and a long name of a table is not repeated for each.
const insertBytes = 64 << 10

type dumper struct {
	ctx   context.Context
	query Query
	w     *bufio.Writer

	schema   []object
	writable bool // PRAGMA writable_schema is on in the text
	buf      []byte
}

// An object is one entry of the schema.
type object struct{ kind, name, sql string }

func (d *dumper) write() error {
	err := d.query(d.ctx, catalog.Statement{SQL: "SELECT type, name, sql FROM sqlite_schema ORDER BY rowid"}, func(row catalog.Row) error {
		d.schema = append(d.schema, object{string(row.Bytes(0)), string(row.Bytes(1)), string(row.Bytes(2))})
		return nil
	})
	if err != nil {
		return err
	}
	d.w.WriteString("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")
	for _, step := range []func() error{d.numbers, d.tables, d.counters, d.statistics} {
		if err := step(); err != nil {
			return err
		}
	}
	// A trigger may be on a view, and neither is to see the rows above come.
	for _, kind := range []string{"index", "view", "trigger"} {
		for _, o := range d.schema {
			if o.kind == kind && o.sql != "" {
				d.statement(o.sql)
			}
		}
	}
	if d.writable {
		d.w.WriteString("PRAGMA writable_schema=OFF;\n")
	}
	_, err = d.w.WriteString("COMMIT;\n")
	return err
}

// statement writes a statement of the schema, which may end in a comment.
func (d *dumper) statement(sql string) {
	d.w.WriteString(sql)
	if i := strings.LastIndex(sql, "--"); i >= 0 && !strings.Contains(sql[i:], "\n") {
		d.w.WriteByte('\n')
	}
	d.w.WriteString(";\n")
}

// numbers writes the numbers that programs keep in the head of a file.
func (d *dumper) numbers() error {
	for _, name := range []string{"user_version", "application_id"} {
		err := d.query(d.ctx, catalog.Statement{SQL: "PRAGMA " + name}, func(row catalog.Row) error {
			if n := row.Int64(0); n != 0 {
				d.w.WriteString("PRAGMA " + name + "=" + strconv.FormatInt(n, 10) + ";\n")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tables writes the virtual tables, and then the others with their rows: what one
// keeps its content in is made with it.
func (d *dumper) tables() error {
	for _, o := range d.schema {
		if o.kind == "table" && isVirtual(o.sql) {
			d.virtual(o)
		}
	}
	for _, o := range d.schema {
		if o.kind != "table" || isVirtual(o.sql) || strings.HasPrefix(o.name, "sqlite_") {
			continue
		}
		if rest, ok := strings.CutPrefix(o.sql, "CREATE TABLE "); ok && rest != "" && (rest[0] == '\'' || rest[0] == '"') {
			d.statement("CREATE TABLE IF NOT EXISTS " + rest) // the table of a virtual one, perhaps
		} else {
			d.statement(o.sql)
		}
		if err := d.rows(o.name); err != nil {
			return err
		}
	}
	return nil
}

// virtual writes a virtual table as an entry of the schema, for CREATE VIRTUAL
// TABLE would make the tables that it keeps its content in, which are dumped as well.
func (d *dumper) virtual(o object) {
	if !d.writable {
		d.writable = true
		d.w.WriteString("PRAGMA writable_schema=ON;\n")
	}
	name := string(appendText(nil, []byte(o.name)))
	d.w.WriteString("INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table'," + name + "," + name + ",0,")
	d.w.Write(appendText(nil, []byte(o.sql)))
	d.w.WriteString(");\n")
}

func isVirtual(sql string) bool {
	const start = "CREATE VIRTUAL TABLE" // as SQLite always writes it into the schema
	return len(sql) >= len(start) && strings.EqualFold(sql[:len(start)], start)
}

// counters writes the numbers that AUTOINCREMENT goes on from.
func (d *dumper) counters() error {
	counts, is := false, false
	for _, o := range d.schema {
		counts = counts || o.name == "sqlite_sequence"
		is = is || o.kind == "table" && strings.Contains(strings.ToUpper(o.sql), "AUTOINCREMENT")
	}
	if !counts || !is {
		return nil
	}
	d.w.WriteString("DELETE FROM sqlite_sequence;\n")
	return d.rows("sqlite_sequence")
}

// statistics writes what ANALYZE has found.
func (d *dumper) statistics() error {
	for _, o := range d.schema {
		if o.name == "sqlite_stat1" {
			d.w.WriteString("ANALYZE sqlite_schema;\n")
			return d.rows(o.name)
		}
	}
	return nil
}

// rows writes the rows of a table, without its generated columns.
func (d *dumper) rows(table string) error {
	var columns []string
	st := catalog.Statement{SQL: "SELECT name FROM pragma_table_info(?)", Args: []catalog.Arg{{Value: catalog.TextValue(table)}}}
	err := d.query(d.ctx, st, func(row catalog.Row) error {
		columns = append(columns, quoteName(string(row.Bytes(0))))
		return nil
	})
	if err != nil {
		return err
	}
	head := []byte("INSERT INTO " + quoteName(table) + " VALUES")
	room := max(insertBytes, 16*len(head))
	d.buf = d.buf[:0]
	st = catalog.Statement{SQL: "SELECT " + strings.Join(columns, ",") + " FROM " + quoteName(table)}
	err = d.query(d.ctx, st, func(row catalog.Row) error {
		if len(d.buf) == 0 {
			d.buf = append(d.buf, head...)
		} else {
			d.buf = append(d.buf, ",\n"...)
		}
		d.buf = appendRow(d.buf, row)
		if len(d.buf) < room {
			return nil
		}
		return d.flush()
	})
	if err != nil {
		return err
	}
	return d.flush()
}

// flush writes the INSERT that has been gathered.
func (d *dumper) flush() error {
	if len(d.buf) == 0 {
		return nil
	}
	_, err := d.w.Write(append(d.buf, ";\n"...))
	if d.buf = d.buf[:0]; cap(d.buf) > 16*insertBytes {
		d.buf = nil // a large row has been and gone
	}
	return err
}
