package client_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"ayb/catalog"
	"ayb/client"
)

// recorded answers every request with the same body, out of this process's memory.
type recorded string

// RoundTrip answers.
func (b recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {ndjson}}, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, nil
}

// streamOf returns a stream of rows as a server sends them.
func streamOf(rows int) recorded {
	var b strings.Builder
	b.WriteString(`{"columns":[{"name":"id","decl":""},{"name":"name","decl":""},{"name":"score","decl":""},{"name":"photo","decl":""}]}` + "\n")
	for i := range rows {
		fmt.Fprintf(&b, `[%d,"the name of row %d",%d.5,{"blob":"AP8AAAD/"}]`+"\n", i, i, i)
	}
	fmt.Fprintf(&b, `{"rows":%d,"changes":0,"last_insert_rowid":0,"seconds":1}`+"\n", rows)
	return recorded(b.String())
}

func BenchmarkStream(b *testing.B) {
	const rows = 10_000
	c := newClient(b, client.Config{URL: "http://host", HTTP: &http.Client{Transport: streamOf(rows)}})
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		if _, err := c.Stream(b.Context(), "a/b", catalog.Statement{SQL: "SELECT 1"}, onRow(func(row catalog.Row) error {
			size += len(row.Bytes(1))
			return nil
		})); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

// TestStream_takes_no_memory_for_a_row compares streams of two lengths.
func TestStream_takes_no_memory_for_a_row(t *testing.T) {
	allocations := func(rows int) uint64 {
		c := newClient(t, client.Config{URL: "http://host", HTTP: &http.Client{Transport: streamOf(rows)}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if sum, err := c.Stream(t.Context(), "a/b", catalog.Statement{SQL: "SELECT 1"}, nil); err != nil || sum.Rows != int64(rows) {
			t.Fatal(sum, err)
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	if few, many := allocations(100), allocations(10_000); many > few+100 {
		t.Errorf("100 rows take %d allocations, 10,000 rows %d", few, many)
	}
}
