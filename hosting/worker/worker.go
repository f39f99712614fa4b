package worker

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"ayb/fault"
	"ayb/hosting"
)

// A worker is one process, as the Runner sees it.
type worker struct {
	r      *Runner
	seat   *seat
	cmd    *exec.Cmd
	socket *os.File
	out    *frameWriter
	ready  chan error    // receives once: whether it has started
	gone   chan struct{} // closed when the process has ended and all know

	columns columnCache
	in      *frameReader  // of who reads
	keeper  chan struct{} // has an element when the keeper is to read

	// Guarded by seat.mu.
	users    int         // calls and sessions
	idle     time.Time   // since when there are none
	leaving  bool        // it was told to end, or is lost
	retired  bool        // it was told to end
	patience *time.Timer // ends it if it does not

	mu       sync.Mutex
	started  bool // kindReady has come
	dead     bool // no call can be registered any more
	calls    map[uint32]*call
	last     uint32
	reading  bool // somebody reads the socket
	broken   bool // there is nothing more to read
	sessions map[uint64]*session
	over     map[uint64]error // sessions that ended before their Begin was answered
	ended    []func()         // to be told that their session is over
	stats    hosting.Stats    // as last told
	logs     int              // kindLogFull that are being seen to
	probed   time.Time        // when a probe was sent that is not answered; zero: none
	next     time.Time        // when to probe
	answered time.Time        // when a probe was answered last
	bidden   bool             // it was told to end, and has not said its last
	overdue  bool             // as last told, a text is so late that the worker may be killed soon
	holding  bool             // it was told that
	weight   weight
	death    death
}

// A death says how a worker ended.
type death struct {
	culprit   *call // whose text it was ended for; nil: nobody's
	proven    bool  // and the worker was well but for that: the machine was not just busy
	verdict   error // for the culprit
	cause     error // for the log
	violation bool
	closing   bool
}

const (
	startPatience = 20 * time.Second // for a worker to get ready
	endPatience   = 10 * time.Second // for a worker to close its databases
	maxLogs       = 64
	maxOver       = 1024    // sessions that are over before they have begun
	maxReason     = 2 << 10 // bytes of why one ended, which are kept until it has begun
)

// start starts a process and waits until it is ready.
func (s *seat) launch() (*worker, error) {
	w := &worker{
		r: s.r, seat: s, ready: make(chan error, 1), gone: make(chan struct{}), keeper: make(chan struct{}, 1), reading: true,
		calls: map[uint32]*call{}, sessions: map[uint64]*session{}, over: map[uint64]error{},
	}
	hello, err := json.Marshal(s.settings())
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "internal error")
	}
	if err := w.spawn(); err != nil {
		s.r.discharge()
		return nil, fault.Wrap(fault.Unavailable, err, "The server can't start a process for this database; try again in a moment")
	}
	s.r.processes.started.Add(1)
	w.in, w.out = newFrameReader(w.socket), newFrameWriter(w.socket)
	if !s.r.add(w) {
		w.end(death{closing: true})
	}
	go w.keep()
	s.r.watch()
	w.out.send(kindHello, 0, hello)
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	select {
	case err = <-w.ready:
	case <-s.r.closing:
		w.end(death{closing: true})
		<-w.gone
		return nil, errClosed
	case <-patience.C:
		err = fmt.Errorf("a worker was not ready after %v", startPatience)
	}
	if err != nil {
		w.end(death{cause: err})
		<-w.gone
		return nil, fault.Wrap(fault.Unavailable, err, "The server can't start a process for this database; try again in a moment")
	}
	return w, nil
}

// register makes a call known, so that its answer may come. It fails if the
// worker has ended.
func (w *worker) register(c *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return false
	}
	for taken := true; taken; {
		w.last++
		_, taken = w.calls[w.last]
		taken = taken || w.last == 0
	}
	c.worker, c.id, c.granted, c.sent = w, w.last, window, time.Now()
	w.calls[c.id] = c
	if len(w.calls) == 1 {
		w.next = c.sent.Add(w.r.limits.QueryTime)
	}
	w.r.watch()
	return true
}

// request sends the body of a request.
func (w *worker) request(id uint32, body []byte) {
	for len(body) > maxPayload {
		w.out.sendBulk(kindRequest, id, body[:maxPayload])
		body = body[maxPayload:]
	}
	w.mu.Lock()
	alone := len(w.calls) == 1
	w.mu.Unlock()
	send := w.out.sendSoon
	if alone { // nobody would come along, and to wait for them wakes another thread
		send = w.out.sendBulk
	}
	send(kindRequestEnd, id, body) // if this fails, the worker is lost
}

// taken takes what has come of an answer, and tells whether there will be no more.
func (w *worker) taken(c *call) (in []byte, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in = c.in
	c.in, c.spare = c.spare[:0], in
	return in, c.reply != nil || c.lost
}

// cancel tells that nobody wants the answer any more. What does not end then is
// ended by the watch.
func (w *worker) cancel(c *call) {
	w.mu.Lock()
	first := !c.cancelled && c.reply == nil && !c.lost
	if now := time.Now(); first && (c.unwanted.IsZero() || c.unwanted.After(now)) {
		c.unwanted = now
	}
	c.cancelled = true
	w.mu.Unlock()
	if first {
		w.out.send(kindCancel, c.id, nil)
	}
}

// refuse tells that no more of the answer is wanted, although its text may go on:
// the transaction of a session is not to end with it.
func (w *worker) refuse(c *call) {
	w.mu.Lock()
	if c.unwanted.IsZero() {
		c.unwanted = time.Now().Add(refusalTime)
	}
	w.mu.Unlock()
	w.out.send(kindRefuse, c.id, nil)
}

