package hosting

import "strings"

// SQLite reads a text byte by byte and ends it at the first NUL, quoted or not.
// The functions of this file see the same tokens as its tokenizer, as far as
// needed to tell where a statement begins and ends. Bytes beyond ASCII are
// letters to it, valid UTF-8 or not.

// longestKeyword is the length of CURRENT_TIMESTAMP.
const longestKeyword = 17

// skipBlank drops leading white space, comments and semicolons. What is left is
// "" exactly if SQLite would find no statement in s. Everything behind a NUL
// counts as blank, because SQLite does not see it.
func skipBlank(s string) string {
	for len(s) > 0 {
		n := blank(s)
		switch {
		case n > 0:
		case s[0] == ';':
			n = 1
		case s[0] == 0:
			return ""
		default:
			return s
		}
		s = s[n:]
	}
	return s
}

// firstWord returns the keyword with which the first statement of s begins, in
// upper case, or "" if it begins with no word that could be a keyword. It does
// not allocate for the keywords that begin a statement.
func firstWord(s string) string {
	s = skipBlank(s)
	return keyword(s[:word(s)])
}

// statementEnd returns the index just behind the semicolon that ends the first
// statement of s, or len(s) if there is none to be found. It lets the caller
// hand SQLite one statement of a long text at a time.
//
// The promise: s[:statementEnd(s)] prepares to the statement to which all of s
// would, or it fails to prepare and all of s fails as well, though perhaps with
// other words. So a caller who wants SQLite's own words prepares all of s again
// after a failure; nothing else hangs on it.
func statementEnd(s string) int {
	rest := skipBlank(s)
	inTrigger := beginsTrigger(rest)
	afterSemicolon, atEnd := false, false
	for len(rest) > 0 && rest[0] != 0 {
		n := blank(rest)
		if n > 0 {
			rest = rest[n:]
			continue
		}
		n = token(rest)
		if rest[0] == ';' {
			if !inTrigger || atEnd {
				return len(s) - len(rest) + 1
			}
			afterSemicolon = true
		} else {
			// In a trigger's body only "; END" closes the body: the END of
			// a CASE never stands behind a semicolon.
			atEnd = afterSemicolon && keyword(rest[:n]) == "END"
			afterSemicolon = false
		}
		rest = rest[n:]
	}
	return len(s)
}

// beginsTrigger reports whether s begins with CREATE TRIGGER, in any of its
// spellings, explained or not.
func beginsTrigger(s string) bool {
	w, s := nextWord(s)
	if w == "EXPLAIN" {
		if w, s = nextWord(s); w == "QUERY" {
			_, s = nextWord(s)
			w, s = nextWord(s)
		}
	}
	if w != "CREATE" {
		return false
	}
	w, s = nextWord(s)
	if w == "TEMP" || w == "TEMPORARY" {
		w, _ = nextWord(s)
	}
	return w == "TRIGGER"
}

// nextWord returns the keyword at the start of s, "" if there is none, and what
// follows it and the blanks behind it.
func nextWord(s string) (w, rest string) {
	n := word(s)
	w, rest = keyword(s[:n]), s[n:]
	for n := blank(rest); n > 0; n = blank(rest) {
		rest = rest[n:]
	}
	return w, rest
}

// blank returns the length of the white space or of the comment at the start of
// s, 0 if neither is there.
func blank(s string) int {
	switch {
	case s == "":
		return 0
	case s[0] == ' ' || s[0] == '\t' || s[0] == '\n' || s[0] == '\f' || s[0] == '\r':
		n := 1
		for n < len(s) && (s[n] == ' ' || '\t' <= s[n] && s[n] <= '\r') {
			n++ // a vertical tab continues white space, though it cannot begin it
		}
		return n
	case strings.HasPrefix(s, "\xEF\xBB\xBF"):
		return 3 // a byte order mark is white space wherever it stands
	case strings.HasPrefix(s, "--"):
		return upTo(s, 2, "\n")
	case strings.HasPrefix(s, "/*") && len(s) > 2 && s[2] != 0:
		// A text that ends in "/*" holds two operators and no comment.
		return upTo(s, 2, "*/")
	}
	return 0
}

// upTo returns the index behind the first end in s from index from on, or of
// the text's end.
func upTo(s string, from int, end string) int {
	n := len(s)
	if i := strings.Index(s[from:], end); i >= 0 {
		n = from + i + len(end)
	}
	if i := strings.IndexByte(s[:n], 0); i >= 0 {
		return i
	}
	return n
}

// token returns the length of the token at the start of s, which is neither
// empty nor blank. Operators are taken byte by byte. A token that SQLite would
// refuse may have any length: with it the statement is refused whole.
func token(s string) int {
	switch c := s[0]; c {
	case '\'', '"', '`':
		return quoted(s, c)
	case '[':
		return upTo(s, 1, "]")
	case '$', '@', ':', '#':
		return parameter(s)
	}
	return max(word(s), 1)
}

// quoted returns the length of the string or name at the start of s, in which
// two quotes stand for one.
func quoted(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == 0:
			return i
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// parameter returns the length of the parameter at the start of s. As in Tcl, a
// name may hold "::" and end in parentheses with any text but white space in
// them, semicolons too.
func parameter(s string) int {
	letters := false
	for i := 1; i < len(s); i++ {
		switch {
		case isWord(s[i]):
			letters = true
		case s[i] == ':' && i+1 < len(s) && s[i+1] == ':':
			i++
		case s[i] == '(' && letters:
			for i++; i < len(s) && s[i] != 0 && s[i] != ' ' && (s[i] < '\t' || s[i] > '\r'); i++ {
				if s[i] == ')' {
					return i + 1
				}
			}
			return i
		default:
			return i
		}
	}
	return len(s)
}

// word returns the length of the word or number at the start of s.
func word(s string) int {
	n := 0
	for n < len(s) && isWord(s[n]) {
		n++
	}
	return n
}

// isWord reports whether c may stand in a name that is not quoted.
func isWord(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9' || c == '$' || c >= 0x80
}

// isLetter reports whether c may stand in a keyword.
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

// keyword returns w in upper case if it has the form of a keyword, else "".
func keyword(w string) string {
	if len(w) > longestKeyword {
		return ""
	}
	var buf [longestKeyword]byte
	for i := range len(w) {
		c := w[i]
		if !isLetter(c) {
			return ""
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		buf[i] = c
	}
	return intern(buf[:len(w)])
}

// intern returns w as a string, without allocation for the words with which
// statements begin and for those that statementEnd looks for.
func intern(w []byte) string {
	for _, known := range [...]string{
		"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "VALUES",
		"CREATE", "DROP", "ALTER", "EXPLAIN", "PRAGMA", "BEGIN", "COMMIT", "END",
		"ROLLBACK", "SAVEPOINT", "RELEASE", "ANALYZE", "REINDEX", "VACUUM",
		"ATTACH", "DETACH", "TABLE", "TRIGGER", "TEMP", "TEMPORARY", "QUERY",
	} {
		if string(w) == known {
			return known
		}
	}
	return string(w)
}
