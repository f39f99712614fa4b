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
	e, _, _ := openForTest(t, Config{})
	alice, err := e.Entity(ctx, System, "alice")
	require(t, err)
	told := func() int64 {
		t.Helper()
		u, err := e.Usage(ctx, e.Owner(alice), "alice")
		require(t, err)
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
