package ayb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/catalog"
)

// numbers is an import of a table t with the value n.
func numbers(n int) *strings.Reader {
	return strings.NewReader(fmt.Sprintf("CREATE TABLE t (a); INSERT INTO t VALUES (%d)", n))
}

var replacing = &ayb.ImportOptions{Format: ayb.ExportSQL, Replace: true}

func (r *restoring) importText(ref string, n int) ayb.Imported {
	r.t.Helper()
	imported, err := r.Import(ctx, r.alice, ref, numbers(n), replacing)
	must(r.t, err)
	return imported
}

func TestEngine_Import_in_place_of_what_is_there(t *testing.T) {
	t.Run("it can be undone", func(t *testing.T) {
		r, first := newRestoring(t, nil)
		before, err := r.Database(ctx, r.alice, "alice/db")
		must(t, err)
		imported := r.importText("alice/db", 2)
		r.want("alice/db", "2")
		after, err := r.Database(ctx, r.alice, "alice/db")
		must(t, err)
		if after.ID != before.ID || after.Version == before.Version || imported.Database.Version != after.Version {
			t.Errorf("%+v became %+v, and %+v was answered", before, after, imported)
		}
		if imported.Undo != first {
			t.Errorf("what was replaced is %s, and its content had the snapshot %s", imported.Undo, first)
		}
		r.settled()
		checkFiles(t, r.Fixture, "alice/db")
		r.restore("alice/db", imported.Undo)
		r.want("alice/db", "1")
		r.restore("alice/db", r.importText("alice/db", 3).Undo)
		r.want("alice/db", "1")
		r.MustQuery(r.alice, "alice/db", "INSERT INTO t VALUES (5)")
		r.take("alice/db")
	})
	t.Run("also where no snapshots are taken, also after a restart, until that lapses", func(t *testing.T) {
		f := aybtest.New(t, nil)
		r := &restoring{Fixture: f, t: t, alice: f.MustEntity("alice")}
		f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
		undo := r.importText("alice/db", 2).Undo
		f.Reopen()
		list, err := f.Snapshots(ctx, r.alice, "alice/db", ayb.Page{})
		must(t, err)
		if len(list.Items) != 1 || list.Items[0].ID != undo || list.Items[0].Kind != catalog.Replaced {
			t.Fatalf("%+v", list)
		}
		redo := r.restore("alice/db", undo).Undo
		r.want("alice/db", "1")
		must(t, f.DeleteSnapshot(ctx, r.alice, "alice/db", redo))
		_, err = f.RestoreSnapshot(ctx, r.alice, "alice/db", redo, nil)
		if !errors.Is(err, ayb.ErrUnsupported) {
			t.Errorf("what was deleted: %v", err)
		}
		f.Clock.Advance(8 * 24 * time.Hour)
		f.Reopen()
		wait(t, "what was replaced has lapsed", func() bool { return len(r.leftovers()) == 0 })
		r.want("alice/db", "1")
	})
	t.Run("with the bucket down, and up again", func(t *testing.T) {
		r, _ := newRestoring(t, nil)
		down := errors.New("the bucket is down")
		r.bucket.Watch(func(string) error { return down })
		undo := r.importText("alice/db", 2).Undo
		r.restore("alice/db", undo)
		r.want("alice/db", "1")
		r.bucket.Watch(nil)
		r.Reopen()
		r.settled()
	})
	t.Run("it makes a database that is not there, and fills one that is empty", func(t *testing.T) {
		r, _ := newRestoring(t, nil)
		r.MustDatabase("alice/empty")
		for _, ref := range []string{"alice/new", "alice/empty"} {
			if undo := r.importText(ref, 4).Undo; undo != "" {
				t.Errorf("%s: %s is of nothing", ref, undo)
			}
			r.want(ref, "4")
		}
		r.settled()
	})
	t.Run("what fails leaves what was there", func(t *testing.T) {
		r, first := newRestoring(t, nil)
		bob := r.MustEntity("bob")
		for _, who := range []ayb.Access{ayb.NoAccess, ayb.ReadOnly, ayb.ReadWrite} {
			r.MustShare(r.alice, "alice/db", "bob", who)
			if _, err := r.Import(ctx, bob, "alice/db", numbers(9), replacing); !errors.Is(err, ayb.ErrDenied) {
				t.Errorf("who has %v: %v", who, err)
			}
		}
		for text, want := range map[string]error{"hello": ayb.ErrInvalid, "ATTACH 'x' AS y": ayb.ErrDenied, "CREATE TABLE t(a); INSERT INTO u VALUES (1)": ayb.ErrInvalid} {
			if _, err := r.Import(ctx, r.alice, "alice/db", strings.NewReader(text), replacing); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", text, err, want)
			}
		}
		if _, err := r.Import(ctx, r.alice, "alice/db", bytes.NewReader([]byte("SQLite")), &ayb.ImportOptions{Replace: true}); !errors.Is(err, ayb.ErrInvalid) {
			t.Errorf("no file: %v", err)
		}
		r.want("alice/db", "1")
		r.settled()
		if list, err := r.Snapshots(ctx, r.alice, "alice/db", ayb.Page{}); err != nil || len(list.Items) != 1 || list.Items[0].ID != first {
			t.Errorf("%+v, %v", list, err)
		}
		r.MustShare(r.alice, "alice/db", "bob", ayb.Manager)
		_, err := r.Import(ctx, bob, "alice/db", numbers(2), replacing)
		must(t, err)
		r.want("alice/db", "2")
	})
}

