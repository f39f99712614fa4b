package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Lines of the log are gathered for a moment and written together, because on a
// busy server a system call for each would be a good part of the work. What the
// process had not written when it was killed is lost, so the moment is short, and
// a warning does not wait.
const (
	logDelay = 20 * time.Millisecond
	logBytes = 32 << 10 // at which nothing waits any longer
)

// newLogger returns a logger of the configured form. The caller calls flush when
// nothing is logged any more.
func newLogger(c *config, w io.Writer) (_ *slog.Logger, flush func()) {
	lines := &logWriter{w: w}
	opt := &slog.HandlerOptions{Level: c.level()}
	var h slog.Handler = slog.NewTextHandler(lines, opt)
	if c.Log.Format == "json" {
		h = slog.NewJSONHandler(lines, opt)
	}
	return slog.New(&logHandler{h, lines}), lines.flush
}

// A logHandler writes at once what should not be lost.
type logHandler struct {
	slog.Handler
	lines *logWriter
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		h.lines.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.Handler.WithAttrs(attrs), h.lines}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.Handler.WithGroup(name), h.lines}
}

// A logWriter gathers lines. While there are none it costs nothing: its timer
// runs from the first line to the next flush.
type logWriter struct {
	w io.Writer

	mu      sync.Mutex
	lines   []byte
	timer   *time.Timer
	waiting bool // the timer runs
}

// Write takes a line.
func (l *logWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line...)
	l.schedule()
	return len(line), nil
}

// schedule sees to it that what has been gathered is written before long. The
// caller holds mu.
func (l *logWriter) schedule() {
	switch {
	case len(l.lines) >= logBytes:
		l.write()
	case l.waiting:
	case l.timer == nil:
		l.waiting, l.timer = true, time.AfterFunc(logDelay, l.flush)
	default:
		l.waiting = true
		l.timer.Reset(logDelay)
	}
}

// flush writes what has been gathered.
func (l *logWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	l.write()
}

// write writes what has been gathered. A log that can't be written has nobody to
// tell. The caller holds mu.
func (l *logWriter) write() {
	if len(l.lines) > 0 {
		l.w.Write(l.lines)
	}
	if l.lines = l.lines[:0]; cap(l.lines) > 4*logBytes {
		l.lines = nil // a long line has been and gone
	}
}
