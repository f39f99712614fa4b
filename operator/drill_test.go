package operator_test

import (
	"strings"
	"testing"

	"ayb"
	"ayb/aybtest"
	"ayb/operator"
	"ayb/snapshot/snapshottest"
)

func TestDrills(t *testing.T) {
	cfg := ayb.Config{}
	bucket := snapshottest.Memory(t).Bucket
	cfg.Snapshots.Bucket = bucket
	f := aybtest.New(t, &cfg)
	for _, slug := range []string{"alice", "bob"} {
		f.MustEntity(slug)
		for _, name := range []string{"kept", "young"} {
			f.MustDatabase(slug+"/"+name, "CREATE TABLE t (a)")
		}
		if _, err := f.CreateSnapshot(t.Context(), ayb.System, slug+"/kept", ""); err != nil {
			t.Fatal(err)
		}
	}
	list, err := f.Snapshots(t.Context(), ayb.System, "bob/kept", ayb.Page{})
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.WriteAll(t.Context(), "bob/kept/"+list.Items[0].ID, []byte("nothing of the kind"), nil); err != nil {
		t.Fatal(err)
	}
	door := operator.Within(f.Engine)
	outcomes := func(entity string) string {
		t.Helper()
		var all []string
		for d, err := range door.Drills(t.Context(), entity) {
			if err != nil {
				t.Fatal(err)
			}
			outcome := "restorable"
			switch {
			case !d.HasSnapshot():
				outcome = "none"
			case strings.Contains(d.Failure, "damaged") || strings.Contains(d.Failure, "ends too early"):
				outcome = "failed"
			}
			all = append(all, string(d.Entity)+"/"+string(d.Database)+" "+outcome)
		}
		return strings.Join(all, ", ")
	}
	if got, want := outcomes(""), "alice/young none, alice/kept restorable, bob/young none, bob/kept failed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := outcomes("alice"), "alice/young none, alice/kept restorable"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, err := range door.Drills(t.Context(), "nobody") {
		if err == nil {
			t.Error("there are drills of an entity that does not exist")
		}
	}
}
