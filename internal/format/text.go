package format

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"ayb/catalog"
)

// longBlob is how many bytes of a blob a literal shows before it is shortened.
const longBlob = 16

// A cell is a value as a person sees it.
type cell struct {
	text string // visible; lines end in "\n" but for the last
	null bool
}

// cellOf returns the value in column i: integers and reals in the classic
// form, and nothing that a terminal would obey.
func cellOf(row catalog.Row, i int, opts Options) cell {
	switch row.Type(i) {
	case catalog.Null:
		return cell{text: "NULL", null: true}
	case catalog.Blob:
		if opts.BlobLiterals {
			return cell{text: literal(row.Bytes(i))}
		}
	}
	return cell{text: visible(string(appendClassic(nil, row, i)))}
}

// appendClassic appends a value in the classic string form: a blob as the text
// it holds if it is UTF-8, else as a literal.
func appendClassic(b []byte, row catalog.Row, i int) []byte {
	switch row.Type(i) {
	case catalog.Integer:
		return strconv.AppendInt(b, row.Int64(i), 10)
	case catalog.Real:
		return catalog.AppendReal(b, row.Float64(i))
	case catalog.Text:
		return append(b, row.Bytes(i)...)
	case catalog.Blob:
		blob := row.Bytes(i)
		if utf8.Valid(blob) {
			return append(b, blob...)
		}
		return catalog.AppendBlobLiteral(b, blob)
	}
	return append(b, "NULL"...)
}

// literal returns a blob as SQL writes it, its first bytes and its size if it is
// long.
func literal(blob []byte) string {
	if len(blob) <= longBlob {
		return string(catalog.AppendBlobLiteral(nil, blob))
	}
	return fmt.Sprintf("%s... (%d bytes)", catalog.AppendBlobLiteral(nil, blob[:longBlob]), len(blob))
}

// visible returns text in which nothing commands a terminal: control and
// direction characters become escapes as Go and C write them, line ends and
// tabs stay, and what is not UTF-8 becomes U+FFFD.
func visible(text string) string {
	if plain(text) {
		return text
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var b strings.Builder
	b.Grow(len(text) + 16)
	for _, r := range text {
		if !commands(r) || r == '\n' || r == '\t' {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Visible returns text in a form that is safe to print to a terminal on one
// line: control and direction characters, line ends and tabs among them, become
// escapes such as \n and \x1b.
func Visible(text string) string {
	text = visible(text)
	if !strings.ContainsAny(text, "\n\t") {
		return text
	}
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(text)
}

// plain reports whether text is printable ASCII and nothing else.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// commands reports whether a terminal may obey r rather than print it: controls
// (C0, DEL, C1), separators of lines, and marks that turn the direction of what
// is around them.
func commands(r rune) bool {
	switch {
	case r < ' ' || 0x7f <= r && r <= 0x9f:
		return true
	case r == 0x61c || r == 0x200e || r == 0x200f || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069:
		return true
	}
	return false
}

// width returns how many columns of a terminal a line takes. A tab counts as
// none, since nobody knows where it ends.
func width(line string) int {
	if plain(line) {
		return len(line)
	}
	// Not the package's default, which would follow the locale of the machine.
	metric := runewidth.Condition{StrictEmojiNeutral: true}
	return metric.StringWidth(line)
}

// widest returns the width of the widest line of a text.
func widest(text string) (n int) {
	for line := range strings.SplitSeq(text, "\n") {
		n = max(n, width(line))
	}
	return n
}

// lines returns the physical lines of a cell, one at least; a line end at the
// end of the text begins no further one.
func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
