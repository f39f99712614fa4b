package hosting

import "slices"

// A queue is those who wait for their turn: callers in turn, and what one caller has
// sent in its order. So whoever sends much waits for themselves.
type queue[T comparable] struct {
	callers []*flow[T] // who wait, the next first
	of      map[Caller]*flow[T]
	size    int
}

// A flow is what one caller waits for.
type flow[T comparable] struct {
	caller Caller
	items  []T // at least one
}

// push adds an item of a caller.
func (q *queue[T]) push(caller Caller, item T) {
	q.size++
	if f := q.of[caller]; f != nil {
		f.items = append(f.items, item)
		return
	}
	if q.of == nil {
		q.of = map[Caller]*flow[T]{}
	}
	f := &flow[T]{caller: caller, items: []T{item}}
	q.of[caller] = f
	q.callers = append(q.callers, f)
}

// len returns how many items wait.
func (q *queue[T]) len() int { return q.size }

// waiting returns how many of them are a caller's.
func (q *queue[T]) waiting(caller Caller) int {
	if f := q.of[caller]; f != nil {
		return len(f.items)
	}
	return 0
}

// first returns the item whose turn is next; there must be one.
func (q *queue[T]) first() T { return q.callers[0].items[0] }

// pop takes it off the queue.
func (q *queue[T]) pop() T {
	item, _ := q.popOf(func(Caller) bool { return true })
	return item
}

// popOf takes the next item of a caller who may have a turn off the queue, if there
// is one. Then it is the turn of the callers behind.
func (q *queue[T]) popOf(may func(Caller) bool) (item T, ok bool) {
	i := slices.IndexFunc(q.callers, func(f *flow[T]) bool { return may(f.caller) })
	if i < 0 {
		return item, false
	}
	f := q.callers[i]
	item = f.items[0]
	q.takeOff(i, 0)
	if len(f.items) > 0 {
		q.callers = append(slices.Delete(q.callers, i, i+1), f)
	}
	return item, true
}

// remove takes an item of a caller off the queue, and reports whether it was there.
func (q *queue[T]) remove(caller Caller, item T) bool {
	f := q.of[caller]
	if f == nil {
		return false
	}
	j := slices.Index(f.items, item)
	if j < 0 {
		return false
	}
	q.takeOff(slices.Index(q.callers, f), j)
	return true
}

// takeOff takes an item off, and its caller if that was the last.
func (q *queue[T]) takeOff(i, j int) {
	f := q.callers[i]
	q.size--
	if j == 0 {
		var none T
		f.items[0], f.items = none, f.items[1:]
	} else {
		f.items = slices.Delete(f.items, j, j+1)
	}
	if len(f.items) == 0 {
		delete(q.of, f.caller)
		q.callers = slices.Delete(q.callers, i, i+1)
	}
}

// share is how many of n places that a caller shares with others they may have: of
// three or more, not all.
func share(n int) int { return max(min(n, 2), n-max(1, n/4)) }
