package hosting

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

// crowd makes so many files of databases that nobody opens, and returns their bytes.
func (h *harness) crowd(n int) (sum int64) {
	h.Helper()
	file, err := os.ReadFile(filepath.Join(VersionPath(h.dir, h.db), fileName))
	if err != nil {
		h.Fatal(err)
	}
	for range n {
		db := DB{Owner: h.db.Owner, Database: catalog.NewID(h.now(), h.random), Version: catalog.NewID(h.now(), h.random)}
		dir := VersionPath(h.dir, db)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, fileName), file, 0o600)); err != nil {
			h.Fatal(err)
		}
		sum += int64(len(file))
	}
	return sum
}

func (h *harness) grow(db DB, bytes int) error {
	st, err := catalog.NewStatement("CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES (zeroblob(?))", bytes)
	if err != nil {
		return err
	}
	_, err = h.Run(context.Background(), Job{DB: db, Class: Write, Statement: st, Quota: Quota{OwnerBytes: 1 << 40}}, nil)
	return err
}

// TestSurvey_counts_everything_once has databases begin, grow, shrink and close between
// any two files that a survey looks at.
func TestSurvey_counts_everything_once(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	h := newHarness(t, Limits{OpenMemory: 4 << 20})
	dbs := []DB{h.db}
	begin := func() {
		db := h.db
		db.Database, db.Version = catalog.NewID(h.now(), h.random), catalog.NewID(h.now(), h.random)
		if err := h.Create(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		dbs = append(dbs, db)
	}
	write := func(text string) {
		job := Job{DB: dbs[dice.IntN(len(dbs))], Class: Write, Statement: catalog.Statement{SQL: "CREATE TABLE IF NOT EXISTS t(a); " + text}}
		if _, err := h.Run(t.Context(), job, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 25 {
		begin()
	}
	o := h.owners[h.db.Owner]
	surveys := 0
	for range 8 {
		o.sizing.Lock()
		s := o.prepare()
		o.sizing.Unlock()
		err := eachFile(o.path, func(path string) error {
			switch n := dice.IntN(20); {
			case n < 8:
				write(fmt.Sprintf("INSERT INTO t VALUES (zeroblob(%d))", dice.IntN(50_000)))
			case n < 10:
				write("DELETE FROM t")
				if _, err := h.Run(t.Context(), Job{DB: dbs[dice.IntN(len(dbs))], Class: Write, Statement: catalog.Statement{SQL: "VACUUM"}}, nil); err != nil {
					t.Fatal(err)
				}
			case n < 11:
				begin()
			case n < 12: // an image is of no account
				image := h.db
				image.Version = ImageID(catalog.NewID(h.now(), h.random))
				if err := h.Create(t.Context(), image); err != nil {
					t.Fatal(err)
				}
			}
			return o.look(s, path)
		})
		o.conclude(s, err)
		want, n, err := OwnerSize(t.Context(), h.dir, h.db.Owner)
		if err != nil {
			t.Fatal(err)
		}
		if surveys++; !o.measured || o.sum != want || o.measures != surveys {
			t.Fatalf("the sum of %d databases is %d (known: %v), want %d", n, o.sum, o.measured, want)
		}
	}
	if h.Stats().Evictions == 0 {
		t.Error("none was closed meanwhile")
	}
}

// TestSurvey_is_made_again moves a file while its owner's are looked at: what the sum was
// is not known any more.
func TestSurvey_is_made_again(t *testing.T) {
	h := newHarness(t, Limits{})
	o := h.owner(h.db.Owner)
	for _, order := range []string{"release, survey, move", "begin, release, end, move", "begin, release, move, end"} {
		other := h.db
		other.Database, other.Version = catalog.NewID(h.now(), h.random), catalog.NewID(h.now(), h.random)
		if err := h.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		var s *survey
		var resume func()
		for step := range strings.SplitSeq(order, ", ") {
			if step == "begin" || step == "survey" {
				o.sizing.Lock()
				s = o.prepare()
				o.sizing.Unlock()
			}
			if step == "end" || step == "survey" {
				o.conclude(s, eachFile(o.path, func(path string) error { return o.look(s, path) }))
			}
			var err error
			switch step {
			case "release":
				resume, err = h.Release(t.Context(), other)
			case "move":
				err = os.RemoveAll(VersionPath(h.dir, other))
				resume()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if o.measured {
			t.Errorf("%s: the sum counts as known", order)
		}
		if err := h.grow(h.db, 10); err != nil {
			t.Fatal(err)
		}
		want, _, err := OwnerSize(t.Context(), h.dir, h.db.Owner)
		if err != nil || !o.measured || o.sum != want {
			t.Errorf("%s: the sum is %d (known: %v), want %d, %v", order, o.sum, o.measured, want, err)
		}
	}
}

// TestSurvey_lets_nobody_wait_for_long holds that writes are told to come again while a
// survey takes its time, that reads and writes without a bound do not notice, and that
// what is written meanwhile counts.
func TestSurvey_lets_nobody_wait_for_long(t *testing.T) {
	const bound = 100 * time.Millisecond
	h := newHarness(t, Limits{QueueTime: bound})
	h.must("CREATE TABLE t(a)")
	h.mu.Lock()
	o := h.owners[h.db.Owner]
	h.mu.Unlock()
	slow := &survey{began: time.Now(), counted: map[string]struct{}{}, done: make(chan struct{})}
	o.sizing.Lock()
	o.surveying, o.sum = slow, 1000
	o.sizing.Unlock()
	if err := h.grow(h.db, 10); fault.KindOf(err) != fault.Busy || time.Since(slow.began) < bound {
		t.Errorf("after %v: %v", time.Since(slow.began), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for range 20 { // nobody waits once more
		_, err := h.Run(ctx, Job{DB: h.db, Class: Write, Statement: catalog.Statement{SQL: "DELETE FROM t"}, Quota: Quota{OwnerBytes: 1 << 30}}, nil)
		if fault.KindOf(err) != fault.Busy {
			t.Fatal(err)
		}
	}
	h.must("INSERT INTO t VALUES (zeroblob(100000))")
	h.count(1)
	size, err := Size(h.dir, h.db)
	if err != nil {
		t.Fatal(err)
	}
	if o.conclude(slow, nil); o.sum != 1000+size-2*pageSize {
		t.Errorf("the sum is %d", o.sum)
	}
	if err := h.grow(h.db, 10); err != nil {
		t.Error(err)
	}
}

// TestSurvey_ends_with_the_Runner closes a Runner in the midst of a survey.
func TestSurvey_ends_with_the_Runner(t *testing.T) {
	h := newHarness(t, Limits{})
	h.crowd(2000)
	done := make(chan error, 1)
	go func() { done <- h.grow(h.db, 10) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Microsecond) {
		h.mu.Lock()
		o := h.owners[h.db.Owner]
		h.mu.Unlock()
		o.sizing.Lock()
		begun := o.surveying != nil || o.measured
		o.sizing.Unlock()
		if begun {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("there is no survey")
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil && fault.KindOf(err) != fault.Unavailable {
		t.Error(err)
	}
}
