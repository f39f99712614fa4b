package hosting

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"ayb/fault"
)

// make runs a text of SQL in a new file. It need not be a transaction: whatever goes
// wrong, the file is thrown away.
func (a *adoption) make(ctx context.Context, path string) (err error) {
	if err := os.WriteFile(a.path, nil, 0o600); err != nil {
		return unadoptable(err)
	}
	f, _, err := openRegular(path)
	if f == nil {
		return unadoptable(errors.Join(err, errors.New("no regular file")))
	}
	defer f.Close()
	return a.write(ctx, a.path, func(c *conn) error {
		m := &maker{conn: c, text: f, most: int(c.db.r.limits.ConnectionMemory / 4)}
		if err := m.begin(Quota{DatabaseBytes: a.quota.DatabaseBytes}); err != nil {
			return c.fault(err)
		}
		return m.run()
	})
}

// A maker makes a database by a text.
type maker struct {
	conn *conn
	text io.ReadSeeker
	most int // bytes of a statement
}

// begin makes the connection ready. Shadow tables may be written, for that is how a
// dump fills a virtual table; nobody has met the file, and it is checked afterwards.
func (m *maker) begin(quota Quota) error {
	c := m.conn
	if err := c.limitPages(quota); err != nil {
		return err
	}
	if err := c.set("PRAGMA foreign_keys=OFF; PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF"); err != nil {
		return err
	}
	if _, err := c.c.Config(sqlite3.DBCONFIG_DEFENSIVE, false); err != nil {
		return err
	}
	c.c.Limit(sqlite3.LIMIT_SQL_LENGTH, m.most)
	return c.exec("BEGIN IMMEDIATE")
}

// run runs the text. The virtual tables that it writes into the schema are made
// first, for they make the tables that they keep their content in, and a dump of a
// database that was compacted has those before them.
func (m *maker) run() error {
	some, err := m.mentions("CREATE VIRTUAL TABLE")
	if err == nil && some {
		err = m.each(func(text string) error {
			if sql, ok := virtualEntry(text); ok {
				return m.virtual(sql)
			}
			return nil
		})
	}
	if err == nil {
		err = m.each(m.statement)
	}
	if err != nil {
		return err
	}
	return m.conn.fault(m.conn.exec("COMMIT"))
}

// each calls do with every statement.
func (m *maker) each(do func(text string) error) error {
	if _, err := m.text.Seek(0, io.SeekStart); err != nil {
		return unadoptable(err)
	}
	statements := statementReader{r: m.text, most: m.most, line: 1}
	for {
		text, line, err := statements.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = m.conn.intr.Err()
		}
		if err == nil {
			err = do(text)
		}
		if err != nil {
			return atLine(line, m.conn.fault(err))
		}
	}
}

// mentions reports whether the text has these words somewhere, in capitals.
func (m *maker) mentions(words string) (bool, error) {
	piece := make([]byte, firstPiece)
	kept := 0 // bytes of the piece before, in which the words may begin
	for {
		n, err := m.text.Read(piece[kept:])
		if bytes.Contains(piece[:kept+n], []byte(words)) {
			return true, nil
		}
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, unadoptable(err)
		}
		kept = copy(piece, piece[max(0, kept+n-len(words)):kept+n])
	}
}

// atLine says where in a text something is wrong.
func atLine(line int, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind == fault.TimedOut || f.Kind == fault.Unavailable {
		return err
	}
	return &fault.Error{Kind: f.Kind, Code: f.Code, Err: f.Err, Message: "Line " + strconv.Itoa(line) + ": " + f.Message}
}

// statement runs one statement, or passes over one that a dump has and that means
// nothing here.
func (m *maker) statement(text string) error {
	c := m.conn
	switch firstWord(text) {
	case "":
		if skipBlank(text) == "" {
			return nil
		}
	case "BEGIN", "COMMIT", "END":
		return nil
	case "ROLLBACK":
		return fault.New(fault.Invalid, "The text ends in ROLLBACK: whoever wrote it could not read all of the database")
	case "PRAGMA":
		if firstWords(text, "PRAGMA", "foreign_keys") || firstWords(text, "PRAGMA", "writable_schema") {
			return nil
		}
	case "INSERT":
		if _, ok := virtualEntry(text); ok {
			return nil // it is there
		}
	}
	st, tail, err := c.compile(text, 0)
	if err != nil || st == nil {
		return err
	}
	defer st.stmt.Close()
	if skipBlank(tail) != "" {
		return fault.New(fault.Invalid, "There is something behind a statement that can't be read")
	}
	if st.alone || len(st.params) > 0 {
		return fault.New(fault.Invalid, "This statement can't stand in a text that is imported")
	}
	if err := st.stmt.Exec(); err != nil {
		return err
	}
	if c.c.GetAutocommit() {
		return fault.New(fault.Invalid, "The statement has ended the transaction, so nothing was imported")
	}
	return nil
}

