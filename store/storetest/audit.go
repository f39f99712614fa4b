package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/store"
)

var auditTests = []test{
	{"what_was_stored_comes_back", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		want := catalog.AuditRecord{
			ID: f.newID(), Time: f.stored(f.clock.Now()), Entity: f.newID(), Token: "eV2jD7PJvzU",
			Address: "2001:db8::1", Action: "share", Database: f.newID(), Subject: "alice/test.sqlite", Outcome: "ok",
		}
		bare := catalog.AuditRecord{ID: catalog.NewID(f.clock.advance(time.Second), onesReader{}), Time: f.stored(f.clock.Now()), System: true}
		for range 2 { // an append may be repeated
			must(t, f.AppendAudit(ctx, []catalog.AuditRecord{want, bare}, nil))
		}
		must(t, f.AppendAudit(ctx, nil, nil))
		got, err := f.Audit(ctx, store.AuditFilter{}, catalog.Page{})
		must(t, err)
		same(t, got.Items, []catalog.AuditRecord{bare, want})
	}},
	{"a_text_that_no_column_takes_is_cut", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		subject := "a\x00b\xffc" + strings.Repeat("ü", 1000)
		record := catalog.AuditRecord{
			ID: f.newID(), Time: f.clock.Now(), Action: strings.Repeat("a", 65), Subject: subject, Address: strings.Repeat("1", 99),
			Token: strings.Repeat("t", 33), Outcome: strings.Repeat("o", 33),
		}
		must(t, f.AppendAudit(ctx, []catalog.AuditRecord{record}, nil))
		got, err := f.Audit(ctx, store.AuditFilter{Action: strings.Repeat("a", 64)}, catalog.Page{})
		must(t, err)
		same(t, len(got.Items), 1)
		same(t, got.Items[0].Subject, "a\ufffdb\ufffdc"+strings.Repeat("ü", 295))
		same(t, len(got.Items[0].Token)+len(got.Items[0].Address)+len(got.Items[0].Outcome), 32+64+32)
	}},
	{"filters_select_and_pages_do_not_repeat", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		alice, bob, db := f.newID(), f.newID(), f.newID()
		var records []catalog.AuditRecord
		for i := range 1201 { // more than one statement inserts
			r := catalog.AuditRecord{
				ID: f.newID(), Time: f.stored(f.clock.advance(time.Millisecond)), Entity: alice, Action: "list_grants", Outcome: "ok",
			}
			if i%3 == 0 {
				r.Entity, r.Action = bob, "share"
			}
			if i%5 == 0 {
				r.Database = db
			}
			records = append(records, r)
		}
		must(t, f.AppendAudit(ctx, records, nil))
		since := records[600].Time
		for _, c := range []struct {
			filter store.AuditFilter
			match  func(catalog.AuditRecord) bool
		}{
			{store.AuditFilter{Since: records[0].Time}, func(r catalog.AuditRecord) bool { return true }},
			{store.AuditFilter{Entity: bob}, func(r catalog.AuditRecord) bool { return r.Entity == bob }},
			{store.AuditFilter{Database: db}, func(r catalog.AuditRecord) bool { return r.Database == db }},
			{store.AuditFilter{Entity: alice, Action: "share"}, func(r catalog.AuditRecord) bool { return false }},
			{store.AuditFilter{Entity: bob, Database: db, Action: "share", Since: since},
				func(r catalog.AuditRecord) bool { return r.Entity == bob && r.Database == db && !r.Time.Before(since) }},
		} {
			var want []catalog.AuditRecord
			for _, r := range records {
				if c.match(r) {
					want = append(want, r)
				}
			}
			slices.SortFunc(want, func(a, b catalog.AuditRecord) int { return strings.Compare(b.ID.String(), a.ID.String()) })
			same(t, collect(t, 500, func(p catalog.Page) (catalog.List[catalog.AuditRecord], error) {
				return f.Audit(ctx, c.filter, p)
			}), want)
		}
	}},
	{"counts_add_up", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		alice, x, y := f.newID(), f.newID(), f.newID()
		minute := f.clock.Now().Truncate(time.Minute)
		count := func(at time.Time, e catalog.ID, token string, d catalog.ID, n int64) catalog.QueryCount {
			return catalog.QueryCount{Minute: at, Entity: e, Token: token, Database: d, Count: n}
		}
		must(t, f.AppendAudit(ctx, nil, []catalog.QueryCount{
			count(minute, alice, "t", x, 1),
			count(minute.Add(59*time.Second), alice, "t", x, 2), // the same minute
			count(minute, alice, "", x, 4),
			count(minute, catalog.ID{}, "", y, 8),
			count(minute.Add(time.Minute), catalog.ID{}, "", y, 16),
		}))
		must(t, f.AppendAudit(ctx, nil, []catalog.QueryCount{
			count(minute, alice, "t", x, 32), count(minute, catalog.ID{}, "", y, 64),
		}))
		list := func(filter store.AuditFilter) []catalog.QueryCount {
			return collect(t, 1, func(p catalog.Page) (catalog.List[catalog.QueryCount], error) {
				return f.QueryCounts(ctx, filter, p)
			})
		}
		same(t, list(store.AuditFilter{Database: y}), []catalog.QueryCount{
			count(minute.Add(time.Minute), catalog.ID{}, "", y, 16), count(minute, catalog.ID{}, "", y, 72),
		})
		same(t, list(store.AuditFilter{Entity: alice, Action: "ignored"}), []catalog.QueryCount{
			count(minute, alice, "t", x, 35), count(minute, alice, "", x, 4),
		})
		same(t, list(store.AuditFilter{Since: minute.Add(time.Second)}), []catalog.QueryCount{
			count(minute.Add(time.Minute), catalog.ID{}, "", y, 16),
		})
		same(t, len(list(store.AuditFilter{})), 4)
	}},
	{"a_trim_leaves_the_newest", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		_, err := f.TrimAudit(ctx, f.clock.advance(time.Hour), 0) // what other tests left
		must(t, err)
		var records []catalog.AuditRecord
		var counts []catalog.QueryCount
		for range 20 {
			at := f.stored(f.clock.advance(time.Minute))
			records = append(records, catalog.AuditRecord{ID: f.newID(), Time: at})
			counts = append(counts, catalog.QueryCount{Minute: at.Truncate(time.Minute), Count: 1})
		}
		must(t, f.AppendAudit(ctx, records, counts))
		left := func() int {
			r, err := f.Audit(ctx, store.AuditFilter{}, catalog.Page{})
			must(t, err)
			c, err := f.QueryCounts(ctx, store.AuditFilter{}, catalog.Page{})
			must(t, err)
			same(t, len(r.Items), len(c.Items))
			same(t, r.Items[len(r.Items)-1].ID, records[20-len(r.Items)].ID)
			return len(r.Items)
		}
		for _, step := range []struct {
			before  time.Time
			rows    int64
			removed int64
		}{
			{time.Time{}, 0, 0},
			{time.Time{}, 20, 0},
			{records[5].Time.Truncate(time.Minute), 0, 10},
			{time.Time{}, 7, 16},
			{records[14].Time.Truncate(time.Minute), 6, 2},
		} {
			removed, err := f.TrimAudit(ctx, step.before, step.rows)
			must(t, err)
			same(t, removed, step.removed)
		}
		same(t, left(), 6)
	}},
}

// onesReader gives the greatest id of its instant.
type onesReader struct{}

func (onesReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}
