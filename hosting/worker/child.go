package worker

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
	"ayb/hosting/sandbox"
	"ayb/internal/crew"
)

// workerArgument is the only argument of a process that is a worker, whose socket
// is descriptor 3.
const workerArgument = "ayb-worker"

// settings are what a worker is told first.
type settings struct {
	Dir    string
	Owner  catalog.ID
	Temp   string
	Shared bool
	Limits hosting.Limits
	Texts  int // that the memory suffices for
}

// A child is what runs in a worker.
type child struct {
	out   *frameWriter
	inner *hosting.InProcess
	turns *turns // of texts that read

	in     *frameReader
	shift  atomic.Uint64 // of the goroutine that listens; moves when it begins and ends a request
	atWork atomic.Bool   // it carries out a request
	pace   time.Duration // that requests take which should be quick, on an average; of who listens
	relief relief
	crew   *crew.Crew // does what whoever listens does not
	exit   chan int   // receives the exit code

	mu       sync.Mutex
	tasks    map[uint32]*task
	requests map[uint32][]byte // that are arriving
	sessions map[uint64]hosting.Session
	handles  map[hosting.Session]uint64
	over     map[hosting.Session]error // sessions that ended before Begin returned
	last     uint64
	resumes  map[uint64]func()
	held     chan struct{}            // closed when commits may begin; nil: they may
	logs     map[uint32]chan struct{} // writers that wait for kindLogFree
	lastLog  uint32
}

// serve answers the Runner at the other end of the socket until that is closed.
// If something was wrong before, it says so. The exit code is for the Runner's log.
func serve(socket io.ReadWriter, wrong error) (code int) {
	in := newFrameReader(socket)
	first, err := in.next()
	if err != nil {
		return 0 // the Runner has changed its mind
	}
	c := &child{
		out: newFrameWriter(socket), tasks: map[uint32]*task{}, requests: map[uint32][]byte{},
		sessions: map[uint64]hosting.Session{}, handles: map[hosting.Session]uint64{}, over: map[hosting.Session]error{},
		resumes: map[uint64]func(){}, logs: map[uint32]chan struct{}{}, crew: crew.New(keptIdle),
	}
	if wrong == nil {
		wrong = c.begin(first)
	}
	if wrong != nil {
		c.out.sendNow(kindReady, 0, []byte(clip(wrong.Error())))
		return 1
	}
	c.in, c.exit = in, make(chan int, 1)
	c.out.send(kindReady, 0, nil)
	c.relief.bell = make(chan struct{}, 1)
	go c.listen()
	go c.relieve()
	return <-c.exit
}

// begin makes the Runner within.
func (c *child) begin(f frame) error {
	var s settings
	if f.kind != kindHello {
		return errViolation
	}
	if err := json.Unmarshal(f.payload, &s); err != nil {
		return err
	}
	c.turns = newTurns(&s.Limits, atOnce(s.Texts, s.Limits.Readers))
	var err error
	c.inner, err = hosting.NewInProcess(hosting.Config{
		Dir: s.Dir, Limits: s.Limits, Temp: s.Temp, Shared: s.Shared, Killable: true, Writers: max(1, s.Texts/4),
		Hooks: hosting.Hooks{Due: c.due, Commit: c.commit, SessionEnded: c.sessionEnded, LogFull: c.logFull, Answered: c.answered},
	})
	return err
}

// listen reads the socket. Whoever has read a request that only reads carries it
// out at once, without the detour by another goroutine and, as a rule, another
// processor. If that takes longer than such requests do, the relief has another
// goroutine listen meanwhile, and this one ends with its request.
func (c *child) listen() {
	for {
		work := c.next()
		if work == nil {
			return // there is nothing to read any more
		}
		// The answers of what came together go together. From when this one is at
		// work, somebody else may listen.
		if c.in.more() {
			c.out.cork()
		}
		shift := c.shift.Add(1)
		c.atWork.Store(true)
		c.relief.wake()
		began := time.Now()
		work()
		took := time.Since(began)
		if !c.shift.CompareAndSwap(shift, shift+1) {
			return // somebody else listens
		}
		c.pace += (took - c.pace) / 8
		c.atWork.Store(false)
	}
}

