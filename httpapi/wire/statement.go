package wire

import (
	"encoding/base64"
	"unicode/utf8"

	"ayb/catalog"
	"ayb/fault"
)

// AppendQuery appends a statement as the body that [ParseQuery] reads. Its
// arguments must all have names or none. Errors: [fault.Invalid] (they are mixed,
// or a text is not valid UTF-8, which JSON can't hold).
func AppendQuery(b []byte, st catalog.Statement) ([]byte, error) {
	if !utf8.ValidString(st.SQL) {
		return b, fault.New(fault.Invalid, "The SQL is not valid UTF-8")
	}
	named := len(st.Args) > 0 && st.Args[0].Name != ""
	brackets := "[]"
	if named {
		brackets = "{}"
	}
	b = append(AppendString(append(b, `{"sql":`...), st.SQL), `,"args":`...)
	b = append(b, brackets[0])
	for i, arg := range st.Args {
		if named != (arg.Name != "") {
			return b, fault.New(fault.Invalid, "Over HTTP, the arguments of a query must all have names or none")
		}
		if !utf8.ValidString(arg.Name) || arg.Value.Type() == catalog.Text && !utf8.ValidString(arg.Value.String()) {
			return b, fault.New(fault.Invalid, "Argument %d is a text that is not valid UTF-8; send a blob, and CAST it AS TEXT where it is used", i+1)
		}
		if i > 0 {
			b = append(b, ',')
		}
		if named {
			b = append(AppendString(b, arg.Name), ':')
		}
		b = appendValue(b, arg.Value)
	}
	return append(b, brackets[1], '}'), nil
}

// appendValue appends a value in the form of [AppendValues].
func appendValue(b []byte, v catalog.Value) []byte {
	switch v.Type() {
	case catalog.Integer:
		return appendInteger(b, v.Int64())
	case catalog.Real:
		return appendReal(b, v.Float64())
	case catalog.Text:
		return AppendString(b, v.String())
	case catalog.Blob:
		b = append(b, `{"blob":"`...)
		return append(base64.StdEncoding.AppendEncode(b, v.Bytes()), `"}`...)
	}
	return append(b, "null"...)
}
