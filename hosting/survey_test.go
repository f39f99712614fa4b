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

// survey pretends that a survey of the owner's files is under way, which the test ends.
func (h *harness) survey() (o *owner, s *survey) {
	h.mu.Lock()
	o = h.owners[h.db.Owner]
	h.mu.Unlock()
	o.sizing.Lock()
	defer o.sizing.Unlock()
	o.surveying, o.sum = freshSurvey(), 0
	return o, o.surveying
}

func freshSurvey() *survey {
	return &survey{began: time.Now(), counted: map[string]struct{}{}, done: make(chan struct{})}
}

// TestSurvey_lets_nobody_wait_for_long holds that writes are told to come again while a
// survey takes its time, that reads and writes without a bound do not notice, and that
// what is written meanwhile counts.
func TestSurvey_lets_nobody_wait_for_long(t *testing.T) {
	const bound = 100 * time.Millisecond
	h := newHarness(t, Limits{QueueTime: bound})
	h.must("CREATE TABLE t(a)")
	o, slow := h.survey()
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
	if o.conclude(slow, nil); o.sum != size-2*pageSize {
		t.Errorf("the sum is %d", o.sum)
	}
	if err := h.grow(h.db, 10); err != nil {
		t.Error(err)
	}
}

// TestSurvey_that_is_made_again_and_again is no reason to wait for longer.
func TestSurvey_that_is_made_again_and_again(t *testing.T) {
	h := newHarness(t, Limits{QueueTime: 100 * time.Millisecond})
	h.must("CREATE TABLE t(a)")
	o, _ := h.survey()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.Tick(20 * time.Millisecond); ; <-tick {
			o.sizing.Lock()
			close(o.surveying.done)
			o.surveying = freshSurvey()
			o.sizing.Unlock()
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	job := h.insert("INSERT INTO t VALUES (1)")
	job.Quota.OwnerBytes = 1 << 40
	if _, err := h.Run(ctx, job, nil); fault.KindOf(err) != fault.Busy {
		t.Error(err)
	}
	close(stop)
	<-stopped
	o.conclude(o.surveying, nil)
}

// TestSurvey_leaves_the_bounds_of_a_session holds that a session which was told to come
// again has no turn to write, in which nothing would bound its database.
func TestSurvey_leaves_the_bounds_of_a_session(t *testing.T) {
	const bound = 64 << 10
	h := newHarness(t, Limits{QueueTime: 400 * time.Millisecond})
	h.must("CREATE TABLE t(a)")
	o, slow := h.survey()
	s, err := h.Begin(t.Context(), Job{DB: h.db, Class: Write, Quota: Quota{DatabaseBytes: bound, OwnerBytes: 1 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(sql string) error {
		_, err := s.Run(t.Context(), catalog.Statement{SQL: sql}, nil)
		return err
	}
	if err := run("BEGIN"); err != nil {
		t.Fatal(err)
	}
	if err := run("INSERT INTO t VALUES (1)"); fault.KindOf(err) != fault.Busy {
		t.Fatal(err)
	}
	h.must("INSERT INTO t VALUES (1)") // which does not wait for the session
	o.conclude(slow, nil)
	if err := errors.Join(run("ROLLBACK"), run("BEGIN")); err != nil {
		t.Fatal(err)
	}
	if err := run("INSERT INTO t VALUES (zeroblob(900000))"); fault.KindOf(err) != fault.TooLarge {
		t.Error(err)
	}
}

// TestSurvey_keeps_nobody_waiting_who_came_before has a text join another in a batch
// that needs the survey, which the other does not.
func TestSurvey_keeps_nobody_waiting_who_came_before(t *testing.T) {
	h := newHarness(t, Limits{QueueTime: 20 * time.Second, SessionWriteTime: time.Hour})
	h.must("CREATE TABLE t(a)")
	free := h.occupy()
	first, second := make(chan error, 1), make(chan error, 1)
	for i, over := range []chan error{first, second} {
		job := h.insert("INSERT INTO t VALUES (?)", i)
		job.Quota.OwnerBytes = int64(i) << 40
		if !h.post(t.Context(), job, func(w *Written) {
			w.Close()
			over <- w.Err
		}) {
			t.Fatal("it is not taken")
		}
	}
	o, slow := h.survey()
	free()
	if err := <-first; err != nil || len(second) > 0 {
		t.Errorf("the first has its answer after the second: %v", err)
	}
	o.conclude(slow, nil)
	if err := <-second; err != nil {
		t.Error(err)
	}
}

// TestSurvey_counts_an_upload_once imports a database while a survey has not come to
// where it will be.
func TestSurvey_counts_an_upload_once(t *testing.T) {
	h := newHarness(t, Limits{})
	o := h.owner(h.db.Owner)
	o.sizing.Lock()
	s := o.prepare()
	o.sizing.Unlock()
	db, upload := h.db, catalog.NewID(h.now(), h.random)
	db.Database, db.Version = catalog.NewID(h.now(), h.random), catalog.NewID(h.now(), h.random)
	path := UploadPath(h.dir, h.db.Owner, upload)
	text := "CREATE TABLE u(a); INSERT INTO u VALUES (zeroblob(500000));"
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := h.Adopt(t.Context(), Job{DB: db, Class: Write}, Upload{ID: upload, Format: UploadSQL}); err != nil {
		t.Fatal(err)
	}
	o.conclude(s, eachFile(o.path, func(path string) error { return o.look(s, path) }))
	if want, _, err := OwnerSize(t.Context(), h.dir, h.db.Owner); o.sum != want || want < 500_000 || err != nil {
		t.Errorf("the sum is %d, want %d, %v", o.sum, want, err)
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
