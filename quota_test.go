package ayb_test

import (
	"errors"
	"fmt"
	"testing"

	"ayb"
	"ayb/aybtest"
)

const (
	blobs    = "CREATE TABLE t (a)"
	halfAMiB = "INSERT INTO t VALUES (randomblob(524288))"
)

func limit(n int64) *ayb.Limit {
	l := ayb.Limit(n)
	return &l
}

func TestEngine_SetQuota_takes_the_place_of_what_is_configured(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.DatabaseBytes, cfg.Limits.EntityBytes, cfg.Limits.Databases = 1<<20, 2<<20, 3
	f := aybtest.New(t, &cfg)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/a", blobs, halfAMiB)
	f.MustDatabase("alice/b", blobs, halfAMiB)
	f.MustDatabase("bob/a", blobs, halfAMiB)
	writes := func(when, ref string, p ayb.Principal, want error) {
		t.Helper()
		if _, err := f.Query(ctx, p, ref, halfAMiB); !errors.Is(err, want) {
			t.Errorf("%s, %s: %v, want %v", when, ref, err, want)
		}
	}
	writes("by default", "alice/a", alice, ayb.ErrTooLarge)
	must(t, f.SetDatabaseQuota(ctx, ayb.System, "alice/a", 4<<20))
	writes("with room of its own", "alice/a", alice, nil)
	writes("a neighbour", "alice/b", alice, ayb.ErrTooLarge)
	writes("as far as the owner has room", "alice/a", alice, ayb.ErrTooLarge)
	must(t, f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{Bytes: limit(8 << 20)}))
	writes("once the owner has more", "alice/a", alice, nil)
	must(t, f.SetDatabaseQuota(ctx, ayb.System, "alice/a", ayb.ByDefault))
	writes("by default again", "alice/a", alice, ayb.ErrTooLarge)
	f.MustQuery(alice, "alice/a", "DELETE FROM t") // below its quota or not
	must(t, f.SetQuota(ctx, ayb.System, "ALICE", ayb.QuotaUpdate{DatabaseBytes: limit(2 << 20)}))
	writes("with more for each", "alice/b", alice, nil)
	must(t, f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{DatabaseBytes: limit(-1), Bytes: limit(-1)}))
	for range 6 {
		writes("without a bound", "alice/b", alice, nil)
	}
	writes("somebody else", "bob/a", bob, ayb.ErrTooLarge)

	f.Reopen()
	writes("after a restart", "alice/b", alice, nil)
	writes("after a restart", "bob/a", bob, ayb.ErrTooLarge)
	f.MustDatabase("alice/c")
	if _, err := f.CreateDatabase(ctx, alice, "alice/d", nil); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("one database too many: %v", err)
	}
	must(t, f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{Databases: limit(4)}))
	f.MustDatabase("alice/d")
	got, err := f.Entity(ctx, alice, "alice")
	if want := (ayb.Quota{Bytes: ayb.NoLimit, DatabaseBytes: ayb.NoLimit, Databases: 4}); err != nil || got.Quota != want {
		t.Errorf("the quota is %+v, want %+v, %v", got.Quota, want, err)
	}
}

func TestEngine_SetQuota_is_the_operators(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")
	for _, p := range []ayb.Principal{alice, f.MustEntity("bob"), ayb.Anonymous} {
		for what, err := range map[string]error{
			"of an entity":   f.SetQuota(ctx, p, "alice", ayb.QuotaUpdate{Bytes: limit(-1)}),
			"of a database":  f.SetDatabaseQuota(ctx, p, "alice/db", ayb.NoLimit),
			"of one missing": f.SetDatabaseQuota(ctx, p, "alice/nope", ayb.NoLimit),
		} {
			if !errors.Is(err, ayb.ErrDenied) && !(p.Anonymous() && errors.Is(err, ayb.ErrUnauthenticated)) {
				t.Errorf("%q sets the quota %s: %v", p.Slug, what, err)
			}
		}
	}
	for what, err := range map[string]error{
		"an empty update":     f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{}),
		"a negative quota":    f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{Bytes: limit(-2)}),
		"a negative database": f.SetDatabaseQuota(ctx, ayb.System, "alice/db", -7),
	} {
		if !errors.Is(err, ayb.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, f.SetDatabaseQuota(ctx, ayb.System, "alice/db", 1<<30))
	log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{Size: 1})
	must(t, err)
	if r := log.Items[0]; r.Action != "set_database_quota" || r.Subject != "alice/db" || !r.System || r.Outcome != "ok" {
		t.Errorf("the audit trail says %+v", r)
	}
}

