package ayb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/hosting"
)

// transfer moves a database at once, as the system may.
func transfer(f *aybtest.Fixture, ref, to string) error {
	_, err := f.TransferDatabase(ctx, ayb.System, ref, to)
	return err
}

func TestEngine_TransferDatabase(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob, carol := f.MustEntity("alice"), f.MustEntity("bob"), f.MustEntity("carol")
	before := f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
	f.MustShare(alice, "alice/db", "bob", ayb.ReadOnly)
	f.MustShare(alice, "alice/db", "carol", ayb.ReadWrite)
	_, scoped := f.MustToken(carol, &ayb.TokenOptions{Database: "alice/db"})

	t.Run("what can't be moved stays", func(t *testing.T) {
		f.MustDatabase("bob/taken", "CREATE TABLE t (a)")
		f.MustDatabase("alice/Taken", "CREATE TABLE t (a)")
		for _, tt := range []struct {
			ref, to string
			want    error
		}{
			{"alice/db", "alice", ayb.ErrInvalid}, {"alice/db", "nosuch", ayb.ErrNotFound}, {"alice/db", "", ayb.ErrInvalid},
			{"alice/Taken", "bob", ayb.ErrExists}, {"alice/nosuch", "bob", ayb.ErrNotFound},
		} {
			if err := transfer(f, tt.ref, tt.to); !errors.Is(err, tt.want) {
				t.Errorf("%s to %q: %v", tt.ref, tt.to, err)
			}
		}
		f.MustQuery(alice, "alice/Taken", "INSERT INTO t VALUES (1)")
		checkFiles(t, f, "alice/Taken")
	})
	t.Run("what is moved has its data, its grants and its token scopes, and a new owner", func(t *testing.T) {
		must(t, transfer(f, "alice/db", "Bob"))
		if rows := f.MustQuery(bob, "bob/db", "SELECT a FROM t").Rows; len(rows) != 1 {
			t.Errorf("rows: %v", rows)
		}
		f.MustQuery(carol, "bob/db", "INSERT INTO t VALUES (2)")
		f.MustQuery(scoped, "bob/db", "INSERT INTO t VALUES (3)")
		for name, p := range map[string]ayb.Principal{"the old owner": alice, "a grantee": carol} {
			if _, err := f.Query(ctx, p, "alice/db", "SELECT 1"); err == nil {
				t.Errorf("%s under the old name: no error", name)
			}
		}
		if _, err := f.Query(ctx, alice, "bob/db", "SELECT 1"); !errors.Is(err, ayb.ErrDenied) {
			t.Errorf("the old owner: %v", err)
		}
		grants, err := f.Grants(ctx, bob, "bob/db", ayb.Page{})
		must(t, err)
		if len(grants.Items) != 1 || grants.Items[0].Slug != "carol" {
			t.Errorf("grants: %+v", grants)
		}
		checkFiles(t, f, "bob/db")
		if dir := hosting.DatabasePath(f.DataPath()+"/owners", before.Owner, before.ID); exists(dir) {
			t.Errorf("the old directory is there: %s", dir)
		}
	})
	t.Run("an unwritten database has no file to move and can be written after it", func(t *testing.T) {
		f.MustDatabase("alice/empty")
		must(t, transfer(f, "alice/empty", "bob"))
		f.MustQuery(bob, "bob/empty", "CREATE TABLE t (a)")
		f.MustQuery(bob, "bob/empty", "SELECT a FROM t")
		checkFiles(t, f, "bob/empty")
	})
	t.Run("it waits for a query and ends a session", func(t *testing.T) {
		f.MustDatabase("alice/busy", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
		session, err := f.Begin(ctx, alice, "alice/busy")
		must(t, err)
		defer session.Close()
		reading, goOn, moved := make(chan struct{}, 2), make(chan struct{}), make(chan error, 1)
		read := make(chan error, 1)
		go func() {
			_, err := f.Stream(ctx, alice, "alice/busy", ayb.Statement{SQL: "SELECT a FROM t"}, sinkFunc(func(ayb.Row) error {
				reading <- struct{}{}
				<-goOn
				return nil
			}))
			read <- err
		}()
		<-reading
		go func() { moved <- transfer(f, "alice/busy", "carol") }()
		wait(t, "the session has been ended by the transfer", func() bool {
			_, err := session.Query(ctx, "SELECT 1")
			return err != nil
		})
		select {
		case err := <-moved:
			t.Errorf("the transfer did not wait: %v", err)
		default:
		}
		close(goOn)
		must(t, <-read)
		must(t, <-moved)
		f.MustQuery(carol, "carol/busy", "SELECT a FROM t")
	})
}

func TestEngine_TransferDatabase_counts_towards_the_new_owners_quota(t *testing.T) {
	cfg := ayb.Config{}
	cfg.Limits.EntityBytes = 3 << 20
	f := aybtest.New(t, &cfg)
	f.MustEntity("alice")
	bob := f.MustEntity("bob")
	const megabyte = "INSERT INTO t VALUES (randomblob(900000))"
	f.MustDatabase("alice/db", "CREATE TABLE t (a)", megabyte, megabyte)
	f.MustDatabase("bob/own", "CREATE TABLE t (a)", megabyte)
	must(t, transfer(f, "alice/db", "bob"))
	if _, err := f.Query(ctx, bob, "bob/own", megabyte); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("the new owner writes beyond it: %v", err)
	}
	f.MustDatabase("alice/next", "CREATE TABLE t (a)", megabyte, megabyte) // the old owner has room again
}

