package hostingtest

import (
	"context"
	"encoding/gob"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"ayb/catalog"
	"ayb/fault"
	"ayb/hosting"
)

// Pipe returns a Runner that does nothing but speak to inner over connections:
// all that goes there and comes back is bytes. Each call has a connection of
// its own without a buffer, so that inner waits for the caller's sink as it
// would without a pipe, except that it may be one row ahead. Closing the Runner
// closes inner.
func Pipe(inner hosting.Runner) hosting.Runner {
	return &pipe{server: &server{inner: inner, sessions: map[uint64]hosting.Session{}, resumes: map[uint64]func(){}}}
}

// A pipe is the near end: the caller's.
type pipe struct{ server *server }

var _ hosting.Runner = (*pipe)(nil)

func (p *pipe) Run(ctx context.Context, job hosting.Job, sink hosting.Sink) (catalog.Summary, error) {
	rep, err := p.call(ctx, request{Op: opRun, Job: packJob(job), Wanted: sink != nil}, sink, nil)
	return rep.Summary, err
}

func (p *pipe) Begin(ctx context.Context, job hosting.Job) (hosting.Session, error) {
	rep, err := p.call(ctx, request{Op: opBegin, Job: packJob(job)}, nil, nil)
	if err != nil {
		return nil, err
	}
	return &pipeSession{pipe: p, handle: rep.Handle}, nil
}

func (p *pipe) Create(ctx context.Context, db hosting.DB) error {
	_, err := p.call(ctx, request{Op: opCreate, Job: job{DB: db}}, nil, nil)
	return err
}

func (p *pipe) Adopt(ctx context.Context, job hosting.Job, upload hosting.Upload) error {
	_, err := p.call(ctx, request{Op: opAdopt, Job: packJob(job), Upload: upload}, nil, nil)
	return err
}

func (p *pipe) Copy(ctx context.Context, db hosting.DB, method hosting.CopyMethod, w io.Writer) (hosting.Generation, error) {
	rep, err := p.call(ctx, request{Op: opCopy, Job: job{DB: db}, Method: method}, nil, w)
	return rep.Generation, err
}

func (p *pipe) CopyTo(ctx context.Context, db hosting.DB, method hosting.CopyMethod, image catalog.ID) (hosting.Generation, error) {
	rep, err := p.call(ctx, request{Op: opCopyTo, Job: job{DB: db}, Method: method, Image: image}, nil, nil)
	return rep.Generation, err
}

func (p *pipe) Check(ctx context.Context, db hosting.DB, depth hosting.CheckDepth) error {
	_, err := p.call(ctx, request{Op: opCheck, Job: job{DB: db}, Depth: depth}, nil, nil)
	return err
}

func (p *pipe) Release(ctx context.Context, db hosting.DB) (resume func(), err error) {
	rep, err := p.call(ctx, request{Op: opRelease, Job: job{DB: db}}, nil, nil)
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		p.call(context.Background(), request{Op: opResume, Handle: rep.Handle}, nil, nil)
	}), nil
}

func (p *pipe) Stats() hosting.Stats {
	rep, _ := p.call(context.Background(), request{Op: opStats}, nil, nil)
	return rep.Stats
}

func (p *pipe) Close() error {
	_, err := p.call(context.Background(), request{Op: opClose}, nil, nil)
	return err
}

// A pipeSession is the near end of a session, which the far end knows by a
// handle.
type pipeSession struct {
	pipe   *pipe
	handle uint64
}

func (s *pipeSession) Run(ctx context.Context, st catalog.Statement, sink hosting.Sink) (catalog.Summary, error) {
	req := request{Op: opSessionRun, Handle: s.handle, Job: packJob(hosting.Job{Statement: st}), Wanted: sink != nil}
	rep, err := s.pipe.call(ctx, req, sink, nil)
	return rep.Summary, err
}

func (s *pipeSession) InTransaction() bool {
	rep, _ := s.pipe.call(context.Background(), request{Op: opSessionState, Handle: s.handle}, nil, nil)
	return rep.InTransaction
}

func (s *pipeSession) Close() error {
	_, err := s.pipe.call(context.Background(), request{Op: opSessionClose, Handle: s.handle}, nil, nil)
	return err
}

// call sends one request and takes what comes back until the last frame. It
// returns when the far end has nothing left to do for it.
func (p *pipe) call(ctx context.Context, req request, sink hosting.Sink, w io.Writer) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, err
	}
	near, far := net.Pipe()
	stopNear, stopFar := net.Pipe() // says when the sink is to stop, while the rows before are not taken
	var ends sync.WaitGroup
	ends.Go(func() { p.server.serve(far, stopFar) })
	ends.Go(func() {
		if _, err := stopNear.Read(make([]byte, 1)); err != nil {
			return
		}
		if s, ok := sink.(hosting.Stopper); ok {
			s.Stop()
		}
	})
	defer func() {
		near.Close()
		stopNear.Close()
		ends.Wait()
	}()
	dec, enc := gob.NewDecoder(near), gob.NewEncoder(near)
	if err := enc.Encode(req); err != nil {
		return reply{}, broken(err)
	}
	var sending sync.Mutex
	tell := func(s signal) {
		sending.Lock()
		defer sending.Unlock()
		enc.Encode(s) // if this fails, so does reading
	}
	stop := context.AfterFunc(ctx, func() { tell(cancelled) })
	defer stop()

	var refusal error // of the caller's sink or writer
	for {
		var f frame
		if err := dec.Decode(&f); err != nil {
			return reply{}, broken(err)
		}
		if f.Kind == frameReply {
			return f.Reply, f.Reply.Err.unpack(ctx, refusal)
		}
		if refusal != nil {
			continue // what was on its way
		}
		if refusal = f.deliver(sink, w); refusal != nil {
			tell(refused)
		}
	}
}

