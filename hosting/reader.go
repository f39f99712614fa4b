package hosting

import (
	"context"
	"sync"

	"ayb/catalog"
	"ayb/fault"
	"ayb/internal/walls"
)

// A readerPool is the connections of one database that read, at most
// limits.Readers, and the queue of those who wait for one.
type readerPool struct {
	db *database

	mu     sync.Mutex
	idle   []*conn
	open   int               // idle and in use
	used   map[Caller]int    // how many each caller uses
	queued queue[chan *conn] // each receives once: a connection, or nil, the place to open one
	blind  bool              // nobody keeps a view; see keepViews
}

// take returns a connection for a caller, opened if need be. Callers who wait are
// served in turn. One caller alone never has all of the connections if there are more
// than two.
func (p *readerPool) take(ctx context.Context, caller Caller) (*conn, error) {
	p.mu.Lock()
	if p.may(caller) {
		if n := len(p.idle); n > 0 {
			c := p.idle[n-1]
			p.idle = p.idle[:n-1]
			p.charge(caller)
			p.mu.Unlock()
			return p.usable(c, caller)
		}
		if p.open < p.db.r.limits.Readers {
			p.open++
			p.charge(caller)
			p.mu.Unlock()
			return p.fresh(caller)
		}
	}
	if err := p.db.r.limits.CheckQueue(false, p.queued.len(), p.queued.waiting(caller)); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	turn := make(chan *conn, 1)
	p.queued.push(caller, turn)
	p.mu.Unlock()
	p.db.r.stats.queuedReads.Add(1)
	c, err := wait(ctx, p.db, turn, "a turn to read")
	p.db.r.stats.queuedReads.Add(-1)
	if err != nil {
		p.abandon(turn, caller)
		return nil, err
	}
	return p.usable(c, caller)
}

// may reports whether a caller may use one more connection. The caller holds p.mu.
func (p *readerPool) may(caller Caller) bool {
	return p.used[caller] < share(p.db.r.limits.Readers)
}

// charge notes that a caller uses one more. The caller holds p.mu.
func (p *readerPool) charge(caller Caller) {
	if p.used == nil {
		p.used = map[Caller]int{}
	}
	p.used[caller]++
}

// usable opens a connection if there is only the place for one, or if the one
// that waited in the pool was told to end.
func (p *readerPool) usable(c *conn, caller Caller) (*conn, error) {
	switch {
	case c == nil:
		return p.fresh(caller)
	case !c.reusable():
		c.close()
		return p.fresh(caller)
	}
	return c, nil
}

// fresh opens a connection in a place that is already counted.
func (p *readerPool) fresh(caller Caller) (*conn, error) {
	c, err := p.db.open(toRead)
	if err != nil {
		p.pass(nil, caller)
		return nil, err
	}
	return c, nil
}

// abandon leaves the queue; a turn that came at the last moment goes on to the
// next.
func (p *readerPool) abandon(turn chan *conn, caller Caller) {
	p.mu.Lock()
	waited := p.queued.remove(caller, turn)
	p.mu.Unlock()
	if !waited {
		p.pass(<-turn, caller)
	}
}

// give takes a connection back from a caller.
func (p *readerPool) give(c *conn, caller Caller) {
	if !c.reusable() {
		c.close()
		c = nil
	}
	p.pass(c, caller)
}

// pass hands a connection that a caller has used, or nil for the place of one, to
// the next of the queue, or keeps it.
func (p *readerPool) pass(c *conn, caller Caller) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used[caller]--; p.used[caller] == 0 {
		delete(p.used, caller)
	}
	if p.blind && c != nil {
		c.rollback()
	}
	if p.queued.len() > 0 {
		if turn, ok := p.queued.popOf(func(next Caller) bool {
			caller = next
			return p.may(next)
		}); ok {
			p.charge(caller)
			turn <- c
			return
		}
	}
	switch {
	case c == nil:
		p.open--
	default:
		p.idle = append(p.idle, c)
	}
}

// endViews ends what idle connections still see of older states, so that the log
// can be emptied.
func (p *readerPool) endViews() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.rollback()
	}
}

// keepViews says whether connections that become idle keep what they see. They do
// not while the writer waits for those who read from the log.
func (p *readerPool) keepViews(keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blind = !keep
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
	c, err := db.readers.take(ctx, job.Caller)
	if err != nil {
		return sum, err
	}
	defer db.readers.give(c, job.Caller)
	c.start(ctx, readMode)
	defer c.finish()
	defer c.rest(&err)
	defer c.recovered(&err)
	if err := c.look(); err != nil {
		return sum, c.fault(err)
	}
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
	if err := loneStatement(st); err != nil && !c.db.r.down.Has(walls.Transactions) {
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
	if s, ok := sink.(Stopper); ok {
		c.intr.mayStop(s)
		defer c.intr.mayStop(nil)
	}
	sum.Rows, err = c.step(st, sink.Columns, func(row catalog.Row) error {
		if err := c.intr.handOver(); err != nil {
			return err
		}
		return c.intr.because(sink.Row(row))
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
	if !c.viewing {
		if err := c.exec("BEGIN"); err != nil {
			return c.fault(err)
		}
	}
	before := 0
	if len(inner) < len(statements) {
		before = 1 // BEGIN
	}
	for i, st := range inner {
		c.place = before + i + 1
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
