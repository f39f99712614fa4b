package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Metadata in a SQLite file count their changes, so that a copy is made of them
// when there is something to copy, also after a restart, and never otherwise. The
// count is kept by triggers in the transaction that makes the change. So it holds
// for every table, for statements that turn out to change nothing, for transactions
// that are rolled back, and for what an operator changes by hand.

// changeTrigger is what the names of the triggers begin with.
const changeTrigger = "count_"

// The columns of metadata_state that count.
const (
	countChanges = "changes" // what is worth a copy
	countCounts  = "counts"  // what is not by itself: it can be lost for a day
)

// lesser are the changes that are not worth a copy by themselves: what happens when
// people only read, and what the janitor removes. A table, an operation, and columns
// of it if it is about those alone.
var lesser = map[[2]string]string{
	{"query_count", "INSERT"}:  "",
	{"query_count", "UPDATE"}:  "",
	{"query_count", "DELETE"}:  "",
	{"audit_record", "DELETE"}: "",
	{"used_token", "DELETE"}:   "",
	{"api_token", "UPDATE"}:    "used_at",
}

// countChangesOf makes the triggers of all tables that there are, and removes what
// an older schema has had. If nothing is to be done it writes nothing.
func countChangesOf(ctx context.Context, tx *sql.Tx) error {
	there, err := textPairs(ctx, tx, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '"+changeTrigger+"%'")
	if err != nil {
		return err
	}
	wanted, err := changeTriggers(ctx, tx)
	if err != nil {
		return err
	}
	var statements []string
	for name, text := range there {
		if wanted[name] != text {
			statements = append(statements, "DROP TRIGGER "+name)
		}
	}
	for name, text := range wanted {
		if there[name] != text {
			statements = append(statements, text)
		}
	}
	statements = append(statements, "UPDATE metadata_state SET lineage = lower(hex(randomblob(8))) WHERE lineage = ''")
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// changeTriggers returns the triggers by their names.
func changeTriggers(ctx context.Context, tx *sql.Tx) (map[string]string, error) {
	columns, err := textPairs(ctx, tx, `SELECT t.name, group_concat(c.name) FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND t.name NOT IN ('schema_migration', 'metadata_state') GROUP BY t.name`)
	if err != nil {
		return nil, err
	}
	triggers := map[string]string{}
	add := func(table, operation, what, counter string) {
		name := changeTrigger + table + "_" + strings.ToLower(operation) + "_" + counter
		triggers[name] = fmt.Sprintf("CREATE TRIGGER %s AFTER %s%s ON %s BEGIN UPDATE metadata_state SET %s = %s + 1; END", name, operation, what, table, counter, counter)
	}
	for table, list := range columns {
		for _, operation := range []string{"INSERT", "UPDATE", "DELETE"} {
			some, isLesser := lesser[[2]string{table, operation}]
			switch {
			case !isLesser:
				add(table, operation, "", countChanges)
			case some == "":
				add(table, operation, "", countCounts)
			default:
				others := strings.ReplaceAll(","+list+",", ","+some+",", ",")
				add(table, operation, " OF "+some, countCounts)
				add(table, operation, " OF "+strings.Trim(others, ","), countChanges)
			}
		}
	}
	return triggers, nil
}

// textPairs returns the rows of a query for two texts.
func textPairs(ctx context.Context, tx *sql.Tx, query string) (map[string]string, error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	pairs := map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		pairs[key] = value
	}
	return pairs, rows.Err()
}
