package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ayb/catalog"
	"ayb/client"
	"ayb/fault"
)

const secret = "ayb_short_verysecret"

// against returns a client of a server that answers with a function, and calls
// with a secret.
func against(t testing.TB, cfg client.Config, answer http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	cfg.URL, cfg.Token = server.URL, secret
	return newClient(t, cfg)
}

func newClient(t testing.TB, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// says answers with a content type and a text.
func says(status int, media, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// cut answers with a text and breaks the connection before the answer has ended.
func cut(media, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		io.WriteString(w, text)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// isRefusal fails the test unless an error is of a kind, has a sentence with part
// in it, and does not tell the secret.
func isRefusal(t *testing.T, err error, kind fault.Kind, part string) {
	t.Helper()
	if fault.KindOf(err) != kind || !strings.Contains(fault.Message(err), part) {
		t.Errorf("got  %v (%s)\nwant %s: %s", err, fault.KindOf(err), kind, part)
	}
	if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), "verysecret") {
		t.Errorf("the error tells the token: %v", err)
	}
}

const (
	ndjson  = "application/x-ndjson"
	columns = `{"columns":[{"name":"a","decl":""},{"name":"b","decl":""}]}` + "\n"
	summary = `{"rows":1,"changes":0,"last_insert_rowid":0,"seconds":0.1}` + "\n"
)

// TestStream_that_is_not_whole has every way in which a stream can end before its
// end. Each is an error, whatever rows came before.
func TestStream_that_is_not_whole(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   fault.Kind
	}{
		"nothing":                             {cut(ndjson, ""), fault.Unavailable},
		"an empty answer":                     {says(200, ndjson, ""), fault.Unavailable},
		"columns alone":                       {says(200, ndjson, columns), fault.Unavailable},
		"no summary":                          {says(200, ndjson, columns+"[1,2]\n"), fault.Unavailable},
		"cut between rows":                    {cut(ndjson, columns+"[1,2]\n"), fault.Unavailable},
		"cut within a row":                    {cut(ndjson, columns+"[1,"), fault.Unavailable},
		"half a row":                          {says(200, ndjson, columns+"[1,"), fault.Unavailable},
		"half a summary":                      {says(200, ndjson, columns+"[1,2]\n"+`{"rows":1,"chan`), fault.Unavailable},
		"a summary without its line end":      {says(200, ndjson, columns+"[1,2]\n"+strings.TrimSpace(summary)), fault.Unavailable},
		"a summary of other rows":             {says(200, ndjson, columns+"[1,2]\n[3,4]\n"+summary), fault.Unavailable},
		"a summary of more rows":              {says(200, ndjson, columns+summary), fault.Unavailable},
		"a row that is too short":             {says(200, ndjson, columns+"[1]\n"+summary), fault.Unavailable},
		"a row that is too long":              {says(200, ndjson, columns+"[1,2,3]\n"+summary), fault.Unavailable},
		"a row that is none":                  {says(200, ndjson, columns+"[1,[2]]\n"+summary), fault.Unavailable},
		"a row before the columns":            {says(200, ndjson, "[1,2]\n"+summary), fault.Unavailable},
		"columns twice":                       {says(200, ndjson, columns+columns+"[1,2]\n"+summary), fault.Unavailable},
		"a summary without columns":           {says(200, ndjson, `{"rows":0}`+"\n"), fault.Unavailable},
		"an object that is nothing":           {says(200, ndjson, columns+"[1,2]\n{}\n"), fault.Unavailable},
		"an empty line":                       {says(200, ndjson, columns+"\n[1,2]\n"+summary), fault.Unavailable},
		"not JSON":                            {says(200, ndjson, "hello\n"), fault.Unavailable},
		"an error":                            {says(200, ndjson, columns+"[1,2]\n"+`{"error":{"type":"Other","message":"m","kind":"timed_out"}}`+"\n"), fault.TimedOut},
		"an error without a kind":             {says(200, ndjson, `{"error":{"type":"NoWriteAccessError","message":"m"}}`+"\n"), fault.ReadOnly},
		"HTML":                                {says(200, "text/html", "<html>hello</html>"), fault.Unavailable},
		"no content type":                     {func(w http.ResponseWriter, r *http.Request) { w.Header()["Content-Type"] = nil; w.Write(nil) }, fault.Unavailable},
		"JSON of something else":              {says(200, "application/json", `{"hello":"world"}`), fault.Unavailable},
		"half a classic answer":               {says(200, "application/json", `{"fields":["a"],"rows":[["1"]`), fault.Unavailable},
		"a classic answer with a wrong width": {says(200, "application/json", `{"fields":["a"],"rows":[["1","2"]]}`), fault.Unavailable},
		"a classic answer with wrong types":   {says(200, "application/json", `{"fields":["a"],"rows":[[1]]}`), fault.Unavailable},
		"garbage that claims to be gzip": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			says(200, ndjson, "hello")(w, r)
		}, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			for sql, kind := range map[string]fault.Kind{"SELECT 1": c.kind, "DELETE FROM t": c.kind} {
				if sql[0] == 'D' && c.kind == fault.Unavailable {
					kind = fault.OutcomeUnknown
				}
				result, err := against(t, client.Config{Retries: -1}, c.answer).Query(t.Context(), "a/b", sql)
				if isRefusal(t, err, kind, ""); result != nil {
					t.Errorf("%s: a result all the same: %v", sql, result)
				}
			}
		})
	}
}