// virtualEntry returns the statement that makes a virtual table from one that writes
// it into the schema, as the sqlite3 shell dumps it.
func virtualEntry(text string) (sql string, ok bool) {
	text = skipBlank(text)
	for _, schema := range []string{"sqlite_schema", "sqlite_master"} {
		rest, is := strings.CutPrefix(text, "INSERT INTO "+schema+"(type,name,tbl_name,rootpage,sql)VALUES('table',")
		if !is {
			continue
		}
		const before = ",0,'"
		i := strings.Index(rest, before+"CREATE VIRTUAL TABLE")
		if i < 0 {
			return "", false
		}
		rest = rest[i+len(before)-1:]
		n := quoted(rest, '\'')
		return strings.ReplaceAll(rest[1:n-1], "''", "'"), strings.TrimSpace(strings.TrimRight(rest[n:], "; \r\n\t")) == ")"
	}
	return "", false
}

// virtual makes a virtual table and empties the tables that it keeps its content in,
// whose rows follow in the text.
func (m *maker) virtual(sql string) error {
	c := m.conn
	before, err := m.tables()
	if err != nil {
		return err
	}
	if err := c.create(schemaObject{sql: sql}); err != nil {
		return err
	}
	after, err := m.tables()
	if err != nil {
		return err
	}
	for name := range after {
		if before[name] {
			continue
		}
		if err := c.set(`DELETE FROM "` + strings.ReplaceAll(name, `"`, `""`) + `"`); err != nil {
			return err
		}
	}
	return nil
}

// tables returns the names of the tables that are not virtual.
func (m *maker) tables() (map[string]bool, error) {
	c := m.conn
	was := c.guard.mode
	c.guard.mode = hostMode
	defer func() { c.guard.mode = was }()
	all, err := c.readSchema()
	names := map[string]bool{}
	for _, o := range all {
		if o.kind == "table" && !firstWords(o.sql, "CREATE", "VIRTUAL") {
			names[o.name] = true
		}
	}
	return names, err
}

// A statementReader reads a text statement by statement.
type statementReader struct {
	r    io.Reader
	most int // bytes of a statement
	line int // on which rest begins
	rest string
	end  bool // nothing follows it
}

// firstPiece is how much of a text is read at once, unless a statement is longer.
const firstPiece = 256 << 10

// next returns the next statement and the line on which it begins. At the end it
// returns io.EOF.
func (s *statementReader) next() (text string, line int, err error) {
	for {
		rest := s.rest
		if begin := skipBlank(rest); begin != "" {
			s.pass(len(rest) - len(begin)) // to tell the line of the statement
			rest = begin
		}
		if n := statementEnd(rest); n < len(rest) || s.end {
			text, line = rest[:n], s.line
			switch {
			case strings.IndexByte(text, 0) >= 0 || n == 0 && rest != "":
				return "", line, fault.New(fault.Invalid, "The text has a byte of value 0, behind which SQLite sees nothing; is it a text?")
			case skipBlank(text) == "":
				return "", line, io.EOF
			}
			s.pass(n)
			return text, line, nil
		}
		if err := s.fill(); err != nil {
			return "", s.line, err
		}
	}
}

func (s *statementReader) pass(n int) {
	s.line += strings.Count(s.rest[:n], "\n")
	s.rest = s.rest[n:]
}

// fill reads on, as much again as there is.
func (s *statementReader) fill() error {
	if len(s.rest) >= s.most {
		return fault.New(fault.TooLarge, "A statement is longer than %d MiB; insert fewer rows with one", s.most>>20)
	}
	piece := make([]byte, max(firstPiece, len(s.rest)))
	n, err := io.ReadFull(s.r, piece)
	s.rest += string(piece[:n])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		s.end, err = true, nil
	}
	if err != nil {
		return unadoptable(err)
	}
	return nil
}
