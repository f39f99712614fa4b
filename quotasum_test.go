package ayb

import (
	"context"
	"testing"
	"time"
)

// TestUsage_of_many_databases_is_told_as_of_a_while_ago has an engine remember what an
// owner has, and tell it until that is too old.
func TestUsage_of_many_databases_is_told_as_of_a_while_ago(t *testing.T) {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	e, err := Open(ctx, Config{DataPath: t.TempDir()})
	must(err)
	defer func() { must(e.Close()) }()
	alice, err := e.CreateEntity(ctx, System, "alice", nil)
	must(err)
	_, err = e.CreateDatabase(ctx, System, "alice/db", nil)
	must(err)
	_, err = e.Query(ctx, System, "alice/db", "CREATE TABLE t(a)")
	must(err)
	told := func() int64 {
		t.Helper()
		u, err := e.Usage(ctx, e.Owner(alice), "alice")
		must(err)
		return u.Bytes
	}
	present := told()
	if present == 0 {
		t.Fatal("nothing was told")
	}
	e.sums.put(alice.ID, ownerSum{bytes: 12345, until: e.now().Add(time.Hour)})
	if got := told(); got != 12345 {
		t.Errorf("told %d, want what was remembered", got)
	}
	if got, err := e.ownerSize(ctx, alice.ID); err != nil || got != present {
		t.Errorf("what is decided by is %d, want %d: %v", got, present, err)
	}
	e.sums.put(alice.ID, ownerSum{bytes: 12345, until: e.now().Add(-1)})
	if got := told(); got != 12345 {
		t.Errorf("told %d; nobody should wait until it is added up again", got)
	}
	for deadline := time.Now().Add(time.Minute); told() != present; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not added up again")
		}
	}
}
