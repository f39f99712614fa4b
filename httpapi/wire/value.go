package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"ayb/catalog"
	"ayb/fault"
)

// A Value is a value in the forms of [AppendValues].
type Value struct {
	catalog.Value
}

// UnmarshalJSON reads a value. Errors: [fault.Invalid].
func (v *Value) UnmarshalJSON(text []byte) (err error) {
	if !json.Valid(text) {
		return errValue
	}
	v.Value, err = parseValue(bytes.TrimSpace(text))
	return err
}

// parseValue reads a value from valid JSON without space around it.
func parseValue(text []byte) (catalog.Value, error) {
	switch text[0] {
	case 'n':
		return catalog.NullValue(), nil
	case 't':
		return catalog.IntegerValue(1), nil
	case 'f':
		return catalog.IntegerValue(0), nil
	case '"':
		s, err := unquote(text)
		return catalog.TextValue(s), err
	case '{':
		return parseTagged(text)
	case '[':
		return catalog.Value{}, errValue
	}
	return parseNumber(text)
}

var errValue = fault.New(fault.Invalid, `A value is null, true, false, a number, a string, {"int":"..."}, {"real":"..."} or {"blob":"base64"}`)

// parseTagged reads the forms that are objects with one key.
func parseTagged(text []byte) (catalog.Value, error) {
	var tagged map[string]string
	if err := json.Unmarshal(text, &tagged); err != nil || len(tagged) != 1 {
		return catalog.Value{}, errValue
	}
	for tag, s := range tagged {
		switch tag {
		case "int":
			return parseInteger(s)
		case "real":
			return parseReal(s)
		case "blob":
			blob, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return catalog.Value{}, fault.New(fault.Invalid, "A blob is not valid base64")
			}
			return catalog.BlobValue(blob), nil
		}
	}
	return catalog.Value{}, errValue
}

// parseNumber reads a JSON number: an integer unless it has a point or an
// exponent.
func parseNumber(text []byte) (catalog.Value, error) {
	for _, c := range text {
		if c == '.' || c == 'e' || c == 'E' {
			return parseReal(string(text))
		}
	}
	return parseInteger(string(text))
}

func parseInteger(s string) (catalog.Value, error) {
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return catalog.Value{}, fault.New(fault.Invalid, "The number %.40s is not an integer of 64 bits; write it with a point to make it a real", s)
	}
	return catalog.IntegerValue(i), nil
}

func parseReal(s string) (catalog.Value, error) {
	switch s {
	case "inf":
		return catalog.RealValue(math.Inf(1)), nil
	case "-inf":
		return catalog.RealValue(math.Inf(-1)), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return catalog.Value{}, fault.New(fault.Invalid, `The number %.40s is beyond what a real can hold; infinity is {"real":"inf"}`, s)
	}
	return catalog.RealValue(f), nil
}
