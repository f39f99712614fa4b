package worker

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"
)

// What crosses the socket between a Runner and a worker are frames: four bytes
// of length of the payload, one of kind, four of the id of the call it belongs
// to (0: none), all little-endian, and the payload. A call is one request and its
// answer; many are under way at once.
const (
	headerBytes = 9
	maxPayload  = 64 << 10

	// window is how many bytes of an answer may be on their way. The worker
	// sends no more until the Runner has given credit for what it has used, so
	// whoever does not take their answer keeps nobody else waiting.
	window = 256 << 10
)

type kind uint8

// The kinds of frames that the Runner sends.
const (
	kindHello      kind = 1 + iota // the first: settings
	kindRequest                    // a part of a request
	kindRequestEnd                 // its last part
	kindCancel                     // nobody wants the answer any more: the text is to end
	kindRefuse                     // no more of the answer is wanted
	kindCredit                     // four bytes: how much more of the answer may come
	kindProbe                      // asks for kindStatus
	kindHold                       // no commit is to begin, for the worker may be killed soon
	kindUnhold                     // it will not
	kindResume                     // eight bytes: the release that is over
	kindLogFree                    // answers kindLogFull, with its id
	kindBye                        // close everything and exit
)

// The kinds of frames that a worker sends.
const (
	kindReady        kind = 65 + iota // answers kindHello
	kindRows                          // a part of an answer
	kindDone                          // its end, see reply
	kindCommitting                    // the write of the call is about to commit
	kindCommitted                     // and has
	kindStatus                        // see status
	kindSessionEnded                  // a session ended, by itself or not
	kindLogFull                       // readers of another process keep a log from being emptied
)

// A frame is one frame. The payload is valid until the next is read.
type frame struct {
	kind    kind
	id      uint32
	payload []byte
}

var errTooLong = errors.New("a frame is longer than any may be")

// A frameReader reads frames.
type frameReader struct {
	r        io.Reader
	buf      []byte
	from, to int // what has been read and not been looked at
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: r, buf: make([]byte, headerBytes+maxPayload)}
}

// next returns the next frame. A frame cut short by the end of the stream is
// io.ErrUnexpectedEOF.
func (r *frameReader) next() (frame, error) {
	if err := r.fill(headerBytes); err != nil {
		return frame{}, err
	}
	header := r.buf[r.from : r.from+headerBytes]
	size := binary.LittleEndian.Uint32(header)
	if size > maxPayload {
		return frame{}, errTooLong
	}
	f := frame{kind: kind(header[4]), id: binary.LittleEndian.Uint32(header[5:])}
	if err := r.fill(headerBytes + int(size)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	f.payload = r.buf[r.from+headerBytes : r.from+headerBytes+int(size)]
	r.from += headerBytes + int(size)
	return f, nil
}

// fill reads until there are n bytes to look at.
func (r *frameReader) fill(n int) error {
	if r.to-r.from >= n {
		return nil
	}
	if r.from+n > len(r.buf) || r.from == r.to {
		r.to = copy(r.buf, r.buf[r.from:r.to])
		r.from = 0
	}
	got, err := io.ReadAtLeast(r.r, r.buf[r.to:], n-(r.to-r.from))
	empty := r.from == r.to
	r.to += got
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		if err = io.ErrUnexpectedEOF; empty && got == 0 {
			err = io.EOF
		}
	}
	return err
}

// more reports whether another frame can be had without waiting.
func (r *frameReader) more() bool {
	waiting := r.to - r.from
	return waiting >= headerBytes && waiting-headerBytes >= int(binary.LittleEndian.Uint32(r.buf[r.from:]))
}

// A frameWriter writes frames for many goroutines. While one of them is in the
// system call, what the others send gathers and goes out with the next.
type frameWriter struct {
	w io.Writer

	mu       sync.Mutex
	moved    sync.Cond // something was written, or writing failed
	buf      []byte
	spare    []byte
	writing  bool
	corked   bool   // ends of answers wait for others to come along
	appended uint64 // bytes, in all
	written  uint64
	err      error

	gathering bool // somebody will flush once others had the chance to join
}

