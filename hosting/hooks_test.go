package hosting

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

// A witness writes down what the hooks tell about the texts of its context.
type witness struct {
	context.Context
	mu   sync.Mutex
	told []string
}

func (w *witness) tell(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.told); n == 0 || w.told[n-1] != what {
		w.told = append(w.told, what)
	}
}

func (w *witness) hooks() Hooks {
	mine := func(ctx context.Context) bool { return ctx == context.Context(w) }
	return Hooks{
		Due: func(ctx context.Context, due time.Time) {
			switch {
			case !mine(ctx):
			case due.IsZero():
				w.tell("rest")
			case time.Until(due) > time.Hour:
				w.tell("due late")
			default:
				w.tell("due")
			}
		},
		Commit: func(texts []context.Context, done bool) {
			switch {
			case !slices.ContainsFunc(texts, mine):
			case done:
				w.tell("committed")
			default:
				w.tell("committing")
			}
		},
	}
}

func TestHooks_tell_what_a_text_does(t *testing.T) {
	w := &witness{Context: t.Context()}
	r, err := NewInProcess(Config{Dir: t.TempDir(), Hooks: w.hooks(), Limits: Limits{MaintenanceTime: 3 * time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := &harness{TB: t, InProcess: r}
	h.db = h.create()
	s, err := r.Begin(w, Job{DB: h.db, Class: Write})
	if err != nil {
		t.Fatal(err)
	}
	run := func(sql string) error {
		_, err := r.Run(w, Job{DB: h.db, Class: Write, Statement: catalog.Statement{SQL: sql}}, nil)
		return err
	}
	inSession := func(sql string) error {
		_, err := s.Run(w, catalog.Statement{SQL: sql}, nil)
		return err
	}
	for _, c := range []struct {
		run  func(string) error
		sql  string
		want []string
	}{
		{run, "CREATE TABLE t (a)", []string{"due", "committing", "committed", "rest"}},
		{run, "SELECT 1", []string{"due", "rest"}},
		{run, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", []string{"due", "committing", "committed", "rest"}},
		{run, "INSERT INTO nope VALUES (1)", []string{"due", "rest"}},
		{run, "CREATE INDEX i ON t (a)", []string{"due", "due late", "committing", "committed", "rest"}},
		{run, "VACUUM", []string{"due", "committing", "due late", "committed", "rest"}},
		{inSession, "INSERT INTO t VALUES (3)", []string{"due", "rest", "due", "committing", "committed", "rest"}},
		{inSession, "BEGIN", []string{"due", "rest"}},
		{inSession, "INSERT INTO t VALUES (4)", []string{"due", "rest", "due", "rest"}},
		{inSession, "COMMIT", []string{"due", "committing", "committed", "rest"}},
		{inSession, "SAVEPOINT a", []string{"due", "committing", "committed", "rest"}}, // a guess on the safe side
		{inSession, "INSERT INTO t VALUES (5)", []string{"due", "rest", "due", "rest"}},
		{inSession, "RELEASE a", []string{"due", "committing", "committed", "rest"}},
		{inSession, "PRAGMA user_version = 7", []string{"due", "rest", "due", "committing", "committed", "rest"}},
	} {
		w.told = nil
		if err := c.run(c.sql); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", c.sql, err)
		}
		if !reflect.DeepEqual(w.told, c.want) {
			t.Errorf("%s: told %q, want %q", c.sql, w.told, c.want)
		}
	}
}

func TestHooks_tell_when_a_session_ends(t *testing.T) {
	ended := map[Session]error{}
	var mu sync.Mutex
	r, err := NewInProcess(Config{Dir: t.TempDir(), Limits: Limits{SessionIdle: 20 * time.Millisecond}, Hooks: Hooks{
		SessionEnded: func(s Session, reason error) {
			mu.Lock()
			defer mu.Unlock()
			ended[s] = reason
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := &harness{TB: t, InProcess: r}
	h.db = h.create()
	s, err := r.Begin(t.Context(), Job{DB: h.db, Class: Write})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		reason, over := ended[s]
		mu.Unlock()
		if over {
			if _, err := s.Run(t.Context(), catalog.Statement{SQL: "SELECT 1"}, nil); !errors.Is(err, reason) {
				t.Errorf("it answers %v, the hook said %v", err, reason)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody said that it ended")
		}
	}
}