// deliver hands what a frame holds to whom it is for.
func (f *frame) deliver(sink hosting.Sink, w io.Writer) error {
	switch f.Kind {
	case frameColumns:
		return sink.Columns(f.Columns)
	case frameRow:
		return sink.Row(row(f.Row))
	case frameChunk:
		_, err := w.Write(f.Chunk)
		return err
	}
	return fault.New(fault.Internal, "a frame of unknown kind %d", f.Kind)
}

func broken(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The connection is broken")
}

// A server is the far end: inner's.
type server struct {
	inner hosting.Runner

	mu       sync.Mutex
	last     uint64 // handle
	sessions map[uint64]hosting.Session
	resumes  map[uint64]func()
}

// serve answers the one request of a connection.
func (s *server) serve(conn, stop net.Conn) {
	c := &serverConn{enc: gob.NewEncoder(conn), stop: stop}
	dec := gob.NewDecoder(conn)
	var req request
	if dec.Decode(&req) != nil {
		conn.Close()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		c.listen(dec, cancel)
	}()
	rep, err := s.handle(ctx, req, c)
	rep.Err = packError(err)
	c.enc.Encode(frame{Kind: frameReply, Reply: rep})
	conn.Close()
	<-listening
}

func (s *server) handle(ctx context.Context, req request, c *serverConn) (rep reply, err error) {
	var sink hosting.Sink
	if req.Wanted {
		sink = c
	}
	switch db := req.Job.DB; req.Op {
	case opRun:
		rep.Summary, err = s.inner.Run(ctx, req.Job.unpack(), sink)
	case opBegin:
		var se hosting.Session
		if se, err = s.inner.Begin(ctx, req.Job.unpack()); err == nil {
			rep.Handle = keep(s, s.sessions, se)
		}
	case opCreate:
		err = s.inner.Create(ctx, db)
	case opCopy:
		rep.Generation, err = s.inner.Copy(ctx, db, req.Method, c)
	case opCopyTo:
		rep.Generation, err = s.inner.CopyTo(ctx, db, req.Method, req.Image)
	case opAdopt:
		err = s.inner.Adopt(ctx, req.Job.unpack(), req.Upload)
	case opCheck:
		err = s.inner.Check(ctx, db, req.Depth)
	case opRelease:
		var resume func()
		if resume, err = s.inner.Release(ctx, db); err == nil {
			rep.Handle = keep(s, s.resumes, resume)
		}
	case opResume:
		s.take(req.Handle)()
	case opStats:
		rep.Stats = s.inner.Stats()
	case opClose:
		err = s.inner.Close()
	default:
		return s.handleSession(ctx, req, sink)
	}
	return rep, err
}

func (s *server) handleSession(ctx context.Context, req request, sink hosting.Sink) (rep reply, err error) {
	s.mu.Lock()
	se := s.sessions[req.Handle]
	s.mu.Unlock()
	switch req.Op {
	case opSessionRun:
		rep.Summary, err = se.Run(ctx, req.Job.unpack().Statement, sink)
	case opSessionState:
		rep.InTransaction = se.InTransaction()
	case opSessionClose:
		err = se.Close()
	}
	return rep, err
}

// keep stores v under a new handle.
func keep[T any](s *server, in map[uint64]T, v T) (handle uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	in[s.last] = v
	return s.last
}

// take removes the resume function of a handle.
func (s *server) take(handle uint64) (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resume = s.resumes[handle]
	delete(s.resumes, handle)
	return resume
}

// A serverConn sends rows and bytes to the near end. It is the sink, or the
// writer, of the call that the connection serves.
type serverConn struct {
	enc     *gob.Encoder
	stop    net.Conn
	stopped sync.Once
	refused atomic.Bool
}

var _ hosting.Stopper = (*serverConn)(nil)

// Stop passes on that the caller's sink is to stop.
func (c *serverConn) Stop() {
	c.stopped.Do(func() { c.stop.Write([]byte{1}) }) // if this fails, the call has ended
}

// errRefused stands for the error of the caller's sink or writer, which stays
// with the caller.
var errRefused = errors.New("hostingtest: the caller wants no more")

func (c *serverConn) listen(dec *gob.Decoder, cancel context.CancelFunc) {
	defer cancel()
	for {
		var s signal
		if dec.Decode(&s) != nil {
			return
		}
		switch s {
		case refused:
			c.refused.Store(true)
		case cancelled:
			cancel()
		}
	}
}

func (c *serverConn) send(f frame) error {
	if c.refused.Load() {
		return errRefused
	}
	return c.enc.Encode(f)
}

func (c *serverConn) Columns(columns []catalog.Column) error {
	return c.send(frame{Kind: frameColumns, Columns: columns})
}

func (c *serverConn) Row(r catalog.Row) error {
	return c.send(frame{Kind: frameRow, Row: packRow(r)})
}

func (c *serverConn) Write(p []byte) (int, error) {
	if err := c.send(frame{Kind: frameChunk, Chunk: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}