// TestAnswers_that_are_not_ayb's has what other programs answer.
func TestAnswers_that_are_not_aybs(t *testing.T) {
	for name, c := range map[string]struct {
		answer     http.HandlerFunc
		kind       fault.Kind // of a request that looks
		changeKind fault.Kind // of one that changes something
		part       string
	}{
		"a page":                      {says(200, "text/html", "<html>"), fault.Unavailable, fault.OutcomeUnknown, "is not an answer of ayb"},
		"half an answer":              {says(200, "application/json", `{"entity_slug":"a","datab`), fault.Unavailable, fault.OutcomeUnknown, "is not an answer of ayb"},
		"another answer":              {says(200, "application/json", `{"hello":1}`), fault.Unavailable, fault.OutcomeUnknown, "is not an answer of ayb"},
		"wrong types":                 {says(200, "application/json", `{"entity_slug":[],"entity":{},"database":1}`), fault.Unavailable, fault.OutcomeUnknown, "is not an answer of ayb"},
		"null":                        {says(200, "application/json", `null`), fault.Unavailable, fault.OutcomeUnknown, "is not an answer of ayb"},
		"a cut answer":                {cut("application/json", `{"entity_slug":"a"`), fault.Unavailable, fault.OutcomeUnknown, "broke before the answer was complete"},
		"an empty 404":                {says(404, "", ""), fault.Unsupported, fault.Unsupported, "does not know this request"},
		"a page that is missing":      {says(404, "text/html", "<html>not found"), fault.Unsupported, fault.Unsupported, "does not know this request"},
		"an empty 401":                {says(401, "", ""), fault.Unauthenticated, fault.Unauthenticated, "asks for an API token"},
		"a proxy without a server":    {says(502, "text/html", "<html>bad gateway"), fault.Unavailable, fault.Unavailable, "502 Bad Gateway"},
		"a proxy that waits":          {says(504, "text/html", "<html>"), fault.TimedOut, fault.TimedOut, "504 Gateway Timeout"},
		"a server behind TLS":         {says(400, "text/plain", "Client sent an HTTP request to an HTTPS server."), fault.Unavailable, fault.Unavailable, "begin with https://"},
		"a text with a status":        {says(413, "text/plain", "payload reached size limit"), fault.TooLarge, fault.TooLarge, "payload reached size limit"},
		"a text that is not harmless": {says(413, "text/plain", "pay\x1b[2Jload"), fault.TooLarge, fault.TooLarge, "413"},
		"a status that there is not":  {says(799, "text/plain", "x"), fault.Unavailable, fault.Unavailable, "799"},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := against(t, client.Config{Retries: -1}, c.answer)
			_, err := c2.Database(t.Context(), "a/b")
			isRefusal(t, err, c.kind, c.part)
			_, err = c2.CreateDatabase(t.Context(), "a/b", nil)
			isRefusal(t, err, c.changeKind, c.part)
			isRefusal(t, c2.Share(t.Context(), "a/b", "c", catalog.ReadOnly), c.changeKind, c.part)
			isRefusal(t, c2.Health(t.Context()), c.kind, c.part)
			for _, err := range c2.AllShared(t.Context()) {
				isRefusal(t, err, c.kind, c.part)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	endless := func(media, first, piece string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", media)
			io.WriteString(w, first)
			text := []byte(strings.Repeat(piece, 64<<10/len(piece)))
			for r.Context().Err() == nil {
				if _, err := w.Write(text); err != nil {
					return
				}
			}
		}
	}
	bounds := client.Config{Retries: -1, MaxResultBytes: 4 << 20, MaxRowBytes: 1 << 20}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		call   func(*client.Client) error
		kind   fault.Kind
	}{
		"a list without end":           {endless("application/json", `{"databases":[`, " "), func(c *client.Client) error { _, err := c.Shared(t.Context(), catalog.Page{}); return err }, fault.TooLarge},
		"a classic answer without end": {endless("application/json", `{"fields":["a"],"rows":[`, `["1"],`), func(c *client.Client) error { _, err := c.QueryStrings(t.Context(), "a/b", "SELECT 1"); return err }, fault.TooLarge},
		"columns without end":          {endless(ndjson, `{"columns":[`, `{"name":"a"},`), query, fault.TooLarge},
		"a row without end":            {endless(ndjson, columns+"[", `1,`), query, fault.TooLarge},
		"a text without end":           {endless(ndjson, columns+`["`, `x`), query, fault.TooLarge},
		"rows without end, kept":       {endless(ndjson, columns, "[1,2]\n"), query, fault.TooLarge},
		"an error without end": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			endless("", `{"type":"Other","message":"`, "x")(w, r)
		}, query, fault.Internal},
		"a gzip bomb":          {bomb(64 << 20), query, fault.TooLarge},
		"a header without end": {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, query, fault.Unavailable},
		"an answer that claims too much": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "99999999999")
			cut("application/json", "{")(w, r)
		}, query, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			cl := against(t, bounds, c.answer)
			if name == "a gzip bomb" {
				cl = against(t, client.Config{HTTP: http.DefaultClient, Retries: -1, MaxResultBytes: 4 << 20, MaxRowBytes: 1 << 20}, c.answer)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			isRefusal(t, c.call(cl), c.kind, "")
			if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 128<<20 {
				t.Errorf("took %d bytes", after.TotalAlloc-before.TotalAlloc)
			}
		})
	}
}

