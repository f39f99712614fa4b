package shell

import (
	"strings"

	"github.com/mattn/go-runewidth"

	"ayb/internal/format"
)

// place finds the token that SQLite complains about: `near "x"` names it, and if
// sql has it once there is no doubt where it stands. The message is read for
// show alone.
func place(sql, message string) (at int, ok bool) {
	_, rest, found := strings.Cut(message, `near "`)
	if !found {
		return 0, false
	}
	near, _, found := strings.Cut(rest, `": `)
	if !found || near == "" {
		return 0, false
	}
	for i, t := range tokens(sql) {
		if t.text != near {
			continue
		}
		if ok {
			return 0, false
		}
		at, ok = i, true
	}
	return at, ok
}

// excerpt returns the line of sql with a caret below the token at index at, cut
// to what fits into a screen of the given width.
func excerpt(sql string, at, width int) string {
	begin := strings.LastIndexByte(sql[:at], '\n') + 1
	line := sql[begin:]
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	line = strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", " ")
	before, after := format.Visible(line[:at-begin]), format.Visible(line[at-begin:])
	room := max(width-4, 8)
	if runewidth.StringWidth(before) > room/2 {
		cut := runewidth.StringWidth(before) - room/2
		before = "..." + runewidth.TruncateLeft(before, cut+3, "")
	}
	indent := runewidth.StringWidth(before)
	after = runewidth.Truncate(after, max(room-indent, 4), "...")
	return "  " + before + after + "\n  " + strings.Repeat(" ", indent) + "^\n"
}
