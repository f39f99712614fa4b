// Command embed shows the least there is to hosting databases in a Go program.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"ayb"
)

func main() {
	ctx := context.Background()
	dir := must(os.MkdirTemp("", "ayb-embed-"))
	defer os.RemoveAll(dir)
	eng := must(ayb.Open(ctx, ayb.Config{DataPath: dir}))
	defer eng.Close()
	me := eng.Owner(must(eng.CreateEntity(ctx, ayb.System, "alice", nil)))
	must(eng.CreateDatabase(ctx, me, "alice/test.sqlite", nil))
	must(eng.Query(ctx, me, "alice/test.sqlite", `
		CREATE TABLE favorite_databases(name varchar, score integer);
		INSERT INTO favorite_databases VALUES ('PostgreSQL', 10), ('SQLite', 9), ('DuckDB', 9);`))
	result := must(eng.Query(ctx, me, "alice/test.sqlite", "SELECT name FROM favorite_databases WHERE score > ?", 9))
	for _, row := range result.Rows {
		fmt.Println(row[0])
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
