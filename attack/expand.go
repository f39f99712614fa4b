package attack

import (
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"text/template"
)

// Expand fills in a template of a case, with the functions that need nothing but
// the template, and with others that the caller has. One that neither has is an
// error.
func Expand(text string, others template.FuncMap) (string, error) {
	functions := template.FuncMap{
		"repeat": func(n int, text string) string { return strings.Repeat(text, n) },
		"series": func(n int, format, separator string) string {
			parts := make([]string, n)
			for i := range parts {
				parts[i] = strings.ReplaceAll(format, "#", fmt.Sprint(i+1))
			}
			return strings.Join(parts, separator)
		},
		"hex":  unhex,
		"crlf": func() string { return "\r\n" },
	}
	maps.Copy(functions, others)
	t, err := template.New("").Funcs(functions).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, nil)
	return b.String(), err
}

func unhex(text string) (string, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	return string(b), err
}
