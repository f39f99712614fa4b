package ayb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/fault"
	"ayb/hosting"
)

func TestEngine_CreateDatabase(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	t.Run("bad names are refused", func(t *testing.T) {
		for _, name := range badNames {
			if _, err := f.CreateDatabase(ctx, alice, "alice/"+name, nil); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("alice/%.40q: %v", name, err)
			}
			if _, err := f.Query(ctx, alice, "alice/"+name, "SELECT 1"); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("query of alice/%.40q: %v", name, err)
			}
		}
		for _, ref := range []string{"", "alice", "/", "/db", "alice/", "a b/db", "alice/db/x", "../db"} {
			if _, err := f.CreateDatabase(ctx, alice, ref, nil); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("%q: %v", ref, err)
			}
		}
	})
	t.Run("a name keeps its case and is taken in every case", func(t *testing.T) {
		db, err := f.CreateDatabase(ctx, alice, "ALICE/Test.SQLite", nil)
		must(t, err)
		if db.Ref().String() != "alice/Test.SQLite" {
			t.Errorf("created %s", db.Ref())
		}
		for _, name := range []string{"Test.SQLite", "test.sqlite", "TEST.SQLITE"} {
			if _, err := f.CreateDatabase(ctx, alice, "alice/"+name, nil); !errors.Is(err, ayb.ErrExists) || fault.Message(err) != "Database already exists" {
				t.Errorf("%s again: %v", name, err)
			}
			got, err := f.Database(ctx, alice, "alice/"+name)
			must(t, err)
			if got.ID != db.ID || got.Slug != "Test.SQLite" {
				t.Errorf("%s found %+v", name, got)
			}
		}
	})
	t.Run("what it can't run is refused and not created", func(t *testing.T) {
		if _, err := f.CreateDatabase(ctx, alice, "alice/duck", &ayb.DatabaseOptions{Kind: ayb.DuckDB}); !errors.Is(err, ayb.ErrUnsupported) {
			t.Errorf("DuckDB: %v", err)
		}
		for _, opt := range []ayb.DatabaseOptions{{Kind: 9}, {Public: 9}} {
			if _, err := f.CreateDatabase(ctx, alice, "alice/duck", &opt); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("%+v: %v", opt, err)
			}
		}
		if _, err := f.Database(ctx, alice, "alice/duck"); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("after that: %v", err)
		}
	})
	t.Run("of two at once, one wins", func(t *testing.T) {
		for i := range 10 {
			ref := fmt.Sprintf("alice/race%d", i)
			outcomes := atOnce(8, func(int) error {
				_, err := f.CreateDatabase(ctx, alice, ref, nil)
				return err
			})
			won := 0
			for _, err := range outcomes {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, ayb.ErrExists):
					t.Errorf("%s: %v", ref, err)
				}
			}
			if won != 1 {
				t.Errorf("%s was created %d times", ref, won)
			}
		}
	})
	t.Run("an unknown owner is not found", func(t *testing.T) {
		if _, err := f.CreateDatabase(ctx, alice, "nosuch/db", nil); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestEngine_Database_says_what_the_caller_may_do(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/db")
	must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicReadOnly))
	_, readToken := f.MustToken(alice, &ayb.TokenOptions{Access: ayb.ReadOnly})
	check := func(who string, p ayb.Principal, access ayb.Access, manages bool) {
		t.Helper()
		got, err := f.Database(ctx, p, "alice/db")
		must(t, err)
		if got.Access != access || got.CanManage != manages {
			t.Errorf("%s: access %v, manages %v; want %v, %v", who, got.Access, got.CanManage, access, manages)
		}
	}
	check("owner", alice, ayb.ReadWrite, true)
	check("owner with a read-only token", readToken, ayb.ReadOnly, false)
	check("anybody", bob, ayb.ReadOnly, false)
	check("anonymous", ayb.Anonymous, ayb.NoAccess, false)
	must(t, f.SetAnonymousQueries(ctx, alice, "alice/db", true))
	check("anonymous, with queries", ayb.Anonymous, ayb.ReadOnly, false)
	must(t, f.SetPublic(ctx, alice, "alice/db", ayb.PublicFork))
	check("anybody, forkable", bob, ayb.NoAccess, false)
	f.MustShare(alice, "alice/db", "bob", ayb.Manager)
	check("manager", bob, ayb.ReadWrite, true)
	if err := f.SetPublic(ctx, alice, "alice/db", 9); !errors.Is(err, ayb.ErrInvalid) {
		t.Errorf("an unknown level: %v", err)
	}
}

