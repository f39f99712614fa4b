package ayb_test

import (
	"errors"
	"testing"

	"ayb"
	"ayb/aybtest"
)

func TestEngine_Begin(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob, carol := f.MustEntity("alice"), f.MustEntity("bob"), f.MustEntity("carol")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadWrite)
	f.MustShare(alice, "alice/db", "carol", ayb.ReadOnly)
	begin := func(t *testing.T, p ayb.Principal) *ayb.Session {
		t.Helper()
		s, err := f.Begin(ctx, p, "alice/db")
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	}
	query := func(t *testing.T, s *ayb.Session, sql string) *ayb.Result {
		t.Helper()
		r, err := s.Query(ctx, sql)
		must(t, err)
		return r
	}
	count := func(t *testing.T) int64 {
		t.Helper()
		return f.MustQuery(alice, "alice/db", "SELECT count(*) FROM t").Rows[0][0].Int64()
	}

	t.Run("spans a transaction over several calls, unseen by others until it commits", func(t *testing.T) {
		s := begin(t, bob)
		query(t, s, "BEGIN IMMEDIATE")
		query(t, s, "INSERT INTO t VALUES (2)")
		if !s.InTransaction() || count(t) != 1 {
			t.Errorf("in transaction: %v, others see %d rows", s.InTransaction(), count(t))
		}
		if n := query(t, s, "SELECT count(*) FROM t").Rows[0][0].Int64(); n != 2 {
			t.Errorf("the session sees %d rows", n)
		}
		query(t, s, "COMMIT")
		if s.InTransaction() || count(t) != 2 {
			t.Errorf("after the commit: %v, %d", s.InTransaction(), count(t))
		}
	})
	t.Run("rolls back what is open when it is closed", func(t *testing.T) {
		s := begin(t, bob)
		query(t, s, "BEGIN; DELETE FROM t")
		must(t, s.Close())
		must(t, s.Close())
		if count(t) != 2 {
			t.Errorf("%d rows", count(t))
		}
		if _, err := s.Query(ctx, "SELECT 1"); !errors.Is(err, ayb.ErrConflict) {
			t.Errorf("a closed session: %v", err)
		}
	})
	t.Run("of a reader does not write", func(t *testing.T) {
		s := begin(t, carol)
		query(t, s, "SELECT a FROM t")
		if _, err := s.Query(ctx, "DELETE FROM t"); !errors.Is(err, ayb.ErrReadOnly) {
			t.Errorf("%v", err)
		}
	})
	t.Run("ends when its rights are taken away, and what is open is rolled back", func(t *testing.T) {
		for _, left := range []ayb.Access{ayb.ReadOnly, ayb.NoAccess} {
			f.MustShare(alice, "alice/db", "bob", ayb.ReadWrite)
			s := begin(t, bob)
			query(t, s, "BEGIN; DELETE FROM t")
			f.MustShare(alice, "alice/db", "bob", left)
			if _, err := s.Query(ctx, "COMMIT"); !errors.Is(err, ayb.ErrDenied) {
				t.Errorf("left with %v: %v", left, err)
			}
			if _, err := s.Query(ctx, "COMMIT"); err == nil || count(t) != 2 {
				t.Errorf("left with %v: %v, and %d rows", left, err, count(t))
			}
		}
	})
	t.Run("of a reader stays one when the rights grow", func(t *testing.T) {
		s := begin(t, carol)
		f.MustShare(alice, "alice/db", "carol", ayb.ReadWrite)
		query(t, s, "SELECT a FROM t")
		if _, err := s.Query(ctx, "DELETE FROM t"); !errors.Is(err, ayb.ErrReadOnly) {
			t.Errorf("%v", err)
		}
	})
	t.Run("needs the right to read", func(t *testing.T) {
		if _, err := f.Begin(ctx, f.MustEntity("dave"), "alice/db"); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := f.Begin(ctx, alice, "alice/nosuch"); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("no database: %v", err)
		}
	})
}
