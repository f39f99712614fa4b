package main

import (
	"context"
	"log/slog"
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
	return serveAside(listener, listener.Guard(operator.New(eng, logger)), doorTime, logger)
}