func TestEngine_Share(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob, carol := f.MustEntity("alice"), f.MustEntity("bob"), f.MustEntity("carol")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	t.Run("takes effect at once, and so does taking it away", func(t *testing.T) {
		for range 3 {
			f.MustShare(alice, "alice/db", "Bob", ayb.ReadOnly)
			f.MustQuery(bob, "alice/db", "SELECT a FROM t")
			f.MustShare(alice, "alice/db", "bob", ayb.NoAccess)
			if _, err := f.Query(ctx, bob, "alice/db", "SELECT a FROM t"); !errors.Is(err, ayb.ErrDenied) {
				t.Errorf("after unsharing: %v", err)
			}
		}
		must(t, f.Share(ctx, alice, "alice/db", "bob", ayb.NoAccess)) // nothing to take away is no error
	})
	t.Run("nobody can change what the owner may do, and who sees the database is told", func(t *testing.T) {
		f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
		for _, p := range []ayb.Principal{alice, bob, ayb.System} {
			err := f.Share(ctx, p, "alice/db", "ALICE", ayb.ReadOnly)
			if !errors.Is(err, ayb.ErrInvalid) || !errors.Is(err, ayb.ErrOwnerAccess) || fault.Message(err) != "alice owns alice/db, so their permissions can't be changed" {
				t.Errorf("by %s: %v", p.Slug, err)
			}
		}
		if err := f.Share(ctx, carol, "alice/db", "alice", ayb.ReadOnly); !errors.Is(err, ayb.ErrDenied) || errors.Is(err, ayb.ErrOwnerAccess) {
			t.Errorf("by a stranger: %v", err)
		}
	})
	t.Run("nonsense is refused", func(t *testing.T) {
		if err := f.Share(ctx, alice, "alice/db", "nosuch", ayb.ReadOnly); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("with nobody: %v", err)
		}
		if err := f.Share(ctx, alice, "alice/db", "", ayb.ReadOnly); !errors.Is(err, ayb.ErrInvalid) {
			t.Errorf("with no name: %v", err)
		}
		for _, access := range []ayb.Access{4, 200} {
			if err := f.Share(ctx, alice, "alice/db", "bob", access); !errors.Is(err, ayb.ErrInvalid) {
				t.Errorf("access %d: %v", access, err)
			}
		}
		if err := f.Share(ctx, alice, "alice/nosuch", "bob", ayb.ReadOnly); !errors.Is(err, ayb.ErrNotFound) {
			t.Errorf("no database: %v", err)
		}
	})
	t.Run("a manager may give up their own access", func(t *testing.T) {
		f.MustShare(alice, "alice/db", "carol", ayb.Manager)
		f.MustShare(carol, "alice/db", "carol", ayb.NoAccess)
		if _, err := f.Grants(ctx, carol, "alice/db", ayb.Page{}); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("after that: %v", err)
		}
	})
	t.Run("is listed on both sides", func(t *testing.T) {
		grants, err := f.Grants(ctx, alice, "alice/db", ayb.Page{})
		must(t, err)
		shared, err := f.Shared(ctx, bob, ayb.Page{})
		must(t, err)
		if len(grants.Items) != 1 || grants.Items[0].Slug != "bob" || len(shared.Items) != 1 || shared.Items[0].Database.Ref().String() != "alice/db" || shared.Items[0].Access != ayb.ReadOnly {
			t.Errorf("grants %+v, shared %+v", grants, shared)
		}
	})
}

