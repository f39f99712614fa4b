package hosting

import (
	"context"
	"slices"
	"sync"

	"ayb/catalog"
	"ayb/fault"
)

// A readerPool is the connections of one database that read, at most
// limits.Readers, and the queue of those who wait for one.
type readerPool struct {
	db *database

	mu     sync.Mutex
	idle   []*conn
	open   int             // idle and in use
	queued []chan struct{} // each closed when a place is free
}

// take returns a connection, opened if need be.
func (p *readerPool) take(ctx context.Context) (*conn, error) {
	for {
		p.mu.Lock()
		if n := len(p.idle); n > 0 {
			c := p.idle[n-1]
			p.idle = p.idle[:n-1]
			p.mu.Unlock()
			return c, nil
		}
		if p.open < p.db.r.limits.Readers {
			p.open++
			p.mu.Unlock()
			return p.fresh()
		}
		if len(p.queued) >= p.db.r.limits.QueuedReads {
			p.mu.Unlock()
			return nil, fault.New(fault.Busy, "More than limits.queued_reads (%d) queries wait to read this database; try again", p.db.r.limits.QueuedReads)
		}
		ready := make(chan struct{})
		p.queued = append(p.queued, ready)
		p.mu.Unlock()
		if err := p.db.wait(ctx, ready, "a turn to read"); err != nil {
			p.abandon(ready)
			return nil, err
		}
	}
}

func (p *readerPool) fresh() (*conn, error) {
	c, err := p.db.open(toRead)
	if err != nil {
		p.mu.Lock()
		p.open--
		p.wake()
		p.mu.Unlock()
		return nil, err
	}
	return c, nil
}

// abandon leaves the queue; a turn that came at the last moment goes on to the
// next.
func (p *readerPool) abandon(ready chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queued, ready); i >= 0 {
		p.queued = slices.Delete(p.queued, i, i+1)
		return
	}
	p.wake()
}

// wake lets the first of the queue look again. The caller holds p.mu.
func (p *readerPool) wake() {
	if len(p.queued) > 0 {
		close(p.queued[0])
		p.queued = slices.Delete(p.queued, 0, 1)
	}
}

// give takes a connection back.
func (p *readerPool) give(c *conn) {
	reusable := c.reusable()
	if !reusable {
		c.close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if reusable {
		p.idle = append(p.idle, c)
	} else {
		p.open--
	}
	p.wake()
}

// close closes the idle connections, which are all of them when nobody is in
// the database.
func (p *readerPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.close()
	}
	p.open -= len(p.idle)
	p.idle = nil
}

// read runs a text on a connection for reading. It returns errWrites, with
// nothing done, if the text holds a statement that writes.
func (db *database) read(ctx context.Context, job *Job, text string, sink Sink) (sum catalog.Summary, err error) {
	c, err := db.readers.take(ctx)
	if err != nil {
		return sum, err
	}
	defer db.readers.give(c)
	c.start(ctx, readMode)
	defer c.finish()
	defer c.rollback()
	defer c.recovered(&err)
	err = c.readText(text, newBinder(job.Statement.Args), sink, &sum)
	sum.Elapsed = c.intr.elapsed()
	db.r.countInterrupt(c)
	return sum, err
}

// countInterrupt notes that a text was ended before its time.
func (r *InProcess) countInterrupt(c *conn) {
	if c.intr.reason != nil {
		r.stats.interrupts.Add(1)
	}
}

// readText runs a text that only reads: the one statement it is as a rule, or
// several in one transaction, so that all see the same state.
func (c *conn) readText(text string, args binder, sink Sink, sum *catalog.Summary) error {
	st, rest, err := c.prepare(text)
	switch {
	case err != nil:
		return c.fault(err)
	case st == nil:
		return errNoSQL
	case rest != "":
		return c.readTexts(st, rest, args, sink, sum)
	}
	defer c.done(st)
	if err := loneStatement(st); err != nil {
		return err
	}
	if !st.readOnly {
		return errWrites
	}
	if err := c.bindAll(&args, st); err != nil {
		return err
	}
	return c.stream(st, sink, sum)
}

