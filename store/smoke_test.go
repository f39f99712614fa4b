package store

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"
	"os"

	"ayb/catalog"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	url := os.Getenv("SMOKE")
	if url == "" { url = "sqlite://" + t.TempDir() + "/a/b/m.sqlite" }
	s, err := Open(ctx, url, nil)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	e := catalog.Entity{ID: catalog.NewID(time.Now(), rand.Reader), Slug: "alice"+catalog.Slug(rand.Text()), Profile: catalog.Profile{Links: []catalog.Link{{URL: "https://x?'", Verified: true}}}, Created: time.Now()}
	t.Log(s.CreateEntity(ctx, e), s.CreateEntity(ctx, e))
	t.Log(s.Entity(ctx, e.Slug))
	d := catalog.Database{ID: catalog.NewID(time.Now(), rand.Reader), Owner: e.ID, Slug: "T.sqlite", Version: catalog.NewID(time.Now(), rand.Reader), Created: time.Now()}
	t.Log(s.CreateDatabase(ctx, d))
	t.Log(s.Database(ctx, e.ID, "t.Sqlite"))
	t.Log(s.Databases(ctx, e.ID, DatabaseFilter{}, catalog.Page{}))
	t.Log(s.Databases(ctx, e.ID, DatabaseFilter{All:true}, catalog.Page{}))
	t.Log(s.SetGrant(ctx, d.ID, e.ID, catalog.Manager))
	t.Log(s.Grant(ctx, d.ID, e.ID))
	t.Log(s.Grants(ctx, d.ID, catalog.Page{}))
	t.Log(s.Shared(ctx, e.ID, catalog.Page{}))
	t.Log(s.AppendAudit(ctx, []catalog.AuditRecord{{ID: d.ID, Time: time.Now(), Subject: "x\x00\xff"}}, []catalog.QueryCount{{Minute: time.Now(), Count: 3}, {Minute: time.Now(), Count: 4}}))
	t.Log(s.Audit(ctx, AuditFilter{}, catalog.Page{}))
	t.Log(s.QueryCounts(ctx, AuditFilter{Entity: catalog.ID{}}, catalog.Page{}))
	t.Log(s.TrimAudit(ctx, time.Now().Add(time.Hour), 10))
	t.Log(s.TrimAudit(ctx, time.Time{}, 10))
	t.Log(s.PurgeEntity(ctx, e.ID), s.DeleteEntity(ctx, e.ID, time.Now()), s.PurgeEntity(ctx, e.ID))
	t.Log(s.Ping(ctx), s.Close(), s.Ping(ctx))
}
