package aybtest_test

import (
	"errors"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
)

func TestFixture(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)

	secret, through := f.MustToken(bob, &ayb.TokenOptions{Expires: f.Clock.Now().Add(time.Hour)})
	if rows := f.MustQuery(through, "alice/db", "SELECT a FROM t").Rows; len(rows) != 1 {
		t.Errorf("rows: %v", rows)
	}
	f.Reopen()
	f.Clock.Advance(time.Hour)
	if _, err := f.Authenticate(t.Context(), secret); !errors.Is(err, ayb.ErrUnauthenticated) {
		t.Errorf("an hour later: %v", err)
	}
}

func TestNew_keeps_what_the_configuration_sets(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	f := aybtest.New(t, &ayb.Config{DataPath: dir, Now: func() time.Time { return at }})
	f.MustEntity("alice")
	ent, err := f.Entity(t.Context(), ayb.Anonymous, "alice")
	if err != nil || !ent.Created.Equal(at) || f.DataPath() != dir {
		t.Errorf("%+v, %v, in %s", ent, err, f.DataPath())
	}
}
