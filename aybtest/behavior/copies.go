package behavior

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"ayb"
	"ayb/fault"
)

// sqlText imports a text of SQL.
func sqlText(replace bool) *ayb.ImportOptions {
	return &ayb.ImportOptions{Format: ayb.ExportSQL, Replace: replace}
}

// exported returns a whole database in a form.
func (w *world) exported(api API, ref string, format ayb.ExportFormat) string {
	w.Helper()
	var b bytes.Buffer
	w.must(api.Export(w.Context(), ref, format, &b))
	return b.String()
}

// copies says how whole databases and tables leave and come.
func copies() []behavior {
	return []behavior{
		{name: "what was exported can be imported", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a, b BLOB); INSERT INTO t VALUES ('it''s', x'00ff'), (NULL, 1.5)")
			for _, format := range []ayb.ExportFormat{ayb.ExportSQLite, ayb.ExportSQL} {
				ref := "alice/from-" + format.String()
				imported, err := alice.Import(w.Context(), ref, strings.NewReader(w.exported(alice, "alice/db", format)), &ayb.ImportOptions{Format: format})
				if w.must(err); imported.Database.String() != ref || imported.Undo != "" {
					w.Errorf("%+v", imported)
				}
				if got, want := w.exported(alice, ref, ayb.ExportSQL), w.exported(alice, "alice/db", ayb.ExportSQL); got != want {
					w.Errorf("got\n%s\nwant\n%s", got, want)
				}
			}
			if file := w.exported(alice, "alice/db", ayb.ExportSQLite); !strings.HasPrefix(file, "SQLite format 3\x00") {
				w.Errorf("%.20q is no SQLite file", file)
			}
		}},
		{name: "what has been written is replaced only if that is wanted, and it can be undone", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
			text := "CREATE TABLE t (a); INSERT INTO t VALUES (2)"
			_, err := alice.Import(w.Context(), "alice/db", strings.NewReader(text), sqlText(false))
			w.refused(err, fault.Conflict, "")
			imported, err := alice.Import(w.Context(), "alice/db", strings.NewReader(text), sqlText(true))
			w.must(err)
			w.holds(alice, "2")
			list, err := alice.Snapshots(w.Context(), "alice/db", ayb.Page{})
			if w.must(err); len(list.Items) != 1 || list.Items[0].ID != imported.Undo || list.Items[0].Kind.String() != "replaced" {
				w.Errorf("%+v, and what was replaced is %s", list, imported.Undo)
			}
			_, err = alice.RestoreSnapshot(w.Context(), "alice/db", imported.Undo, nil)
			w.must(err)
			w.holds(alice, "1")
		}},
		{name: "what is wrong with a file is told, and makes nothing", check: func(w *world) {
			alice := w.as("alice")
			for text, kind := range map[string]fault.Kind{"": fault.Invalid, "hello": fault.Invalid, "SQLite format 3\x00 and no more": fault.Invalid} {
				_, err := alice.Import(w.Context(), "alice/new", strings.NewReader(text), nil)
				w.refused(err, kind, "")
			}
			for text, kind := range map[string]fault.Kind{
				"CREATE TABLE t (a);\nSELECT 'open": fault.Invalid, "ATTACH 'x' AS y": fault.Denied, "CREATE VIEW v AS SELECT sqlite_source_id()": fault.Denied,
			} {
				_, err := alice.Import(w.Context(), "alice/new", strings.NewReader(text), sqlText(true))
				w.refused(err, kind, "")
			}
			broken := errors.New("the file can't be read")
			_, err := alice.Import(w.Context(), "alice/new", io.MultiReader(strings.NewReader("CREATE TABLE t (a)"), failing{broken}), sqlText(false))
			if !errors.Is(err, broken) {
				w.Errorf("%v", err)
			}
			_, err = alice.Database(w.Context(), "alice/new")
			w.refused(err, fault.NotFound, "")
		}},
		{name: "who may not is told so", check: func(w *world) {
			alice, bob := w.database("CREATE TABLE t (a)"), w.as("bob")
			text := "CREATE TABLE u (a)"
			w.refused(bob.Export(w.Context(), "alice/db", ayb.ExportSQL, io.Discard), fault.Denied, "Authenticated entity bob can't export database alice/db")
			_, err := bob.Import(w.Context(), "alice/db", strings.NewReader(text), sqlText(true))
			w.refused(err, fault.Denied, "Authenticated entity bob can't import into database alice/db")
			_, err = bob.Import(w.Context(), "alice/new", strings.NewReader(text), sqlText(false))
			w.refused(err, fault.Denied, "")
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.ReadWrite))
			w.must(bob.Export(w.Context(), "alice/db", ayb.ExportSQL, io.Discard))
			_, err = bob.Import(w.Context(), "alice/db", strings.NewReader(text), sqlText(true))
			w.refused(err, fault.Denied, "")
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.Manager))
			_, err = bob.Import(w.Context(), "alice/db", strings.NewReader(text), sqlText(true))
			w.must(err)
			w.refused(w.with("").Export(w.Context(), "alice/db", ayb.ExportSQL, io.Discard), fault.Unauthenticated, "")
		}},
		{name: "rows are added to a table, all or none", check: func(w *world) {
			alice := w.database()
			n, err := alice.ImportTable(w.Context(), "alice/db", strings.NewReader("a,b\n1,x\n2,\"y\nz\"\n"), ayb.TableImport{Table: "t", Format: "csv"})
			if w.must(err); n != 2 {
				w.Errorf("%d rows", n)
			}
			w.holds(alice, "1 2")
			_, err = alice.ImportTable(w.Context(), "alice/db", strings.NewReader("a,b\n3,x\n4\n"), ayb.TableImport{Table: "t", Format: "csv"})
			w.refused(err, fault.Invalid, "Line 3: The record has another number of fields than the first one")
			_, err = alice.ImportTable(w.Context(), "alice/db", strings.NewReader("{\"a\":3}\n{\"c\":4}\n"), ayb.TableImport{Table: "t", Format: "jsonl"})
			w.refused(err, fault.Invalid, "")
			_, err = alice.ImportTable(w.Context(), "alice/db", strings.NewReader("a\n"), ayb.TableImport{Table: "t", Format: "xml"})
			w.refused(err, fault.Invalid, "")
			w.holds(alice, "1 2")
			w.as("bob")
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.ReadOnly))
			_, err = w.again("bob", nil).ImportTable(w.Context(), "alice/db", strings.NewReader("a\n1\n"), ayb.TableImport{Table: "t", Format: "csv"})
			w.refused(err, fault.ReadOnly, "")
		}},
		{name: "a quota holds for what is imported", check: func(w *world) {
			alice := w.as("alice")
			limit := ayb.Limit(100_000)
			w.must(w.engine.SetQuota(w.Context(), ayb.System, "alice", ayb.QuotaUpdate{DatabaseBytes: &limit}))
			_, err := alice.Import(w.Context(), "alice/new", strings.NewReader("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(200000))"), sqlText(false))
			w.refused(err, fault.TooLarge, "")
			_, err = alice.Database(w.Context(), "alice/new")
			w.refused(err, fault.NotFound, "")
		}},
	}
}