func TestEngine_RenameDatabase(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	f.MustDatabase("alice/old", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustDatabase("alice/taken")
	f.MustShare(alice, "alice/old", "bob", ayb.ReadOnly)
	session, err := f.Begin(ctx, bob, "alice/old")
	must(t, err)
	defer session.Close()

	for name, want := range map[string]error{"taken": ayb.ErrExists, "TAKEN": ayb.ErrExists, "": ayb.ErrInvalid, "../x": ayb.ErrInvalid} {
		if err := f.RenameDatabase(ctx, alice, "alice/old", name); !errors.Is(err, want) {
			t.Errorf("to %q: %v", name, err)
		}
	}
	must(t, f.RenameDatabase(ctx, alice, "alice/old", "OLD"))
	must(t, f.RenameDatabase(ctx, alice, "alice/old", "new"))
	if rows := f.MustQuery(bob, "alice/new", "SELECT a FROM t").Rows; len(rows) != 1 {
		t.Errorf("under the new name: %v", rows)
	}
	if _, err := f.Query(ctx, alice, "alice/old", "SELECT 1"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("under the old name: %v", err)
	}
	f.MustDatabase("alice/old") // the name is free
	if result, err := session.Query(ctx, "SELECT a FROM t"); err != nil || len(result.Rows) != 1 {
		t.Errorf("a session goes on: %v", err)
	}
}

func TestEngine_DeleteDatabase(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	first := f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
	session, err := f.Begin(ctx, bob, "alice/db")
	must(t, err)
	defer session.Close()

	must(t, f.DeleteDatabase(ctx, alice, "alice/db"))
	if files := openFiles(t, hosting.DatabasePath(filepath.Join(f.DataPath(), "owners"), first.Owner, first.ID)); len(files) > 0 {
		t.Errorf("its files are open: %v", files)
	}
	if _, err := f.Query(ctx, alice, "alice/db", "SELECT 1"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("the owner: %v", err)
	}
	if _, err := f.Query(ctx, bob, "alice/db", "SELECT 1"); !errors.Is(err, ayb.ErrDenied) {
		t.Errorf("a reader: %v", err)
	}
	if _, err := session.Query(ctx, "SELECT 1"); err == nil {
		t.Error("a session goes on")
	}
	if err := f.DeleteDatabase(ctx, alice, "alice/db"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("deleting it again: %v", err)
	}

	f.MustDatabase("alice/DB", "CREATE TABLE second (a)")
	if _, err := f.UndeleteDatabase(ctx, alice, "alice/db"); !errors.Is(err, ayb.ErrExists) {
		t.Errorf("undeleting under a name that is taken again: %v", err)
	}
	must(t, f.RenameDatabase(ctx, alice, "alice/DB", "second"))
	back, err := f.UndeleteDatabase(ctx, alice, "alice/db")
	must(t, err)
	if back.ID != first.ID || !back.Deleted.IsZero() {
		t.Errorf("came back: %+v", back)
	}
	if rows := f.MustQuery(bob, "alice/db", "SELECT a FROM t").Rows; len(rows) != 1 {
		t.Errorf("with its data and grants: %v", rows)
	}
	if _, err := f.UndeleteDatabase(ctx, alice, "alice/db"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("undeleting what lives: %v", err)
	}
}

func TestEngine_Purge(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{DeletionKeep: 48 * time.Hour})
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	kept := f.MustDatabase("alice/kept", "CREATE TABLE t (a)")
	var deleted []ayb.Database
	for i := range 40 { // more than a batch
		db := f.MustDatabase(fmt.Sprintf("alice/db%d", i))
		if i < 3 {
			f.MustQuery(alice, db.Ref().String(), "CREATE TABLE t (a)")
		}
		must(t, f.DeleteDatabase(ctx, alice, db.Ref().String()))
		deleted = append(deleted, db)
	}
	f.MustDatabase("bob/db", "CREATE TABLE t (a)")
	f.MustDatabase("bob/gone", "CREATE TABLE t (a)")
	must(t, f.DeleteDatabase(ctx, bob, "bob/gone"))
	_, _ = f.MustToken(bob, nil)
	must(t, f.DeleteEntity(ctx, bob, "bob"))
	owners := filepath.Join(f.DataPath(), "owners")
	there := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}

	f.Clock.Advance(48 * time.Hour)
	if done, err := f.Purge(ctx, ayb.System); err != nil || done != (ayb.Purged{}) {
		t.Errorf("in time: %+v, %v", done, err)
	}
	f.Clock.Advance(time.Second)
	done, err := f.Purge(ctx, ayb.System)
	if err != nil || done != (ayb.Purged{Databases: 41, Entities: 1}) {
		t.Errorf("after that: %+v, %v", done, err)
	}
	for _, db := range deleted {
		if there(hosting.DatabasePath(owners, db.Owner, db.ID)) {
			t.Errorf("the files of %s are there", db.Ref())
		}
	}
	if there(hosting.OwnerPath(owners, bob.Entity)) {
		t.Error("the files of bob are there")
	}
	if !there(hosting.DatabasePath(owners, kept.Owner, kept.ID)) {
		t.Error("the files of a living database are gone")
	}
	f.MustQuery(alice, "alice/kept", "SELECT a FROM t")
	if _, err := f.UndeleteDatabase(ctx, alice, "alice/db0"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("undelete after that: %v", err)
	}
	if _, err := f.UndeleteEntity(ctx, ayb.System, "bob"); !errors.Is(err, ayb.ErrNotFound) {
		t.Errorf("undelete bob after that: %v", err)
	}
	f.MustEntity("bob") // the name is free
	if done, err := f.Purge(ctx, ayb.System); err != nil || done != (ayb.Purged{}) {
		t.Errorf("again: %+v, %v", done, err)
	}
}

