package hostingtest

import (
	"slices"
	"sync"

	"ayb/catalog"
)

// A collector is a sink that keeps everything.
type collector struct{ catalog.Result }

func (c *collector) Columns(columns []catalog.Column) error {
	c.Result.Columns = slices.Clone(columns)
	c.Result.Rows = [][]catalog.Value{}
	return nil
}

func (c *collector) Row(row catalog.Row) error {
	c.Result.Rows = append(c.Result.Rows, catalog.Values(row))
	return nil
}

// A rowFunc is a sink that calls a function for each row.
type rowFunc func(catalog.Row) error

func (f rowFunc) Columns([]catalog.Column) error { return nil }

func (f rowFunc) Row(row catalog.Row) error { return f(row) }

// A gate is a sink that stops at its first row until it is opened, and then
// wants no more. Given endless rows, it keeps whoever sends them waiting, with
// whatever buffers are between them.
type gate struct {
	reached chan struct{} // closed when the first row has come
	open    func()        // may be called more than once
	opened  chan struct{}
	once    sync.Once
}

func newGate() *gate {
	g := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	return g
}

func (g *gate) Columns([]catalog.Column) error { return nil }

// Stop implements [hosting.Stopper].
func (g *gate) Stop() { g.open() }

func (g *gate) Row(catalog.Row) error {
	g.once.Do(func() { close(g.reached) })
	<-g.opened
	return errSink
}
