package mail

import (
	"bytes"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"
)

// Bounds of a line, in bytes without its end: RFC 5322, 2.1.1.
const (
	maxLine  = 998 // beyond it a mail server may cut or refuse
	foldLine = 76  // where headers are folded
)

// dateFormat is the date of RFC 2822 and of its successor RFC 5322.
const dateFormat = time.RFC1123Z

// A letter is everything that a mail says.
type letter struct {
	envelope
	from, replyTo Address // without replyTo, answers go to from
	date          time.Time
	id            string // without angle brackets
}

// format returns the letter as RFC 5322 and MIME have it. The text goes
// unencoded where it can, since people and programs read it in the raw.
func (l letter) format() []byte {
	encoding, body := "7bit", []byte(strings.ReplaceAll(l.body, "\n", "\r\n"))
	if !isASCII(l.body) || longestLine(l.body) > maxLine {
		encoding, body = "quoted-printable", quote(l.body)
	}
	var b bytes.Buffer
	writeHeader(&b, "From", l.from.header())
	writeHeader(&b, "To", l.to.header())
	if !l.replyTo.IsZero() {
		writeHeader(&b, "Reply-To", l.replyTo.header())
	}
	writeHeader(&b, "Subject", mime.QEncoding.Encode("utf-8", l.subject))
	writeHeader(&b, "Date", l.date.UTC().Format(dateFormat))
	writeHeader(&b, "Message-ID", "<"+l.id+">")
	writeHeader(&b, "Auto-Submitted", "auto-generated") // no answer from somebody on holiday: RFC 3834
	writeHeader(&b, "MIME-Version", "1.0")
	writeHeader(&b, "Content-Type", "text/plain; charset=utf-8")
	writeHeader(&b, "Content-Transfer-Encoding", encoding)
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// writeHeader writes one header, folded before words. Whoever unfolds it gets
// the value back byte for byte.
func writeHeader(b *bytes.Buffer, name, value string) {
	b.WriteString(name + ":")
	column := len(name) + 1
	for i, word := range strings.Split(value, " ") {
		if i > 0 && word != "" && column+1+len(word) > foldLine {
			b.WriteString("\r\n")
			column = 0
		}
		b.WriteString(" " + word)
		column += 1 + len(word)
	}
	b.WriteString("\r\n")
}

func longestLine(text string) (longest int) {
	for line := range strings.SplitSeq(text, "\n") {
		longest = max(longest, len(line))
	}
	return longest
}

// quote returns text in quoted-printable; writing to memory cannot fail.
func quote(text string) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}
