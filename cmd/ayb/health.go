package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"ayb/fault"
)

// healthTime is how long the server may take to answer.
const healthTime = 5 * time.Second

// healthCommand is "ayb health": the check for containers that hold no other
// program.
type healthCommand struct{ configFlag }

// Run asks the server of the configuration, on this machine.
func (cmd healthCommand) Run(s surrounding) error {
	c, err := cmd.load(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTime)
	defer cancel()
	if err := askHealth(ctx, c); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "The server answers.")
	return nil
}

// askHealth asks a server for its health. Errors: Unavailable.
func askHealth(ctx context.Context, c *config) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+joined(c.localHost(), c.Port)+"/health", nil)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "host must be a name or an address")
	}
	// A proxy of the environment is not asked: this is about this machine.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "No server answers on %s", c.address())
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "The server on %s answers with status %d", c.address(), answer.StatusCode)
	}
	return nil
}

// localHost returns an address of this machine that reaches the server.
func (c *config) localHost() string {
	switch c.Host {
	case "0.0.0.0":
		return "127.0.0.1"
	case "::":
		return "::1"
	}
	return c.Host
}
