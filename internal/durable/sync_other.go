//go:build !unix

package durable

// SyncDir does nothing: here the file system journals entries by itself, and a
// directory can't be synced.
func SyncDir(string) error { return nil }
