package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// isTerminalFile reports whether a file is a terminal.
func isTerminalFile(f *os.File) bool {
	var mode uint32
	return windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) == nil
}
