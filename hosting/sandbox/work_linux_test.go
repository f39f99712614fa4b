package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// runWork does behind all layers what a worker does: everything that SQLite does
// with files, from several threads.
func runWork(p Policy, _ []string) error {
	if err := enterAll(p); err != nil {
		return err
	}
	runner, err := hosting.NewInProcess(hosting.Config{Dir: p.Dirs[0], Limits: hosting.Limits{ResultBytes: 1 << 20}})
	if err != nil {
		return err
	}
	id := func() catalog.ID { return catalog.NewID(time.Now(), rand.Reader) }
	w := &workload{runner: runner, job: hosting.Job{DB: hosting.DB{Owner: id(), Database: id(), Version: id()}, Class: hosting.Write}}
	ctx := context.Background()
	if err := runner.Create(ctx, w.job.DB); err != nil {
		return err
	}
	const rows = `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 20000) `
	for _, text := range []string{
		"CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c)",
		"INSERT INTO t " + rows + "SELECT x, hex(randomblob(100)), randomblob(100) FROM c",
		"CREATE INDEX t_b ON t(b)",
		"CREATE INDEX t_bc ON t(b, c)",
		"CREATE VIRTUAL TABLE f USING fts5(body)",
		"INSERT INTO f " + rows + "SELECT 'number ' || x || ' of many' FROM c WHERE x < 5000",
		"SELECT count(*) FROM f WHERE f MATCH 'number AND 17'",
		"CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)",
		"INSERT INTO r VALUES (1, 2, 3)",
		"SELECT sum(length(b)) FROM (SELECT b, c FROM t ORDER BY c, b DESC LIMIT -1 OFFSET 100)", // sorts 6 MB, of which 2 fit into memory
		"SELECT count(*) FROM (SELECT a, b, c FROM t GROUP BY c, b, a)",
		"UPDATE t SET c = NULL WHERE a % 3 = 0; DELETE FROM t WHERE a % 5 = 0",
		"ANALYZE",
		"VACUUM",
		"SELECT datetime('now', 'localtime'), random()",
	} {
		if err := w.run(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	if err := w.crowd(ctx); err != nil {
		return err
	}
	if _, err := runner.Copy(ctx, w.job.DB, hosting.CopyVacuum, io.Discard); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := runner.Check(ctx, w.job.DB, hosting.IntegrityCheck); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	resume, err := runner.Release(ctx, w.job.DB)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	resume()
	if err := w.run(ctx, "SELECT count(*) FROM t"); err != nil {
		return err
	}
	return runner.Close()
}

// A workload is a database behind the walls.
type workload struct {
	runner hosting.Runner
	job    hosting.Job
}

func (w *workload) run(ctx context.Context, text string) error {
	job := w.job
	job.Statement = catalog.Statement{SQL: text}
	_, err := w.runner.Run(ctx, job, nil)
	return err
}

// crowd reads and writes at the same time, each reader with a value as large as
// may be, and one text too many for its connection's memory.
func (w *workload) crowd(ctx context.Context) error {
	faults := make(chan error, 17)
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			faults <- w.run(ctx, "SELECT length(hex(randomblob(500000))), (SELECT count(*) FROM t WHERE b > 'B')")
		})
		running.Go(func() {
			faults <- w.run(ctx, fmt.Sprintf("INSERT INTO t(b) VALUES (%d)", i))
		})
	}
	running.Wait()
	err := w.run(ctx, "SELECT json_group_array(c) FROM (WITH RECURSIVE c(c) AS (SELECT 'x' UNION ALL SELECT c || c FROM c LIMIT 40) SELECT c FROM c)")
	if !errors.Is(err, fault.TooLarge) {
		err = fmt.Errorf("a text without bounds: %w", errors.Join(err, errors.New("want too_large")))
	} else {
		err = nil
	}
	faults <- err
	close(faults)
	for fault := range faults {
		err = errors.Join(err, fault)
	}
	return err
}

func TestEnter_a_worker_works_behind_all_layers(t *testing.T) {
	for name, jail := range jails(t) {
		t.Run(name, func(t *testing.T) {
			if raceDetector && jail.Kind != "" {
				t.Skip("too slow under the race detector, which looks at the same code without a jail")
			}
			out, err := child(t, usable(t, jail), "work").CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