// TestEngine_TransferDatabase_under_load moves a database back and forth while
// others write and read it: no write that was acknowledged is lost, none goes to
// a version that has gone, and nobody sees it empty.
func TestEngine_TransferDatabase_under_load(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, carol := f.MustEntity("alice"), f.MustEntity("carol")
	f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a)")
	f.MustShare(alice, "alice/db", "carol", ayb.ReadWrite)
	refs := []string{"alice/db", "bob/db"}
	var written atomic.Int64
	stop := make(chan struct{})
	worker := func(int) error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			for _, ref := range refs {
				low := written.Load()
				_, err := f.Query(ctx, carol, ref, "INSERT INTO t VALUES (1)")
				if err == nil {
					written.Add(1)
				} else if !errors.Is(err, ayb.ErrDenied) { // it is at the other one
					return fmt.Errorf("writing %s: %w", ref, err)
				}
				result, err := f.Query(ctx, carol, ref, "SELECT count(*) FROM t")
				if err == nil && result.Rows[0][0].Int64() < low {
					return fmt.Errorf("%s has %v rows, and %d were acknowledged before", ref, result.Rows[0][0], low)
				} else if err != nil && !errors.Is(err, ayb.ErrDenied) {
					return fmt.Errorf("reading %s: %w", ref, err)
				}
			}
		}
	}
	outcomes := make(chan []error)
	go func() { outcomes <- atOnce(4, worker) }()
	for i := range 20 {
		if i%2 == 0 {
			must(t, transfer(f, "alice/db", "bob"))
		} else {
			must(t, transfer(f, "bob/db", "alice"))
		}
	}
	close(stop)
	for _, err := range <-outcomes {
		must(t, err)
	}
	if n := f.MustQuery(alice, "alice/db", "SELECT count(*) FROM t").Rows[0][0].Int64(); n != written.Load() {
		t.Errorf("%d rows, of %d acknowledged", n, written.Load())
	}
	checkFiles(t, f, "alice/db")
}

// TestEngine_survives_kill_during_a_transfer kills a process that moves a
// database back and forth, at random moments, and finds it whole each time, with
// nothing left over.
func TestEngine_survives_kill_during_a_transfer(t *testing.T) {
	if dir := os.Getenv("AYB_TEST_MOVER"); dir != "" {
		moveUntilKilled(dir)
		return
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	f := aybtest.New(t, &ayb.Config{DataPath: dir})
	alice := f.MustEntity("alice")
	f.MustEntity("bob")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)")
	must(t, f.Close())
	for range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEngine_survives_kill_during_a_transfer$")
		cmd.Env = append(os.Environ(), "AYB_TEST_MOVER="+dir)
		moved := filepath.Join(dir, "moved")
		_ = os.Remove(moved) // from the round before
		must(t, cmd.Start())
		wait(t, "the child has moved it", func() bool { return exists(moved) })
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond) // not to wait for something: to hit a random moment
		must(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		f.Reopen()
		at := "alice/db"
		if _, err := f.Database(ctx, ayb.System, at); err != nil {
			at = "bob/db"
		}
		if rows := f.MustQuery(ayb.System, at, "SELECT a FROM t").Rows; len(rows) != 3 {
			t.Errorf("%s has %d rows", at, len(rows))
		}
		f.MustQuery(ayb.System, at, "UPDATE t SET a = a + 1")
		checkFiles(t, f, at)
		must(t, f.Close())
	}
	_ = alice
}

func moveUntilKilled(dir string) {
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir})
	if err != nil {
		panic(err)
	}
	for range 10_000 {
		for _, move := range [][2]string{{"alice", "bob"}, {"bob", "alice"}} {
			if _, err := eng.TransferDatabase(ctx, ayb.System, move[0]+"/db", move[1]); err == nil {
				if err := os.WriteFile(filepath.Join(dir, "moved"), nil, 0o600); err != nil {
					panic(err)
				}
			} else if !errors.Is(err, ayb.ErrNotFound) {
				panic(err)
			}
		}
	}
}

// checkFiles checks that a database has the files of its current version, and
// that nothing of it is left anywhere else.
func checkFiles(t *testing.T, f *aybtest.Fixture, ref string) {
	t.Helper()
	db, err := f.Database(ctx, ayb.System, ref)
	must(t, err)
	versions, err := filepath.Glob(filepath.Join(f.DataPath(), "owners", "*", "*", "*", db.ID.String(), "*"))
	must(t, err)
	want := hosting.VersionPath(filepath.Join(f.DataPath(), "owners"), hosting.DB{Owner: db.Owner, Database: db.ID, Version: db.Version})
	if len(versions) != 1 || versions[0] != want {
		t.Errorf("versions of %s: %v, want only %s", ref, versions, want)
	}
	notes, err := filepath.Glob(filepath.Join(f.DataPath(), "transfers", "*"))
	must(t, err)
	for _, note := range notes {
		if filepath.Ext(note) != ".new" {
			t.Errorf("left behind: %s", note)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
