package store

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"testing"
	"testing/fstest"

	"ayb/fault"
)

func TestMigrations_are_numbered_without_gaps(t *testing.T) {
	steps, err := fs.Glob(migrations, "migrations/*")
	if err != nil || len(steps) == 0 {
		t.Fatal(steps, err)
	}
	for i, step := range steps {
		var number int
		var name string
		if n, err := fmt.Sscanf(step, "migrations/%04d_%s", &number, &name); n != 2 || err != nil || number != i+1 {
			t.Errorf("%s is step %d, and should be named migrations/%04d_what.sql", step, i+1, i+1)
		}
	}
}

func TestMigrate(t *testing.T) {
	ctx, d := context.Background(), sqliteDialect()
	d.count = nil // counts the changes of our own schema
	pool, err := openSQLite(ctx, "sqlite://"+t.TempDir()+"/meta.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	files := fstest.MapFS{}
	step := func(n int, text string) error {
		files[fmt.Sprintf("migrations/%04d_step.sql", n)] = &fstest.MapFile{Data: []byte(text)}
		return migrate(ctx, pool, d, files, slog.New(slog.DiscardHandler))
	}
	count := func(table string) (n int) {
		t.Helper()
		if err := pool.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	if err := step(1, "CREATE TABLE a (x {{.Text}}); INSERT INTO a VALUES ('?'); INSERT INTO a VALUES ('2')"); err != nil {
		t.Fatal(err)
	}
	if err := step(2, "INSERT INTO a VALUES ('3')"); err != nil {
		t.Fatal(err)
	}
	if n := count("a"); n != 3 {
		t.Errorf("after two steps there are %d rows, want 3: each step runs once", n)
	}
	if err := step(3, "DELETE FROM a; CREATE TABLE b (x BIGINT); INSERT INTO nowhere VALUES (1)"); err == nil {
		t.Fatal("a step that fails is reported as done")
	}
	if n := count("a"); n != 3 {
		t.Errorf("a step that fails leaves %d rows, want 3", n)
	}
	if n := count("sqlite_schema WHERE name = 'b'"); n != 0 {
		t.Error("a step that fails leaves its table behind")
	}
	if err := step(3, "CREATE TABLE b (x BIGINT)"); err != nil {
		t.Fatal(err)
	}
	if n := count("schema_migration"); n != 3 {
		t.Errorf("%d steps are on record, want 3", n)
	}
	delete(files, "migrations/0003_step.sql")
	if err := migrate(ctx, pool, d, files, slog.New(slog.DiscardHandler)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an older program opens a newer schema: %v", err)
	}
}
