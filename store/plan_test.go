package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
)

// TestDatabases_looks_at_no_more_than_a_page has somebody who may see few of an owner's
// many databases list them, and asks SQLite by which ways it finds them.
func TestDatabases_looks_at_no_more_than_a_page(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, "sqlite://"+t.TempDir()+"/meta.sqlite", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	owner := catalog.NewID(time.Now(), strings.NewReader(strings.Repeat("x", 64)))
	var rows []databaseRow
	q := selectDatabases(s.db, &rows).Where("d.owner_id = ?", owner).Where("d.deleted_at IS NULL").Order("d.id DESC").Limit(101)
	DatabaseFilter{Viewer: owner}.apply(s, q, owner, &cursor{"databases", 0, []string{owner.String()}}, 101)
	plan, err := s.db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+q.String())
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	var text strings.Builder
	for plan.Next() {
		var id, parent, unused int
		var step string
		if err := plan.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text, step)
	}
	for _, want := range []string{"SEARCH d USING INDEX database_owner (owner_id=? AND id=?)", "SEARCH p USING INDEX database_public (owner_id=? AND id<?)", "SEARCH g USING COVERING INDEX access_grant_entity (entity_id=?)"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it does not %s:\n%s", want, &text)
		}
	}
}
