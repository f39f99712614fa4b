package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"ayb/client"
	"ayb/fault"
)

// setDefaultURLCommand is "ayb client set_default_url".
type setDefaultURLCommand struct {
	URL string `arg:"" name:"url" help:"The server, for example http://127.0.0.1:5433."`
}

// Run remembers a server. It need not be there yet.
func (cmd setDefaultURLCommand) Run(c *connection) error {
	if err := c.settle(); err != nil {
		return err
	}
	if _, err := client.New(client.Config{URL: cmd.URL}); err != nil {
		return err
	}
	if err := c.file.update(func(s *clientSettings) { s.DefaultURL = &cmd.URL }); err != nil {
		return err
	}
	c.say("Saved %s as new default_url", cmd.URL)
	return nil
}

// configPathCommand is "ayb client config_path".
type configPathCommand struct{}

// Run prints where the settings are, or would be.
func (configPathCommand) Run(c *connection) error {
	if err := c.settle(); err != nil {
		return err
	}
	if c.file.path == "" {
		return fault.New(fault.Invalid, "There is no home directory, so there is no configuration file; name one with --config")
	}
	c.say("%s", c.file.path)
	return nil
}

// A yesOption lets a command that takes something away ask first.
type yesOption struct {
	Yes bool `name:"yes" help:"Do not ask."`
}

// ask asks a person whether to go on. A program has to say so in advance.
func (y yesOption) ask(c *connection, what string) error {
	if y.Yes {
		return nil
	}
	if !isTerminal(c.in) || !isTerminal(c.errout) {
		c.advise(fault.Invalid, "say that you are sure with: --yes")
		return fault.New(fault.Invalid, "%s? Nobody is there to ask, so nothing was done", what)
	}
	fmt.Fprintf(c.errout, "%s? Type yes to go on: ", visible(what))
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(c.in, 1000)).ReadString('\n')
		answers <- strings.TrimSpace(line)
	}()
	select {
	case <-c.ctx.Done():
		fmt.Fprintln(c.errout)
		return c.ctx.Err()
	case answer := <-answers:
		if strings.EqualFold(answer, "yes") || strings.EqualFold(answer, "y") {
			return nil
		}
	}
	return fault.New(fault.Invalid, "Nothing was done")
}
