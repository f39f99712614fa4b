package ayb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/catalog"
	"ayb/fault"
)

func TestOpen_refuses_a_bad_configuration_naming_every_problem(t *testing.T) {
	cfg := ayb.Config{MetadataURL: "mysql://x", DeletionKeep: -1}
	cfg.Limits.QueryTime = -time.Second
	cfg.Limits.EntityBytes = -1
	cfg.Audit.Rows = -1
	_, err := ayb.Open(ctx, cfg)
	if !errors.Is(err, ayb.ErrInvalid) {
		t.Fatalf("Open = %v", err)
	}
	for _, name := range []string{"DataPath", "MetadataURL", "DeletionKeep", "Limits.QueryTime", "Limits.EntityBytes", "Audit.Rows"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("nothing about %s in: %v", name, err)
		}
	}
}

func TestOpen_keeps_others_from_the_same_directory(t *testing.T) {
	f := aybtest.New(t, nil)
	_, err := ayb.Open(ctx, ayb.Config{DataPath: f.DataPath()})
	if !errors.Is(err, ayb.ErrConflict) || !strings.Contains(fault.Message(err), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("second Open = %v, want a conflict that names process %d", err, os.Getpid())
	}
	f.Reopen()
}

func TestOpen_frees_the_directory_if_it_fails(t *testing.T) {
	dir := t.TempDir()
	if _, err := ayb.Open(ctx, ayb.Config{DataPath: dir, MetadataURL: "sqlite:///dev/null/x"}); err == nil {
		t.Fatal("opened a file below /dev/null")
	}
	must(t, os.WriteFile(filepath.Join(dir, "owners"), nil, 0o600))
	if _, err := ayb.Open(ctx, ayb.Config{DataPath: dir}); !errors.Is(err, ayb.ErrUnavailable) {
		t.Fatalf("with a file in place of the directory: %v", err)
	}
	must(t, os.Remove(filepath.Join(dir, "owners")))
	aybtest.New(t, &ayb.Config{DataPath: dir})
}