// quickPace is how long requests may take, on an average, to be carried out one
// after the other when several have come together. Those that take longer are
// worth a goroutine of their own, which another processor may run.
const quickPace = 100 * time.Microsecond

// A relief looks after the goroutine that listens, every millisecond while there
// is something to do.
type relief struct {
	asleep atomic.Bool
	bell   chan struct{}
}

const (
	reliefTick = time.Millisecond
	reliefRest = 8 // ticks without work after which it sleeps
)

func (r *relief) wake() {
	if r.asleep.Load() && r.asleep.CompareAndSwap(true, false) {
		r.bell <- struct{}{}
	}
}

// relieve has another goroutine listen if the one that does has been at the same
// request since the last tick.
func (c *child) relieve() {
	tick := time.NewTicker(reliefTick)
	defer tick.Stop()
	var seen uint64
	for quiet := 0; ; {
		<-tick.C
		shift, busy := c.shift.Load(), c.atWork.Load()
		switch {
		case shift != seen:
			quiet = 0
		case busy:
			if c.shift.CompareAndSwap(shift, shift+1) {
				c.atWork.Store(false)
				c.out.uncork()
				go c.listen()
			}
			quiet = 0
		default:
			quiet++
		}
		if seen = shift; quiet < reliefRest {
			continue
		}
		tick.Stop()
		c.relief.asleep.Store(true)
		if c.shift.Load() == seen || !c.relief.asleep.CompareAndSwap(true, false) {
			<-c.relief.bell
		}
		tick.Reset(reliefTick)
		quiet = 0
	}
}

// keptIdle is how many goroutines wait for more to do.
const keptIdle = pipelined

// next returns the next request as a function that carries it out. When the
// socket is closed, or the Runner says goodbye, there is none and the process is
// told to exit. So it is by a frame that makes no sense: the Runner has lost its
// mind.
func (c *child) next() (work func()) {
	for {
		if !c.in.more() {
			c.out.uncork() // if this fails, so does what follows
		}
		f, err := c.in.next()
		switch {
		case err != nil:
			c.exit <- 0
			return nil
		case f.kind == kindBye:
			c.close()
			c.exit <- 0
			return nil
		}
		work, quick, ok := c.take(f)
		switch {
		case !ok:
			c.exit <- 2
			return nil
		case work == nil:
		case !quick || c.in.more() && c.pace > quickPace:
			c.crew.Do(work)
		default:
			return work
		}
	}
}

// take acts on one frame and reports whether it made sense. If it completes a
// request it returns what to do, and whether that should be quick.
func (c *child) take(f frame) (work func(), quick, ok bool) {
	if f.kind == kindRequest || f.kind == kindRequestEnd {
		return c.gather(f)
	}
	return nil, false, c.heed(f)
}

// heed acts on a frame that is no request.
func (c *child) heed(f frame) bool {
	switch f.kind {
	case kindCancel:
		if t := c.task(f.id); t != nil {
			t.cancel()
		}
	case kindRefuse:
		if t := c.task(f.id); t != nil {
			t.refuse()
		}
	case kindCredit:
		n, ok := credited(f.payload)
		if !ok {
			return false
		}
		if t := c.task(f.id); t != nil {
			t.grant(n)
		}
	case kindHold, kindUnhold:
		c.hold(f.kind == kindHold)
	case kindProbe:
		c.out.send(kindStatus, f.id, c.status(time.Now()).append(nil))
	case kindResume:
		if len(f.payload) != 8 {
			return false
		}
		c.resume(binary.LittleEndian.Uint64(f.payload))
	case kindLogFree:
		c.logFree(f.id)
	default:
		return false
	}
	return true
}

// gather puts a request together and returns how to carry it out once it is whole.
func (c *child) gather(f frame) (work func(), quick, ok bool) {
	if f.id == 0 || c.task(f.id) != nil {
		return nil, false, false
	}
	body := f.payload
	if parts := c.requests[f.id]; parts != nil || f.kind == kindRequest {
		body = append(parts, f.payload...)
		c.requests[f.id] = body
	}
	if f.kind == kindRequest {
		return nil, false, true
	}
	delete(c.requests, f.id)
	req, ok := decodeRequest(body)
	if !ok {
		return nil, false, false
	}
	t := newTask(c, f.id)
	t.turn.caller = req.job.Caller
	c.mu.Lock()
	c.tasks[f.id] = t
	c.mu.Unlock()
	if req.op == opRun && c.post(t, &req) {
		return nil, false, true
	}
	quick = req.op == opRun && !req.lane().writes && c.turns.try(req.lane(), &t.turn)
	return func() { c.answer(t, &req) }, quick, true
}

