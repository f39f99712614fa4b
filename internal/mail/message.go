package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"ayb/fault"
)

// Bounds of a message, in bytes.
const (
	MaxSubject = 500       // of a subject
	MaxBody    = 256 << 10 // of a body
)

// A Message is a plain text for one person. The sender is the transport's.
type Message struct {
	To      string // an address, as "ann@example.org" or "Ann <ann@example.org>"
	Subject string // one line of UTF-8 without "=?", at most MaxSubject bytes
	Body    string // UTF-8, at most MaxBody bytes; lines end in "\n" or "\r\n", tabs are kept
}

// An envelope is a message that was checked: none of its parts can break out of
// its place in a header, a command or a line.
type envelope struct {
	to            Address
	subject, body string // lines of the body end in "\n"
}

// parse checks the message. It fails as fault.Invalid or fault.TooLarge.
func (m Message) parse() (envelope, error) {
	to, err := ParseAddress(m.To)
	if err != nil {
		return envelope{}, err
	}
	if len(m.Subject) > MaxSubject {
		return envelope{}, fault.New(fault.TooLarge, "The subject of an e-mail has at most %d bytes", MaxSubject)
	}
	if len(m.Body) > MaxBody {
		return envelope{}, fault.New(fault.TooLarge, "The text of an e-mail has at most %d bytes", MaxBody)
	}
	body := strings.ReplaceAll(m.Body, "\r\n", "\n")
	if !isText(m.Subject, "") || !isText(body, "\t\n") {
		return envelope{}, fault.New(fault.Invalid, "An e-mail must be UTF-8 without control characters")
	}
	if strings.Contains(m.Subject, "=?") { // readers would take it for an encoded word and show something else
		return envelope{}, fault.New(fault.Invalid, `The subject of an e-mail must not contain "=?"`)
	}
	return envelope{to: to, subject: m.Subject, body: body}, nil
}

// isText reports whether s is UTF-8 whose only control characters are those
// allowed.
func isText(s, allowed string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(allowed, r)
	})
}