func TestOpen_makes_its_files_private(t *testing.T) {
	f := aybtest.New(t, &ayb.Config{DataPath: filepath.Join(t.TempDir(), "new", "data")})
	f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	err := filepath.Walk(f.DataPath(), func(path string, info os.FileInfo, err error) error {
		beside := strings.Contains(path, "ayb.sqlite-") // made by SQLite; the directory keeps others out
		if err == nil && info.Mode().Perm()&0o077 != 0 && !beside {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	must(t, err)
}

func TestClose(t *testing.T) {
	t.Run("answers Unavailable afterwards, to every method", func(t *testing.T) {
		f := aybtest.New(t, nil)
		alice := f.MustEntity("alice")
		must(t, f.Close())
		must(t, f.Close())
		for line, deed := range deeds {
			if slices.Contains([]string{"undelete_entity", "log_in", "confirm", "withdraw_offer", "accept_offer", "decline_offer"}, line) {
				continue // make other calls before
			}
			err := deed(&scene{world: &world{Fixture: f}, owner: "alice", caller: alice}, "alice/db")
			if !errors.Is(err, ayb.ErrUnavailable) {
				t.Errorf("%s after Close: %v", line, err)
			}
		}
		if _, err := f.Authenticate(ctx, "ayb_a_b"); !errors.Is(err, ayb.ErrUnavailable) {
			t.Errorf("Authenticate after Close: %v", err)
		}
		if err := f.LogIn(ctx, alice, "alice"); !errors.Is(err, ayb.ErrUnavailable) {
			t.Errorf("LogIn after Close: %v", err)
		}
		if _, _, _, err := f.Confirm(ctx, alice, "x"); !errors.Is(err, ayb.ErrUnavailable) {
			t.Errorf("Confirm after Close: %v", err)
		}
	})
	t.Run("leaves no goroutine and no file open", func(t *testing.T) {
		dir := t.TempDir()
		before := goroutines()
		eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir})
		must(t, err)
		alice, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
		must(t, err)
		p := eng.Owner(alice)
		for i := range 5 {
			ref := fmt.Sprintf("alice/db%d", i)
			_, err := eng.CreateDatabase(ctx, p, ref, nil)
			must(t, err)
			_, err = eng.Query(ctx, p, ref, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
			must(t, err)
		}
		session, err := eng.Begin(ctx, p, "alice/db0")
		must(t, err)
		_, err = session.Query(ctx, "BEGIN IMMEDIATE")
		must(t, err)
		if len(openFiles(t, dir)) == 0 && runtime.GOOS == "linux" {
			t.Error("the test sees no open file even before Close")
		}
		must(t, eng.Close())
		if files := openFiles(t, dir); len(files) > 0 {
			t.Errorf("open after Close: %v", files)
		}
		wait(t, "the goroutines of the engine have ended", func() bool { return goroutines() <= before })
		if _, err := session.Query(ctx, "SELECT 1"); !errors.Is(err, ayb.ErrUnavailable) {
			t.Errorf("a session after Close: %v", err)
		}
	})
	t.Run("waits for calls that are under way and fails those within them", func(t *testing.T) {
		f := aybtest.New(t, nil)
		alice := f.MustEntity("alice")
		f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)")
		closed := make(chan error)
		st, err := ayb.NewStatement("SELECT a FROM t")
		must(t, err)
		var once sync.Once
		inner := make(chan error, 1)
		_, err = f.Stream(ctx, alice, "alice/db", st, sinkFunc(func(ayb.Row) error {
			once.Do(func() {
				go func() { closed <- f.Close() }()
				wait(t, "Close has begun", func() bool {
					_, err := f.Database(ctx, alice, "alice/db")
					return errors.Is(err, ayb.ErrUnavailable)
				})
				_, err := f.Query(ctx, alice, "alice/db", "SELECT 1")
				inner <- err
			})
			return nil
		}))
		if err != nil && !errors.Is(err, ayb.ErrUnavailable) {
			t.Errorf("the query that Close met: %v", err)
		}
		if err := <-inner; !errors.Is(err, ayb.ErrUnavailable) {
			t.Errorf("a query begun during Close: %v", err)
		}
		must(t, <-closed)
	})
}

func TestEngine_keeps_everything_over_a_restart(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadWrite)
	secret, _ := f.MustToken(alice, nil)
	f.Reopen()
	p, err := f.Authenticate(ctx, secret)
	must(t, err)
	if rows := f.MustQuery(p, "alice/db", "SELECT a FROM t").Rows; len(rows) != 1 {
		t.Errorf("rows after a restart: %v", rows)
	}
	grants, err := f.Grants(ctx, p, "alice/db", ayb.Page{})
	must(t, err)
	if len(grants.Items) != 1 || grants.Items[0].Slug != "bob" || grants.Items[0].Access != ayb.ReadWrite {
		t.Errorf("grants after a restart: %+v", grants)
	}
}

func TestIDs_rise_even_if_the_clock_stands_still(t *testing.T) {
	f := aybtest.New(t, nil)
	f.MustEntity("alice")
	var last catalog.ID
	for i := range 50 {
		if i == 25 {
			f.Clock.Advance(-time.Hour)
		}
		db := f.MustDatabase(fmt.Sprintf("alice/db%d", i))
		if db.ID.String() <= last.String() {
			t.Fatalf("id %s follows %s", db.ID, last)
		}
		last = db.ID
	}
	list, err := f.Databases(ctx, ayb.System, "alice", ayb.Page{})
	must(t, err)
	if list.Items[0].Slug != "db49" || list.Items[49].Slug != "db0" {
		t.Error("the list is not newest first")
	}
}

func TestConfig_Random_seeded_makes_the_same_ids(t *testing.T) {
	var made [2][]ayb.ID
	for i := range made {
		f := aybtest.New(t, &ayb.Config{Random: rand.NewChaCha8([32]byte{7})})
		for _, slug := range []string{"alice", "bob"} {
			made[i] = append(made[i], f.MustEntity(slug).Entity)
		}
	}
	if !reflect.DeepEqual(made[0], made[1]) {
		t.Errorf("ids differ: %v", made)
	}
}

// sinkFunc is a Sink that takes rows only.
type sinkFunc func(ayb.Row) error

func (sinkFunc) Columns([]ayb.Column) error { return nil }
func (s sinkFunc) Row(row ayb.Row) error    { return s(row) }

// goroutines counts the goroutines that run code of this module, those that run
// tests excepted.
func goroutines() (n int) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "\nayb") && !strings.Contains(stack, "testing.tRunner") {
			n++
		}
	}
	return n
}

// openFiles returns the files below dir that this process has open, as far as
// the system tells.
func openFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(target, dir) {
			files = append(files, target)
		}
	}
	return files
}
