//go:build linux || darwin

package ayb_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ayb"
	"ayb/hosting/worker"
)

// TestMain makes the test program a worker when it was started as one, which the
// example below does.
func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

// SQL of strangers belongs into processes that can be killed. They are the program
// itself, started again, so its main function begins with worker.Main.
func ExampleConfig_runner() {
	worker.Main() // first of all in main: it does not return in a worker

	ctx := context.Background()
	dataPath, err := os.MkdirTemp("", "ayb-example")
	check(err)
	defer os.RemoveAll(dataPath)
	var limits ayb.Limits
	limits.QueryTime = time.Second

	runner, err := worker.New(worker.Config{
		Dir:    filepath.Join(dataPath, ayb.OwnersDir),
		Limits: limits.Limits, // those of queries hold in the runner, the others in the engine
	})
	check(err)
	defer runner.Close() // after the engine, which uses it
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: dataPath, Limits: limits, Runner: runner})
	check(err)
	defer eng.Close()

	ent, err := eng.CreateEntity(ctx, ayb.System, "alice", nil)
	check(err)
	alice := eng.Owner(ent)
	_, err = eng.CreateDatabase(ctx, alice, "alice/test.sqlite", nil)
	check(err)
	_, err = eng.Query(ctx, alice, "alice/test.sqlite", `CREATE TABLE document (text);
		INSERT INTO document SELECT json_group_object('k' || value, 1) FROM generate_series(1, 100000)`)
	check(err)

	// One call of json_patch that takes minutes, and looks at no clock.
	_, err = eng.Query(ctx, alice, "alice/test.sqlite", "SELECT length(json_patch(text, replace(text, 'k', 'j'))) FROM document")
	fmt.Println(err)
	result, err := eng.Query(ctx, alice, "alice/test.sqlite", "SELECT count(*) FROM document")
	check(err)
	fmt.Println(result.Rows[0][0])
	// Output:
	// The query ran longer than limits.query_time allows (1s) and its process was ended; nothing of it was kept. Narrow it down, or add an index
	// 1
}
