package attack

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
		"gzip": compress,
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

// compress returns a text as a body of Content-Encoding gzip has it.
func compress(text string) (string, error) {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	err = errors.Join(err, w.Close())
	return b.String(), err
}

func unhex(text string) (string, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	return string(b), err
}
