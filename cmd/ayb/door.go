package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"ayb"
	"ayb/fault"
	"ayb/operator"
)

// doorTime is how long the operator's requests may take to finish at the end.
const doorTime = time.Second

// openDoor serves the operator's routes on their socket, until close is called.
// A server without that door is as good as one with it for everybody else, so a
// failure is a line in the log.
func openDoor(c *config, eng *ayb.Engine, logger *slog.Logger) (closeDoor func()) {
	listener, err := operator.Listen(c.operatorSocket())
	if err != nil {
		level := slog.LevelWarn
		if fault.KindOf(err) == fault.Unsupported {
			level = slog.LevelDebug
		}
		f, _ := err.(*fault.Error)
		logger.Log(context.Background(), level, fault.Message(err)+"; ayb admin can't ask this server", "cause", f.Unwrap())
		return func() {}
	}
	server := &http.Server{
		Handler: listener.Guard(operator.New(eng, logger)), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytes,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go server.Serve(listener)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), doorTime)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		listener.Close() // also if it was never served
	}
}
