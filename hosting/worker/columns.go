package worker

import (
	"sync"

	"ayb/catalog"
)

// A columnCache remembers the columns of answers, for most queries are the same
// as one before. Their slices are shared, as a Sink allows.
type columnCache struct {
	mu    sync.Mutex
	known map[string][]catalog.Column
}

const (
	maxKnownColumns = 256
	maxColumnBytes  = 1 << 10
)

// decode reads the body of a record of columns.
func (c *columnCache) decode(body []byte, most int) ([]catalog.Column, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if columns, ok := c.known[string(body)]; ok {
		return columns, true
	}
	columns, ok := decodeColumns(body, most)
	if !ok || len(body) > maxColumnBytes {
		return columns, ok
	}
	if c.known == nil || len(c.known) >= maxKnownColumns {
		c.known = map[string][]catalog.Column{}
	}
	c.known[string(body)] = columns
	return columns, true
}
