package behavior

import (
	"fmt"
	"time"

	"ayb"
	"ayb/fault"
)

// databases says how they come, what they are called, and how they go.
func databases() []behavior {
	return []behavior{
		{name: "a database is there when it has been created", check: func(w *world) {
			alice := w.as("alice")
			db, err := alice.CreateDatabase(w.Context(), "ALICE/Test.sqlite", &ayb.DatabaseOptions{Public: ayb.PublicFork})
			if w.must(err); db.OwnerSlug != "alice" || db.Slug != "Test.sqlite" || db.Kind != ayb.SQLite {
				w.Errorf("got %+v", db)
			}
			d, err := alice.Database(w.Context(), "alice/test.SQLITE")
			if w.must(err); d.Ref() != db.Ref() || d.Public != ayb.PublicFork || d.Access != ayb.ReadWrite || !d.CanManage || d.AnonymousQueries {
				w.Errorf("got %+v", d)
			}
			_, err = alice.CreateDatabase(w.Context(), "alice/TEST.sqlite", nil)
			w.refused(err, fault.Exists, "Database already exists")
		}},
		{name: "a size is told to whom it concerns", check: func(w *world) {
			alice, bob := w.database("CREATE TABLE t (a)"), w.as("bob")
			w.must(w.engine.SetDatabaseQuota(w.Context(), ayb.System, "alice/db", 1<<20))
			limit := ayb.Limit(2 << 20)
			w.must(w.engine.SetQuota(w.Context(), ayb.System, "alice", ayb.QuotaUpdate{Bytes: &limit}))
			d, err := alice.Database(w.Context(), "alice/db")
			if w.must(err); d.Size != 8192 || d.Quota != 1<<20 || d.OwnerSize != 8192 || d.OwnerQuota != 2<<20 {
				w.Errorf("got %+v", d)
			}
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.ReadOnly))
			d, err = bob.Database(w.Context(), "alice/db")
			if w.must(err); d.Size != 8192 || d.Quota != 0 || d.OwnerSize != 0 || d.OwnerQuota != 0 {
				w.Errorf("got %+v", d)
			}
		}},
		{name: "there is no DuckDB yet", check: func(w *world) {
			_, err := w.as("alice").CreateDatabase(w.Context(), "alice/duck", &ayb.DatabaseOptions{Kind: ayb.DuckDB})
			w.refused(err, fault.Unsupported, "")
		}},
		{name: "a name that can't be one is invalid", check: func(w *world) {
			alice := w.database()
			for _, ref := range []string{"", "alice", "alice/", "/db", "alice/a b", "alice/a/b", "alice/..", "alice/é", "a\nb/c"} {
				_, err := alice.CreateDatabase(w.Context(), ref, nil)
				w.refused(err, fault.Invalid, "")
				_, err = alice.Query(w.Context(), ref, "SELECT 1")
				w.refused(err, fault.Invalid, "")
				_, err = alice.Database(w.Context(), ref)
				w.refused(err, fault.Invalid, "")
			}
			w.refused(alice.RenameDatabase(w.Context(), "alice/db", "a/b"), fault.Invalid, "")
		}},
		{name: "nobody creates a database for another", check: func(w *world) {
			w.as("alice")
			_, err := w.as("mallory").CreateDatabase(w.Context(), "alice/db", nil)
			w.refused(err, fault.Denied, "Authenticated entity mallory can't create a database for entity alice")
			_, err = w.with("").CreateDatabase(w.Context(), "alice/db", nil)
			w.refused(err, fault.Unauthenticated, "")
		}},
		{name: "who may know reads that a database does not exist", check: func(w *world) {
			alice := w.as("alice")
			_, err := alice.Database(w.Context(), "alice/nope")
			w.refused(err, fault.NotFound, "Database alice/nope does not exist")
			_, err = alice.Query(w.Context(), "alice/nope", "SELECT 1")
			w.refused(err, fault.NotFound, "Database alice/nope does not exist")
		}},
		{name: "strangers can't tell what exists", check: func(w *world) {
			w.database()
			for _, api := range []API{w.as("mallory"), w.with("")} {
				_, there := api.Query(w.Context(), "alice/db", "SELECT 1")
				_, missing := api.Query(w.Context(), "alice/xx", "SELECT 1")
				if fault.KindOf(there) != fault.KindOf(missing) || len(fault.Message(there)) != len(fault.Message(missing)) {
					w.Errorf("%v, and %v", there, missing)
				}
			}
		}},
		{name: "a database is renamed with all it holds", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a)")
			w.must(alice.RenameDatabase(w.Context(), "alice/db", "Other"))
			_, err := alice.Query(w.Context(), "alice/other", "SELECT * FROM t")
			w.must(err)
			_, err = alice.Database(w.Context(), "alice/db")
			w.refused(err, fault.NotFound, "")
		}},
		{name: "a database is given away to whoever accepts it", check: func(w *world) {
			alice, bob := w.database("CREATE TABLE t (a)"), w.as("bob")
			_, err := alice.TransferDatabase(w.Context(), "alice/db", "nobody")
			w.refused(err, fault.NotFound, "Entity nobody does not exist")
			_, err = bob.CreateDatabase(w.Context(), "bob/db", nil)
			w.must(err)
			now := w.engine.Clock.Now()
			offer, err := alice.TransferDatabase(w.Context(), "alice/db", "bob")
			if w.must(err); offer.ToSlug != "bob" || !offer.Expires.Equal(now.Add(7*24*time.Hour)) {
				w.Errorf("got %+v", offer)
			}
			for who, api := range map[string]API{"alice": alice, "bob": bob} {
				offers, err := api.Offers(w.Context(), who, ayb.Page{})
				if w.must(err); len(offers.Items) != 1 || offers.Items[0].Database.Ref().String() != "alice/db" || offers.Items[0].ToSlug != "bob" || !offers.Items[0].Offered.Equal(now) {
					w.Errorf("%s: got %+v", who, offers)
				}
			}
			_, err = bob.AcceptOffer(w.Context(), "bob", "alice/db", "")
			w.refused(err, fault.Exists, "bob has a database db already; accept this one under another name")
			db, err := bob.AcceptOffer(w.Context(), "bob", "alice/db", "Gift")
			if w.must(err); db.Ref() != (ayb.Ref{Entity: "bob", Database: "Gift"}) {
				w.Errorf("got %+v", db)
			}
			_, err = bob.Query(w.Context(), "bob/gift", "INSERT INTO t VALUES (1)")
			w.must(err)
			_, err = alice.Query(w.Context(), "bob/gift", "SELECT 1")
			w.refused(err, fault.Denied, "")
		}},
		{name: "an offer is declined or withdrawn", check: func(w *world) {
			alice, bob := w.database(), w.as("bob")
			offer := func() {
				_, err := alice.TransferDatabase(w.Context(), "alice/db", "bob")
				w.must(err)
			}
			w.refused(alice.WithdrawOffer(w.Context(), "alice/db"), fault.NotFound, "alice/db is offered to nobody")
			offer()
			w.must(bob.DeclineOffer(w.Context(), "bob", "alice/db"))
			w.refused(bob.DeclineOffer(w.Context(), "bob", "alice/db"), fault.NotFound, "There is no offer of alice/db to bob, or no longer; ask its owner for another one")
			offer()
			w.must(alice.WithdrawOffer(w.Context(), "alice/db"))
			_, err := bob.AcceptOffer(w.Context(), "bob", "alice/db", "")
			w.refused(err, fault.NotFound, "There is no offer of alice/db to bob, or no longer; ask its owner for another one")
			_, err = alice.AcceptOffer(w.Context(), "bob", "alice/db", "")
			w.refused(err, fault.Denied, "")
			w.query(alice, "SELECT 1")
		}},
		{name: "a deleted database comes back", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a)")
			w.must(alice.DeleteDatabase(w.Context(), "alice/db"))
			_, err := alice.Query(w.Context(), "alice/db", "SELECT * FROM t")
			w.refused(err, fault.NotFound, "")
			gone, err := alice.DeletedDatabases(w.Context(), "alice", ayb.Page{})
			now := w.engine.Clock.Now()
			if w.must(err); len(gone.Items) != 1 || gone.Items[0].Ref().String() != "alice/db" || !gone.Items[0].Deleted.Equal(now) || !gone.Items[0].KeptUntil.Equal(now.Add(7*24*time.Hour)) {
				w.Errorf("got %+v", gone)
			}
			_, err = w.as("mallory").DeletedDatabases(w.Context(), "alice", ayb.Page{})
			w.refused(err, fault.Denied, "")
			db, err := alice.UndeleteDatabase(w.Context(), "alice/db")
			if w.must(err); db.Ref() != (ayb.Ref{Entity: "alice", Database: "db"}) {
				w.Errorf("got %+v", db)
			}
			w.query(alice, "SELECT * FROM t")
			_, err = alice.UndeleteDatabase(w.Context(), "alice/db")
			w.refused(err, fault.NotFound, "")
		}},
		{name: "a list has pages, newest first, each item once", check: manyDatabases},
		{name: "a page that can't be one is no reason to fail or to answer more", check: func(w *world) {
			alice := w.database()
			for _, size := range []int{-1, 0, 1, 1000, 1001} {
				list, err := alice.Databases(w.Context(), "alice", ayb.Page{Size: size})
				if w.must(err); len(list.Items) != 1 || list.Next != "" {
					w.Errorf("%d: got %+v", size, list)
				}
			}
			_, err := alice.Databases(w.Context(), "alice", ayb.Page{After: "nonsense\x00é"})
			w.refused(err, fault.Invalid, "")
		}},
	}
}

func manyDatabases(w *world) {
	const many, size = 25, 10
	alice := w.as("alice")
	for i := range many {
		w.engine.MustDatabase(fmt.Sprintf("alice/db%d", i))
	}
	var names []string
	pages := 0
	for page := (ayb.Page{Size: size}); ; {
		list, err := alice.Databases(w.Context(), "alice", page)
		w.must(err)
		pages++
		for _, db := range list.Items {
			names = append(names, db.Ref().String())
		}
		if page.After = list.Next; list.Next == "" {
			break
		}
	}
	if pages != 3 || len(names) != many {
		w.Fatalf("%d pages, %v", pages, names)
	}
	for i, name := range names {
		if want := fmt.Sprintf("alice/db%d", many-1-i); name != want {
			w.Errorf("%d is %s, want %s", i, name, want)
		}
	}
}
