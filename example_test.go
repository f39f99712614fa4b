package ayb_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"ayb"
)

// open returns an engine in a temporary directory, for the examples.
func open() (eng *ayb.Engine, done func()) {
	dir, err := os.MkdirTemp("", "ayb-example")
	check(err)
	eng, err = ayb.Open(context.Background(), ayb.Config{DataPath: dir})
	check(err)
	return eng, func() {
		check(eng.Close())
		check(os.RemoveAll(dir))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ayb-example")
	check(err)
	defer os.RemoveAll(dir)

	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir})
	check(err)
	defer eng.Close()
	ent, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	check(err)
	alice := eng.Owner(ent)
	_, err = eng.CreateDatabase(ctx, alice, "alice/test.sqlite", nil)
	check(err)

	_, err = eng.Query(ctx, alice, "alice/test.sqlite", `
		CREATE TABLE favorite_databases (name TEXT, score INTEGER);
		INSERT INTO favorite_databases VALUES ('PostgreSQL', 10), ('SQLite', 9), ('DuckDB', 9)`)
	check(err)
	result, err := eng.Query(ctx, alice, "alice/test.sqlite", "SELECT name, score FROM favorite_databases WHERE score > ?", 9)
	check(err)
	for _, row := range result.Rows {
		fmt.Println(row[0], row[1])
	}
	// Output: PostgreSQL 10
}

// Bob may read what Alice shares with him, and not write it.
func ExampleEngine_Share() {
	ctx := context.Background()
	eng, done := open()
	defer done()
	a, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	check(err)
	b, err := eng.CreateEntity(ctx, ayb.System, "bob", nil)
	check(err)
	alice, bob := eng.Owner(a), eng.Owner(b)
	_, err = eng.CreateDatabase(ctx, alice, "alice/notes", nil)
	check(err)
	_, err = eng.Query(ctx, alice, "alice/notes", "CREATE TABLE note (text); INSERT INTO note VALUES ('hello')")
	check(err)

	_, err = eng.Query(ctx, bob, "alice/notes", "SELECT text FROM note")
	fmt.Println(err)

	check(eng.Share(ctx, alice, "alice/notes", "bob", ayb.ReadOnly))
	result, err := eng.Query(ctx, bob, "alice/notes", "SELECT text FROM note")
	check(err)
	fmt.Println(result.Rows[0][0])

	_, err = eng.Query(ctx, bob, "alice/notes", "DELETE FROM note")
	fmt.Println(err, errors.Is(err, ayb.ErrReadOnly))
	// Output:
	// Authenticated entity bob can't query database alice/notes
	// hello
	// Attempted to write to database while in read-only mode true
}

// A token for one database, to read it and nothing else.
func ExampleEngine_CreateToken() {
	ctx := context.Background()
	eng, done := open()
	defer done()
	ent, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	check(err)
	alice := eng.Owner(ent)
	_, err = eng.CreateDatabase(ctx, alice, "alice/notes", nil)
	check(err)

	secret, token, err := eng.CreateToken(ctx, alice, "alice", &ayb.TokenOptions{Database: "alice/notes", Access: ayb.ReadOnly})
	check(err)
	app, err := eng.Authenticate(ctx, secret)
	check(err)
	_, err = eng.Query(ctx, app, "alice/notes", "SELECT 1")
	fmt.Println("query:", err)
	fmt.Println("delete:", eng.DeleteDatabase(ctx, app, "alice/notes"))

	check(eng.RevokeToken(ctx, alice, token.Short))
	_, err = eng.Query(ctx, app, "alice/notes", "SELECT 1")
	fmt.Println("after revoking:", err)
	// Output:
	// query: <nil>
	// delete: Authenticated entity alice can't delete database alice/notes with this token
	// after revoking: API token has been revoked
}

// A transaction that spans several calls.
func ExampleEngine_Begin() {
	ctx := context.Background()
	eng, done := open()
	defer done()
	ent, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	check(err)
	alice := eng.Owner(ent)
	_, err = eng.CreateDatabase(ctx, alice, "alice/bank", nil)
	check(err)
	_, err = eng.Query(ctx, alice, "alice/bank", "CREATE TABLE account (name, euros); INSERT INTO account VALUES ('a', 10), ('b', 0)")
	check(err)

	session, err := eng.Begin(ctx, alice, "alice/bank")
	check(err)
	defer session.Close() // rolls back what is not committed
	_, err = session.Query(ctx, "BEGIN IMMEDIATE")
	check(err)
	_, err = session.Query(ctx, "UPDATE account SET euros = euros - 7 WHERE name = 'a'")
	check(err)
	_, err = session.Query(ctx, "UPDATE account SET euros = euros + 7 WHERE name = 'b'")
	check(err)
	_, err = session.Query(ctx, "COMMIT")
	check(err)

	result, err := eng.Query(ctx, alice, "alice/bank", "SELECT name, euros FROM account ORDER BY name")
	check(err)
	fmt.Println(result.Rows)
	// Output: [[a 3] [b 7]]
}

// What was done, and what was refused.
func ExampleEngine_AuditLog() {
	ctx := context.Background()
	eng, done := open()
	defer done()
	a, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	check(err)
	b, err := eng.CreateEntity(ctx, ayb.System, "bob", nil)
	check(err)
	_, err = eng.CreateDatabase(ctx, eng.Owner(a), "alice/notes", nil)
	check(err)
	_ = eng.DeleteDatabase(ctx, eng.Owner(b), "alice/notes") // refused

	trail, err := eng.AuditLog(ctx, ayb.System, ayb.AuditFilter{}, ayb.Page{})
	check(err)
	for _, r := range trail.Items {
		fmt.Println(r.Action, r.Subject, r.Outcome)
	}
	// Output:
	// delete_database alice/notes denied
	// create_database alice/notes ok
	// create_entity bob ok
	// create_entity alice ok
}
