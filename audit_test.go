package ayb_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/store/storetest"
)

func TestEngine_AuditLog(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	db := f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	log := func(t *testing.T, filter ayb.AuditFilter) []ayb.AuditRecord {
		t.Helper()
		list, err := f.AuditLog(ctx, ayb.System, filter, ayb.Page{})
		must(t, err)
		return list.Items
	}

	t.Run("says who did what to what, by what token, from where, and how it ended", func(t *testing.T) {
		_, token := f.MustToken(alice, nil)
		f.MustShare(token.From("192.0.2.1"), "ALICE/DB", "bob", ayb.ReadOnly)
		got := log(t, ayb.AuditFilter{Action: "share"})
		want := ayb.AuditRecord{
			ID: got[0].ID, Time: f.Clock.Now(), Entity: alice.Entity, Token: token.Token, Address: "192.0.2.1",
			Action: "share", Database: db.ID, Subject: "alice/DB", Outcome: "ok",
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
	t.Run("records what fails after it was allowed", func(t *testing.T) {
		if _, err := f.CreateDatabase(ctx, alice, "alice/db", nil); !errors.Is(err, ayb.ErrExists) {
			t.Fatal(err)
		}
		if got := log(t, ayb.AuditFilter{Action: "create_database"}); got[0].Outcome != "exists" || got[0].Subject != "alice/db" {
			t.Errorf("%+v", got[0])
		}
	})
	t.Run("records every refusal, that of a bad token too", func(t *testing.T) {
		_, token := f.MustToken(bob, nil)
		must(t, f.RevokeToken(ctx, bob, token.Token))
		if _, err := f.Query(ctx, token, "alice/db", "SELECT 1"); err == nil {
			t.Fatal("no error")
		}
		if err := f.DeleteDatabase(ctx, bob, "alice/db"); err == nil {
			t.Fatal("no error")
		}
		got := log(t, ayb.AuditFilter{Entity: bob.Entity})
		if got[0].Action != "delete_database" || got[0].Outcome != "denied" || got[1].Action != "query" || got[1].Outcome != "unauthenticated" || got[1].Token != token.Token {
			t.Errorf("%+v", got[:2])
		}
	})
	t.Run("is newest first, and filtered", func(t *testing.T) {
		all := log(t, ayb.AuditFilter{})
		for i := 1; i < len(all); i++ {
			if all[i].ID.String() >= all[i-1].ID.String() {
				t.Errorf("record %d is not older than the one before it", i)
			}
		}
		f.Clock.Advance(time.Hour)
		must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicFork))
		if got := log(t, ayb.AuditFilter{Since: f.Clock.Now(), Database: db.ID}); len(got) != 1 || got[0].Action != "set_public" {
			t.Errorf("since now: %+v", got)
		}
	})
	t.Run("is written without being asked, a second later", func(t *testing.T) {
		must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicReadOnly))
		f.MustQuery(alice, "alice/db", "SELECT 1")
		wait(t, "the record is in the file", func() bool {
			for path, text := range filesBelow(t, f.DataPath()) {
				if strings.Contains(path, "ayb.sqlite") && strings.Count(text, "set_public") > 1 {
					return true
				}
			}
			return false
		})
	})
	t.Run("is written by Close", func(t *testing.T) {
		must(t, f.SetAnonymousQueries(ctx, alice, "alice/db", true))
		f.Reopen()
		if got := log(t, ayb.AuditFilter{Action: "set_anonymous_queries"}); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestEngine_AuditLog_of_a_flood has strangers and an entity make more refused
// and failed calls than are recorded of each, and finds the others' records, and
// one that says how many are missing.
func TestEngine_AuditLog_of_a_flood(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{Mail: silentMailer{}})
	bob := f.MustEntity("bob")
	stranger := ayb.Anonymous.From("192.0.2.1")
	for range 1000 {
		if _, _, _, err := f.Confirm(ctx, stranger, "guess"); !errors.Is(err, ayb.ErrUnauthenticated) {
			t.Fatal(err)
		}
		if err := f.DeleteDatabase(ctx, bob, "alice/db"); !errors.Is(err, ayb.ErrDenied) {
			t.Fatal(err)
		}
	}
	must(t, f.RenameEntity(ctx, bob, "bob", "rob")) // what succeeds is always recorded
	_, _, _, _ = f.Confirm(ctx, ayb.Anonymous.From("192.0.2.2"), "guess")
	got, lost := map[string]int{}, 0
	page := ayb.Page{}
	for more := true; more; more = page.After != "" {
		list, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, page)
		must(t, err)
		for _, r := range list.Items {
			if r.Action != "audit" {
				got[r.Action+" "+r.Outcome+" "+r.Address]++
				continue
			}
			var some int // the journal may have been written in between
			_, err := fmt.Sscanf(r.Subject, "%d records", &some)
			must(t, err)
			lost += some
		}
		page.After = list.Next
	}
	want := map[string]int{
		"create_entity ok ": 1, "confirm unauthenticated 192.0.2.1": 100, "delete_database denied ": 100,
		"rename_entity ok ": 1, "confirm unauthenticated 192.0.2.2": 1,
	}
	if !reflect.DeepEqual(got, want) || lost != 1800 {
		t.Errorf("got  %v, and %d lost\nwant %v", got, lost, want)
	}
}