func TestEngine_Import_keeps_no_more_than_it_may(t *testing.T) {
	f := aybtest.New(t, nil)
	r := &restoring{Fixture: f, t: t, alice: f.MustEntity("alice")}
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (0)")
	var kept []string
	for n := 1; ; n++ {
		imported, err := f.Import(ctx, r.alice, "alice/db", numbers(n), replacing)
		if errors.Is(err, ayb.ErrTooLarge) {
			break
		}
		must(t, err)
		if kept = append(kept, imported.Undo); len(kept) > 20 {
			t.Fatal("there is no end")
		}
	}
	r.want("alice/db", strconv.Itoa(len(kept)))
	must(t, f.DeleteSnapshot(ctx, r.alice, "alice/db", kept[0]))
	r.restore("alice/db", kept[1])
	r.want("alice/db", "1")
}

func TestEngine_Import_puts_away_no_more_bytes_than_it_may(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	limit := ayb.Limit(500_000)
	must(t, f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{Bytes: &limit}))
	replaced := 0
	for n := range 30 { // one large database after the other is put away
		ref := fmt.Sprintf("alice/db%d", n)
		_, err := f.Import(ctx, alice, ref, strings.NewReader("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(400000))"), replacing)
		must(t, err)
		_, err = f.Import(ctx, alice, ref, numbers(1), replacing)
		if errors.Is(err, ayb.ErrTooLarge) {
			break
		}
		must(t, err)
		replaced++
	}
	if replaced != 4 { // of 400 KB each, and there may be four times 500 KB
		t.Errorf("%d databases were put away", replaced)
	}
}

func TestEngine_Import_is_held_to_the_quota_of_what_it_replaces(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(200000))")
	f.MustDatabase("alice/other", "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(200000))")
	limit := func(bytes, each ayb.Limit) {
		must(t, f.SetQuota(ctx, ayb.System, "alice", ayb.QuotaUpdate{Bytes: &bytes, DatabaseBytes: &each}))
	}
	send := func(ref string, size int) error {
		text := fmt.Sprintf("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(%d))", size)
		_, err := f.Import(ctx, alice, ref, strings.NewReader(text), replacing)
		return err
	}
	limit(500_000, ayb.NoLimit)
	if err := send("alice/db", 400_000); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("beyond the quota: %v", err)
	}
	must(t, send("alice/db", 250_000))
	limit(300_000, ayb.NoLimit) // it has more already
	if err := send("alice/db", 260_000); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("more than before: %v", err)
	}
	must(t, send("alice/db", 250_000))
	limit(ayb.NoLimit, 100_000)
	if err := send("alice/db", 260_000); !errors.Is(err, ayb.ErrTooLarge) {
		t.Errorf("more than before, and than one may have: %v", err)
	}
	must(t, send("alice/db", 240_000))

	// Those that come at once have no more room together.
	limit(700_000, ayb.NoLimit)
	var imports sync.WaitGroup
	for n := range 4 {
		imports.Go(func() { _ = send("alice/racing"+strconv.Itoa(n), 120_000) })
	}
	imports.Wait()
	usage, err := f.Usage(ctx, alice, "alice")
	must(t, err)
	if usage.Bytes > 700_000 || usage.Bytes < 560_000 {
		t.Errorf("%d bytes are used of 700000", usage.Bytes)
	}
}