// snapshots says how they are taken, listed, restored and deleted.
func snapshots() []behavior {
	return []behavior{
		{name: "a snapshot is listed, restored, undone and deleted", snapshots: true, check: func(w *world) {
			alice := w.database("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
			first, err := alice.CreateSnapshot(w.Context(), "alice/db", "the first")
			if w.must(err); first.Note != "the first" || first.Kind.String() != "manual" || first.Size == 0 {
				w.Errorf("%+v", first)
			}
			w.query(alice, "UPDATE t SET a = 2")
			restored, err := alice.RestoreSnapshot(w.Context(), "alice/db", first.ID, nil)
			if w.must(err); restored.Database.String() != "alice/db" || restored.Undo == "" {
				w.Errorf("%+v", restored)
			}
			w.holds(alice, "1")
			undo := restored.Undo
			_, err = alice.RestoreSnapshot(w.Context(), "alice/db", undo, nil)
			w.must(err)
			w.holds(alice, "2")
			list, err := alice.Snapshots(w.Context(), "alice/db", ayb.Page{})
			w.must(err)
			kinds := map[string]string{}
			for _, s := range list.Items {
				kinds[s.ID] = s.Kind.String()
			}
			if kinds[first.ID] != "manual" || kinds[undo] != "replaced" {
				w.Errorf("%v, and what was replaced is %s", kinds, undo)
			}
			w.must(alice.DeleteSnapshot(w.Context(), "alice/db", first.ID))
			_, err = alice.RestoreSnapshot(w.Context(), "alice/db", first.ID, nil)
			w.refused(err, fault.NotFound, "There is no such snapshot; list_snapshots shows those that there are")
		}},
		{name: "a snapshot becomes another database", snapshots: true, check: func(w *world) {
			alice, bob := w.database("CREATE TABLE t (a); INSERT INTO t VALUES (1)"), w.as("bob")
			s, err := alice.CreateSnapshot(w.Context(), "alice/db", "")
			w.must(err)
			restored, err := alice.RestoreSnapshot(w.Context(), "alice/db", s.ID, &ayb.RestoreOptions{To: "alice/copy"})
			if w.must(err); restored.Database.String() != "alice/copy" || restored.Undo != "" {
				w.Errorf("%+v", restored)
			}
			_, err = alice.RestoreSnapshot(w.Context(), "alice/db", s.ID, &ayb.RestoreOptions{To: "alice/copy"})
			w.refused(err, fault.Exists, "")
			_, err = bob.RestoreSnapshot(w.Context(), "alice/db", s.ID, &ayb.RestoreOptions{To: "bob/stolen"})
			w.refused(err, fault.Denied, "")
			result, err := alice.Query(w.Context(), "alice/copy", "SELECT a FROM t")
			if w.must(err); len(result.Rows) != 1 {
				w.Errorf("%+v", result)
			}
		}},
		{name: "the list has pages", snapshots: true, check: func(w *world) {
			alice := w.database("CREATE TABLE t (a)")
			for n := range 3 {
				w.query(alice, "INSERT INTO t VALUES (?)", n)
				_, err := alice.CreateSnapshot(w.Context(), "alice/db", fmt.Sprint(n))
				w.must(err)
			}
			var notes []string
			for page := (ayb.Page{Size: 2}); ; {
				list, err := alice.Snapshots(w.Context(), "alice/db", page)
				w.must(err)
				for _, s := range list.Items {
					notes = append(notes, s.Note)
				}
				if page.After = list.Next; list.Next == "" {
					break
				}
			}
			if strings.Join(notes, " ") != "2 1 0" {
				w.Errorf("%q", notes)
			}
		}},
		{name: "who may not is told so", snapshots: true, check: func(w *world) {
			alice, bob := w.database("CREATE TABLE t (a)"), w.as("bob")
			s, err := alice.CreateSnapshot(w.Context(), "alice/db", "")
			w.must(err)
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.ReadWrite))
			const denied = "Authenticated entity bob can't manage snapshots on database alice/db"
			_, err = bob.CreateSnapshot(w.Context(), "alice/db", "")
			w.refused(err, fault.Denied, denied)
			_, err = bob.Snapshots(w.Context(), "alice/db", ayb.Page{})
			w.refused(err, fault.Denied, denied)
			_, err = bob.RestoreSnapshot(w.Context(), "alice/db", s.ID, nil)
			w.refused(err, fault.Denied, denied)
			w.must(alice.Share(w.Context(), "alice/db", "bob", ayb.Manager))
			_, err = bob.RestoreSnapshot(w.Context(), "alice/db", s.ID, nil)
			w.must(err)
			w.refused(bob.DeleteSnapshot(w.Context(), "alice/db", s.ID), fault.Denied, "Authenticated entity bob can't delete snapshots of database alice/db")
		}},
		{name: "what can't be is told", snapshots: true, check: func(w *world) {
			alice := w.database()
			_, err := alice.CreateSnapshot(w.Context(), "alice/db", "")
			w.refused(err, fault.Invalid, "Nothing has been written to this database yet, so there is nothing to take a snapshot of")
			_, err = alice.CreateSnapshot(w.Context(), "alice/db", strings.Repeat("x", 501))
			w.refused(err, fault.Invalid, "")
			for _, id := range []string{"", "x", "../" + strings.Repeat("0", 61), strings.Repeat("A", 64)} {
				_, err = alice.RestoreSnapshot(w.Context(), "alice/db", id, nil)
				w.refused(err, fault.Invalid, "")
				w.refused(alice.DeleteSnapshot(w.Context(), "alice/db", id), fault.Invalid, "")
			}
			w.refused(alice.DeleteSnapshot(w.Context(), "alice/db", strings.Repeat("0", 64)), fault.NotFound, "")
			list, err := alice.Snapshots(w.Context(), "alice/db", ayb.Page{})
			if w.must(err); len(list.Items) != 0 {
				w.Errorf("%+v", list)
			}
		}},
		{name: "where none are taken there are none", check: func(w *world) {
			alice := w.database("CREATE TABLE t (a)")
			_, err := alice.CreateSnapshot(w.Context(), "alice/db", "")
			w.refused(err, fault.Unsupported, "")
			_, err = alice.RestoreSnapshot(w.Context(), "alice/db", strings.Repeat("0", 64), nil)
			w.refused(err, fault.Unsupported, "")
			list, err := alice.Snapshots(w.Context(), "alice/db", ayb.Page{})
			if w.must(err); len(list.Items) != 0 {
				w.Errorf("%+v", list)
			}
		}},
	}
}

// holds fails the test unless table t of the usual database has these values in its
// column a.
func (w *world) holds(api API, want string) {
	w.Helper()
	var values []string
	for _, row := range w.query(api, "SELECT a FROM t ORDER BY a").Rows {
		values = append(values, row[0].String())
	}
	if got := strings.Join(values, " "); got != want {
		w.Errorf("the database has %q, want %q", got, want)
	}
}

// A failing reader fails.
type failing struct{ err error }

// Read fails.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
