package hosting

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/ncruces/go-sqlite3"
)

// overrideFunctions replaces built-in functions of c whose time is the product
// of the lengths of their arguments, and which no interrupt stops, by functions
// with the same answers whose time is the sum. They may stand wherever the
// built-ins may, in indexes and views too.
func overrideFunctions(c *sqlite3.Conn) error {
	const flags = sqlite3.DETERMINISTIC | sqlite3.INNOCUOUS
	for _, f := range []struct {
		name string
		args int
		run  sqlite3.ScalarFunction
	}{
		{"instr", 2, instr},
		{"replace", 3, replace},
		{"trim", 2, trim},
		{"ltrim", 2, trimLeft},
		{"rtrim", 2, trimRight},
		{"unhex", 2, unhex},
		{"unistr", 1, unistr},
	} {
		if err := c.CreateFunction(f.name, f.args, flags, f.run); err != nil {
			return err
		}
	}
	return nil
}

// refuseFunctions puts a refusal in the place of each function that nobody may
// call here. The guard alone does not do: SQLite does not ask it about the
// functions in defaults, generated columns and constraints when it reads them
// from the schema, nor about all when they are added to it.
func (c *conn) refuseFunctions() error {
	for _, f := range []struct {
		name string
		args []int
	}{
		{"decimal", []int{1, 2}}, {"decimal_add", []int{2}}, {"decimal_cmp", []int{2}}, {"decimal_exp", []int{1, 2}},
		{"decimal_mul", []int{2}}, {"decimal_pow2", []int{1}}, {"decimal_sub", []int{2}}, {"decimal_sum", []int{1}},
		{"json_patch", []int{2}}, {"jsonb_patch", []int{2}}, {"json_pretty", []int{1, 2}},
		{"regexp", []int{2}}, {"regexpi", []int{2}}, {"rtreecheck", []int{-1}},
		{"fts5", []int{1}}, {"fts5_source_id", []int{0}}, {"sqlite_source_id", []int{0}}, {"sqlite_log", []int{2}},
		{"sqlite_compileoption_get", []int{1}}, {"sqlite_compileoption_used", []int{1}},
		{"geopoly_area", []int{1}}, {"geopoly_bbox", []int{1}}, {"geopoly_blob", []int{1}}, {"geopoly_ccw", []int{1}},
		{"geopoly_contains_point", []int{3}}, {"geopoly_debug", []int{1}}, {"geopoly_group_bbox", []int{1}},
		{"geopoly_json", []int{1}}, {"geopoly_overlap", []int{2}}, {"geopoly_regular", []int{4}}, {"geopoly_svg", []int{-1}},
		{"geopoly_within", []int{2}}, {"geopoly_xform", []int{7}},
	} {
		if c.guard.killable && functionVerdict(f.name) == functionKillable {
			continue
		}
		for _, n := range f.args {
			if err := c.c.CreateFunction(f.name, n, sqlite3.DIRECTONLY, refuse); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse is every function that is refused. Who calls one in a statement of their
// own is refused by the guard, which knows its name.
func refuse(ctx sqlite3.Context, _ ...sqlite3.Value) {
	ctx.ResultError(errors.New("a function that is not available on this server is called"))
}

// instr is instr(X,Y): where Y first stands in X, counted from 1 in characters,
// or in bytes if both are blobs; 0 if nowhere.
func instr(ctx sqlite3.Context, arg ...sqlite3.Value) {
	x, y := arg[0].Type(), arg[1].Type()
	switch {
	case x == sqlite3.NULL || y == sqlite3.NULL:
	case x == sqlite3.BLOB && y == sqlite3.BLOB:
		ctx.ResultInt(blobPosition(arg[0].RawBlob(), arg[1].RawBlob()))
	case x == sqlite3.BLOB || y == sqlite3.BLOB:
		// To read a blob as text makes it a text for the rest of the statement,
		// so copies are read.
		a, b := arg[0].Dup(), arg[1].Dup()
		defer a.Close()
		defer b.Close()
		ctx.ResultInt(textPosition(a.RawText(), b.RawText()))
	default:
		ctx.ResultInt(textPosition(arg[0].RawText(), arg[1].RawText()))
	}
}

// blobPosition returns the position of y in x in bytes from 1, 0 if there is none.
func blobPosition(x, y []byte) int {
	if len(y) == 0 {
		return 1
	}
	s := newSearcher(y)
	return s.index(x) + 1
}

// textPosition returns the position of y in x in characters from 1, 0 if there
// is none. A match begins at x's start or where a character does.
func textPosition(x, y []byte) int {
	if len(y) == 0 {
		return 1
	}
	if isContinuation(y[0]) {
		if len(x) >= len(y) && string(x[:len(y)]) == string(y) {
			return 1
		}
		return 0
	}
	s := newSearcher(y)
	i := s.index(x)
	if i < 0 {
		return 0
	}
	position := 1
	for j := 1; j <= i; j++ {
		if !isContinuation(x[j]) {
			position++
		}
	}
	return position
}

// isContinuation reports whether c is a byte of a UTF-8 character that is not
// its first.
func isContinuation(c byte) bool { return c&0xC0 == 0x80 }

// replace is replace(X,Y,Z): X with every Y in it turned into Z.
func replace(ctx sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL || arg[1].Type() == sqlite3.NULL {
		return
	}
	x, y := arg[0].RawText(), arg[1].RawText()
	if len(y) == 0 || y[0] == 0 {
		ctx.ResultRawText(x) // a Y that begins with NUL counts as empty
		return
	}
	if arg[2].Type() == sqlite3.NULL {
		return
	}
	z := arg[2].RawText()
	s := newSearcher(y)
	found := 0
	for rest := x; ; found++ {
		i := s.index(rest)
		if i < 0 {
			break
		}
		rest = rest[i+len(y):]
	}
	size := int64(len(x)) + int64(found)*int64(len(z)-len(y))
	if size > int64(ctx.Conn().Limit(sqlite3.LIMIT_LENGTH, -1)) {
		ctx.ResultError(sqlite3.TOOBIG)
		return
	}
	var b strings.Builder
	b.Grow(int(size))
	for ; found > 0; found-- {
		i := s.index(x)
		b.Write(x[:i])
		b.Write(z)
		x = x[i+len(y):]
	}
	b.Write(x)
	ctx.ResultText(b.String())
}

// trim is trim(X,Y): X without the characters of Y at both ends.
func trim(ctx sqlite3.Context, arg ...sqlite3.Value) { trimEnds(ctx, arg, true, true) }

// trimLeft is ltrim(X,Y).
func trimLeft(ctx sqlite3.Context, arg ...sqlite3.Value) { trimEnds(ctx, arg, true, false) }

// trimRight is rtrim(X,Y).
func trimRight(ctx sqlite3.Context, arg ...sqlite3.Value) { trimEnds(ctx, arg, false, true) }

func trimEnds(ctx sqlite3.Context, arg []sqlite3.Value, left, right bool) {
	if arg[0].Type() == sqlite3.NULL || arg[1].Type() == sqlite3.NULL {
		return
	}
	x := arg[0].RawText()
	set := newCharset(arg[1].RawText())
	if left {
		x = set.trimLeft(x)
	}
	if right {
		x = set.trimRight(x)
	}
	ctx.ResultRawText(x)
}

// unhex is unhex(X,Y): the bytes whose hexadecimal digits X holds, among which
// characters of Y may stand between one byte's digits and the next's.
func unhex(ctx sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL || arg[1].Type() == sqlite3.NULL {
		return
	}
	x, y := upToNUL(arg[0].RawText()), arg[1].RawText()
	ignored := map[rune]bool{}
	for len(y) > 0 {
		r, n := looseRune(y)
		ignored[r] = true
		y = y[n:]
	}
	out := make([]byte, 0, len(x)/2)
	for len(x) > 0 {
		high := hexDigit(x[0])
		if high < 0 {
			r, n := looseRune(x)
			if !ignored[r] {
				return
			}
			x = x[n:]
			continue
		}
		if len(x) == 1 || hexDigit(x[1]) < 0 {
			return
		}
		out = append(out, byte(high<<4|hexDigit(x[1])))
		x = x[2:]
	}
	ctx.ResultBlob(out)
}

// unistr is unistr(X): X with its escapes of Unicode characters resolved. What
// stands behind a NUL stays as it is.
func unistr(ctx sqlite3.Context, arg ...sqlite3.Value) {
	if arg[0].Type() == sqlite3.NULL {
		return
	}
	x := arg[0].RawText()
	head, rest := upToNUL(x), x
	var b strings.Builder
	b.Grow(len(x)) // no escape is shorter than what it stands for
	for {
		i := bytes.IndexByte(head, '\\')
		if i < 0 {
			break
		}
		b.Write(head[:i])
		n, ok := unescape(&b, head[i:])
		if !ok {
			ctx.ResultError(errors.New("invalid Unicode escape"))
			return
		}
		head, rest = head[i+n:], rest[i+n:]
	}
	b.Write(rest)
	ctx.ResultText(b.String())
}

// unescape writes the character for which the escape at the start of s stands,
// and returns the escape's length.
func unescape(b *strings.Builder, s []byte) (n int, ok bool) {
	if len(s) < 2 {
		return 0, false
	}
	from, digits := 2, 0
	switch s[1] {
	case '\\':
		b.WriteByte('\\')
		return 2, true
	case 'u':
		digits = 4
	case '+':
		digits = 6
	case 'U':
		digits = 8
	default:
		from, digits = 1, 4
	}
	if len(s) < from+digits {
		return 0, false
	}
	var r uint32
	for _, c := range s[from : from+digits] {
		d := hexDigit(c)
		if d < 0 {
			return 0, false
		}
		r = r<<4 | uint32(d)
	}
	writeLoose(b, r)
	return from + digits, true
}

// writeLoose writes r in UTF-8 as SQLite does: surrogates as other characters,
// and of what is too large the lower bits.
func writeLoose(b *strings.Builder, r uint32) {
	switch {
	case r < 0x80:
		b.WriteByte(byte(r))
	case r < 0x800:
		b.Write([]byte{0xC0 | byte(r>>6), 0x80 | byte(r&0x3F)})
	case r < 0x10000:
		b.Write([]byte{0xE0 | byte(r>>12), 0x80 | byte(r>>6&0x3F), 0x80 | byte(r&0x3F)})
	default:
		b.Write([]byte{0xF0 | byte(r>>18&7), 0x80 | byte(r>>12&0x3F), 0x80 | byte(r>>6&0x3F), 0x80 | byte(r&0x3F)})
	}
}

// looseRune reads the character at the start of s as SQLite does: a first byte,
// then as many continuation bytes as there are. What cannot be a character of
// Unicode is U+FFFD, and a byte that is none's first stands for itself.
func looseRune(s []byte) (r rune, n int) {
	n = charLen(s)
	if s[0] < 0xC0 {
		return rune(s[0]), n
	}
	v := uint32(leadBits(s[0]))
	for _, c := range s[1:n] {
		v = v<<6 + uint32(c&0x3F)
	}
	if v < 0x80 || v&0xFFFFF800 == 0xD800 || v&0xFFFFFFFE == 0xFFFE {
		return utf8.RuneError, n
	}
	return rune(v), n
}

// leadBits returns the bits of the character that its first byte holds.
func leadBits(c byte) byte {
	switch {
	case c < 0xE0:
		return c & 0x1F
	case c < 0xF0:
		return c & 0x0F
	case c < 0xF8:
		return c & 0x07
	case c < 0xFC:
		return c & 0x03
	case c < 0xFE:
		return c & 0x01
	}
	return 0
}

// hexDigit returns the value of a hexadecimal digit, -1 for another byte.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// upToNUL returns what stands before the first NUL in s.
func upToNUL(s []byte) []byte {
	if i := bytes.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}
