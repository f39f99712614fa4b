package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"ayb/catalog"
	"ayb/fault"
	"ayb/store"
)

var openTests = []test{
	{"opening_again_changes_nothing", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "kept")
		for range 2 {
			s, err := store.Open(ctx, f.db.URL, nil)
			must(t, err)
			got, err := s.Entity(ctx, "kept")
			must(t, err)
			same(t, got, e)
			must(t, s.Ping(ctx))
			must(t, s.Close())
		}
	}},
	{"those_who_open_a_new_database_at_once_all_succeed", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		db := f.fresh(t)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				s, err := store.Open(ctx, db.URL, nil)
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				defer s.Close()
				if err := s.CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: "same"}); err != nil && fault.KindOf(err) != fault.Exists {
					t.Errorf("create: %v", err)
				}
			})
		}
		all.Wait()
	}},
	{"the_schema_of_a_newer_ayb_is_refused", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		db := f.fresh(t)
		s, err := store.Open(ctx, db.URL, nil)
		must(t, err)
		must(t, s.Close())
		db.Exec(t, "INSERT INTO schema_migration (version, name) VALUES (9999, 'from the future')")
		_, err = store.Open(ctx, db.URL, nil)
		refused(t, err, fault.Conflict)
		if !strings.Contains(fault.Message(err), "newer ayb") {
			t.Errorf("the message %q does not say what to do", fault.Message(err))
		}
		db.Exec(t, "DELETE FROM schema_migration WHERE version = 9999")
		s, err = store.Open(ctx, db.URL, nil)
		must(t, err)
		must(t, s.Close())
	}},
	{"a_database_of_another_program_is_left_alone", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		db := f.fresh(t)
		db.Exec(t, "CREATE TABLE member (theirs INTEGER)") // the last table we would make
		_, err := store.Open(ctx, db.URL, nil)
		refused(t, err, fault.Internal)
		db.Exec(t, "INSERT INTO member (theirs) VALUES (1)")
		db.Exec(t, "CREATE TABLE entity (ours INTEGER)") // is not there
		db.Exec(t, "CREATE TABLE schema_migration (ours INTEGER)")
	}},
	{"a_bad_url_is_invalid_and_not_repeated", func(t *testing.T, f *fixture) {
		for _, url := range []string{
			"", "x", "mysql://u:sesame@h/d", "sqlite:", "sqlite://", "sqlite://:memory:", "sqlite://a?mode=sesame",
			"postgres://u:sesame@h:port/d", "postgresql://u:sesame@h/d?sslmode=perhaps", "postgres://u:sesame%zz@h/d",
		} {
			_, err := store.Open(context.Background(), url, nil)
			refused(t, err, fault.Invalid)
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error %q tells the password", err)
			}
		}
	}},
	{"a_closed_store_is_unavailable", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		s, err := store.Open(ctx, f.db.URL, nil)
		must(t, err)
		must(t, s.Close())
		must(t, s.Close())
		refused(t, s.Ping(ctx), fault.Unavailable)
		refused(t, s.CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: "late"}), fault.Unavailable)
	}},
	{"the_error_of_the_callers_context_passes_through", func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := f.Entity(ctx, "whoever")
		same(t, err, context.Canceled)
		same(t, f.CreateEntity(ctx, catalog.Entity{ID: f.newID(), Slug: "whoever"}), context.Canceled)
		_, err = store.Open(ctx, f.db.URL, nil)
		same(t, err, context.Canceled)
		_, err = f.Entity(context.Background(), "whoever")
		refused(t, err, fault.NotFound)
	}},
}
