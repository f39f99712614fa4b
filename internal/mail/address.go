package mail

import (
	netmail "net/mail"
	"strings"
	"unicode"

	"ayb/fault"
)

// Bounds of an address, in bytes.
const (
	maxAddress = 254 // of what is between the angle brackets: RFC 5321, 4.5.3.1.3
	maxName    = 200
)

// An Address is a mailbox and, perhaps, the name of its owner. One that
// [ParseAddress] returned is fit for the headers and commands of a mail.
type Address struct {
	Name string // may be empty
	Addr string // local part, "@" and domain, without quoting or comments
}

// ParseAddress reads "ann@example.org" or "Ann <ann@example.org>", as in the
// settings from and reply_to. Addresses that need quoting are refused, as they
// are by most of the world's mail servers. It fails as [fault.Invalid].
func ParseAddress(text string) (Address, error) {
	invalid := fault.New(fault.Invalid, "An e-mail address must look like ann@example.org or Ann <ann@example.org>")
	if len(text) > 2*(maxAddress+maxName) || !isText(text, "") {
		return Address{}, invalid
	}
	parsed, err := netmail.ParseAddress(text)
	if err != nil {
		invalid.Err = err
		return Address{}, invalid
	}
	a := Address{Name: parsed.Name, Addr: parsed.Address}
	if len(a.Name) > maxName || !isText(a.Name, "") || !isMailbox(a.Addr) {
		return Address{}, invalid
	}
	return a, nil
}

// isMailbox reports whether a parsed address can stand between angle brackets as
// it is: net/mail has taken the quotes off, so what needs some is recognised by
// their coming back.
func isMailbox(addr string) bool {
	unprintable := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	bare := netmail.Address{Address: addr}
	return len(addr) <= maxAddress && !strings.ContainsFunc(addr, unprintable) && bare.String() == "<"+addr+">"
}

// IsZero reports whether there is no address.
func (a Address) IsZero() bool { return a.Addr == "" }

// isValid reports whether the address is one that ParseAddress may have returned.
func (a Address) isValid() bool {
	parsed, err := ParseAddress(a.String())
	return err == nil && parsed == a
}

// String returns the address for people: the mailbox alone, or
// "Name <mailbox>" with quotes around the name only if it needs them.
// ParseAddress reads it back.
func (a Address) String() string {
	if a.Name == "" {
		return a.Addr
	}
	name := a.Name
	if strings.Join(strings.Fields(name), " ") != name || strings.ContainsAny(name, `()<>[]:;@\,."`) || strings.Contains(name, "=?") {
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return name + " <" + a.Addr + ">"
}

// header returns the address for a header: a name that is not ASCII is encoded.
func (a Address) header() string {
	if a.Name == "" {
		return a.Addr
	}
	full := netmail.Address{Name: a.Name, Address: a.Addr}
	return full.String()
}

// domain returns what is behind the "@".
func (a Address) domain() string {
	return a.Addr[strings.LastIndexByte(a.Addr, '@')+1:]
}

// isASCII reports whether s has no letters that SMTP without SMTPUTF8 lacks.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
