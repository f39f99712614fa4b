package shell

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/format"
)

// What is asked of the database for completion has to come soon, and is bounded.
const (
	schemaTime    = 2 * time.Second
	schemaColumns = 20_000
)

// columnsSQL lists tables and views with their columns; those of views only if
// :views, for to ask a view that reads a table which is gone is an error.
const columnsSQL = `SELECT t.name, c.name FROM pragma_table_list AS t
LEFT JOIN pragma_table_xinfo(iif(:views OR t.type <> 'view', t.name, '')) AS c
WHERE t.schema = 'main' AND t.type <> 'shadow' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY t.name, c.cid LIMIT 20000` // schemaColumns

// A schema knows the names in a database, as far as they were asked for.
type schema struct {
	db     Database
	loaded bool
	tables []string            // sorted
	of     map[string][]string // columns by table in lower case
}

// load asks the database, unless that has been done since the last change. If
// there is no answer nothing is known, and the next call asks again.
func (s *schema) load(ctx context.Context) {
	if s.loaded {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, schemaTime)
	defer cancel()
	rows, err := s.ask(ctx, true)
	if errors.Is(err, fault.Invalid) {
		rows, err = s.ask(ctx, false)
	}
	if err != nil {
		return
	}
	s.loaded, s.tables, s.of = true, nil, map[string][]string{}
	for _, r := range rows {
		if !displayable(r[0]) {
			continue
		}
		if len(s.tables) == 0 || s.tables[len(s.tables)-1] != r[0] {
			s.tables = append(s.tables, r[0])
		}
		if r[1] != "" && displayable(r[1]) {
			key := strings.ToLower(r[0])
			s.of[key] = append(s.of[key], r[1])
		}
	}
}

// displayable reports whether a name can be offered as a completion: it is put
// into the line and onto the screen as it is, so nothing in it may command the
// terminal or begin another line. Whoever writes to the database chooses names.
func displayable(name string) bool { return format.Visible(name) == name }

// ask returns pairs of table and column, of which the latter may be empty.
func (s *schema) ask(ctx context.Context, views bool) ([][]string, error) {
	var rows stringRows
	_, err := s.db.Run(ctx, catalog.Statement{SQL: columnsSQL, Args: []catalog.Arg{catalog.Named("views", views)}}, &rows)
	return rows.rows, err
}

// changed forgets what is known if sql may have changed it.
func (s *schema) changed(sql string) {
	for _, t := range tokens(sql) {
		if t.kind != word {
			continue
		}
		switch strings.ToUpper(t.text) {
		case "CREATE", "DROP", "ALTER":
			s.loaded = false
			return
		}
	}
}

// columns returns the columns of a table, or of all tables if table is empty or
// unknown (an alias, say).
func (s *schema) columns(table string) []string {
	if of, ok := s.of[strings.ToLower(table)]; ok {
		return of
	}
	var all []string
	for _, of := range s.of {
		all = append(all, of...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stringRows is a Sink that keeps texts.
type stringRows struct{ rows [][]string }

func (s *stringRows) Columns([]catalog.Column) error { return nil }

func (s *stringRows) Row(row catalog.Row) error {
	if len(s.rows) == schemaColumns {
		return nil
	}
	texts := make([]string, row.Len())
	for i := range texts {
		if row.Type(i) != catalog.Null {
			texts[i] = row.Value(i).String()
		}
	}
	s.rows = append(s.rows, texts)
	return nil
}
