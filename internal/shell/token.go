package shell

import (
	"iter"
	"strings"
)

// tokenKind is what a piece of SQL is, as far as a shell must know.
type tokenKind uint8

const (
	blank     tokenKind = iota // white space
	comment                    // -- or /* */
	literal                    // 'text'
	name                       // "name", `name` or [name]
	word                       // a keyword, a name without quotes, a number
	parameter                  // ?, ?1, :a, @a, $a
	semicolon
	operator // anything else, one byte
)

// A token is a piece of SQL. One that its text ends before its closing quote,
// bracket or */ is open.
type token struct {
	kind tokenKind
	text string
	open bool
}

// nextToken returns the token at the start of s, which is not empty.
func nextToken(s string) token {
	switch c := s[0]; {
	case isBlank(c):
		n := 1
		for n < len(s) && isBlank(s[n]) {
			n++
		}
		return token{kind: blank, text: s[:n]}
	case c == ';':
		return token{kind: semicolon, text: s[:1]}
	case strings.HasPrefix(s, "--"):
		n := strings.IndexByte(s, '\n')
		if n < 0 {
			n = len(s)
		}
		return token{kind: comment, text: s[:n]}
	case strings.HasPrefix(s, "/*"):
		return closed(comment, s, 2, "*/")
	case c == '\'':
		return closed(literal, s, 1, "'")
	case c == '"' || c == '`':
		return closed(name, s, 1, s[:1])
	case c == '[':
		return closed(name, s, 1, "]")
	case c == '?' || c == ':' || c == '@' || c == '$' || c == '#':
		if n := 1 + wordLen(s[1:]); n > 1 || c == '?' {
			return token{kind: parameter, text: s[:n]}
		}
		return token{kind: operator, text: s[:1]}
	case isWord(c):
		return token{kind: word, text: s[:wordLen(s)]}
	}
	return token{kind: operator, text: s[:1]}
}

// closed returns a token that lasts from the start of s up to the first end at
// or after index from. A doubled quote makes two tokens of one, which for a
// shell is the same.
func closed(kind tokenKind, s string, from int, end string) token {
	i := strings.Index(s[from:], end)
	if i < 0 {
		return token{kind: kind, text: s, open: true}
	}
	return token{kind: kind, text: s[:from+i+len(end)]}
}

// wordLen returns the length of the word at the start of s.
func wordLen(s string) int {
	n := 0
	for n < len(s) && isWord(s[n]) {
		n++
	}
	return n
}

// isWord reports whether c may stand in a word. Bytes beyond ASCII are letters
// to SQLite.
func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// tokens returns the tokens of sql that are neither blank nor comment, each with
// its index.
func tokens(sql string) iter.Seq2[int, token] {
	return func(yield func(int, token) bool) {
		for at := 0; at < len(sql); {
			t := nextToken(sql[at:])
			if t.kind > comment && !yield(at, t) {
				return
			}
			at += len(t.text)
		}
	}
}

// words returns the first tokens of sql, at most n, words in upper case.
func words(sql string, n int) []string {
	first := make([]string, 0, n)
	for _, t := range tokens(sql) {
		if first = append(first, strings.ToUpper(t.text)); len(first) == n {
			break
		}
	}
	return first
}
