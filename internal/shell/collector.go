package shell

import (
	"slices"
	"strings"

	"ayb/fault"
)

// maxText bounds a text that waits for its end. Servers take far less.
const maxText = 16 << 20

// A unit is a text to be run at once: a statement, or a transaction from BEGIN
// to COMMIT, since the server keeps no transaction open between two requests.
type unit struct {
	text     string
	line     int  // on which it begins
	rollback bool // a transaction that ends in ROLLBACK: there is nothing to run
	several  bool // more than one statement
}

// A collector makes units of lines.
//
// PRAGMA foreign_keys = OFF goes with what follows it, as in a dump: alone it
// would have no effect.
type collector struct {
	scan        scanner
	text        strings.Builder // of the unit so far
	statement   int             // index in text of the statement being read
	line        int             // on which the unit begins; 0: it has not begun
	transaction bool            // BEGIN was read
}

// add takes a line, with its "\n" unless it is the last, and returns the units
// that it completes. Errors: [fault.TooLarge]; the collector is empty then.
func (c *collector) add(line string) ([]unit, error) {
	var units []unit
	for line != "" {
		n := c.scan.next(line)
		part := line
		if n >= 0 {
			part = line[:n]
		}
		line = line[len(part):]
		if n < 0 && c.line == 0 && c.scan.idle() {
			c.clear() // blanks and comments between units
			break
		}
		if c.text.WriteString(part); c.text.Len() > maxText {
			at := c.begins()
			c.reset()
			return units, fault.New(fault.TooLarge, "What begins on line %d is longer than %d MiB", at, maxText>>20)
		}
		if c.line == 0 && c.scan.state != start {
			c.line = c.scan.begun
		}
		if n < 0 {
			break
		}
		if u, ok := c.complete(); ok {
			units = append(units, u)
		}
	}
	return units, nil
}

// complete looks at the statement that has just ended and returns the unit that
// ends with it, if one does.
func (c *collector) complete() (unit, bool) {
	before := c.statement
	statement := c.text.String()[before:]
	c.statement = c.text.Len()
	first := words(statement, 4)
	if len(first) == 0 || first[0] == ";" {
		if c.line == 0 {
			c.clear()
		}
		return unit{}, false
	}
	if c.line == 0 {
		c.line = c.scan.begun // a statement within one line
	}
	ends, rollback := true, false
	switch {
	case c.transaction:
		rollback = first[0] == "ROLLBACK" && !slices.Contains(first, "TO") // ROLLBACK [TRANSACTION] TO a savepoint
		ends = rollback || first[0] == "COMMIT" || first[0] == "END"
	case first[0] == "BEGIN":
		c.transaction, ends = true, false
	case len(first) == 4 && first[0] == "PRAGMA" && first[1] == "FOREIGN_KEYS" && first[2] == "=" && (first[3] == "OFF" || first[3] == "0"):
		ends = false
	}
	if !ends {
		return unit{}, false
	}
	u := unit{text: c.text.String(), line: c.line, rollback: rollback, several: before > 0}
	c.clear()
	return u, true
}

// finish returns what is left at the end of the input: a last statement needs
// no semicolon. Errors: [fault.Invalid] if something has begun and not ended.
func (c *collector) finish() (u unit, ok bool, err error) {
	if err := c.unfinished(); err != nil {
		return unit{}, false, err
	}
	if c.scan.state != start {
		c.scan.state = start
		if u, ok = c.complete(); ok {
			return u, true, nil
		}
	}
	if c.transaction {
		return unit{}, false, fault.New(fault.Invalid, "Line %d: the transaction that begins here does not end, and nothing of it was run; COMMIT is missing", c.line)
	}
	if c.line > 0 {
		u, ok = unit{text: c.text.String(), line: c.line}, true
	}
	return u, ok, nil
}

// unfinished returns an error if the last statement can't be complete.
func (c *collector) unfinished() error {
	switch c.scan.inside {
	case 0:
	case '/':
		return fault.New(fault.Invalid, "Line %d: the comment that begins here does not end", c.scan.opened)
	case '\'':
		return fault.New(fault.Invalid, "Line %d: the text that begins here does not end; a quote is missing", c.scan.opened)
	default:
		return fault.New(fault.Invalid, "Line %d: the name that begins here does not end; a quote or bracket is missing", c.scan.opened)
	}
	if c.scan.state == trigger || c.scan.state == semi {
		return fault.New(fault.Invalid, "Line %d: the trigger that begins here does not end; END is missing", c.scan.begun)
	}
	return nil
}

// pending reports whether something has begun that is not complete.
func (c *collector) pending() bool { return c.line > 0 || !c.scan.idle() }

// between reports whether a new statement may begin here.
func (c *collector) between() bool { return c.scan.idle() }

// begins returns the line on which what is pending begins.
func (c *collector) begins() int {
	if c.line > 0 {
		return c.line
	}
	return c.scan.opened
}

// reset forgets what is pending and goes on counting lines.
func (c *collector) reset() {
	c.scan = scanner{line: c.scan.line}
	c.clear()
}

// clear makes room for the next unit.
func (c *collector) clear() {
	c.text.Reset()
	c.statement, c.line, c.transaction = 0, 0, false
}
