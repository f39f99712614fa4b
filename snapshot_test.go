package ayb_test

import (
	"errors"
	"strings"
	"testing"

	"ayb"
	"ayb/aybtest"
)

// TestEngine_snapshots_without_any holds what an engine says that takes none.
func TestEngine_snapshots_without_any(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")
	list, err := f.Snapshots(ctx, alice, "alice/db", ayb.Page{})
	if err != nil || len(list.Items) > 0 {
		t.Errorf("there are %v, %v", list, err)
	}
	if _, err := f.CreateSnapshot(ctx, alice, "alice/db", ""); !errors.Is(err, ayb.ErrUnsupported) {
		t.Errorf("taking one: %v", err)
	}
	for id, want := range map[string]error{
		strings.Repeat("0", 64): ayb.ErrUnsupported, "": ayb.ErrInvalid, strings.Repeat("A", 64): ayb.ErrInvalid, "../" + strings.Repeat("0", 64): ayb.ErrInvalid,
	} {
		if _, err := f.RestoreSnapshot(ctx, alice, "alice/db", id, nil); !errors.Is(err, want) {
			t.Errorf("restoring %q: %v, want %v", id, err, want)
		}
		if err := f.DeleteSnapshot(ctx, alice, "alice/db", id); !errors.Is(err, want) {
			t.Errorf("deleting %q: %v, want %v", id, err, want)
		}
	}
	if _, err := f.Snapshots(ctx, alice, "alice/none", ayb.Page{}); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("of a database that does not exist: %v", err)
	}
}
