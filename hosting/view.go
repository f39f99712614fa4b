package hosting

import "math"

// noCommits is a number of commits that no database has.
const noCommits = math.MaxUint64

// To begin and to end a read transaction takes four locks of files, a good part
// of what a small query costs. As long as nobody writes it would show the same
// state again: so a connection of the pool leaves its transaction, its view, open
// from the second text on that meets an unchanged database, and the next ones read
// in it.
//
// Commits are counted before they are acknowledged, and the count is read before
// the view begins. So who reads after a write was acknowledged sees it. A view
// keeps the log from being emptied: the writer ends those of idle connections
// before it tries to.

// look makes the connection see all that is committed, before a text is compiled.
func (c *conn) look() error {
	commits := c.db.commits.Load()
	switch {
	case c.db.r.shared || c.empty:
		return nil // what others commit is not counted here
	case c.viewing && c.seen == commits:
		return nil
	case c.viewing:
		c.viewing = false
		if err := c.exec("ROLLBACK"); err != nil {
			return err
		}
	case c.seen == commits:
		if err := c.view(); err != nil {
			return err
		}
	}
	c.seen = commits
	return nil
}

// view begins a view. In a file that keeps no log, as one that was damaged or came
// from elsewhere may not, readers keep writers waiting, so nobody leaves a view
// open.
func (c *conn) view() error {
	if !c.logs {
		mode, err := c.journalMode()
		if err != nil || mode != "wal" {
			return err
		}
		c.logs = true
	}
	err := c.exec("BEGIN")
	c.viewing = err == nil
	return err
}

func (c *conn) journalMode() (mode string, err error) {
	was := c.guard.mode
	c.guard.mode = hostMode
	defer func() { c.guard.mode = was }()
	stmt, err := c.hosted("PRAGMA journal_mode")
	if err != nil {
		return "", err
	}
	if stmt.Step() {
		mode = stmt.ColumnText(0)
	}
	return mode, stmt.Reset()
}

// rest ends what a text has opened, except the view if the text went well.
func (c *conn) rest(err *error) {
	if c.viewing && *err == nil && !c.broken && !c.c.GetAutocommit() {
		return
	}
	c.rollback()
}
