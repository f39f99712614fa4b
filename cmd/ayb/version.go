package main

import (
	"fmt"
	"runtime/debug"
)

const (
	version = "0.1.0"

	// sqliteVersion is that of the pinned driver. Asking the driver would cost
	// the start of an instance of SQLite.
	sqliteVersion = "3.53.4"
)

// versionLine returns what --version prints.
func versionLine() string {
	return fmt.Sprintf("ayb %s (%s, SQLite %s)", version, commit(), sqliteVersion)
}

// commit returns the first digits of the commit the program was built from, with
// a plus sign behind if something had been changed since.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown commit"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision == "" {
		return "unknown commit"
	}
	revision = revision[:min(12, len(revision))]
	if settings["vcs.modified"] == "true" {
		revision += "+"
	}
	return revision
}