func TestEngine_Import_in_place_of_what_is_used(t *testing.T) {
	r, _ := newRestoring(t, nil)
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := r.Query(ctx, r.alice, "alice/db", "SELECT a FROM t")
				if err == nil {
					_, err = r.Query(ctx, r.alice, "alice/db", "INSERT INTO t VALUES (9)")
				}
				if err != nil && !errors.Is(err, ayb.ErrBusy) {
					t.Errorf("beside an import: %v", err)
				}
			}
		})
	}
	session, err := r.Begin(ctx, r.alice, "alice/db")
	must(t, err)
	for n := range 3 {
		r.importText("alice/db", n)
	}
	close(stop)
	others.Wait()
	if _, err := session.Query(ctx, "SELECT 1"); !errors.Is(err, ayb.ErrConflict) {
		t.Errorf("a session from before: %v", err)
	}
	limited, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.Import(limited, r.alice, "alice/db", numbers(8), replacing); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
	r.settled()
}

// TestEngine_Import_looks_again takes the caller's rights away, or the database, while
// what is imported still arrives.
func TestEngine_Import_looks_again(t *testing.T) {
	f := aybtest.New(t, nil)
	alice, bob := f.MustEntity("alice"), f.MustEntity("bob")
	var token ayb.Token
	var err error
	for name, c := range map[string]struct {
		meanwhile func() error
		want      error
	}{
		"bob may not any more":    {func() error { return f.Share(ctx, alice, "alice/db", "bob", ayb.ReadOnly) }, ayb.ErrDenied},
		"bob's token is revoked":  {func() error { return f.RevokeToken(ctx, bob, token.Short) }, ayb.ErrUnauthenticated},
		"the database is renamed": {func() error { return f.RenameDatabase(ctx, alice, "alice/db", "other") }, ayb.ErrDenied},
		"the database is a new one": {func() error {
			must(t, f.RenameDatabase(ctx, alice, "alice/db", "other"))
			f.MustDatabase("alice/db", "CREATE TABLE t (a)")
			return f.Share(ctx, alice, "alice/db", "bob", ayb.Manager)
		}, ayb.ErrConflict},
	} {
		for _, table := range []bool{false, true} {
			what := fmt.Sprintf("%s, a table %v", name, table)
			f.MustDatabase("alice/db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
			f.MustShare(alice, "alice/db", "bob", ayb.Manager)
			var secret string
			secret, token, err = f.CreateToken(ctx, bob, "bob", nil)
			must(t, err)
			p, err := f.Authenticate(ctx, secret)
			must(t, err)
			r, w := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				var err error
				if table {
					_, err = f.ImportTable(ctx, p, "alice/db", r, ayb.TableImport{Table: "t", Format: "csv", Header: "no"})
				} else {
					_, err = f.Import(ctx, p, "alice/db", r, replacing)
				}
				ended <- err
			}()
			_, err = io.WriteString(w, "1")
			must(t, err)
			must(t, c.meanwhile())
			must(t, w.Close())
			want := c.want
			if table && want == ayb.ErrDenied && name == "bob may not any more" {
				want = ayb.ErrReadOnly
			}
			if err := <-ended; !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
			databases, err := f.Databases(ctx, alice, "alice", ayb.Page{})
			must(t, err)
			for _, db := range databases.Items {
				if rows := f.MustQuery(alice, db.Ref().String(), "SELECT count(*) FROM t").Rows[0][0].Int64(); rows > 1 {
					t.Errorf("%s: %s has %d rows", what, db.Ref(), rows)
				}
				must(t, f.DeleteDatabase(ctx, alice, db.Ref().String()))
			}
		}
	}
}

func TestEngine_Close_ends_imports_that_are_under_way(t *testing.T) {
	f := aybtest.New(t, nil)
	alice := f.MustEntity("alice")
	f.MustDatabase("alice/db")
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := f.Import(ctx, alice, "alice/new", r, replacing)
		ended <- err
	}()
	_, err := io.WriteString(w, "SELECT ")
	must(t, err)
	closed := make(chan error, 1)
	go func() { closed <- f.Engine.Close() }()
	go func() { // what is sent goes on arriving
		for err == nil {
			_, err = io.WriteString(w, "1")
		}
	}()
	if err := <-ended; !errors.Is(err, ayb.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	must(t, r.Close())
	must(t, <-closed)
}
