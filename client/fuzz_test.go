package client_test

import (
	"net/http"
	"strings"
	"testing"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

// FuzzStream reads what is no stream of ours. Whatever it is, there is no panic,
// and a success is a whole stream: columns, rows of their width, and a summary
// that counts them.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		columns + "[1,2]\n" + summary, columns + `["a",{"blob":"AP8="}]` + "\n" + `{"error":{"type":"Other","message":"m"}}` + "\n", columns, summary, "\n", "[]\n",
		`{"columns":[]}` + "\n" + `{"rows":0}` + "\n", `{"columns":null}` + "\n", columns + "[1,2]\n" + `{"rows":1,"last_insert_rowid":{"int":"9007199254740993"}}` + "\nmore",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c, err := client.New(client.Config{URL: "http://host", HTTP: &http.Client{Transport: recorded(body)}, Retries: -1, MaxRowBytes: 1 << 10})
		if err != nil {
			t.Fatal(err)
		}
		width, rows := 0, int64(0)
		sum, err := c.Stream(t.Context(), "a/b", catalog.Statement{SQL: "SELECT 1"}, shape{&width, &rows})
		lines := int64(strings.Count(body, "\n"))
		switch {
		case err != nil && fault.Message(err) == "internal error":
			t.Errorf("%q: %v has no sentence", body, err)
		case err == nil && (sum.Rows != rows || lines < rows+2):
			t.Errorf("%q: %d rows of %d lines, %+v", body, rows, lines, sum)
		}
	})
}

// A shape takes the width and the number of rows, and every value.
type shape struct {
	width *int
	rows  *int64
}

func (s shape) Columns(columns []catalog.Column) error {
	*s.width = len(columns)
	return nil
}

func (s shape) Row(row catalog.Row) error {
	if row.Len() != *s.width {
		panic("a row of another width")
	}
	*s.rows++
	catalog.Values(row)
	return nil
}