// post has a text that writes carried out without a goroutine that waits for it, if
// that can be.
func (c *child) post(t *task, req *request) (ok bool) {
	t.abandon, ok = c.inner.Post(t, req.job, func(w *hosting.Written) {
		if w.Held() > firstChunk {
			c.crew.Do(func() {
				c.written(t, req, w)
				c.answered()
			})
			return
		}
		c.written(t, req, w)
	})
	return ok
}

// written answers a request that was posted.
func (c *child) written(t *task, req *request, w *hosting.Written) {
	defer w.Close()
	rep, err := reply{summary: w.Summary}, w.Err
	if err == nil && req.wanted {
		err = w.Replay(t)
	}
	c.conclude(t, req, &rep, err, true)
}

// answered is a hook: it sends the answers to what was posted.
func (c *child) answered() { c.out.flushAll() }

func (c *child) task(id uint32) *task {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tasks[id]
}

// answer carries out a request.
func (c *child) answer(t *task, req *request) {
	var rep reply
	err := c.handle(t, req, &rep)
	c.conclude(t, req, &rep, err, false)
}

// conclude sends the end of an answer, or leaves it to be sent with others.
func (c *child) conclude(t *task, req *request, rep *reply, err error, leave bool) {
	if errors.Is(err, errCancelled) {
		err = context.Canceled
	}
	rep.failure = failureOf(err)
	rep.stats = c.inner.Stats()
	if req.op == opStats {
		waiting := c.turns.waiting()
		rep.stats.QueuedReads += waiting[index(false)]
		rep.stats.QueuedWrites += waiting[index(true)]
	}
	t.finish(rep.append(nil), leave)
	c.mu.Lock() // not before: what is left of the answer may need credit
	delete(c.tasks, t.id)
	c.mu.Unlock()
}

func (c *child) handle(t *task, req *request, rep *reply) (err error) {
	job := &req.job
	switch req.op {
	case opRun:
		rep.summary, err = c.run(t, req)
	case opBegin:
		rep.handle, err = c.beginSession(t, *job)
	case opCreate:
		err = c.inner.Create(t, job.DB)
	case opCopy:
		rep.generation, err = c.copy(t, req)
	case opCopyTo:
		rep.generation, err = c.inner.CopyTo(t, job.DB, hosting.CopyMethod(req.how), req.file)
	case opAdopt:
		err = c.adopt(t, req)
	case opCheck:
		err = c.inner.Check(t, job.DB, hosting.CheckDepth(req.how))
	case opRelease:
		var resume func()
		if resume, err = c.inner.Release(t, job.DB); err == nil {
			c.mu.Lock()
			c.resumes[req.handle] = resume
			c.mu.Unlock()
		}
	case opEndReaders:
		c.inner.EndReaders(job.DB)
	case opSessionRun:
		if s := c.session(req.handle); s != nil {
			rep.summary, err = s.Run(t, job.Statement, t.sink(req))
			rep.inTransaction = s.InTransaction()
			return err
		}
		return errNoSession
	case opSessionClose:
		if s := c.session(req.handle); s != nil {
			return s.Close()
		}
	}
	return err
}

// run runs a text when its turn has come, which it may have already.
func (c *child) run(t *task, req *request) (catalog.Summary, error) {
	if lane := req.lane(); !lane.writes {
		if !t.turn.held {
			if err := c.turns.take(t, lane, &t.turn); err != nil {
				return catalog.Summary{}, err
			}
		}
		defer c.turns.give(&t.turn)
	}
	return c.inner.Run(t, req.job, t.sink(req))
}

var errNoSession = fault.New(fault.Conflict, "The session is closed; begin another")

// sink returns the task as a sink, if one is wanted.
func (t *task) sink(req *request) hosting.Sink {
	if !req.wanted {
		return nil
	}
	return t
}

func (c *child) session(handle uint64) hosting.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[handle]
}

