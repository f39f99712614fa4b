package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"os"

	"ayb"
	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/httpapi"
)

// server starts a server for the examples, with an account, alice, and a token of
// it.
func server() (url, token string, stop func()) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ayb-example")
	check(err)
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dir})
	check(err)
	_, err = eng.CreateEntity(ctx, ayb.System, "alice", nil)
	check(err)
	token, _, err = eng.CreateToken(ctx, ayb.System, "alice", nil)
	check(err)
	web := httptest.NewServer(httpapi.New(eng, nil))
	return web.URL, token, func() {
		web.Close()
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
	url, token, stop := server()
	defer stop()

	alice, err := client.New(client.Config{URL: url, Token: token})
	check(err)
	_, err = alice.CreateDatabase(ctx, "alice/test.sqlite", nil)
	check(err)
	_, err = alice.Query(ctx, "alice/test.sqlite", `
		CREATE TABLE favorite_databases (name TEXT, score INTEGER);
		INSERT INTO favorite_databases VALUES ('PostgreSQL', 10), ('SQLite', 9), ('DuckDB', 9)`)
	check(err)
	result, err := alice.Query(ctx, "alice/test.sqlite", "SELECT name, score FROM favorite_databases WHERE score > ?", 9)
	check(err)
	for _, row := range result.Rows {
		fmt.Println(row[0], row[1])
	}
	// Output: PostgreSQL 10
}

// Errors are those of the engine: a kind to test for, and a sentence to show.
func Example_errors() {
	ctx := context.Background()
	url, token, stop := server()
	defer stop()
	alice, err := client.New(client.Config{URL: url, Token: token})
	check(err)

	_, err = alice.Database(ctx, "alice/nope")
	fmt.Println(errors.Is(err, fault.NotFound), fault.Message(err))
	// Output: true Database alice/nope does not exist
}

// A total is a Sink that keeps nothing but a sum.
type total struct{ sum int64 }

func (t *total) Columns([]catalog.Column) error { return nil }

func (t *total) Row(row catalog.Row) error {
	t.sum += row.Int64(0)
	return nil
}

// A result of any size takes little memory when it is read as it comes.
func ExampleClient_Stream() {
	ctx := context.Background()
	url, token, stop := server()
	defer stop()
	alice, err := client.New(client.Config{URL: url, Token: token})
	check(err)
	_, err = alice.CreateDatabase(ctx, "alice/test.sqlite", nil)
	check(err)

	st, err := catalog.NewStatement("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) SELECT i FROM n", 100_000)
	check(err)
	var t total
	done, err := alice.Stream(ctx, "alice/test.sqlite", st, &t)
	check(err)
	fmt.Println(done.Rows, "rows,", t.sum)
	// Output: 100000 rows, 5000050000
}

// A list comes in pages; All goes through them.
func ExampleClient_AllDatabases() {
	ctx := context.Background()
	url, token, stop := server()
	defer stop()
	alice, err := client.New(client.Config{URL: url, Token: token})
	check(err)
	for _, name := range []string{"cities", "rivers"} {
		_, err = alice.CreateDatabase(ctx, "alice/"+name, nil)
		check(err)
	}

	for db, err := range alice.AllDatabases(ctx, "alice") {
		check(err)
		fmt.Println(db.Ref())
	}
	// Output:
	// alice/rivers
	// alice/cities
}
