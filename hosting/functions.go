package hosting

import (
	"strings"

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
	} {
		if err := c.CreateFunction(f.name, f.args, flags, f.run); err != nil {
			return err
		}
	}
	return nil
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
	for _, a := range arg {
		if a.Type() == sqlite3.NULL {
			return
		}
	}
	x, y := arg[0].RawText(), arg[1].RawText()
	if len(y) == 0 || y[0] == 0 {
		ctx.ResultValue(arg[0]) // a Y that begins with NUL counts as empty
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

// A charset is the set of characters that trim takes away. A character is a
// byte, or a byte from 0xC0 on with all continuation bytes behind it, so in
// invalid UTF-8 one may begin another; then the first in the list counts.
type charset struct {
	single  [256]int       // place in the list, from 1, of each character of one byte
	longer  map[string]int // of each character of more bytes
	lengths map[int]bool   // of the characters in longer
}

// newCharset reads the list, which ends at the first NUL.
func newCharset(list []byte) *charset {
	set := &charset{longer: map[string]int{}, lengths: map[int]bool{}}
	for place := 1; len(list) > 0 && list[0] != 0; place++ {
		n := charLen(list)
		char := string(list[:n])
		switch {
		case n > 1 && set.longer[char] == 0:
			set.longer[char] = place
			set.lengths[n] = true
		case n == 1 && set.single[char[0]] == 0:
			set.single[char[0]] = place
		}
		list = list[n:]
	}
	return set
}

// charLen returns the length of the character at the start of s.
func charLen(s []byte) int {
	n := 1
	for s[0] >= 0xC0 && n < len(s) && isContinuation(s[n]) {
		n++
	}
	return n
}

// place returns the place of char in the list, 0 if it is not in it.
func (set *charset) place(char []byte) int {
	if len(char) == 1 {
		return set.single[char[0]]
	}
	if !set.lengths[len(char)] {
		return 0
	}
	return set.longer[string(char)]
}

// trimLeft drops the characters of the set from the start of s.
func (set *charset) trimLeft(s []byte) []byte {
	for len(s) > 0 {
		best, taken := 0, 0
		for n := charLen(s); n > 0; n-- {
			if p := set.place(s[:n]); p > 0 && (best == 0 || p < best) {
				best, taken = p, n
			}
		}
		if best == 0 {
			break
		}
		s = s[taken:]
	}
	return s
}

// trimRight drops the characters of the set from the end of s.
func (set *charset) trimRight(s []byte) []byte {
	lead := len(s) // where the last character of s begins, if that is below len(s)
	for len(s) > 0 {
		if lead >= len(s) {
			for lead = len(s) - 1; lead > 0 && isContinuation(s[lead]); lead-- {
			}
		}
		last := len(s) - 1
		best, from := set.place(s[last:]), last
		if s[lead] >= 0xC0 {
			if p := set.place(s[lead:]); p > 0 && (best == 0 || p < best) {
				best, from = p, lead
			}
		}
		if best == 0 {
			break
		}
		s = s[:from]
	}
	return s
}

// A verdict says who may call a function.
type verdict uint8

// The verdicts. What has none is refused like what is denied, but a test fails
// if SQLite knows a function that has none.
const (
	functionUnknown  verdict = iota
	functionDenied           // nobody
	functionAllowed          // everybody
	functionKillable         // who runs where the process can be killed, for no interrupt stops it
)

// functionVerdict returns the verdict on the SQL function of the given name in
// lower case. docs/sql.md explains it to users.
func functionVerdict(name string) verdict {
	switch name {
	case "->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg",
		"base64", "bm25", "ceil", "ceiling", "changes", "char", "coalesce", "concat", "concat_ws",
		"cos", "cosh", "count", "cume_dist", "current_date", "current_time", "current_timestamp",
		"date", "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format",
		"fts5_get_locale", "fts5_insttoken", "fts5_locale", "glob", "group_concat", "hex",
		"highlight", "ieee754", "ieee754_exponent", "ieee754_from_blob", "ieee754_from_int",
		"ieee754_inc", "ieee754_mantissa", "ieee754_to_blob", "ieee754_to_int", "if", "ifnull",
		"iif", "instr", "json", "json_array", "json_array_insert", "json_array_length",
		"json_error_position", "json_extract", "json_group_array", "json_group_object",
		"json_insert", "json_object", "json_pretty", "json_quote", "json_remove", "json_replace",
		"json_set", "json_type", "json_valid", "jsonb", "jsonb_array", "jsonb_array_insert",
		"jsonb_extract", "jsonb_group_array", "jsonb_group_object", "jsonb_insert", "jsonb_object",
		"jsonb_remove", "jsonb_replace", "jsonb_set", "julianday", "lag", "last_insert_rowid",
		"last_value", "lead", "length", "like", "likelihood", "likely", "ln", "log", "log10", "log2",
		"lower", "ltrim", "match", "max", "min", "mod", "nth_value", "ntile", "nullif",
		"octet_length", "percent_rank", "pi", "pow", "power", "printf", "quote", "radians", "random",
		"randomblob", "rank", "regexp", "regexpi", "replace", "round", "row_number", "rtreecheck",
		"rtreedepth", "rtreenode", "rtrim", "sign", "sin", "sinh", "snippet", "soundex",
		"sqlite_version", "sqrt", "strftime", "string_agg", "substr", "substring", "subtype", "sum",
		"tan", "tanh", "time", "timediff", "total", "total_changes", "trim", "trunc", "typeof",
		"unhex", "unicode", "unistr", "unistr_quote", "unixepoch", "unlikely", "upper", "zeroblob":
		return functionAllowed
	case "sqlite_add_constraint", "sqlite_drop_column", "sqlite_drop_constraint", "sqlite_fail",
		"sqlite_find_constraint", "sqlite_rename_column", "sqlite_rename_quotefix",
		"sqlite_rename_table", "sqlite_rename_test":
		return functionAllowed // to ALTER TABLE, for SQLite keeps users from calling them
	case "decimal", "decimal_add", "decimal_cmp", "decimal_exp", "decimal_mul", "decimal_pow2",
		"decimal_sub", "decimal_sum", "json_patch", "jsonb_patch":
		return functionKillable
	case "fts5", "fts5_source_id", "sqlite_compileoption_get", "sqlite_compileoption_used",
		"sqlite_log", "sqlite_source_id":
		return functionDenied // pointers between extensions, the build, the host's log
	case "edit", "fts3_tokenizer", "fsdir", "load_extension", "readfile", "writefile", "zipfile":
		return functionDenied // what some builds of SQLite have and must not have here
	}
	return functionUnknown
}

// A moduleRule says what may be done with a module of virtual tables.
type moduleRule struct {
	known     bool // the module has a rule
	creatable bool // CREATE VIRTUAL TABLE may name it
	denied    bool // the table that it offers without CREATE may not be read
}

// moduleVerdict returns the rule for the module of the given name in lower case;
// the zero rule for a name that is no module's, as of an ordinary table.
func moduleVerdict(name string) moduleRule {
	switch name {
	case "fts5", "fts5vocab", "rtree", "rtree_i32":
		return moduleRule{known: true, creatable: true}
	case "generate_series", "json_each", "json_tree", "jsonb_each", "jsonb_tree":
		return moduleRule{known: true}
	case "geopoly":
		return moduleRule{known: true} // an ordinary table may have this name
	case "bytecode", "dbstat", "sqlite_dbdata", "sqlite_dbpage", "sqlite_dbptr", "sqlite_memstat",
		"sqlite_stmt", "tables_used":
		return moduleRule{known: true, denied: true}
	}
	if strings.HasPrefix(name, "pragma_") {
		return moduleRule{known: true} // the pragma behind it is asked for when it runs
	}
	return moduleRule{}
}
