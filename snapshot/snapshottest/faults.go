package snapshottest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/snapshot"
)

// An operation is one use of a vault, of which every call to the bucket is to go
// wrong.
type operation struct {
	name string
	do   func(ctx context.Context, v *snapshot.Vault) error
	// check says what must hold afterwards, whether do has failed or not.
	check func(failed bool) error
}

// faults has every call to the bucket go wrong that one Put, Get, List and so on
// makes: one call after the other, in each mode. After each, the bucket must hold
// what it held before or what it was to hold, whole, and nothing else; the next
// try must succeed.
func faults(t *testing.T, r *room) {
	for _, op := range operations(t, r) {
		t.Run(op.name, func(t *testing.T) {
			calls := count(t, r, op)
			for _, mode := range []Mode{Fails, Lost, Hangs} {
				for n := 1; n <= len(calls); n++ {
					spoil(t, r, op, n, mode)
				}
			}
			t.Logf("%s: %d calls, each gone wrong in 3 ways: %s", op.name, len(calls), strings.Join(slices.Compact(calls), " "))
		})
	}
}

// count returns the calls that an operation makes when nothing goes wrong.
func count(t *testing.T, r *room, op operation) []string {
	t.Helper()
	faulty := NewFaulty(r.Bucket.Bucket)
	vault := snapshot.New(faulty.Bucket, r.opt)
	faulty.Arm(0, Fails)
	must(t, op.do(t.Context(), vault))
	must(t, op.check(false))
	calls := faulty.Calls()
	if len(calls) == 0 {
		t.Fatal("no calls were counted")
	}
	return calls
}

// spoil has the nth call go wrong.
func spoil(t *testing.T, r *room, op operation, n int, mode Mode) {
	t.Helper()
	faulty := NewFaulty(r.Bucket.Bucket)
	opt := r.opt
	if mode == Hangs {
		opt.Patience = 20 * time.Millisecond
	}
	vault := snapshot.New(faulty.Bucket, opt)
	faulty.Arm(n, mode)
	err := op.do(t.Context(), vault)
	name := "none"
	if calls := faulty.Calls(); n <= len(calls) {
		name = calls[n-1]
	}
	what := fmt.Sprintf("call %d, %s, %s", n, name, mode)
	if err != nil && fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%s: %v (%s)", what, err, fault.KindOf(err))
	}
	if err != nil && (strings.Contains(err.Error(), "SECRET") || strings.Contains(fault.Message(err), "injected")) {
		t.Errorf("%s: the log reads %q, the user %q", what, err, fault.Message(err))
	}
	if e := op.check(err != nil); e != nil {
		t.Errorf("%s (%v): %v", what, err, e)
	}
	if left := r.Leaks(t); len(left) > 0 {
		t.Errorf("%s: left behind: %v", what, left)
	}
	faulty.Arm(0, Fails)
	if err := op.do(t.Context(), snapshot.New(faulty.Bucket, r.opt)); err != nil && !errors.Is(err, fault.NotFound) {
		t.Errorf("%s: the next try: %v", what, err)
	}
	must(t, op.check(false))
}

// operations returns one of each, on contents of their own.
func operations(t *testing.T, r *room) []operation {
	big, small := append(rows(5000), noise(400<<10)...), []byte("small")
	bigImage, smallImage := r.image(t, big), r.image(t, small)
	stored := r.put(t, place.Again(2), big, snapshot.Taking{Kind: catalog.Manual, Taken: noon})
	fetched := filepath.Join(r.dir, "fetched")
	isWhole := func(at snapshot.Place, id string, want []byte, mayMiss bool) error {
		var buf bytes.Buffer
		_, err := r.vault.Get(t.Context(), at, id, &buf)
		if mayMiss && errors.Is(err, snapshot.ErrNoSnapshot) {
			return nil
		}
		if err == nil && !bytes.Equal(buf.Bytes(), want) {
			err = errors.New("it has another content")
		}
		return err
	}
	first := true
	again := 0
	return []operation{
		{"put", func(ctx context.Context, v *snapshot.Vault) error {
			if first { // each time anew
				first = false
			} else if err := r.vault.Delete(ctx, place, bigImage.ID); err != nil && !errors.Is(err, snapshot.ErrNoSnapshot) {
				return err
			}
			_, err := v.Put(ctx, place, bigImage, snapshot.Taking{Taken: noon})
			return err
		}, func(failed bool) error { return isWhole(place, bigImage.ID, big, failed) }},
		{"put_again", func(ctx context.Context, v *snapshot.Vault) error {
			again++
			_, err := v.Put(ctx, place.Again(2), bigImage, snapshot.Taking{Taken: noon.Add(time.Duration(again) * time.Second)})
			return err
		}, func(failed bool) error {
			s, err := r.vault.Stat(t.Context(), place.Again(2), stored.ID)
			if err == nil && (s.Kind != catalog.Manual || s.Taken.Before(stored.Taken)) {
				err = fmt.Errorf("it is %+v", s)
			}
			return errors.Join(err, isWhole(place.Again(2), stored.ID, big, false))
		}},
		{"list", func(ctx context.Context, v *snapshot.Vault) error {
			list, err := v.All(ctx, place.Again(2))
			if err == nil && len(list) != 1 {
				err = fmt.Errorf("there are %v", list)
			}
			return err
		}, func(bool) error { return nil }},
		{"walk", func(ctx context.Context, v *snapshot.Vault) error {
			n := 0
			for _, err := range v.Walk(ctx) {
				if err != nil {
					return err
				}
				n++
			}
			if n == 0 {
				return errors.New("nothing was found")
			}
			return nil
		}, func(bool) error { return nil }},
		{"get", func(ctx context.Context, v *snapshot.Vault) error {
			_, err := v.Fetch(ctx, place.Again(2), stored.ID, fetched, nil)
			return err
		}, func(failed bool) error {
			got, err := os.ReadFile(fetched)
			os.Remove(fetched)
			if failed && err == nil || !failed && !bytes.Equal(got, big) {
				return fmt.Errorf("there is a file of %d bytes, %v", len(got), err)
			}
			return nil
		}},
		{"put_file", func(ctx context.Context, v *snapshot.Vault) error {
			return v.PutFile(ctx, "metadata", smallImage, noon)
		}, func(failed bool) error {
			_, err := r.vault.FetchFile(t.Context(), "metadata", fetched)
			os.Remove(fetched)
			if failed && errors.Is(err, snapshot.ErrNoFile) {
				return nil
			}
			return err
		}},
		{"delete", func(ctx context.Context, v *snapshot.Vault) error {
			if _, err := r.vault.Put(ctx, place.Again(3), smallImage, snapshot.Taking{Taken: noon}); err != nil {
				return err
			}
			return v.Delete(ctx, place.Again(3), smallImage.ID)
		}, func(failed bool) error {
			if failed {
				return isWhole(place.Again(3), smallImage.ID, small, true)
			}
			_, err := r.vault.Stat(t.Context(), place.Again(3), smallImage.ID)
			if errors.Is(err, snapshot.ErrNoSnapshot) {
				return nil
			}
			return fmt.Errorf("it is still there (%v)", err)
		}},
	}
}
