package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"ayb/catalog"
)

// Bounds of one statement against the audit tables, so that none holds a lock
// for long.
const (
	auditInsertRows = 500
	deleteRows      = 5000
)

// The bounds of an audit record's texts, in characters, as in the schema. Longer
// ones are cut: a record that says less is better than none.
const (
	maxAuditToken   = 32
	maxAuditAddress = 64
	maxAuditAction  = 64
	maxAuditSubject = 300
	maxAuditOutcome = 32
)

type auditRow struct {
	bun.BaseModel `bun:"table:audit_record,alias:a"`

	ID         catalog.ID `bun:",pk"`
	RecordedAt int64
	EntityID   string
	BySystem   bool
	Token      string
	Address    string
	Action     string
	DatabaseID string
	Subject    string
	Outcome    string
}

func auditToRow(r catalog.AuditRecord) auditRow {
	return auditRow{
		ID: r.ID, RecordedAt: micros(r.Time), EntityID: idText(r.Entity), BySystem: r.System,
		Token: clip(r.Token, maxAuditToken), Address: clip(r.Address, maxAuditAddress),
		Action: clip(r.Action, maxAuditAction), DatabaseID: idText(r.Database),
		Subject: clip(r.Subject, maxAuditSubject), Outcome: clip(r.Outcome, maxAuditOutcome),
	}
}

func (r auditRow) record() catalog.AuditRecord {
	return catalog.AuditRecord{
		ID: r.ID, Time: instant(r.RecordedAt), Entity: textID(r.EntityID), System: r.BySystem,
		Token: r.Token, Address: r.Address, Action: r.Action, Database: textID(r.DatabaseID),
		Subject: r.Subject, Outcome: r.Outcome,
	}
}

type countRow struct {
	bun.BaseModel `bun:"table:query_count,alias:c"`

	Minute     int64  `bun:",pk"`
	EntityID   string `bun:",pk"`
	Token      string `bun:",pk"`
	DatabaseID string `bun:",pk"`
	Queries    int64
}

func countToRow(c catalog.QueryCount) countRow {
	return countRow{
		Minute: micros(c.Minute.Truncate(time.Minute)), EntityID: idText(c.Entity),
		Token: clip(c.Token, maxAuditToken), DatabaseID: idText(c.Database), Queries: c.Count,
	}
}

func (r countRow) count() catalog.QueryCount {
	return catalog.QueryCount{
		Minute: instant(r.Minute), Entity: textID(r.EntityID), Token: r.Token,
		Database: textID(r.DatabaseID), Count: r.Queries,
	}
}

func (r countRow) compareKey(o countRow) int {
	return cmp.Or(cmp.Compare(r.Minute, o.Minute), cmp.Compare(r.EntityID, o.EntityID),
		cmp.Compare(r.Token, o.Token), cmp.Compare(r.DatabaseID, o.DatabaseID))
}

