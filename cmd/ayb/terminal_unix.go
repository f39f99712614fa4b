//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// isTerminalFile reports whether a file is a terminal.
func isTerminalFile(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