// Two sessions hold what each of them alone has room for.
func TestEngine_entity_bytes_hold_for_databases_that_grow_at_once(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.EntityBytes = 1 << 20
	f := aybtest.New(t, &cfg)
	alice := f.MustEntity("alice")
	committed := 0
	for i := range 3 {
		ref := fmt.Sprintf("alice/db%d", i)
		f.MustDatabase(ref, blobs)
		s, err := f.Begin(ctx, alice, ref)
		must(t, err)
		defer s.Close()
		_, err = s.Query(ctx, "BEGIN; "+halfAMiB)
		must(t, err)
		defer func() {
			if _, err := s.Query(ctx, "COMMIT"); err == nil {
				committed++
			} else if !errors.Is(err, ayb.ErrTooLarge) {
				t.Errorf("%v", err)
			}
			if u, err := f.Usage(ctx, alice, "alice"); err != nil || u.Bytes > 1<<20 || committed != 1 {
				t.Errorf("%d committed, %+v, %v", committed, u, err)
			}
		}()
	}
}

func TestEngine_Database_tells_sizes_to_whom_they_concern(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.EntityBytes = 8 << 20
	f := aybtest.New(t, &cfg)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", blobs, halfAMiB)
	f.MustDatabase("alice/other", blobs, halfAMiB)
	f.MustDatabase("alice/unwritten")
	must(t, f.SetDatabaseQuota(ctx, ayb.System, "alice/db", 2<<20))
	size := f.MustQuery(alice, "alice/db", "SELECT page_count * 4096 FROM pragma_page_count").Rows[0][0].Int64()
	other := f.MustQuery(alice, "alice/other", "SELECT page_count * 4096 FROM pragma_page_count").Rows[0][0].Int64()
	type sizes struct{ size, quota, ownerSize, ownerQuota int64 }
	all := sizes{size, 2 << 20, size + other, 8 << 20}
	check := func(who string, p ayb.Principal, want sizes) {
		t.Helper()
		d, err := f.Database(ctx, p, "alice/db")
		must(t, err)
		if got := (sizes{d.Size, d.Quota, d.OwnerSize, d.OwnerQuota}); got != want {
			t.Errorf("%s: %+v, want %+v", who, got, want)
		}
	}
	check("the owner", alice, all)
	for access, want := range map[ayb.Access]sizes{
		ayb.Manager: all, ayb.ReadWrite: {size, 2 << 20, 0, 0}, ayb.ReadOnly: {size, 0, 0, 0},
	} {
		p := f.MustEntity("holder-" + access.String())
		f.MustShare(alice, "alice/db", string(p.Slug), access)
		check(access.String(), p, want)
	}
	must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicFork))
	check("who may fork it", f.MustEntity("forker"), sizes{})
	must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicReadOnly))
	check("anybody", ayb.Anonymous, sizes{})
	if d, err := f.Database(ctx, alice, "alice/unwritten"); err != nil || d.Size != 0 || d.OwnerSize != all.ownerSize {
		t.Errorf("unwritten: %+v, %v", d, err)
	}
	must(t, f.DeleteDatabase(ctx, alice, "alice/other")) // and it still takes its room
	check("after a deletion", alice, all)
	u, err := f.Usage(ctx, alice, "alice")
	if want := (ayb.Usage{Bytes: all.ownerSize, Databases: 2, MaxBytes: 8 << 20}); err != nil || u.Usage != want {
		t.Errorf("%+v, want %+v, %v", u.Usage, want, err)
	}
	list, err := f.Usages(ctx, ayb.System, ayb.Page{Size: 2})
	if err != nil || len(list.Items) != 2 || list.Next == "" || list.Items[0].Usage != u.Usage {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestEngine_AcceptOffer_needs_room(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", blobs, halfAMiB, halfAMiB)
	f.MustDatabase("bob/own", blobs, halfAMiB)
	must(t, f.SetQuota(ctx, ayb.System, "bob", ayb.QuotaUpdate{Bytes: limit(1 << 20), Databases: limit(1)}))
	_, err := f.TransferDatabase(ctx, alice, "alice/db", "bob")
	must(t, err)
	accept := func() error {
		_, err := f.AcceptOffer(ctx, bob, "bob", "alice/db", "")
		return err
	}
	if err := accept(); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("by somebody without room: %v", err)
	}
	must(t, f.SetQuota(ctx, ayb.System, "bob", ayb.QuotaUpdate{Bytes: limit(2 << 20)}))
	if err := accept(); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("by somebody who may have no more: %v", err)
	}
	f.MustQuery(alice, "alice/db", "SELECT count(*) FROM t")
	must(t, f.SetQuota(ctx, ayb.System, "bob", ayb.QuotaUpdate{Databases: limit(2)}))
	must(t, accept())
	f.MustQuery(bob, "bob/db", "SELECT count(*) FROM t")
}
