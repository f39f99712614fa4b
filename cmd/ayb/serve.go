package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"gocloud.dev/blob"

	"ayb"
	"ayb/fault"
	"ayb/httpapi"
	"ayb/internal/mail"
)

// Bounds of the server's own connections.
const (
	headerTime  = 10 * time.Second // to send the header of a request
	headerBytes = 64 << 10

	// jsonRoom is what a query may be longer than its SQL: parameters, and the
	// JSON around them.
	jsonRoom = 1 << 20
)

// Bounds of the end. Requests under way have the first of them to finish; after
// the second the process ends whatever happens.
const (
	drainTime = 7 * time.Second
	stopTime  = 10 * time.Second
)

// serverCommand is "ayb server".
type serverCommand struct{ configFlag }

// Run serves until SIGINT or SIGTERM. A second signal ends the process at once.
func (cmd serverCommand) Run(s surrounding) error {
	c, err := cmd.load(s)
	if err != nil {
		return err
	}
	relaxCollector()
	widenScheduler()
	signal.Ignore(syscall.SIGPIPE) // nobody has to read what is printed
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(ctx, restore) // also before the server has begun
	logger, flush := newLogger(c, s.errout)
	defer flush()
	return serve(ctx, c, s, logger, restore)
}

// serve opens the engine and serves it until ctx ends. It returns when nothing
// of it runs any more, at most stopTime after the end of ctx. Before it says that
// it stops it calls stopping, so that whoever reads that can hurry it.
func serve(ctx context.Context, c *config, s surrounding, logger *slog.Logger, stopping func()) (err error) {
	out, started := s.out, time.Now()
	listener, err := listen(ctx, c)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it too, if it comes to that
	metrics, err := listenMetrics(ctx, c)
	if err != nil {
		return err
	}
	if metrics != nil {
		defer metrics.Close()
	}
	port := listener.Addr().(*net.TCPAddr).Port
	walls, err := c.isolate(logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, walls.close()) }()
	bucket, closeBucket, err := c.Snapshots.openBucket(ctx, logger)
	if err != nil {
		return err
	}
	defer closeBucket()
	eng, err := openEngine(ctx, c, walls, bucket, port, out, logger)
	if ctx.Err() != nil && eng == nil {
		return nil // stopped before it had begun
	}
	if err != nil {
		return err
	}
	closeDoor := openDoor(c, eng, logger)
	bounded := newConnections(listener, int(c.Limits.Connections), maxOpenFiles(), logger)
	m := &meter{eng: eng, runner: walls.runner, connections: bounded, started: started}
	if metrics != nil {
		m.traffic = httpapi.NewTraffic()
	}
	server := newServer(c, eng, walls, port, m.traffic, logger)
	server.ConnState = bounded.note
	closeMetrics := m.serve(metrics, c.Metrics.AllowRemote, logger)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(bounded) }()
	fmt.Fprintf(out, "Starting server %s...\n", joined(c.Host, int64(port)))
	walls.say(out, s.errout)
	io.WriteString(out, sayMetrics(metrics))
	if c.talksToTerminal() {
		shown := ""
		if isTerminal(out) {
			shown = " and are shown here"
		}
		fmt.Fprintf(out, "E-mails go to %s%s, until [email.smtp] or [email.file] is configured.\n", c.mailFile(), shown)
	}
	select {
	case err := <-failed:
		closeDoor()
		closeMetrics()
		return errors.Join(fault.Wrap(fault.Unavailable, err, "The server can't accept connections any more"), eng.Close())
	case <-ctx.Done():
		stopping()
		fmt.Fprintln(out, "Shutting down server...")
		closeDoor()
		closeMetrics()
		return shutDown(server, eng, logger)
	}
}

// listen takes the port. Errors: as listenOn.
func listen(ctx context.Context, c *config) (net.Listener, error) {
	return listenOn(ctx, c.address(), "port", "host")
}

// listenOn takes the port of an address, which these settings name. Errors:
// Unavailable, in the words of an operator.
func listenOn(ctx context.Context, address, portSetting, hostSetting string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return listener, nil
	}
	const wsaAddrInUse = syscall.Errno(10048) // what Windows says for EADDRINUSE
	reason := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaAddrInUse):
		reason = fmt.Sprintf("the port is in use by another program; stop it, or choose another port (%s in ayb.toml, or %s)", portSetting, variableOf(portSetting))
	case errors.Is(err, fs.ErrPermission):
		reason = "permission denied; ports below 1024 take privileges, so choose a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		reason = "this machine has no such address; check " + hostSetting + " (0.0.0.0 is every address)"
	default:
		return nil, fault.Wrap(fault.Unavailable, err, "The server can't listen on %s; check %s", address, hostSetting)
	}
	return nil, fault.New(fault.Unavailable, "The server can't listen on %s: %s", address, reason)
}

// openEngine opens the engine with e-mail and snapshots as configured.
func openEngine(ctx context.Context, c *config, walls *isolation, bucket *blob.Bucket, port int, out io.Writer, logger *slog.Logger) (*ayb.Engine, error) {
	cfg := c.engine()
	cfg.Logger = logger
	if walls.runner != nil {
		cfg.Runner = walls.runner
	}
	cfg.Snapshots.Bucket = bucket
	cfg.PublicURL = c.publicURL(port)
	cfg.Mail = mail.New(logger, c.transports(out, logger)...)
	return ayb.Open(ctx, cfg)
}

// newServer returns the HTTP server around the API of an engine. It has no bound
// on a whole request or answer: those may stream for long, and are bounded piece
// by piece by the handler.
func newServer(c *config, eng *ayb.Engine, walls *isolation, port int, traffic *httpapi.Traffic, logger *slog.Logger) *http.Server {
	opt := &httpapi.Options{
		PublicURL:      c.publicURL(port),
		TrustedProxies: c.proxies(),
		CORSOrigin:     c.CORS.Origin,
		MaxSQLBytes:    c.Limits.SQLBytes + jsonRoom,
		MaxResultBytes: c.Limits.ResultBytes,
		Stall:          c.Limits.WriteStall,
		Logger:         logger,
		Health:         walls.health,
		Traffic:        traffic,
	}
	if c.PublicURL == "" && len(opt.TrustedProxies) > 0 {
		opt.PublicURL = "" // the proxies tell
	}
	return &http.Server{
		Handler:           httpapi.New(eng, opt),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       c.Limits.IdleTime,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// shutDown lets requests finish, ends those that do not, and closes the engine.
// Errors: TimedOut, if that did not end in time.
func shutDown(server *http.Server, eng *ayb.Engine, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	closed := make(chan error, 1)
	go func() {
		drain, cancel := context.WithTimeout(ctx, drainTime)
		defer cancel()
		if err := server.Shutdown(drain); err != nil {
			logger.Warn("requests that did not end in time are cut off", "after", drainTime)
			server.Close()
		}
		closed <- eng.Close()
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fault.New(fault.TimedOut, "The server did not stop within %v and was ended; nothing that it acknowledged is lost", stopTime)
	}
}
