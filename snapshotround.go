package ayb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ayb/catalog"
	"ayb/fault"
)

// dueBatch is of how many unchanged databases a round prunes what has lapsed.
const dueBatch = 1000

// takeRounds takes a snapshot of everything that has changed, every Interval until
// ctx ends, for the first time after one. Rounds do not overlap: the next one
// begins when the clock strikes and the one before is over.
func (e *Engine) takeRounds(ctx context.Context) {
	ticker := time.NewTicker(e.cfg.Snapshots.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		begun := e.now()
		e.round(ctx)
		if took := e.now().Sub(begun); took > e.cfg.Snapshots.Interval && ctx.Err() == nil {
			e.log.Warn("A round of snapshots took longer than the interval; rounds were skipped", "took", took, "interval", e.cfg.Snapshots.Interval)
		}
	}
}

// A snapshotJob is what a round does about one database.
type snapshotJob struct {
	id  ID
	ref Ref
	do  func(ctx context.Context, id ID) error
}

// round takes a snapshot of every database that has changed, several at once, and
// prunes what has lapsed of others; then a copy of the metadata, if they have
// changed. What fails is tried again in the next round. It costs three queries of
// the metadata if there is nothing to do.
func (e *Engine) round(ctx context.Context) {
	began := e.now()
	jobs, err := e.snapshotJobs(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.log.WarnContext(ctx, fmt.Sprintf("Unable to look for databases that have changed; the next round tries again: %v", err))
		}
		return
	}
	e.log.InfoContext(ctx, "Creating snapshots...", "databases", len(jobs))
	if len(jobs) > 0 {
		if err := e.vault.Check(ctx); err != nil {
			e.bucketFailed(ctx, err)
			return
		}
		if !e.workLong(ctx, jobs) {
			return
		}
	}
	e.roundOfMetadata(ctx)
	if ended := e.now(); ctx.Err() == nil {
		e.snapshots.round(ended, ended.Sub(began))
	}
}

func (e *Engine) bucketFailed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		e.log.WarnContext(ctx, fmt.Sprintf("Unable to take snapshots; the next round tries again: %v", err))
	}
}

// snapshotJobs lists what there is to do. What changes from now on is for the next
// round, or else one that is written without a pause would never end this one.
func (e *Engine) snapshotJobs(ctx context.Context) (jobs []snapshotJob, err error) {
	page, seen := Page{Size: catalog.MaxPageSize}, map[ID]bool{}
	for {
		changed, err := e.store.ChangedDatabases(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, db := range changed.Items {
			seen[db.ID] = true
			jobs = append(jobs, snapshotJob{db.ID, db.Ref(), func(ctx context.Context, id ID) error {
				_, err := e.takeSnapshot(ctx, id, catalog.Automatic, "")
				return err
			}})
		}
		if page.After = changed.Next; changed.Next == "" {
			break
		}
	}
	due, err := e.store.DueDatabases(ctx, e.now(), dueBatch)
	for _, db := range due {
		if !seen[db.ID] {
			jobs = append(jobs, snapshotJob{db.ID, db.Ref(), e.lapse})
		}
	}
	return jobs, err
}

// workLong is work that may take days, as that of a first round over a slow line: the
// metadata are copied meanwhile, each Interval, so that what is stored already can
// be brought back.
func (e *Engine) workLong(ctx context.Context, jobs []snapshotJob) bool {
	ended := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() {
		ticker := time.NewTicker(cmp.Or(e.cfg.Snapshots.Interval, time.Hour))
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				e.roundOfMetadata(ctx)
			}
		}
	})
	toTheEnd := e.work(ctx, jobs)
	close(ended)
	beside.Wait()
	return toTheEnd
}

// work does the jobs, each whatever becomes of the others. Only if the bucket is
// gone it does not go on: each of them would copy a database for nothing. It reports
// whether it came to the end.
func (e *Engine) work(ctx context.Context, jobs []snapshotJob) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	next := make(chan snapshotJob)
	var workers sync.WaitGroup
	for range min(e.cfg.Snapshots.Parallel, len(jobs)) {
		workers.Go(func() {
			for job := range next {
				if err := job.do(ctx, job.id); err != nil && !e.outlived(ctx, job, err) {
					stop()
				}
			}
		})
	}
	for _, job := range jobs {
		select {
		case next <- job:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	return ctx.Err() == nil
}

// outlived reports a failure, and whether the round can go on after it.
func (e *Engine) outlived(ctx context.Context, job snapshotJob, err error) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, fault.NotFound): // deleted meanwhile
		return true
	}
	e.log.WarnContext(ctx, fmt.Sprintf("Unable to snapshot database %s: %v", job.ref, err))
	e.noteFull(ctx, err)
	if !errors.Is(err, fault.Unavailable) {
		return true
	}
	if err := e.vault.Check(ctx); err != nil {
		e.bucketFailed(ctx, err)
		return false
	}
	return true
}

// untilClose returns a context that ends with ctx and when the engine is closed,
// for calls that may take long.
func (e *Engine) untilClose(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(e.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// orClosing replaces the error of a call that has ended because the engine is being
// closed.
func (e *Engine) orClosing(err error) error {
	if errors.Is(err, context.Canceled) && e.life.Err() != nil {
		return errClosing
	}
	return err
}
