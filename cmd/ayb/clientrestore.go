package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"ayb/client"
)

// restoreSnapshotCommand is "ayb client restore_snapshot".
type restoreSnapshotCommand struct {
	databaseArgument
	Snapshot string       `arg:"" name:"snapshot_id" help:"Which one, as list_snapshots shows it."`
	To       databaseName `name:"to" placeholder:"DATABASE" help:"Make a new database of it, entity/database, and leave this one as it is."`
}

// Run puts a database back to what it was.
func (cmd restoreSnapshotCommand) Run(c *connection) error {
	api, err := cmd.managed(c)
	if err != nil {
		return err
	}
	opt := &client.RestoreOptions{To: string(cmd.To)}
	bar := c.beginBar()
	if bar != nil {
		opt.Progress = bar.show
	}
	restored, err := api.RestoreSnapshot(c.ctx, cmd.ref(), cmd.Snapshot, opt)
	bar.end()
	if err := cmd.orMissing(c, cmd.Snapshot, err); err != nil {
		return err
	}
	if cmd.To != "" {
		c.say("Restored snapshot %s of %s to %s", cmd.Snapshot, cmd.Database, cmd.To)
		return nil
	}
	c.say("Restored %s to snapshot %s", cmd.Database, cmd.Snapshot)
	cmd.hintUndo(c, restored.Undo)
	return nil
}

// hintUndo says how to bring back what was replaced; empty: nothing was.
func (d databaseArgument) hintUndo(c *connection, undo string) {
	if undo != "" {
		// Not on the standard output, which scripts compare with that of the existing ayb.
		fmt.Fprintf(c.errout, "hint: to undo this: ayb client restore_snapshot %s %s\n", visible(d.ref()), undo)
	}
}

// A bar shows on a terminal how much of something has been done.
type bar struct {
	w     io.Writer
	began time.Time

	mu    sync.Mutex
	shown bool
	ended bool
}

// barWidth is of the bar alone, in columns; the rest takes about as much.
const barWidth = 24

// beginBar begins a bar on the terminal of the standard error; nil if that is none.
// The caller calls end.
func (c *connection) beginBar() *bar {
	if !isTerminal(c.errout) || c.isDumb() {
		return nil
	}
	return &bar{w: c.errout, began: time.Now()}
}

// show shows how many bytes of how many there are.
func (b *bar) show(done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || total <= 0 {
		return
	}
	b.shown = true
	fmt.Fprint(b.w, "\r\x1b[K"+barLine(min(done, total), total, time.Since(b.began)))
}

// barLine returns what a bar shows.
func barLine(done, total int64, took time.Duration) string {
	full := int(float64(done) / float64(total) * barWidth)
	line := fmt.Sprintf("[%s%s] %s of %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), readable(done), readable(total))
	if done == total {
		return line + ", checking"
	}
	if perSecond := int64(float64(done) / took.Seconds()); took > time.Second && perSecond > 0 {
		line += ", " + readable(perSecond) + "/s"
	}
	return line
}

// end takes the bar away for good. Of nil it does nothing.
func (b *bar) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	if b.shown {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