// TestEngine_Purge_goes_on_past_what_fails has more databases that can't be
// removed than a batch holds, and one behind them that can.
func TestEngine_Purge_goes_on_past_what_fails(t *testing.T) {
	stuck := map[ayb.ID]bool{}
	dir := t.TempDir()
	runner, err := hosting.NewInProcess(hosting.Config{Dir: filepath.Join(dir, "owners")})
	must(t, err)
	defer runner.Close()
	f := aybtest.New(t, &ayb.Config{DataPath: dir, Runner: stuckRunner{runner, stuck}})
	alice := f.MustEntity("alice")
	for i := range 41 {
		db := f.MustDatabase(fmt.Sprintf("alice/db%d", i), "CREATE TABLE t (a)")
		must(t, f.DeleteDatabase(ctx, alice, db.Ref().String()))
		stuck[db.ID] = i < 40
		f.Clock.Advance(time.Second)
	}
	f.Clock.Advance(30 * 24 * time.Hour)
	for round, want := range []int{1, 0} {
		done, err := f.Purge(ctx, ayb.System)
		if !errors.Is(err, errStuck) || !strings.Contains(err.Error(), "24 more") || done.Databases != want {
			t.Errorf("round %d: %+v, %v", round, done, err)
		}
	}
	clear(stuck)
	if done, err := f.Purge(ctx, ayb.System); err != nil || done.Databases != 40 {
		t.Errorf("at last: %+v, %v", done, err)
	}
}

var errStuck = errors.New("stuck")

// A stuckRunner can't release some databases.
type stuckRunner struct {
	ayb.Runner
	stuck map[ayb.ID]bool
}

func (r stuckRunner) Release(ctx context.Context, db hosting.DB) (func(), error) {
	if r.stuck[db.Database] {
		return nil, errStuck
	}
	return r.Runner.Release(ctx, db)
}

func TestEngine_Purge_does_not_meet_an_undelete(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	for i := range 30 {
		ref := fmt.Sprintf("alice/db%d", i)
		f.MustDatabase(ref, "CREATE TABLE t (a)")
		must(t, f.DeleteDatabase(ctx, alice, ref))
	}
	f.Clock.Advance(30 * 24 * time.Hour)
	outcomes := atOnce(31, func(i int) error {
		if i == 30 {
			_, err := f.Purge(ctx, ayb.System)
			return err
		}
		_, err := f.UndeleteDatabase(ctx, alice, fmt.Sprintf("alice/db%d", i))
		return err
	})
	must(t, outcomes[30])
	for i, err := range outcomes[:30] {
		switch {
		case err == nil:
			f.MustQuery(alice, fmt.Sprintf("alice/db%d", i), "SELECT a FROM t")
		case !errors.Is(err, ayb.ErrNotFound):
			t.Errorf("undelete %d: %v", i, err)
		}
	}
}

// atOnce runs do so many times at once and returns the outcomes.
func atOnce(n int, do func(i int) error) []error {
	outcomes := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			outcomes[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	return outcomes
}

func TestEngine_refusals_never_name_a_path(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	db := f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	must(t, f.DeleteDatabase(ctx, alice, "alice/db"))
	_, err := f.UndeleteDatabase(ctx, alice, "alice/db")
	must(t, err)
	// The file is lost while the database is closed.
	must(t, os.RemoveAll(hosting.DatabasePath(filepath.Join(f.DataPath(), "owners"), db.Owner, db.ID)))
	for _, try := range []func() error{
		func() error { _, err := f.Query(ctx, alice, "alice/db", "SELECT a FROM t"); return err },
		func() error { _, err := f.Query(ctx, alice, "alice/db", "INSERT INTO t VALUES (1)"); return err },
		func() error { _, err := f.Begin(ctx, alice, "alice/db"); return err },
	} {
		err := try()
		if !errors.Is(err, ayb.ErrUnavailable) || strings.Contains(fault.Message(err), f.DataPath()) {
			t.Errorf("a lost file: %v", err)
		}
	}
	f.MustEntity("bob")
	if err := transfer(f, "alice/db", "bob"); !errors.Is(err, ayb.ErrUnavailable) || strings.Contains(fault.Message(err), f.DataPath()) {
		t.Errorf("transfer of a lost file: %v", err)
	}
}