func query(c *client.Client) error {
	_, err := c.Query(context.Background(), "a/b", "SELECT 1")
	return err
}

// bomb answers with a text of size bytes that is small on its way.
func bomb(size int) http.HandlerFunc {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, columns+`["`)
	z.Write(make([]byte, size))
	z.Close()
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", ndjson)
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(b.Bytes())
	}
}

func TestSlowServers(t *testing.T) {
	hang := func(first string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/cancel") {
				return
			}
			io.Copy(io.Discard, r.Body) // or the server would not see the client go
			if first != "" {
				w.Header().Set("Content-Type", ndjson)
				io.WriteString(w, first)
				http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		}
	}
	quick := client.Config{Retries: -1, Timeout: 50 * time.Millisecond, Stall: 50 * time.Millisecond}
	for name, first := range map[string]string{"no answer": "", "columns and no more": columns, "half a row": columns + "[1,"} {
		t.Run(name, func(t *testing.T) {
			c := against(t, quick, hang(first))
			isRefusal(t, query(c), fault.Unavailable, "did not answer in time")
			_, err := c.Query(t.Context(), "a/b", "DELETE FROM t")
			isRefusal(t, err, fault.OutcomeUnknown, "did not answer in time")
			isRefusal(t, c.Health(t.Context()), fault.Unavailable, "did not answer in time")
			isRefusal(t, c.DeleteDatabase(t.Context(), "a/b"), fault.OutcomeUnknown, "did not answer in time")
		})
	}
	t.Run("time that the sink takes does not count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, err := client.New(client.Config{URL: "http://host", HTTP: &http.Client{Transport: streamOf(3)}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			sum, err := c.Stream(t.Context(), "a/b", catalog.Statement{SQL: "SELECT 1"}, onRow(func(catalog.Row) error {
				time.Sleep(time.Hour) // by the clock of synctest
				return nil
			}))
			if err != nil || sum.Rows != 3 || time.Since(began) < 3*time.Hour {
				t.Errorf("%+v, %v after %v", sum, err, time.Since(began))
			}
		})
	})
	t.Run("a complete answer does not wait for the end of the connection", func(t *testing.T) {
		c := against(t, client.Config{}, hang(columns+"[1,2]\n"+summary))
		began := time.Now()
		result, err := c.Query(t.Context(), "a/b", "SELECT 1")
		if err != nil || len(result.Rows) != 1 || time.Since(began) > 10*time.Second {
			t.Errorf("got %v, %v after %v", result, err, time.Since(began))
		}
	})
	t.Run("a context that ends is returned as it is", func(t *testing.T) {
		c := against(t, client.Config{}, hang(columns))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		for _, err := range []error{func() error { _, err := c.Query(ctx, "a/b", "DELETE FROM t"); return err }(), c.Health(ctx), c.DeleteEntity(ctx, "a")} {
			if err != context.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestRedirects_are_not_followed(t *testing.T) {
	var reached []http.Header
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached = append(reached, r.Header)
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for to, part := range map[string]string{
			elsewhere.URL + "/x":                  "leads on to " + elsewhere.URL + ";",
			elsewhere.URL + "/pre/v1/a/b/details": "leads on to " + elsewhere.URL + "/pre;",
			"/elsewhere":                          "check the path",
			"":                                    "check the path",
		} {
			c := against(t, client.Config{HTTP: &http.Client{}}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			})
			_, err := c.Database(t.Context(), "a/b")
			isRefusal(t, err, fault.Unavailable, part)
			_, err = c.Confirm(t.Context(), "emailtoken")
			isRefusal(t, err, fault.Unavailable, "leads on to")
		}
	}
	if len(reached) > 0 {
		t.Errorf("the other server was sent %v", reached)
	}
}

func TestLists_without_end(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"the same page again and again": says(200, "application/json", `{"databases":[],"next":"x"}`),
		"empty pages": func(w http.ResponseWriter, r *http.Request) {
			says(200, "application/json", `{"databases":[],"next":"x`+r.FormValue("after")+`"}`)(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var last error
			for _, last = range against(t, client.Config{}, answer).AllShared(t.Context()) {
			}
			isRefusal(t, last, fault.Unavailable, "does not come to an end")
		})
	}
	t.Run("whoever has enough stops", func(t *testing.T) {
		asked := 0
		c := against(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
			asked++
			says(200, "application/json", fmt.Sprintf(`{"databases":[{"entity":"a","database":"b","database_type":"sqlite","sharing_level":"read-only"}],"next":"%d"}`, asked))(w, r)
		})
		seen := 0
		for range c.AllShared(t.Context()) {
			if seen++; seen == 5 {
				break
			}
		}
		if asked != 5 {
			t.Errorf("asked for %d pages", asked)
		}
	})
	t.Run("words that are not known are an error", func(t *testing.T) {
		_, err := against(t, client.Config{}, says(200, "application/json", `{"databases":[{"entity":"a","database":"b","database_type":"graph"}]}`)).Shared(t.Context(), catalog.Page{})
		isRefusal(t, err, fault.Unavailable, "a newer client may")
	})
}

