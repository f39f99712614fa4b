package main

import (
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/term"

	"ayb/internal/format"
)

// databasePattern is what the name of a database looks like.
var databasePattern = regexp.MustCompile(`^\S+/\S+$`)

// visible returns a text that is safe to show on one line of a terminal.
func visible(text string) string { return format.Visible(text) }

// visibleLines is visible for a text of several lines.
func visibleLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = format.Visible(line)
	}
	return strings.Join(lines, "\n")
}

// fileOf returns the file behind a reader or writer of the process; nil if it is
// none.
func fileOf(stream any) *os.File {
	if checked, ok := stream.(*checkedWriter); ok {
		stream = checked.w
	}
	file, _ := stream.(*os.File)
	return file
}

// isTerminal reports whether a person is at the other end.
func isTerminal(stream any) bool {
	file := fileOf(stream)
	return file != nil && term.IsTerminal(int(file.Fd()))
}

// hasColor reports whether output may be coloured: on a terminal that knows how,
// unless somebody asked for none.
func (s surrounding) hasColor(w io.Writer) bool {
	none, _ := s.variable("NO_COLOR")
	return none == "" && !s.isDumb() && isTerminal(w)
}

// isDumb reports whether the terminal can't move its cursor, or nobody says what
// it is.
func (s surrounding) isDumb() bool {
	kind, _ := s.variable("TERM")
	return kind == "dumb" || kind == "" && runtime.GOOS != "windows"
}