// credit lets the worker send more of an answer.
func (w *worker) credit(c *call, n int64) {
	w.mu.Lock()
	c.granted += n
	w.mu.Unlock()
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(n))
	w.out.send(kindCredit, c.id, b[:])
}

// tell calls those who are to be told something, without w.mu.
func (w *worker) tell() {
	w.mu.Lock()
	ended := w.ended
	w.ended = nil
	w.mu.Unlock()
	for _, f := range ended {
		f()
	}
}

// wake tells the goroutine that waits for an answer to look.
func (c *call) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// take acts on one frame. It returns the call that has got something, whether
// nobody waits any more, and whether the frame made sense.
func (w *worker) take(f frame) (c *call, idle, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started {
		return nil, false, w.begun(f)
	}
	switch f.kind {
	case kindStatus:
		return nil, false, w.told(f)
	case kindSessionEnded:
		return nil, false, w.sessionEnded(f.payload)
	case kindLogFull:
		return nil, false, w.logFull(f)
	case kindDone:
		if f.id == 0 { // the last it says
			var last reply
			ok := w.bidden && last.decode(f.payload)
			w.bidden = false
			w.account(last.stats)
			return nil, false, ok
		}
	}
	if c = w.calls[f.id]; c == nil {
		return nil, false, false
	}
	ok = w.progress(c, f)
	if f.kind != kindRows && f.kind != kindDone {
		c = nil // there is nothing for it to look at
	}
	return c, len(w.calls) == 0, ok
}

// begun takes the first frame of a worker.
func (w *worker) begun(f frame) bool {
	if f.kind != kindReady {
		return false
	}
	w.started = true
	if len(f.payload) > 0 {
		w.ready <- fmt.Errorf("a worker can't start: %q", clip(string(f.payload)))
	} else {
		w.ready <- nil
	}
	return true
}

// progress takes a frame that belongs to a call.
func (w *worker) progress(c *call, f frame) bool {
	switch f.kind {
	case kindRows:
		if c.received += int64(len(f.payload)); c.received > c.granted || c.sink == nil && c.writer == nil {
			return false
		}
		c.in = append(c.in, f.payload...)
	case kindCommitting:
		if c.request.op != opRun && c.request.op != opSessionRun {
			return false
		}
		c.committing, c.committed = true, false
	case kindCommitted:
		if !c.committing {
			return false
		}
		c.committed = true
	case kindDone:
		c.reply = &reply{}
		if !c.reply.decode(f.payload) {
			c.reply = nil
			return false
		}
		if c.reply.failure.is(context.Canceled) && c.unwanted.IsZero() && !w.r.isClosing() {
			c.reply = nil // nobody had cancelled it
			return false
		}
		w.account(c.reply.stats)
		delete(w.calls, c.id)
	default:
		return false
	}
	return true
}

// account takes the counters that a worker tells. It is believed to use no more
// memory than it can: what all use decides whose workers have to make room.
func (w *worker) account(s hosting.Stats) {
	w.occupy(min(s.Memory, w.r.cfg.OwnerMemory+spareMemory))
	s.Memory = w.stats.Memory
	w.stats = s
}

// occupy notes how much memory the worker's connections take. The caller holds
// w.mu.
func (w *worker) occupy(memory int64) {
	if memory == w.stats.Memory {
		return
	}
	w.r.memory.Add(memory - w.stats.Memory)
	w.stats.Memory = memory
	w.r.budget.tell(&w.seat.account, memory)
}

// sessionEnded notes that a session is over.
func (w *worker) sessionEnded(payload []byte) bool {
	if len(payload) > maxReason {
		return false
	}
	d := decoder{b: payload}
	handle := d.word()
	f := d.failure()
	if f == nil || !d.end() {
		return false
	}
	if s := w.sessions[handle]; s != nil {
		delete(w.sessions, handle)
		w.ended = append(w.ended, func() { s.finish(f.err()) })
		return true
	}
	w.over[handle] = f.err()
	return len(w.over) <= maxOver
}

// logFull has the readers of a database in the owner's other worker ended.
func (w *worker) logFull(f frame) bool {
	d := decoder{b: f.payload}
	db := d.db()
	if w.logs++; !d.end() || db.Owner != w.seat.key.owner || w.logs > maxLogs {
		return false
	}
	go func() {
		w.r.endReaders(w.seat, db)
		// Until the worker takes the answer it counts as waiting for it, or a worker
		// that only asks would have answers gather here without end.
		w.out.sendNow(kindLogFree, f.id, nil)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.logs--
	}()
	return true
}

// end kills the process, unless it has ended already. The first reason stands.
func (w *worker) end(d death) {
	w.mu.Lock()
	if w.death == (death{}) {
		w.death = d
	}
	w.rouse()
	w.mu.Unlock()
	w.cmd.Process.Kill()
}

// bury waits for the end of the process and tells everybody. What the worker had
// sent before has been received.
func (w *worker) bury() {
	w.cmd.Process.Kill()
	err := w.cmd.Wait()
	w.socket.Close()
	w.mu.Lock()
	w.dead = true
	if !w.started {
		w.ready <- fmt.Errorf("a worker ended before it was ready: %v", err)
	}
	calls, sessions := w.calls, w.sessions
	w.calls, w.sessions = nil, nil
	d := w.death
	for _, c := range calls {
		c.lost, c.alone = true, len(calls) == 1
	}
	w.r.bury(w)
	w.mu.Unlock()
	for _, c := range calls {
		c.wake()
	}
	for _, s := range sessions {
		s.finish(s.lost(d))
	}
	w.seat.vacate(w, d, err, len(calls))
	w.r.discharge()
	close(w.gone)
}
