package main

import (
	"fmt"
	"runtime/debug"
)

// Set by scripts/release, and by nothing else. Without it, revision is that of the
// sources, if the compiler knows it.
var (
	version  = "0.1.0"
	revision = ""
)

// sqliteVersion is that of the pinned driver. Asking the driver would cost the
// start of an instance of SQLite.
const sqliteVersion = "3.53.4"

// versionLine returns what --version prints.
func versionLine() string {
	return fmt.Sprintf("ayb %s (commit %s, SQLite %s)", version, commit(), sqliteVersion)
}

// commit returns the first digits of the commit the program was built from, with
// a plus sign behind if something had been changed since.
func commit() string {
	if revision != "" {
		return revision
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	found := settings["vcs.revision"]
	if found == "" {
		return "unknown"
	}
	found = found[:min(12, len(found))]
	if settings["vcs.modified"] == "true" {
		found += "+"
	}
	return found
}
