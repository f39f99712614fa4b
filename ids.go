package ayb

import (
	"bytes"
	"io"
	"sync"
	"time"

	"ayb/catalog"
)

// ids makes ids, each above all before it: lists are in the order of ids, and
// those made within one millisecond, or after the clock was set back, would else
// be in no order.
type ids struct {
	now    func() time.Time
	random io.Reader

	mu   sync.Mutex
	last ID
}

// next returns a new id.
func (g *ids) next() ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := catalog.NewID(g.now(), g.random)
	if bytes.Compare(id[:], g.last[:]) <= 0 {
		id = g.last
		for i := len(id) - 1; i >= 0; i-- {
			if id[i]++; id[i] != 0 {
				break
			}
		}
	}
	g.last = id
	return id
}
