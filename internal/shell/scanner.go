package shell

import "strings"

// state is how far a statement has come, in the terms of sqlite3_complete.
type state uint8

const (
	start   state = iota // between statements
	normal               // in a statement that its next semicolon ends
	explain              // behind EXPLAIN
	create               // behind CREATE or CREATE TEMP
	trigger              // in a trigger, whose semicolons do not end it
	semi                 // in a trigger, behind a semicolon
	end                  // in a trigger, behind "; END"
)

// input is what a token means to the rule.
type input uint8

const (
	inSemicolon input = iota
	inOther
	inExplain
	inCreate
	inTemp
	inTrigger
	inEnd
)

// after is SQLite's rule for where a statement ends: at a semicolon that leads
// to start. The body of a trigger ends at "; END;" alone.
func after(s state, in input) state {
	switch s {
	case start:
		switch in {
		case inSemicolon:
			return start
		case inExplain:
			return explain
		case inCreate:
			return create
		}
	case explain:
		switch in {
		case inSemicolon:
			return start
		case inOther:
			return explain
		case inCreate:
			return create
		}
	case create:
		switch in {
		case inSemicolon:
			return start
		case inTemp:
			return create
		case inTrigger:
			return trigger
		}
	case trigger, semi, end:
		switch {
		case s == end && in == inSemicolon:
			return start
		case in == inSemicolon:
			return semi
		case s == semi && in == inEnd:
			return end
		}
		return trigger
	case normal:
		if in == inSemicolon {
			return start
		}
	}
	return normal
}

// A scanner finds the ends of statements in a text that comes line by line.
type scanner struct {
	state  state
	inside byte // the first byte of a token that is open at the end of a line, else 0
	opened int  // the line on which it began
	line   int  // lines read before, so the number of the next is one more
	begun  int  // the line on which the statement began, if state is not start
}

// next reads s up to the end of a statement and returns the index behind its
// semicolon, or -1 if s ends before. A text is handed over in whole lines with
// their "\n".
func (c *scanner) next(s string) int {
	for at := 0; at < len(s); {
		t := c.token(s[at:])
		if t.kind > comment {
			before := c.state
			if c.state = after(c.state, meaning(t)); before == start && c.state != start {
				c.begun = c.line + 1
			}
		}
		if t.open && c.inside == 0 {
			c.inside, c.opened = s[at], c.line+1
		}
		c.line += strings.Count(t.text, "\n")
		at += len(t.text)
		if t.kind == semicolon && c.state == start {
			return at
		}
	}
	return -1
}

// token returns the next token, or the rest of one that an earlier line opened.
func (c *scanner) token(s string) token {
	closing := ""
	switch c.inside {
	case 0:
		return nextToken(s)
	case '/':
		closing = "*/"
	case '[':
		closing = "]"
	default:
		closing = string(rune(c.inside))
	}
	// What follows an opening was counted when it opened; its kind no longer
	// matters.
	t := closed(comment, s, 0, closing)
	if !t.open {
		c.inside = 0
	}
	return t
}

// idle reports whether no statement has begun and nothing is open.
func (c *scanner) idle() bool { return c.state == start && c.inside == 0 }

func meaning(t token) input {
	switch t.kind {
	case semicolon:
		return inSemicolon
	case word:
		switch strings.ToUpper(t.text) {
		case "EXPLAIN":
			return inExplain
		case "CREATE":
			return inCreate
		case "TEMP", "TEMPORARY":
			return inTemp
		case "TRIGGER":
			return inTrigger
		case "END":
			return inEnd
		}
	}
	return inOther
}