func (c *child) beginSession(t *task, job hosting.Job) (handle uint64, err error) {
	s, err := c.inner.Begin(t, job)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if reason, over := c.over[s]; over {
		delete(c.over, s)
		return 0, reason
	}
	c.last++
	c.sessions[c.last], c.handles[s] = s, c.last
	return c.last, nil
}

// sessionEnded is a hook.
func (c *child) sessionEnded(s hosting.Session, reason error) {
	c.mu.Lock()
	handle, known := c.handles[s]
	if known {
		delete(c.handles, s)
		delete(c.sessions, handle)
	} else {
		c.over[s] = reason
	}
	c.mu.Unlock()
	if known {
		b := binary.LittleEndian.AppendUint64(nil, handle)
		c.out.send(kindSessionEnded, 0, failureOf(reason).brief().append(b))
	}
}

// resume ends a release.
func (c *child) resume(handle uint64) {
	c.mu.Lock()
	resume := c.resumes[handle]
	delete(c.resumes, handle)
	c.mu.Unlock()
	if resume != nil {
		resume()
	}
}

// due is a hook.
func (c *child) due(ctx context.Context, due time.Time) {
	t, ok := ctx.(*task)
	switch {
	case !ok:
	case due.IsZero():
		t.due.Store(0)
	default:
		t.due.Store(due.UnixNano())
	}
}

// commit is a hook. The commit waits until the Runner will hear of it, even if
// this process ends next.
func (c *child) commit(texts []context.Context, done bool) {
	var tasks []*task
	for _, ctx := range texts {
		if t, ok := ctx.(*task); ok {
			tasks = append(tasks, t)
		}
	}
	if len(tasks) == 0 {
		return
	}
	if done {
		for _, t := range tasks {
			c.out.add(kindCommitted, t.id, nil)
		}
		return
	}
	last := tasks[len(tasks)-1]
	c.mu.Lock()
	held := c.held
	c.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-last.ended:
		}
	}
	for _, t := range tasks[:len(tasks)-1] {
		c.out.add(kindCommitting, t.id, nil)
	}
	c.out.sendNow(kindCommitting, last.id, nil)
}

// hold makes commits wait, or lets them go on.
func (c *child) hold(hold bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case hold && c.held == nil:
		c.held = make(chan struct{})
	case !hold && c.held != nil:
		close(c.held)
		c.held = nil
	}
}

// logPatience is how long a writer waits for readers of another process to end.
const logPatience = 250 * time.Millisecond

// logFull is a hook. It asks the Runner to end the readers in the owner's other
// worker.
func (c *child) logFull(db hosting.DB) {
	free := make(chan struct{})
	c.mu.Lock()
	c.lastLog++
	id := c.lastLog
	c.logs[id] = free
	c.mu.Unlock()
	c.out.send(kindLogFull, id, appendDB(nil, db))
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	select {
	case <-free:
	case <-patience.C:
		c.logFree(id)
	}
}

func (c *child) logFree(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if free := c.logs[id]; free != nil {
		delete(c.logs, id)
		close(free)
	}
}

// status says how the tasks stand with their bounds on time.
func (c *child) status(now time.Time) (s status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range maps.Values(c.tasks) {
		left, executes := t.left(now)
		switch {
		case !executes:
		case left < 0 && -left > s.overdue:
			s.worst, s.overdue = t.id, -left
		case left >= 0 && (s.next == 0 || left < s.next):
			s.next = max(left, 1)
		}
	}
	return s
}

// close ends what is running and closes everything, so that no log is left to
// be recovered.
func (c *child) close() {
	c.mu.Lock()
	tasks := slices.Collect(maps.Values(c.tasks))
	c.mu.Unlock()
	for _, t := range tasks {
		t.cancel()
	}
	c.inner.Close()
	rep := reply{stats: c.inner.Stats()}
	c.out.sendNow(kindDone, 0, rep.append(nil))
}

// Main makes this process a worker, and does not return, if a [Runner] has
// started it as one; otherwise it does nothing. A program that makes a Runner
// calls it first in main, or in TestMain, before it opens anything. It calls
// [sandbox.Main] as well. A program that links much else imports
// ayb/hosting/worker/early instead, so that its workers are smaller.
func Main() {
	sandbox.Main()
	if len(os.Args) < 2 || os.Args[1] != workerArgument {
		return
	}
	exit(run())
}
