package shell

import (
	"context"
	"fmt"
	"strings"

	"ayb/catalog"
	"ayb/internal/format"
)

// The statements of the commands that look at the schema. Each takes a pattern
// of LIKE as :pattern.
const (
	tablesSQL = `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow'
AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name LIKE :pattern ORDER BY name`
	schemaSQL = `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
AND (name LIKE :pattern OR tbl_name LIKE :pattern) ORDER BY tbl_name, type NOT IN ('table', 'view'), name`
	indexesSQL = `SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name LIKE :pattern ORDER BY name`
)

// ask returns the first column of a statement about the schema.
func (s *session) ask(ctx context.Context, sql, pattern string) ([]string, error) {
	if pattern = argument(pattern); pattern == "" {
		pattern = "%"
	}
	var rows stringRows
	st := catalog.Statement{SQL: sql, Args: []catalog.Arg{{Name: "pattern", Value: catalog.TextValue(pattern)}}}
	if _, err := s.cfg.Database.Run(ctx, st, &rows); err != nil {
		return nil, err
	}
	all := make([]string, len(rows.rows))
	for i, r := range rows.rows {
		all[i] = r[0]
	}
	return all, nil
}

func tables(ctx context.Context, s *session, rest string, _ int) error {
	return s.list(ctx, tablesSQL, rest, "tables")
}

func indexes(ctx context.Context, s *session, rest string, _ int) error {
	return s.list(ctx, indexesSQL, rest, "indexes")
}

func schemaOf(ctx context.Context, s *session, rest string, _ int) error {
	all, err := s.ask(ctx, schemaSQL, rest)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return s.nothing("tables", rest)
	}
	for _, sql := range all {
		var lines []string
		for line := range strings.SplitSeq(sql, "\n") {
			lines = append(lines, format.Visible(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    ")))
		}
		if err := s.say("%s;\n", strings.Join(lines, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// nothing says, to people, that there are none.
func (s *session) nothing(what, pattern string) error {
	if s.terminal == nil {
		return nil
	}
	if pattern = argument(pattern); pattern != "" {
		return s.say("There are no %s %s\n", what, format.Visible(pattern))
	}
	return s.say("There are no %s\n", what)
}

// list writes names: in columns on a terminal, else one a line.
func (s *session) list(ctx context.Context, sql, pattern, what string) error {
	all, err := s.ask(ctx, sql, pattern)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return s.nothing(what, pattern)
	}
	widest := 0
	for i := range all {
		all[i] = format.Visible(all[i])
		widest = max(widest, screenWidth(all[i]))
	}
	columns := 1
	if s.terminal != nil {
		width, _ := s.size()
		columns = max(1, width/(widest+2))
	}
	var b strings.Builder
	rows := (len(all) + columns - 1) / columns
	for r := range rows {
		for i := r; i < len(all); i += rows {
			b.WriteString(all[i])
			if i+rows < len(all) {
				fmt.Fprintf(&b, "%*s", widest+2-screenWidth(all[i]), "")
			}
		}
		b.WriteByte('\n')
	}
	return s.say("%s", b.String())
}
