package main

import (
	"errors"
	"strings"
	"syscall"

	"ayb/client"
	"ayb/fault"
)

// advise says what to do next if the command fails with an error of a kind.
func (c *connection) advise(kind fault.Kind, hint string) {
	if c.advice == nil {
		c.advice = map[fault.Kind]string{}
	}
	c.advice[kind] = hint
}

// adviseOn says what to do if a database is not there, or not for this person.
func (c *connection) adviseOn(database databaseName) {
	owner := database.owner()
	if owner == "" {
		return
	}
	c.advise(fault.Denied, "whoever manages "+string(database)+" can give you access: ayb client share "+string(database)+" YOUR_NAME read-only")
	c.advise(fault.ReadOnly, "whoever manages "+string(database)+" can let you write: ayb client share "+string(database)+" YOUR_NAME read-write")
}

// hint returns what to do next after a failure; empty if that is plain.
func (c *connection) hint(err error) string {
	kind := fault.KindOf(err)
	if errors.Is(err, errNoToken) {
		if others := c.settings.others(c.url); len(others) > 0 {
			return "log in to " + c.url + " with: ayb client log_in NAME; you have a token for " + strings.Join(others[:min(len(others), 3)], ", ")
		}
		return "make an account with: ayb client register NAME EMAIL, or log in with: ayb client log_in NAME"
	}
	if hint := c.hintOnMissing(err); hint != "" {
		return hint
	}
	if hint, ok := c.advice[kind]; ok {
		return hint
	}
	switch kind {
	case fault.Unauthenticated:
		if c.token == "" {
			return "log in with: ayb client log_in NAME"
		}
		return "get another token with: ayb client log_in NAME"
	case fault.Unavailable:
		const wsaConnRefused = syscall.Errno(10061) // what Windows says for ECONNREFUSED
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused) {
			return "start a server with: ayb server, or choose another one with: ayb client set_default_url URL"
		}
	case fault.Busy:
		return "try again in a moment"
	}
	return ""
}

// hintOnMissing returns where to look for what does not exist.
func (c *connection) hintOnMissing(err error) string {
	answer, ok := errors.AsType[*client.ResponseError](err)
	if !ok {
		return ""
	}
	switch answer.RecordType {
	case "database":
		if owner := databaseName(answer.ID).owner(); owner != "" {
			return "list the databases that there are with: ayb client list " + owner
		}
	case "api_token":
		if fault.KindOf(err) == fault.NotFound {
			return "list your tokens with: ayb client list_tokens"
		}
	}
	return ""
}
