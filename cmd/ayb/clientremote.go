package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
	"ayb/internal/shell"
)

// Bounds of an interruption.
const (
	cancelTime = 2 * time.Second // to tell the server
	resultTime = 3 * time.Second // then, for the server to say what became of the query
)

// errInterrupted says that a query ended because a person wanted it to.
var errInterrupted = errors.New("interrupted")

// A remote is a database behind the API. Somebody who waits for it sees how far it
// is.
type remote struct {
	api       *client.Client
	ref       string
	id        string // of the query; empty: one that nobody can guess
	anonymous bool   // there is no token
	errout    io.Writer
	shown     bool // errout is a terminal
	aside     bool // rows go elsewhere than to a terminal
}

// Run runs SQL until it ends or ctx does. In the second case it is cancelled on the
// server, whose answer says what became of it; an error is then joined with
// errInterrupted.
func (r *remote) Run(ctx context.Context, st catalog.Statement, sink shell.Sink) (catalog.Summary, error) {
	running, give := context.WithCancel(context.WithoutCancel(ctx))
	defer give()
	id := r.id
	if id == "" {
		id = rand.Text()
	}
	api := r.api.WithQueryID(id)
	watched := &watchedSink{Sink: sink, progress: r.progress(), aside: r.aside}
	defer watched.progress.end()
	defer context.AfterFunc(ctx, func() {
		watched.dropping.Store(true)
		limited, done := context.WithTimeout(running, cancelTime)
		defer done()
		if r.anonymous || api.Cancel(limited, id) != nil {
			give()
			return
		}
		time.AfterFunc(resultTime, give)
	})()
	sum, err := api.Stream(running, r.ref, st, watched)
	switch {
	case err != nil && ctx.Err() != nil:
		return sum, errors.Join(errInterrupted, err)
	case watched.dropped > 0:
		return sum, context.Canceled
	case r.anonymous && errors.Is(err, fault.Unauthenticated):
		return sum, errNoToken
	}
	return sum, err
}

// progress begins to show how far a query is, if there is somebody to see it.
func (r *remote) progress() *progress {
	if !r.shown {
		return nil
	}
	return beginProgress(r.errout)
}

// A watchedSink counts rows on their way to a sink. Once they are not wanted any
// more they vanish: the server is about to end them.
type watchedSink struct {
	shell.Sink
	progress *progress
	aside    bool
	dropping atomic.Bool
	dropped  int
}

// Row passes a row on.
func (w *watchedSink) Row(row catalog.Row) error {
	if w.dropping.Load() {
		w.dropped++
		return nil
	}
	if w.aside {
		w.progress.count()
	} else {
		w.progress.end() // the rows are shown in its place
	}
	return w.Sink.Row(row)
}