func TestErrors_of_the_server(t *testing.T) {
	for name, c := range map[string]struct {
		status        int
		body, message string
		kind          fault.Kind
	}{
		"of ours":                     {404, `{"type":"RecordNotFound","id":"a/b","record_type":"database","message":"Database a/b does not exist","kind":"not_found"}`, "Database a/b does not exist", fault.NotFound},
		"of a kind that is not known": {409, `{"type":"Other","message":"m","kind":"haunted"}`, "m", fault.Conflict},
		"of the existing ayb":         {500, `{"type":"Other","message":"Database already exists"}`, "Database already exists", fault.Invalid},
		"about a record":              {500, `{"type":"RecordNotFound","id":"a/b","record_type":"database"}`, "There is no database a/b", fault.NotFound},
		"about a token":               {500, `{"type":"RecordNotFound","id":"eV2","record_type":"api_token"}`, "There is no api token eV2", fault.NotFound},
		"about a snapshot":            {500, `{"type":"SnapshotDoesNotExistError"}`, "The snapshot does not exist", fault.NotFound},
		"about writing":               {500, `{"type":"NoWriteAccessError","message":"m"}`, "m", fault.ReadOnly},
		"about the caller":            {401, `{"type":"Unauthorized","message":"m"}`, "m", fault.Unauthenticated},
		"about an e-mail":             {500, `{"type":"EmailError","message":"m"}`, "m", fault.Unavailable},
		"without words":               {500, `{"type":"QueryError"}`, "The server refused: QueryError", fault.Invalid},
		"that would clear a terminal": {400, `{"type":"Other","message":"a\u001b[2Jb\u009b\u0007\nc","kind":"invalid"}`, "a\ufffd[2Jb\ufffd\ufffd\nc", fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := against(t, client.Config{Retries: -1}, says(c.status, "application/json", c.body)).Database(t.Context(), "a/b")
			if isRefusal(t, err, c.kind, ""); fault.Message(err) != c.message {
				t.Errorf("got %q, want %q", fault.Message(err), c.message)
			}
			answer, ok := errors.AsType[*client.ResponseError](err)
			if !ok || answer.Status != c.status || answer.Type == "" {
				t.Errorf("caused by %+v", answer)
			}
		})
	}
}
