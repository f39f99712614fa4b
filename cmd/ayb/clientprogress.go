package main

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Times of the display of progress.
const (
	progressAfter = time.Second // nobody wants to know before
	progressEvery = 250 * time.Millisecond
)

// A progress shows on a terminal how many rows have come in how much time.
type progress struct {
	w     io.Writer
	rows  atomic.Int64
	bytes atomic.Int64
	known func(bytes int64) string // shows bytes in the place of rows; nil: rows are shown
	began time.Time

	mu    sync.Mutex
	shown bool
	ended bool
	stop  chan struct{}
}

// beginProgress shows how far a query is on a terminal. The caller calls end.
func beginProgress(w io.Writer) *progress {
	p := &progress{w: w, began: time.Now(), stop: make(chan struct{})}
	go p.run()
	return p
}

// count notes another row. On a nil progress it does nothing, as end does.
func (p *progress) count() {
	if p != nil {
		p.rows.Add(1)
	}
}

// beginTransfer shows how far a file is on a terminal. total is how large it is, 0 if
// nobody knows. The caller calls end.
func beginTransfer(w io.Writer, total int64) *progress {
	p := &progress{w: w, began: time.Now(), stop: make(chan struct{})}
	p.known = func(bytes int64) string {
		switch {
		case bytes == 0:
			return "running"
		case total == 0:
			return readable(bytes)
		}
		return fmt.Sprintf("%d%%", min(100, 100*bytes/total))
	}
	go p.run()
	return p
}

// Write counts what passes. On a nil progress it does nothing.
func (p *progress) Write(b []byte) (int, error) {
	if p != nil {
		p.bytes.Add(int64(len(b)))
	}
	return len(b), nil
}

func (p *progress) run() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			if now.Sub(p.began) >= progressAfter {
				p.show(now)
			}
		}
	}
}

func (p *progress) show(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.shown = true
	// It fits into 20 columns, so that taking it away takes it away.
	far := ""
	if p.known != nil {
		far = p.known(p.bytes.Load())
	} else {
		far = shortCount(p.rows.Load())
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s %s", far, now.Sub(p.began).Round(time.Second))
}

// shortCount returns a number of rows in few letters.
func shortCount(n int64) string {
	switch {
	case n == 0:
		return "running"
	case n < 10_000:
		return strconv.FormatInt(n, 10) + " rows"
	case n < 10_000_000:
		return strconv.FormatInt(n/1000, 10) + "k rows"
	}
	return strconv.FormatInt(n/1_000_000, 10) + "M rows"
}

// end takes the display away for good.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	close(p.stop)
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
