package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"ayb/store"
)

func (c *config) examineMetadata(ctx context.Context) []finding {
	const subject = "metadata"
	address, where := c.metadata()
	have, want, err := store.Schema(ctx, address)
	switch {
	case err != nil:
		return []finding{found(broken, subject, "%s can't be read (%s); check database_url and the database behind it", where, plain(err))}
	case have == 0:
		return []finding{found(fine, subject, "%s is empty; the server sets it up when it starts", where)}
	case have > want:
		return []finding{found(broken, subject, "%s was made by a newer ayb: its schema is number %d, and this one knows %d; run that version, or a newer one", where, have, want)}
	case have < want:
		return []finding{found(fine, subject, "%s was made by an older ayb: its schema is number %d, and the server brings it to %d when it starts", where, have, want)}
	}
	return []finding{found(fine, subject, "%s can be read; its schema is number %d, as it should be", where, have)}
}

// metadata returns the URL of the metadata, and in which words to speak of the
// database: without its password.
func (c *config) metadata() (address, where string) {
	address = c.DatabaseURL
	if address == "" {
		address = "sqlite://" + filepath.Join(c.DataPath, "ayb.sqlite")
	}
	if path, ok := strings.CutPrefix(address, "sqlite://"); ok {
		return address, path
	}
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
		return address, "PostgreSQL on " + u.Hostname()
	}
	return address, "PostgreSQL"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
