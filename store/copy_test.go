package store

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

// A countScene is a store with alice, her database and a token.
type countScene struct {
	*Store
	path  string
	alice catalog.Entity
	base  catalog.Database
	token catalog.Token
}

func newCountScene(t *testing.T) *countScene {
	t.Helper()
	s := &countScene{path: filepath.Join(t.TempDir(), "meta.sqlite")}
	s.open(t)
	now := time.Now()
	id := func() catalog.ID { return catalog.NewID(now, rand.Reader) }
	s.alice = catalog.Entity{ID: id(), Slug: "alice", Created: now}
	s.base = catalog.Database{ID: id(), Owner: s.alice.ID, Slug: "db", Version: id(), Created: now}
	s.token = catalog.Token{Short: "short", Entity: s.alice.ID, Created: now}
	ctx := context.Background()
	s.ok(t, s.CreateEntity(ctx, s.alice))
	s.ok(t, s.CreateDatabase(ctx, s.base))
	s.ok(t, s.CreateToken(ctx, s.token, strings.Repeat("0", 64)))
	return s
}

func (s *countScene) open(t *testing.T) {
	t.Helper()
	var err error
	s.Store, err = Open(context.Background(), "sqlite://"+s.path, nil)
	s.ok(t, err)
	t.Cleanup(func() { s.Close() })
}

func (s *countScene) ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *countScene) state(t *testing.T) State {
	t.Helper()
	state, err := s.State(context.Background())
	s.ok(t, err)
	return state
}

func TestState_counts_what_changes(t *testing.T) {
	ctx := context.Background()
	s := newCountScene(t)
	at := time.Now()
	mark := catalog.NewID(at, rand.Reader)
	record := catalog.AuditRecord{ID: catalog.NewID(at, rand.Reader), Time: at.Add(-time.Hour), Action: "share", Outcome: "ok"}
	count := catalog.QueryCount{Minute: at, Entity: s.alice.ID, Database: s.base.ID, Count: 3}
	for _, step := range []struct {
		what            string
		do              func() error
		changes, counts bool
	}{
		{"nothing", func() error { return nil }, false, false},
		{"a look", func() error { _, err := s.Entity(ctx, "alice"); return err }, false, false},
		{"a new start", func() error { s.ok(t, s.Close()); s.open(t); return nil }, false, false},
		{"a write that finds nothing", func() error { _, err := s.ClearChanged(ctx, s.base.ID, mark); return err }, false, false},
		{"a write that fails", func() error { s.CreateEntity(ctx, s.alice); return nil }, false, false},
		{"a first write", func() error { return s.MarkWritten(ctx, s.base.ID, mark) }, true, false},
		{"a snapshot", func() error { _, err := s.ClearChanged(ctx, s.base.ID, mark); return err }, true, false},
		{"a record", func() error { return s.AppendAudit(ctx, []catalog.AuditRecord{record}, nil) }, true, false},
		{"a query", func() error { return s.AppendAudit(ctx, nil, []catalog.QueryCount{count}) }, false, true},
		{"another query", func() error { return s.AppendAudit(ctx, nil, []catalog.QueryCount{count}) }, false, true},
		{"a use of a token", func() error { return s.TouchToken(ctx, "short", at) }, false, true},
		{"the end of a token", func() error { return s.RevokeToken(ctx, s.alice.ID, "short", at) }, true, false},
		{"trimming the trail", func() error { _, err := s.TrimAudit(ctx, at, 100); return err }, false, true},
		{"somebody else's hand", func() error {
			other, err := Open(ctx, "sqlite://"+s.path, nil)
			s.ok(t, err)
			defer other.Close()
			_, err = other.db.Exec("UPDATE entity SET description = 'x'")
			return err
		}, true, false},
	} {
		before := s.state(t)
		s.ok(t, step.do())
		after := s.state(t)
		if changes, counts := before.Changes != after.Changes, before.Counts != after.Counts; changes != step.changes || counts != step.counts {
			t.Errorf("%s: from %+v to %+v", step.what, before, after)
		}
		if before.Lineage != after.Lineage || len(after.Lineage) != 16 {
			t.Errorf("%s: the lineage is %q, and was %q", step.what, after.Lineage, before.Lineage)
		}
	}
}

// TestState_counts_every_table writes to each table there is: a table that is added
// later must not be forgotten.
func TestState_counts_every_table(t *testing.T) {
	s := newCountScene(t)
	rows, err := s.db.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT IN ('schema_migration', 'metadata_state')")
	s.ok(t, err)
	var tables []string
	for rows.Next() {
		var name string
		s.ok(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	s.ok(t, rows.Err())
	for _, table := range tables {
		var n int
		s.ok(t, s.db.QueryRow("SELECT count(DISTINCT substr(sql, instr(sql, 'AFTER') + 6, 6)) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", table).Scan(&n))
		if n != 3 {
			t.Errorf("%s has triggers for %d of INSERT, UPDATE and DELETE", table, n)
		}
	}
	if len(tables) < 10 {
		t.Errorf("there are only %v", tables)
	}
}

func TestCopy_is_whole_and_of_one_moment(t *testing.T) {
	ctx := context.Background()
	s := newCountScene(t)
	path := filepath.Join(t.TempDir(), "copy")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // writes go on
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				s.MarkChanged(ctx, s.base.ID, catalog.NewID(time.Now(), rand.Reader))
			}
		}
	}()
	before := s.state(t)
	s.ok(t, s.Copy(ctx, path))
	after := s.state(t)
	close(stop)
	<-done
	got, err := Inspect(ctx, path)
	if err != nil || got.Lineage != before.Lineage || got.Changes < before.Changes || got.Changes > after.Changes {
		t.Errorf("the copy between %+v and %+v is %+v, %v", before, after, got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if err := s.Copy(ctx, path); !errors.Is(err, fault.Unavailable) {
		t.Errorf("over another file: %v", err)
	}
	copied, err := Open(ctx, "sqlite://"+path, nil)
	s.ok(t, err)
	defer copied.Close()
	if e, err := copied.Entity(ctx, "alice"); err != nil || e.ID != s.alice.ID {
		t.Errorf("in the copy: %+v, %v", e, err)
	}
}

func TestInspect_refuses_what_is_no_copy(t *testing.T) {
	ctx := context.Background()
	s := newCountScene(t)
	path := filepath.Join(t.TempDir(), "copy")
	s.ok(t, s.Copy(ctx, path))
	whole, err := os.ReadFile(path)
	s.ok(t, err)
	damaged := append([]byte(nil), whole...)
	for i := range 3 {
		copy(damaged[4096*(i+2):], make([]byte, 100))
	}
	for what, text := range map[string][]byte{"empty": {}, "a text": []byte("no database at all"), "cut short": whole[:8192], "damaged": damaged} {
		s.ok(t, os.WriteFile(path, text, 0o600))
		if _, err := Inspect(ctx, path); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.ok(t, os.WriteFile(path, whole, 0o600))
	newer, err := Open(ctx, "sqlite://"+path, nil)
	s.ok(t, err)
	_, err = newer.db.Exec("INSERT INTO schema_migration (version, name) VALUES (9999, 'from the future')")
	s.ok(t, err)
	s.ok(t, newer.Close())
	if _, err := Inspect(ctx, path); !errors.Is(err, fault.Conflict) {
		t.Errorf("of a newer ayb: %v", err)
	}
}
