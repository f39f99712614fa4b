package ayb_test

import (
	"errors"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/store/storetest"
)

// TestEngines_on_one_PostgreSQL runs two engines, each with a data path of its
// own, on one metadata database.
func TestEngines_on_one_PostgreSQL(t *testing.T) {
	lent := storetest.Postgres(t)
	one := aybtest.New(t, &ayb.Config{MetadataURL: lent.URL, Now: time.Now})
	two := aybtest.New(t, &ayb.Config{MetadataURL: lent.URL, Now: time.Now})
	alice := one.MustEntity("alice")
	one.MustDatabase("alice/db")
	secret, p := one.MustToken(alice, nil)

	t.Run("a revoked token is refused by the other within 5 seconds", func(t *testing.T) {
		if _, err := two.Authenticate(ctx, secret); err != nil {
			t.Fatal(err)
		}
		must(t, one.RevokeToken(ctx, alice, p.Token))
		revoked := time.Now()
		wait(t, "the token is refused", func() bool {
			_, err := two.Authenticate(ctx, secret)
			return errors.Is(err, ayb.ErrUnauthenticated)
		})
		if took := time.Since(revoked); took > 6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("what one changes the other sees", func(t *testing.T) {
		bob := two.MustEntity("bob")
		one.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
		shared, err := two.Shared(ctx, bob, ayb.Page{})
		must(t, err)
		if len(shared.Items) != 1 {
			t.Errorf("%+v", shared)
		}
	})
	t.Run("of two that create one name, one wins", func(t *testing.T) {
		outcomes := atOnce(8, func(i int) error {
			_, err := []*aybtest.Fixture{one, two}[i%2].CreateEntity(ctx, ayb.System, "carol", nil)
			return err
		})
		won := 0
		for _, err := range outcomes {
			if err == nil {
				won++
			} else if !errors.Is(err, ayb.ErrExists) {
				t.Errorf("%v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

func TestEngine_when_PostgreSQL_goes_away_and_comes_back(t *testing.T) {
	lent := storetest.Postgres(t)
	f := aybtest.New(t, &ayb.Config{MetadataURL: lent.URL})
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	f.MustQuery(alice, "alice/db", "INSERT INTO t VALUES (1)")

	restore := lent.Outage(t)
	f.MustQuery(alice, "alice/db", "INSERT INTO t VALUES (2)") // all it needs to know is known
	if err := f.SetPublic(ctx, alice, "alice/db", ayb.PublicFork); !errors.Is(err, ayb.ErrUnavailable) {
		t.Errorf("a change: %v", err)
	}
	f.Clock.Advance(6 * time.Second)
	if _, err := f.Query(ctx, alice, "alice/db", "SELECT a FROM t"); !errors.Is(err, ayb.ErrUnavailable) {
		t.Errorf("when what is known is too old: %v", err)
	}
	restore()
	wait(t, "it answers again", func() bool {
		_, err := f.Query(ctx, alice, "alice/db", "SELECT a FROM t")
		return err == nil
	})
	must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicFork))
	if rows := f.MustQuery(alice, "alice/db", "SELECT a FROM t").Rows; len(rows) != 2 {
		t.Errorf("rows: %v", rows)
	}
	counts, err := f.QueryCounts(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
	must(t, err)
	if len(counts.Items) == 0 || counts.Items[0].Count < 3 {
		t.Errorf("what was counted meanwhile: %+v", counts.Items)
	}
	lent.Cut(t)
	wait(t, "it answers after its connections were cut", func() bool {
		_, err := f.Entities(ctx, ayb.System, ayb.Page{})
		return err == nil
	})
}

// TestEngine_on_PostgreSQL goes through the life of a database once.
func TestEngine_on_PostgreSQL(t *testing.T) {
	lent := storetest.Postgres(t)
	f := aybtest.New(t, &ayb.Config{MetadataURL: lent.URL})
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadWrite)
	_, token := f.MustToken(bob, &ayb.TokenOptions{Database: "alice/db", Access: ayb.ReadOnly})
	f.MustQuery(token, "alice/db", "SELECT a FROM t")
	if _, err := f.Query(ctx, token, "alice/db", "DELETE FROM t"); !errors.Is(err, ayb.ErrReadOnly) {
		t.Errorf("a limited token: %v", err)
	}
	must(t, transfer(f, "alice/db", "bob"))
	must(t, f.RenameDatabase(ctx, bob, "bob/db", "mine"))
	must(t, f.DeleteDatabase(ctx, bob, "bob/mine"))
	_, err := f.UndeleteDatabase(ctx, bob, "bob/mine")
	must(t, err)
	f.MustQuery(token, "bob/mine", "SELECT a FROM t")
	must(t, f.DeleteEntity(ctx, bob, "bob"))
	f.Clock.Advance(8 * 24 * time.Hour)
	done, err := f.Purge(ctx, ayb.System)
	if err != nil || done.Entities != 1 {
		t.Errorf("purged %+v, %v", done, err)
	}
	log, err := f.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
	must(t, err)
	if len(log.Items) < 10 {
		t.Errorf("%d records", len(log.Items))
	}
}