// idText is an id as the audit tables keep it: empty for none.
func idText(id catalog.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// textID is the inverse of idText; what is no id reads as none.
func textID(text string) catalog.ID {
	id, _ := catalog.ParseID(text)
	return id
}

// clip makes any text fit for a text column: valid UTF-8 without NUL, and no
// longer than so many characters.
func clip(text string, max int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
	n := 0
	for i := range text {
		if n == max {
			return text[:i]
		}
		n++
	}
	return text
}

// AppendAudit adds records and adds counts to those of the same minute, entity,
// token and database, all in one transaction. Texts that are too long are cut,
// and a record whose id is there already is left out, so that an append whose
// outcome is unknown may be repeated as far as records are concerned.
func (s *Store) AppendAudit(ctx context.Context, records []catalog.AuditRecord, counts []catalog.QueryCount) error {
	if len(records) == 0 && len(counts) == 0 {
		return nil
	}
	return s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		for chunk := range slices.Chunk(records, auditInsertRows) {
			rows := make([]auditRow, len(chunk))
			for i, r := range chunk {
				rows[i] = auditToRow(r)
			}
			if _, err := tx.NewInsert().Model(&rows).On("CONFLICT (id) DO NOTHING").Exec(ctx); err != nil {
				return err
			}
		}
		for rows := range slices.Chunk(mergeCounts(counts), auditInsertRows) {
			_, err := tx.NewInsert().Model(&rows).
				On("CONFLICT (minute, entity_id, token, database_id) DO UPDATE").
				Set("queries = c.queries + EXCLUDED.queries").Exec(ctx)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// mergeCounts adds up counts of the same key, since one statement may touch a
// row only once, and sorts them, since two nodes that lock the same rows in
// different orders could block each other.
func mergeCounts(counts []catalog.QueryCount) []countRow {
	rows := make([]countRow, len(counts))
	for i, c := range counts {
		rows[i] = countToRow(c)
	}
	slices.SortFunc(rows, countRow.compareKey)
	merged := rows[:0]
	for _, row := range rows {
		if last := len(merged) - 1; last >= 0 && merged[last].compareKey(row) == 0 {
			merged[last].Queries += row.Queries
		} else {
			merged = append(merged, row)
		}
	}
	return merged
}

// An AuditFilter selects audit records and query counts. A zero field selects
// all; the fields that are set must all match.
type AuditFilter struct {
	Entity   catalog.ID
	Database catalog.ID
	Action   string    // of records only
	Since    time.Time // not before this instant
}

func (f AuditFilter) apply(q *bun.SelectQuery, timeColumn string) {
	if !f.Entity.IsZero() {
		q.Where("entity_id = ?", f.Entity)
	}
	if !f.Database.IsZero() {
		q.Where("database_id = ?", f.Database)
	}
	if !f.Since.IsZero() {
		q.Where("? >= ?", bun.Ident(timeColumn), micros(f.Since))
	}
}

// Audit lists the audit records that the filter selects, newest first: by
// descending id. Errors: Invalid (the cursor).
func (s *Store) Audit(ctx context.Context, filter AuditFilter, page catalog.Page) (catalog.List[catalog.AuditRecord], error) {
	var rows []auditRow
	after, err := parseCursor(page.After, "audit", 1)
	if err != nil {
		return catalog.List[catalog.AuditRecord]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := s.db.NewSelect().Model(&rows).Order("a.id DESC").Limit(oneMore(page))
		filter.apply(q, "recorded_at")
		if filter.Action != "" {
			q.Where("a.action = ?", filter.Action)
		}
		if after != nil {
			q.Where("a.id < ?", after.texts[0])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, auditRow.record, func(r auditRow) cursor {
		return cursor{"audit", 0, []string{r.ID.String()}}
	}), err
}

// QueryCounts lists the counts that the filter selects, the newest minute first,
// and within a minute by entity, token and database. Errors: Invalid (the
// cursor).
func (s *Store) QueryCounts(ctx context.Context, filter AuditFilter, page catalog.Page) (catalog.List[catalog.QueryCount], error) {
	var rows []countRow
	after, err := parseCursor(page.After, "counts", 3)
	if err != nil {
		return catalog.List[catalog.QueryCount]{}, err
	}
	err = s.read(ctx, nil, func(ctx context.Context) error {
		q := s.db.NewSelect().Model(&rows).
			Order("c.minute DESC", "c.entity_id DESC", "c.token DESC", "c.database_id DESC").Limit(oneMore(page))
		filter.apply(q, "minute")
		if after != nil {
			q.Where("(c.minute, c.entity_id, c.token, c.database_id) < (?, ?, ?, ?)",
				after.number, after.texts[0], after.texts[1], after.texts[2])
		}
		return q.Scan(ctx)
	})
	return paginate(rows, page, countRow.count, func(r countRow) cursor {
		return cursor{"counts", r.Minute, []string{r.EntityID, r.Token, r.DatabaseID}}
	}), err
}

// TrimAudit removes the records and the counts from before an instant, and of
// the rest of each all but the newest so many rows (0: any number). It returns
// how many it removed; it works in small steps, so that some may be gone even if
// it fails.
func (s *Store) TrimAudit(ctx context.Context, before time.Time, rows int64) (removed int64, err error) {
	for _, t := range []trimming{
		{table: "audit_record", time: "recorded_at", key: "id", newest: "id DESC"},
		{
			table: "query_count", time: "minute", key: "minute, entity_id, token, database_id",
			newest: "minute DESC, entity_id DESC, token DESC, database_id DESC",
		},
	} {
		n, err := s.removeAll(ctx, t.older(before))
		removed += n
		if err == nil && rows > 0 {
			n, err = s.removeAll(ctx, t.beyond(rows))
			removed += n
		}
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// A trimming is what it takes to trim one table.
type trimming struct{ table, time, key, newest string }

// older returns a statement that removes some rows from before an instant.
func (t trimming) older(before time.Time) string {
	return t.remove(fmt.Sprintf("WHERE %s < %d LIMIT %d", t.time, micros(before), deleteRows))
}

// beyond returns a statement that removes some rows beyond the newest so many.
func (t trimming) beyond(rows int64) string {
	return t.remove(fmt.Sprintf("ORDER BY %s LIMIT %d OFFSET %d", t.newest, deleteRows, rows))
}

func (t trimming) remove(which string) string {
	return fmt.Sprintf("DELETE FROM %[1]s WHERE (%[2]s) IN (SELECT %[2]s FROM %[1]s %[3]s)", t.table, t.key, which)
}

// removeAll runs a statement that removes rows, each time in a transaction of
// its own, until it finds none.
func (s *Store) removeAll(ctx context.Context, statement string) (removed int64, err error) {
	for {
		var n int64
		err := s.write(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			result, err := tx.ExecContext(ctx, statement)
			if err == nil {
				n, err = result.RowsAffected()
			}
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += n
		if n < deleteRows {
			return removed, nil
		}
	}
}