// maxUnsent is how much may gather before those who send in bulk wait.
const maxUnsent = 4 * maxPayload

func newFrameWriter(w io.Writer) *frameWriter {
	fw := &frameWriter{w: w}
	fw.moved.L = &fw.mu
	return fw
}

// add appends a frame that leaves with the next that is sent.
func (w *frameWriter) add(k kind, id uint32, payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.append(k, id, payload)
}

// send sends a frame, or leaves that to whoever is writing.
func (w *frameWriter) send(k kind, id uint32, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.append(k, id, payload)
	return w.flush()
}

// post sends a frame without waiting for anything.
func (w *frameWriter) post(k kind, id uint32, payload []byte) {
	w.add(k, id, payload)
	go func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.flush()
	}()
}

// sendEnd sends what is left of an answer, which may be nothing, and its end: with
// others if the writer is corked, or with what is sent next.
func (w *frameWriter) sendEnd(id uint32, rows, end []byte, leave bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(rows) > 0 {
		w.append(kindRows, id, rows)
	}
	w.append(kindDone, id, end)
	if (leave || w.corked) && len(w.buf) < maxPayload {
		return w.err
	}
	return w.flush()
}

// flushAll sends what has gathered.
func (w *frameWriter) flushAll() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

// cork has what sendEnd sends wait for what comes next; whoever does so must pull
// the cork before they do anything that takes long.
func (w *frameWriter) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

// uncork sends what has waited, and lets nothing wait any more.
func (w *frameWriter) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	return w.flush()
}

// sendSoon waits until there is room, and then sends a frame together with those
// that others, who are ready to run, send before: one system call wakes the other
// side once, for all of them.
func (w *frameWriter) sendSoon(k kind, id uint32, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room()
	w.append(k, id, payload)
	if w.writing || w.gathering {
		return w.err
	}
	w.gathering = true
	w.mu.Unlock()
	runtime.Gosched()
	w.mu.Lock()
	w.gathering = false
	return w.flush()
}

// sendBulk waits until there is room, and then sends.
func (w *frameWriter) sendBulk(k kind, id uint32, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room()
	w.append(k, id, payload)
	return w.flush()
}

// room waits until there is room for what is sent in bulk. The caller holds w.mu.
func (w *frameWriter) room() {
	for len(w.buf) > maxUnsent && w.err == nil {
		w.moved.Wait()
	}
}

// sendNow sends a frame and returns when the system has it, so that it arrives
// even if the process ends next.
func (w *frameWriter) sendNow(k kind, id uint32, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.append(k, id, payload)
	mine := w.appended
	if err := w.flush(); err != nil {
		return err
	}
	for w.written < mine && w.err == nil {
		w.moved.Wait()
	}
	return w.err
}

func (w *frameWriter) append(k kind, id uint32, payload []byte) {
	if w.err != nil {
		return
	}
	if len(payload) > maxPayload {
		panic("worker: a frame is longer than any may be")
	}
	var header [headerBytes]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(payload)))
	header[4] = byte(k)
	binary.LittleEndian.PutUint32(header[5:], id)
	w.buf = append(append(w.buf, header[:]...), payload...)
	w.appended += headerBytes + uint64(len(payload))
}

// flush writes what has gathered, unless somebody is writing, who will. The
// caller holds w.mu, which is free during the system call.
func (w *frameWriter) flush() error {
	if w.writing {
		return w.err
	}
	w.writing = true
	for len(w.buf) > 0 && w.err == nil {
		out := w.buf
		w.buf = w.spare[:0]
		w.mu.Unlock()
		_, err := w.w.Write(out)
		w.mu.Lock()
		w.written += uint64(len(out))
		w.spare = out
		if cap(out) > 2*maxUnsent {
			w.spare = nil
		}
		if err != nil {
			w.err = err
		}
		w.moved.Broadcast()
	}
	w.writing = false
	return w.err
}
