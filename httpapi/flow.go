package httpapi

import (
	"net/http"
	"sync"
	"time"
)

// flushAfter is how long what was written waits at most for more to be sent with.
const flushAfter = 100 * time.Millisecond

// A flow is the body of an answer that is sent as it comes, some of it at a time,
// and compressed if that is wanted and worth it. Its header is sent with its first
// bytes, so that what goes wrong before can be answered as everywhere. What was
// written does not wait for long for more: not in its buffer, nor in the compressor.
type flow struct {
	x      *exchange
	header func() // sets what the header of the answer says of its body

	// mu is held by the goroutine of the request and by the timer that sends what no
	// more comes to.
	mu      sync.Mutex
	buf     []byte
	first   int // the size at which the first piece is sent
	timer   *time.Timer
	waiting bool // the timer runs
	ended   bool
	begun   bool      // the answer has been
	squeeze *squeezer // nil: the answer is sent as it is
	err     error     // of sending
}

// newFlow returns the body of the answer. The caller releases it.
func (x *exchange) newFlow(header func()) *flow {
	x.leaveBody()
	return &flow{x: x, header: header, buf: x.pieces.get(), first: pieceBytes}
}

// add has more appended to the body.
func (f *flow) add(more func([]byte) []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.buf = more(f.buf)
	if len(f.buf) >= pieceBytes || !f.begun && len(f.buf) >= f.first {
		f.send()
	}
	if !f.waiting && f.err == nil && (len(f.buf) > 0 || f.squeeze != nil) {
		f.wait()
	}
	return f.err
}

// Write adds to the body.
func (f *flow) Write(p []byte) (int, error) {
	for n := 0; ; {
		part := p[n:min(n+pieceBytes, len(p))]
		if err := f.add(func(b []byte) []byte { return append(b, part...) }); err != nil {
			return n, err
		}
		if n += len(part); n == len(p) {
			return n, nil
		}
	}
}

// wait sees to it that what was written is sent before long. The caller holds mu.
func (f *flow) wait() {
	f.waiting = true
	if f.timer != nil {
		f.timer.Reset(flushAfter)
		return
	}
	f.timer = time.AfterFunc(flushAfter, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.waiting = false
		if !f.ended {
			f.flush()
		}
	})
}

// send hands what is in the buffer to the connection, or to the compressor, which
// sends it when it has enough. The caller holds mu.
func (f *flow) send() {
	if f.err != nil {
		return
	}
	f.begin()
	if f.squeeze != nil {
		_, f.err = f.squeeze.Write(f.buf)
	} else if _, f.err = f.x.Write(f.buf); f.err == nil {
		f.err = f.x.control.Flush()
	}
	if f.buf = f.buf[:0]; cap(f.buf) > 4*pieceBytes {
		f.buf = f.x.pieces.get() // a large row has been and gone
	}
}

// flush sends all that was written. The caller holds mu.
func (f *flow) flush() {
	if len(f.buf) > 0 {
		f.send()
	}
	if f.err == nil && f.squeeze != nil {
		if f.err = f.squeeze.Flush(); f.err == nil {
			f.err = f.x.control.Flush()
		}
	}
}

// begin sends the header, once. The caller holds mu.
func (f *flow) begin() {
	if f.begun {
		return
	}
	f.begun = true
	f.header()
	if !f.ended || f.x.worthSqueezing(int64(len(f.buf))) {
		f.squeeze = f.x.squeezer()
	}
	f.x.status = f.x.route.status
	f.x.w.WriteHeader(f.x.status)
}

// hasBegun reports whether something was sent, so that no error can be answered.
func (f *flow) hasBegun() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun
}

// fail ends an answer that has begun and can't be completed, so that the client sees
// that it is broken.
func (f *flow) fail(err error) {
	f.mu.Lock()
	sending := f.err
	f.mu.Unlock()
	switch {
	case sending != nil:
		f.x.abandon(sending)
	case f.x.gone(err):
		f.x.abandon(err)
	}
	f.x.err = err
	panic(http.ErrAbortHandler)
}

// end completes the answer.
func (f *flow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.send()
	if f.err == nil && f.squeeze != nil {
		f.err = f.squeeze.Close()
	}
	if f.err != nil {
		f.x.abandon(f.err)
	}
	f.x.finish()
}

// release gives back what the flow has used, however it ended. Afterwards the timer
// does nothing any more.
func (f *flow) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	if f.timer != nil {
		f.timer.Stop()
	}
	if f.squeeze != nil {
		f.x.squeezers.put(f.squeeze)
		f.squeeze = nil
	}
	f.x.pieces.put(f.buf)
	f.buf = nil
}