// bindAll binds the statements of a text and makes sure that every argument has
// found its place.
func (c *conn) bindAll(args *binder, statements ...*statement) error {
	for _, st := range statements {
		if err := args.bind(st); err != nil {
			return c.fault(err)
		}
	}
	return args.finish()
}

// stream steps a statement and hands over its rows as they come. The time that
// the sink takes is not the query's.
func (c *conn) stream(st *statement, sink Sink, sum *catalog.Summary) (err error) {
	if sink == nil {
		sum.Rows, err = c.step(st, nil, nil)
		return err
	}
	sum.Rows, err = c.step(st, sink.Columns, func(row catalog.Row) error {
		if err := c.intr.handOver(); err != nil {
			return err
		}
		return sink.Row(row)
	})
	return err
}

// readTexts runs several statements. All are compiled before the first is run:
// reading changes no schema, so what compiles now will run.
func (c *conn) readTexts(first *statement, rest string, args binder, sink Sink, sum *catalog.Summary) error {
	statements := []*statement{first}
	defer func() {
		for _, st := range statements {
			c.done(st)
		}
	}()
	for st := first; ; {
		if !st.readOnly {
			return errWrites
		}
		if rest == "" {
			break
		}
		var err error
		if st, rest, err = c.prepare(rest); err != nil {
			return c.fault(err)
		}
		if st == nil {
			break
		}
		statements = append(statements, st)
	}
	inner, err := unwrap(statements)
	if err != nil {
		return err
	}
	if err := c.bindAll(&args, inner...); err != nil {
		return err
	}
	answer := len(inner) - 1 // the last that answers anything
	for answer > 0 && inner[answer].stmt.ColumnCount() == 0 {
		answer--
	}
	if err := c.exec("BEGIN"); err != nil {
		return c.fault(err)
	}
	for i, st := range inner {
		var err error
		if i == answer {
			err = c.stream(st, sink, sum)
		} else {
			_, err = c.step(st, nil, nil)
		}
		if err != nil {
			return err
		}
		st.stmt.Reset()
	}
	return nil
}

// unwrap takes an outermost BEGIN and COMMIT away, for a text is one transaction
// anyhow, and refuses what cannot stand in a text.
func unwrap(statements []*statement) ([]*statement, error) {
	wrapped := statements[0].transaction == "BEGIN"
	inner := statements
	if wrapped {
		if last := statements[len(statements)-1]; len(statements) == 1 || last.transaction != "COMMIT" {
			return nil, errUnended
		}
		inner = statements[1 : len(statements)-1]
	}
	for _, st := range inner {
		if err := innerStatement(st); err != nil {
			return nil, err
		}
	}
	return inner, nil
}

// loneStatement refuses what has no meaning as a text of its own.
func loneStatement(st *statement) error {
	if st.transaction != "" || st.savepoint {
		return fault.New(fault.Invalid, "%s has no effect alone, because each text is a transaction of its own: send it together with its statements, or use a session", firstWord(st.text))
	}
	return nil
}

// innerStatement refuses what cannot stand among several statements.
func innerStatement(st *statement) error {
	switch {
	case st.transaction != "":
		return fault.New(fault.Invalid, "%s can't stand there, because the whole text is one transaction; nothing was written. Put BEGIN first and COMMIT last, or use a session", firstWord(st.text))
	case st.alone:
		return fault.New(fault.Invalid, "%s can't stand among other statements; nothing was written. Send it alone or use a session", firstWord(st.text))
	}
	return nil
}

var errUnended = fault.New(fault.Invalid, "The text begins with BEGIN and does not end with COMMIT; nothing was written. Send both, neither, or use a session")
