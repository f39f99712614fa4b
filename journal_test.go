package ayb

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ayb/catalog"
)

func TestJournal_is_bounded_whatever_comes(t *testing.T) {
	cfg := Config{DataPath: t.TempDir()}.withDefaults()
	j := newJournal(nil, &ids{now: cfg.Now, random: cfg.Random}, cfg)
	for i := range 50_000 {
		p := Principal{Entity: catalog.NewID(cfg.Now(), cfg.Random), Token: fmt.Sprint(i)}
		j.count(time.Unix(int64(i), 0), p, p.Entity)
		j.touch(p.Token, cfg.Now())
		j.record(AuditRecord{Subject: p.Token})
	}
	records, lost, touches := j.takeRecords()
	if len(records) != journalRecords+1 || lost != 40_000 || len(touches) > journalTouches {
		t.Errorf("%d records, %d lost, %d touches", len(records), lost, len(touches))
	}
	if first := records[0].Subject; first != "40000" {
		t.Errorf("the oldest record that is left is %s", first)
	}
	if n := len(j.takeCounts()); n > journalCounts {
		t.Errorf("%d counts", n)
	}
	if records, lost, touches := j.takeRecords(); len(records)+len(touches)+len(j.takeCounts()) > 0 || lost > 0 {
		t.Error("taking leaves something behind")
	}
}

func TestEngine_tidy_purges_and_trims(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg := Config{DataPath: t.TempDir(), Now: func() time.Time { return now }}
	cfg.Audit.Keep = 30 * 24 * time.Hour
	cfg.Audit.Rows = 5
	e, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records := func() int {
		t.Helper()
		list, err := e.AuditLog(ctx, System, AuditFilter{}, Page{})
		check(err)
		return len(list.Items)
	}
	for i := range 8 {
		_, err := e.CreateEntity(ctx, System, fmt.Sprintf("e%d", i), nil)
		check(err)
	}
	check(e.DeleteEntity(ctx, System, "e0"))
	if n := records(); n != 9 {
		t.Fatalf("%d records", n)
	}
	e.tidy(ctx)
	if n := records(); n != 5 {
		t.Errorf("%d records, of 5 to keep", n)
	}
	now = now.Add(8 * 24 * time.Hour)
	e.tidy(ctx)
	if _, err := e.UndeleteEntity(ctx, System, "e0"); err == nil {
		t.Error("what was deleted 8 days ago is still there")
	}
	_ = records() // writes the record of that
	now = now.Add(31 * 24 * time.Hour)
	e.tidy(ctx)
	if n := records(); n != 0 {
		t.Errorf("%d records, all too old", n)
	}
}
