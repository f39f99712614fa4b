package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

var pageTests = []test{
	{"every_size_of_page_gives_the_same_list", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		var want []catalog.Entity
		for i := range 23 {
			want = append(want, f.newEntity(t, fmt.Sprintf("%c-%02d", "ab_.0"[i%5], i)))
		}
		must(t, f.DeleteEntity(ctx, want[3].ID, f.clock.Now()))
		list := func(p catalog.Page) (catalog.List[catalog.Entity], error) { return f.Entities(ctx, p) }
		all := collect(t, catalog.MaxPageSize, list)
		same(t, len(all), 22)
		for i := range all[1:] {
			if all[i].Slug >= all[i+1].Slug {
				t.Errorf("%s stands before %s", all[i].Slug, all[i+1].Slug)
			}
		}
		for _, size := range []int{1, 2, 7, 11, 21, 22, 23, 0, -1, catalog.MaxPageSize + 1} {
			same(t, collect(t, size, list), all)
		}
	}},
	{"rows_that_come_and_go_cause_no_gap_and_no_repeat", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		owner := f.newEntity(t, "mover")
		want := map[catalog.ID]bool{}
		var ids []catalog.ID
		for i := range 12 {
			f.clock.advance(time.Millisecond)
			d := f.newDatabase(t, owner, fmt.Sprintf("d%d", i))
			want[d.ID] = true
			ids = append(ids, d.ID)
		}
		page, seen := catalog.Page{Size: 3}, map[catalog.ID]int{}
		for {
			list, err := f.Databases(ctx, owner.ID, store.DatabaseFilter{All: true}, page)
			must(t, err)
			for _, d := range list.Items {
				seen[d.ID]++
			}
			if list.Next == "" {
				break
			}
			page.After = list.Next
			last := list.Items[len(list.Items)-1] // that the cursor stands on a row does not matter
			must(t, f.DeleteDatabase(ctx, last.ID, f.clock.advance(time.Millisecond)))
			f.newDatabase(t, owner, "new-"+string(last.Slug))
		}
		for _, id := range ids {
			if seen[id] != 1 {
				t.Errorf("%v was seen %d times", id, seen[id])
			}
		}
	}},
	{"a_damaged_cursor_is_invalid", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		for i := range 3 {
			f.newEntity(t, fmt.Sprintf("cursor-%d", i))
		}
		first, err := f.Entities(ctx, catalog.Page{Size: 1})
		must(t, err)
		good := first.Next
		damaged := []string{"x", "AAAAAAAA", good + "A", good[1:], good[:len(good)-1], " " + good, "%", string(make([]byte, 1<<20))}
		for i := range good {
			flip := []byte(good)
			flip[i] = "AB"[min(1, flip[i]&1)]
			if string(flip) != good {
				damaged = append(damaged, string(flip))
			}
		}
		for _, cursor := range damaged {
			_, err := f.Entities(ctx, catalog.Page{After: cursor})
			refused(t, err, fault.Invalid)
		}
		id := f.newID()
		for name, list := range map[string]func(catalog.Page) error{
			"databases": func(p catalog.Page) error {
				_, err := f.Databases(ctx, id, store.DatabaseFilter{}, p)
				return err
			},
			"deleted": func(p catalog.Page) error { _, err := f.DeletedDatabases(ctx, id, p); return err },
			"grants":  func(p catalog.Page) error { _, err := f.Grants(ctx, id, p); return err },
			"shared":  func(p catalog.Page) error { _, err := f.Shared(ctx, id, p); return err },
			"tokens":  func(p catalog.Page) error { _, err := f.Tokens(ctx, id, f.clock.Now(), p); return err },
			"audit":   func(p catalog.Page) error { _, err := f.Audit(ctx, store.AuditFilter{}, p); return err },
			"counts":  func(p catalog.Page) error { _, err := f.QueryCounts(ctx, store.AuditFilter{}, p); return err },
		} {
			if err := list(catalog.Page{After: good}); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s takes the cursor of another list: %v", name, err)
			}
		}
	}},
}
