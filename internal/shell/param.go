package shell

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"ayb/catalog"
	"ayb/fault"
)

// ParseParameter returns the parameter of a name, with or without its sign
// (:name, @name, $name), and a value as people type it: NULL, an integer, a
// number, a blob X'00FF', a text in single quotes, and a text without them if it
// is none of these. Errors: [fault.Invalid] for a name that is none.
func ParseParameter(paramName, value string) (catalog.Arg, error) {
	bare := bareName(paramName)
	if bare == "" || wordLen(bare) != len(bare) {
		return catalog.Arg{}, fault.New(fault.Invalid, "A parameter can't be called %q: a name has letters, digits and underscores", paramName)
	}
	return catalog.Arg{Name: bare, Value: parseValue(value)}, nil
}

// bareName returns the name of a parameter without its sign.
func bareName(s string) string {
	if s != "" && strings.ContainsRune(":@$", rune(s[0])) {
		return s[1:]
	}
	return s
}

func parseValue(s string) catalog.Value {
	if strings.EqualFold(s, "NULL") {
		return catalog.NullValue()
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return catalog.IntegerValue(i)
	}
	// ParseFloat also takes words such as "infinity", and hexadecimals.
	if f, err := strconv.ParseFloat(s, 64); err == nil && strings.Trim(s, "0123456789+-.eE") == "" {
		return catalog.RealValue(f)
	}
	if quoted, ok := unquote(s); ok {
		return catalog.TextValue(quoted)
	}
	if len(s) > 1 && (s[0] == 'X' || s[0] == 'x') {
		if digits, ok := unquote(s[1:]); ok {
			if blob, err := hex.DecodeString(digits); err == nil {
				return catalog.BlobValue(blob)
			}
		}
	}
	return catalog.TextValue(s)
}

// unquote returns what stands between single quotes, doubled ones once.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return "", false
	}
	inner := strings.ReplaceAll(s[1:len(s)-1], "''", "\x00")
	if strings.Contains(inner, "'") {
		return "", false
	}
	return strings.ReplaceAll(inner, "\x00", "'"), true
}

// parameters are the values that .param set has given, sorted by name.
type parameters []catalog.Arg

func (p parameters) find(name string) (int, bool) {
	return slices.BinarySearchFunc(p, name, func(a catalog.Arg, n string) int { return strings.Compare(a.Name, n) })
}

func (p *parameters) set(arg catalog.Arg) {
	i, ok := p.find(arg.Name)
	if ok {
		(*p)[i] = arg
		return
	}
	*p = slices.Insert(*p, i, arg)
}

// unset reports whether there was such a parameter.
func (p *parameters) unset(name string) bool {
	i, ok := p.find(name)
	if ok {
		*p = slices.Delete(*p, i, i+1)
	}
	return ok
}

// used returns those that sql names; a server refuses others.
func (p parameters) used(sql string) []catalog.Arg {
	if len(p) == 0 {
		return nil
	}
	var args []catalog.Arg
	taken := make([]bool, len(p))
	for _, t := range tokens(sql) {
		if t.kind != parameter {
			continue
		}
		if i, ok := p.find(bareName(t.text)); ok && !taken[i] {
			taken[i] = true
			args = append(args, p[i])
		}
	}
	return args
}
