package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

var outageTests = []test{
	{"a_cut_between_calls_is_not_noticed", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "cut-off")
		for i := range 3 {
			f.db.Cut(t)
			must(t, f.RenameEntity(ctx, e.ID, catalog.Slug(fmt.Sprintf("cut-off-%d", i))))
			f.db.Cut(t)
			must(t, f.Ping(ctx))
		}
	}},
	{"a_cut_during_calls_loses_nothing_that_was_acknowledged", func(t *testing.T, f *fixture) {
		done := make(chan struct{})
		outcomes := make([]map[catalog.Slug]error, 4)
		var writers sync.WaitGroup
		for w := range outcomes {
			outcomes[w] = map[catalog.Slug]error{}
			writers.Go(func() { createUntil(f, done, outcomes[w], fmt.Sprintf("cut-%d", w)) })
		}
		for range 20 {
			f.db.Cut(t)
		}
		close(done)
		writers.Wait()
		acknowledged := 0
		for _, outcome := range outcomes {
			for slug, err := range outcome {
				_, found := f.Entity(context.Background(), slug)
				switch fault.KindOf(err) {
				case "":
					acknowledged++
					must(t, found)
				case fault.Unavailable:
					refused(t, found, fault.NotFound)
				case fault.OutcomeUnknown: // either
				default:
					t.Errorf("a write failed with %v", err)
				}
			}
		}
		t.Logf("%d writes were acknowledged", acknowledged)
	}},
	{"writes_are_unavailable_during_an_outage_and_possible_after", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "patient")
		_, err := f.Entity(ctx, "patient")
		must(t, err)
		restore := f.db.Outage(t)
		refused(t, f.RenameEntity(ctx, e.ID, "impatient"), fault.Unavailable)
		restore()
		must(t, f.Ping(ctx))
		_, err = f.Entity(ctx, "impatient")
		refused(t, err, fault.NotFound)
		must(t, f.RenameEntity(ctx, e.ID, "relieved"))
	}},
	{"lookups_that_are_cached_go_on_during_an_outage", func(t *testing.T, f *fixture) {
		ctx := context.Background()
		e := f.newEntity(t, "warm")
		_, err := f.Entity(ctx, "warm")
		must(t, err)
		defer f.db.Outage(t)()
		got, err := f.Entity(ctx, "warm")
		must(t, err)
		same(t, got, e)
	}},
	{"a_write_that_is_held_too_long_is_unavailable", func(t *testing.T, f *fixture) {
		e := f.newEntity(t, "held")
		release := f.db.Hold(t)
		began := time.Now()
		refused(t, f.RenameEntity(context.Background(), e.ID, "freed"), fault.Unavailable)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("it took %v to say so", took)
		}
		release()
		_, err := f.Entity(context.Background(), "freed")
		refused(t, err, fault.NotFound)
	}},
	{"a_caller_who_gives_up_is_let_go_and_leaves_nothing", func(t *testing.T, f *fixture) {
		e := f.newEntity(t, "hurried")
		release := f.db.Hold(t)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		same(t, f.RenameEntity(ctx, e.ID, "gone"), context.DeadlineExceeded)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v to let the caller go", took)
		}
		release()
		must(t, f.RenameEntity(context.Background(), e.ID, "stayed"))
		_, err := f.Entity(context.Background(), "gone")
		refused(t, err, fault.NotFound)
	}},
}

// createUntil creates entities one after the other and notes what came of each.
func createUntil(f *fixture, done chan struct{}, outcome map[catalog.Slug]error, prefix string) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
			slug := catalog.Slug(fmt.Sprintf("%s-%d", prefix, i))
			outcome[slug] = f.CreateEntity(context.Background(), catalog.Entity{ID: f.newID(), Slug: slug})
		}
	}
}
