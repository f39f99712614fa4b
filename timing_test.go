package ayb_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
)

// TestEngine_hidden_and_absent_databases_are_refused_in_the_same_time compares
// medians, of calls in turn: without care they differ by a factor of ten or more,
// because what exists is cached.
func TestEngine_hidden_and_absent_databases_are_refused_in_the_same_time(t *testing.T) {
	f := aybtest.New(t, nil)
	f.MustEntity("alice")
	f.MustDatabase("alice/hidden")
	bob := f.MustEntity("bob")
	calls := map[string]func(p ayb.Principal, ref string) error{
		"details": func(p ayb.Principal, ref string) error { _, err := f.Database(ctx, p, ref); return err },
		"query":   func(p ayb.Principal, ref string) error { _, err := f.Query(ctx, p, ref, "SELECT 1"); return err },
		"delete":  func(p ayb.Principal, ref string) error { return f.DeleteDatabase(ctx, p, ref) },
	}
	for name, call := range calls {
		for who, p := range map[string]ayb.Principal{"an entity": bob, "anonymous": ayb.Anonymous} {
			took := map[string][]time.Duration{}
			for range 300 {
				for _, ref := range []string{"alice/hidden", "alice/absent"} {
					began := time.Now()
					if err := call(p, ref); !errors.Is(err, ayb.ErrDenied) && !errors.Is(err, ayb.ErrUnauthenticated) {
						t.Fatal(err)
					}
					took[ref] = append(took[ref], time.Since(began))
				}
			}
			median := func(ref string) time.Duration { slices.Sort(took[ref]); return took[ref][len(took[ref])/2] }
			if hidden, absent := median("alice/hidden"), median("alice/absent"); hidden*2 < absent || absent*2 < hidden {
				t.Errorf("%s by %s: refused in %v if it is there, in %v if not", name, who, hidden, absent)
			}
		}
	}
}