// A silentMailer sends nothing.
type silentMailer struct{}

func (silentMailer) SendMail(context.Context, string, string, string) error { return nil }

func TestEngine_QueryCounts_per_minute_entity_token_and_database(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	one, two := f.MustDatabase("alice/one"), f.MustDatabase("alice/two")
	must(t, f.SetPublic(ctx, alice, "alice/one", ayb.PublicReadOnly))
	_, token := f.MustToken(alice, nil)
	minute := f.Clock.Now()
	for range 30 {
		f.MustQuery(alice, "alice/one", "SELECT 1")
	}
	_, _ = f.Query(ctx, alice, "alice/one", "nonsense") // was allowed, so it counts
	_, _ = f.Query(ctx, bob, "alice/two", "SELECT 1")   // was not
	f.Clock.Advance(59 * time.Second)
	f.MustQuery(bob, "alice/one", "SELECT 1")
	f.MustQuery(token, "alice/two", "SELECT 1")
	f.Clock.Advance(time.Second)
	s, err := f.Begin(ctx, alice, "alice/two")
	must(t, err)
	for range 3 {
		_, err := s.Query(ctx, "SELECT 1")
		must(t, err)
	}
	must(t, s.Close())

	counts, err := f.QueryCounts(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
	must(t, err)
	got := map[ayb.QueryCount]bool{}
	for _, c := range counts.Items {
		got[c] = true
	}
	for _, want := range []ayb.QueryCount{
		{Minute: minute, Entity: alice.Entity, Database: one.ID, Count: 31},
		{Minute: minute, Entity: bob.Entity, Database: one.ID, Count: 1},
		{Minute: minute, Entity: alice.Entity, Token: token.Token, Database: two.ID, Count: 1},
		{Minute: minute.Add(time.Minute), Entity: alice.Entity, Database: two.ID, Count: 3},
	} {
		if !got[want] {
			t.Errorf("missing %+v in %+v", want, counts.Items)
		}
	}
	if len(counts.Items) != 4 {
		t.Errorf("%d counts", len(counts.Items))
	}
}

func TestEngine_QueryCounts_loses_none_of_many_at_once(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")
	for _, err := range atOnce(9, func(n int) error {
		for range 200 {
			if n == 8 { // meanwhile, the counters are written
				if _, err := f.QueryCounts(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{}); err != nil {
					return err
				}
				continue
			}
			if _, err := f.Query(ctx, alice, "alice/db", "SELECT 1"); err != nil {
				return err
			}
		}
		return nil
	}) {
		must(t, err)
	}
	counts, err := f.QueryCounts(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
	must(t, err)
	if len(counts.Items) != 1 || counts.Items[0].Count != 1600 {
		t.Errorf("%+v", counts.Items)
	}
}

// TestEngine_audit_is_bounded_while_the_store_is_down keeps the metadata from
// being written, makes more records than fit, and finds the newest, and one that
// says how many were lost.
func TestEngine_audit_is_bounded_while_the_store_is_down(t *testing.T) {
	lent := storetest.SQLite(t)
	f := aybtest.New(t, &ayb.Config{MetadataURL: lent.URL})
	alice := f.MustEntity("alice")
	_, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{}) // writes what there is
	must(t, err)
	restore := lent.Outage(t)
	const made = 10_500
	for i := range made {
		if _, err := f.CreateEntity(ctx, alice, fmt.Sprintf("e%d", i), nil); !errors.Is(err, ayb.ErrDenied) {
			t.Fatal(err)
		}
		f.Clock.Advance(time.Second) // or they would be too many of one caller
	}
	restore()
	var found, lost int
	page := ayb.Page{Size: ayb.Page{}.Limit()}
	for newest := true; ; {
		list, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, page)
		must(t, err)
		for _, r := range list.Items {
			switch {
			case r.Action == "audit" && r.Outcome == "lost":
				_, err := fmt.Sscanf(r.Subject, "%d records", &lost)
				must(t, err)
			case r.Entity == alice.Entity:
				if newest && r.Subject != fmt.Sprintf("e%d", made-1) {
					t.Errorf("the newest is about %s", r.Subject)
				}
				newest = false
				found++
			}
		}
		if page.After = list.Next; list.Next == "" {
			break
		}
	}
	if found+lost != made || lost != 500 {
		t.Errorf("%d found and %d said to be lost, of %d", found, lost, made)
	}
}
