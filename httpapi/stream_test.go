package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/catalog"
	"ayb/hosting"
	"ayb/httpapi"
	"ayb/httpapi/wire"
)

const acceptStream = "Accept: application/x-ndjson"

func TestStream(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test", "CREATE TABLE t(i INTEGER PRIMARY KEY, r REAL, s varchar(9), b BLOB)")
	ask := func(body string, headers ...string) reply {
		t.Helper()
		return f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: body, headers: append(headers, acceptStream)})
	}
	t.Run("values keep their types", func(t *testing.T) {
		r := ask(`SELECT i, r AS "r""", s, b, 1.0, 9007199254740991, 9007199254740992, -9223372036854775808, 1e999, -1e999, 1e300, -0.0, NULL, x'00ff', x'', 'é	"\'||char(1,8232)||CAST(x'ff41' AS TEXT) FROM (SELECT 1) LEFT JOIN t`)
		lines := strings.Split(r.body, "\n")
		want := []string{
			`{"columns":[{"name":"i","decl":"INTEGER"},{"name":"r\"","decl":"REAL"},{"name":"s","decl":"varchar(9)"},{"name":"b","decl":"BLOB"},{"name":"1.0","decl":""},`,
			`[null,null,null,null,1.0,9007199254740991,{"int":"9007199254740992"},{"int":"-9223372036854775808"},{"real":"inf"},{"real":"-inf"},1e+300,-0.0,null,{"blob":"AP8="},{"blob":""},"é\t\"\\\u0001` + "\u2028" + `\ufffdA"]`,
			`{"rows":1,"changes":0,"last_insert_rowid":0,"seconds":`,
			``,
		}
		if len(lines) != len(want) || r.header.Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("answered %s\n%s", r.header.Get("Content-Type"), r.body)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, want[i]) || line != "" && !json.Valid([]byte(line)) {
				t.Errorf("line %d is\n%s\nwant\n%s", i, line, want[i])
			}
		}
	})
	t.Run("a text without a result has no columns", func(t *testing.T) {
		r := ask("INSERT INTO t(i) VALUES (7), (9007199254740993); UPDATE t SET r = 1")
		if !strings.HasPrefix(r.body, "{\"columns\":[]}\n{\"rows\":0,\"changes\":4,\"last_insert_rowid\":{\"int\":\"9007199254740993\"},\"seconds\":") || !strings.HasSuffix(r.body, ",\"wrote\":true}\n") {
			t.Errorf("answered %s", r.body)
		}
	})
	t.Run("what fails before the first row is answered as everywhere", func(t *testing.T) {
		ask("SELECT nope").refused(t, 400, wire.Other, "invalid", "no such column: nope")
	})
	t.Run("what fails later is the last line", func(t *testing.T) {
		r := ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100000) SELECT i, 'some text that fills the lines', CASE WHEN i = 99999 THEN abs(-9223372036854775808) END FROM n")
		end := r.body[strings.LastIndex(strings.TrimSuffix(r.body, "\n"), "\n")+1:]
		if r.status != 200 || end != `{"error":{"type":"Other","message":"integer overflow","kind":"invalid","sqlite_code":1}}`+"\n" {
			t.Errorf("answered %d ... %s", r.status, end)
		}
	})
	t.Run("it is only sent to those who name it", func(t *testing.T) {
		for _, accept := range []string{"*/*", "application/json", "application/x-ndjson;q=0, */*", "application/*"} {
			r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT 1 AS a", headers: []string{"Accept: " + accept}})
			r.want(t, 200, `{"fields":["a"],"rows":[["1"]]}`)
		}
		r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT 1 AS a", headers: []string{"Accept: text/html, Application/X-NDJSON;q=0.5"}})
		if !strings.HasPrefix(r.body, `{"columns"`) {
			t.Errorf("answered %s", r.body)
		}
	})
}

func TestQuery_arguments(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	ask := func(contentType, body string) reply {
		t.Helper()
		return f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: body, headers: []string{"Content-Type: " + contentType}})
	}
	const all = `"SELECT typeof(?1)||typeof(?2)||typeof(?3)||typeof(?4)||typeof(?5)||typeof(?6)||typeof(?7) AS t, ?4 AS s, ?7 AS b"`
	ask("application/json", `{"sql":`+all+`,"args":[1, 1.0, null, "a\u00e9\"", true, {"int":"9223372036854775807"}, {"blob":"AP8="}]}`).
		want(t, 200, `{"fields":["t","s","b"],"rows":[["integerrealnulltextintegerintegerblob","aé\"","X'00FF'"]]}`)
	ask("application/json; charset=utf-8", ` { "args" : {"x": {"real":"-inf"}, ":y": 2} , "sql" : "SELECT :x AS x, $y AS y" } `).
		want(t, 200, `{"fields":["x","y"],"rows":[["-inf","2"]]}`)
	ask("application/vnd.x+json", `{"sql":"SELECT 1 AS a"}`).want(t, 200, `{"fields":["a"],"rows":[["1"]]}`)
	ask("application/json", `SELECT 1 AS a`).want(t, 200, `{"fields":["a"],"rows":[["1"]]}`)
	ask("text/plain", `{"sql":"SELECT 1"}`).refused(t, 400, wire.Other, "invalid", "")
	for _, body := range []string{
		`{"sql":"SELECT ?","args":[[]]}`, `{"sql":"SELECT ?","args":[{"int":1}]}`, `{"sql":"SELECT ?","args":[{"int":"1","real":"1"}]}`, `{"sql":"SELECT ?","args":[{"float":"1"}]}`,
		`{"sql":"SELECT ?","args":[9223372036854775808]}`, `{"sql":"SELECT ?","args":[1e999]}`, `{"sql":"SELECT ?","args":[{"real":"nan"}]}`, `{"sql":"SELECT ?","args":[{"blob":"*"}]}`,
		`{"sql":"SELECT ?","args":"x"}`, `{"sql":5}`, `{"sql":"SELECT 1"} {}`, `{"sql":"SELECT 1","more":1}`, `{"sql":"SELECT 1"`, `{`, `{}`, `{"sql":"SELECT ?","args":[]}`, `{"sql":"SELECT ?","args":[1,2]}`,
	} {
		ask("application/json", body).refused(t, 400, wire.Other, "invalid", "")
	}
}

func TestQuery_classic(t *testing.T) {
	f := serve(t, nil, &httpapi.Options{MaxResultBytes: 200_000})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test", "CREATE TABLE t(a)")
	t.Run("every value is a string or null", func(t *testing.T) {
		got := f.query(alice, "alice/test", `SELECT 42, 1.0, 0.1, 1e21, 1e-7, -0.0, 1e999, NULL, 'a"<>&`+"\n"+`', CAST('text' AS BLOB), x'00ff', CAST(x'c3' AS TEXT)`)
		_, rows, _ := strings.Cut(got, `"rows":`)
		if want := `[["42","1","0.1","1000000000000000000000","0.0000001","-0","inf",null,"a\"<>&\n","text","X'00FF'","\ufffd"]]}`; rows != want {
			t.Errorf("got  %s\nwant %s", rows, want)
		}
	})
	t.Run("a result of several pieces is whole", func(t *testing.T) {
		var result wire.QueryResult
		must(t, json.Unmarshal([]byte(f.query(alice, "alice/test", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 10000) SELECT i FROM n")), &result))
		if len(result.Rows) != 10000 || *result.Rows[9999][0] != "10000" {
			t.Errorf("%d rows", len(result.Rows))
		}
	})
	t.Run("one that is too large is refused whole, and says how to get it", func(t *testing.T) {
		r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100000) SELECT i FROM n"})
		r.refused(t, 413, wire.Other, "too_large", "")
		if !strings.Contains(r.body, "limits.result_bytes (200000 bytes)") || !strings.Contains(r.body, "application/x-ndjson") {
			t.Errorf("answered %s", r.body)
		}
	})
	t.Run("of a write that is too large to answer it is said that it was applied", func(t *testing.T) {
		r := f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "INSERT INTO t SELECT hex(zeroblob(150000)) RETURNING a"})
		r.refused(t, 413, wire.Other, "too_large", "")
		if !strings.Contains(r.body, "was applied") {
			t.Errorf("answered %s", r.body)
		}
		if got := f.query(alice, "alice/test", "SELECT count(*) AS n FROM t"); got != `{"fields":["n"],"rows":[["1"]]}` {
			t.Errorf("then %s", got)
		}
	})
}

// endless answers rows for ever.
const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i, 'a text to fill the line with' FROM n"

// busy answers nothing for ever.
const busy = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"

// A watchedRunner tells when a text begins and how it ends.
type watchedRunner struct {
	hosting.Runner
	begun chan struct{}
	ended chan error
}

// Run tells that it begins, runs the text, and tells how it ended.
func (r *watchedRunner) Run(ctx context.Context, job hosting.Job, sink hosting.Sink) (catalog.Summary, error) {
	r.begun <- struct{}{}
	sum, err := r.Runner.Run(ctx, job, sink)
	r.ended <- err
	return sum, err
}

// watched starts a server whose queries are watched.
func watched(t *testing.T, opt *httpapi.Options) (*fixture, *watchedRunner) {
	t.Helper()
	return watchedWithin(t, hosting.Limits{}, opt)
}

func watchedWithin(t *testing.T, limits hosting.Limits, opt *httpapi.Options) (*fixture, *watchedRunner) {
	t.Helper()
	data := t.TempDir()
	inner, err := hosting.NewInProcess(hosting.Config{Dir: filepath.Join(data, "owners"), Limits: limits})
	must(t, err)
	t.Cleanup(func() { inner.Close() })
	r := &watchedRunner{Runner: inner, begun: make(chan struct{}, 100), ended: make(chan error, 100)}
	return serve(t, &ayb.Config{DataPath: data, Runner: r}, opt), r
}

func TestQuery_ends_when_the_client_goes_away(t *testing.T) {
	f, runner := watched(t, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, c := range []struct{ name, sql, accept string }{
		{"while it runs", busy, ""},
		{"while it is streamed", endless, acceptStream},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(ctx)
			gone := make(chan error, 1)
			go func() {
				resp, err := f.send(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, body: c.sql, headers: []string{acceptOr(c.accept)}})
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
				}
				gone <- err
			}()
			<-runner.begun
			cancel()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("the client ended with %v", err)
			}
			if err := <-runner.ended; err == nil {
				t.Error("the query ended well")
			}
			wait(t, "it is forgotten", func() bool { return httpapi.RunningQueries(f.Server.Config.Handler) == 0 })
		})
	}
	wait(t, "the log has both", func() bool { return strings.Count(f.log.String(), `"msg":"request"`) == 2 })
	if log := f.log.String(); !strings.Contains(log, `"status":499`) {
		t.Errorf("log: %s", log)
	}
}

func acceptOr(accept string) string {
	if accept == "" {
		return "Accept: */*"
	}
	return accept
}

func TestCancel(t *testing.T) {
	f, runner := watched(t, nil)
	alice, bob := f.token("alice", nil), f.token("bob", nil)
	f.MustDatabase("alice/test")
	limited := f.token("alice", &ayb.TokenOptions{Access: ayb.ReadOnly})
	const id = "a-query-that-takes-long"
	cancel := func(token, id string) reply {
		return f.call(request{method: post, path: "/v1/_/queries/" + id + "/cancel", token: token})
	}
	t.Run("one that has not answered yet is refused as not applied", func(t *testing.T) {
		answered := make(chan reply, 1)
		r := request{method: post, path: "/v1/alice/test/query", token: alice, body: busy, headers: []string{"Ayb-Query-Id: " + id}}
		go func() {
			answer, err := f.try(ctx, r)
			if err != nil {
				t.Error(err)
			}
			answered <- answer
		}()
		<-runner.begun
		f.call(r).refused(t, 409, wire.Other, "conflict", "A query with this Ayb-Query-Id is running already")
		cancel(bob, id).refused(t, 404, wire.Other, "not_found", "")
		cancel(limited, id).refused(t, 404, wire.Other, "not_found", "")
		cancel("", id).refused(t, 401, wire.Unauthorized, "unauthenticated", "")
		cancel(alice, id).want(t, 200, `{}`)
		answer := <-answered
		answer.refused(t, 503, wire.Other, "not_applied", "The query was cancelled; nothing of it was kept")
		if answer.header.Get("Ayb-Query-Id") != id {
			t.Errorf("id %q", answer.header.Get("Ayb-Query-Id"))
		}
		if err := <-runner.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the query ended with %v", err)
		}
		wait(t, "it is forgotten", func() bool { return cancel(alice, id).status == 404 })
	})
	t.Run("by way of a limited token its own", func(t *testing.T) {
		resp, err := f.send(ctx, request{method: post, path: "/v1/alice/test/query", token: limited, body: endless, headers: []string{acceptStream}})
		must(t, err)
		defer resp.Body.Close()
		<-runner.begun
		cancel(limited, resp.Header.Get("Ayb-Query-Id")).want(t, 200, `{}`)
		<-runner.ended
	})
	t.Run("one that streams ends with a line that says so", func(t *testing.T) {
		resp, err := f.send(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, body: endless, headers: []string{acceptStream}})
		must(t, err)
		defer resp.Body.Close()
		made := resp.Header.Get("Ayb-Query-Id")
		if len(made) != 24 {
			t.Errorf("id %q", made)
		}
		lines := bufio.NewScanner(resp.Body)
		lines.Scan()
		cancel(alice, made).want(t, 200, `{}`)
		last := ""
		for lines.Scan() {
			last = lines.Text()
		}
		if last != `{"error":{"type":"Other","message":"The query was cancelled; nothing of it was kept","kind":"not_applied"}}` || lines.Err() != nil {
			t.Errorf("the last line is %s (%v)", last, lines.Err())
		}
	})
	t.Run("an id that could be guessed is refused", func(t *testing.T) {
		for _, id := range []string{"short", strings.Repeat("a", 65), "a space in the id it is"} {
			f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "SELECT 1", headers: []string{"Ayb-Query-Id: " + id}}).refused(t, 400, wire.Other, "invalid", "")
		}
	})
}

// TestStream_takes_flat_memory reads 100 MB.
func TestStream_takes_flat_memory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100 MB")
	}
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, encoding := range []string{"identity", "gzip", "zstd"} {
		rows := map[string]int{"identity": 100_000}[encoding]
		if rows == 0 {
			rows = 30_000
		}
		resp, err := f.send(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, headers: []string{acceptStream, "Accept-Encoding: " + encoding},
			body: fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT hex(randomblob(500)) FROM n", rows)})
		must(t, err)
		first := make([]byte, 1)
		_, err = io.ReadFull(resp.Body, first)
		must(t, err)
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var most uint64
		n := int64(0)
		for {
			got, err := io.CopyN(io.Discard, resp.Body, 8<<20)
			n += got
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
			if err == io.EOF {
				break
			}
			must(t, err)
		}
		resp.Body.Close()
		t.Logf("%s: %d MB read, heap %d MB, at the most %d MB", encoding, n>>20, before.HeapInuse>>20, most>>20)
		if most > before.HeapInuse+30<<20 || n < int64(rows)*400 {
			t.Errorf("%s: the heap grew from %d to %d MB while %d MB were read", encoding, before.HeapInuse>>20, most>>20, n>>20)
		}
	}
}

// TestStream_rows_do_not_wait_for_others reads a row while the query is still
// looking for the next.
func TestStream_rows_do_not_wait_for_others(t *testing.T) {
	f := serve(t, nil, nil)
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	for _, encoding := range []string{"identity", "gzip"} {
		ctx, cancel := context.WithCancel(ctx)
		headers := []string{acceptStream}
		if encoding == "identity" {
			headers = append(headers, "Accept-Encoding: identity")
		}
		resp, err := f.send(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, headers: headers,
			body: "SELECT 'here' UNION ALL SELECT * FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n)"})
		must(t, err)
		lines := bufio.NewScanner(resp.Body)
		for _, want := range []string{`{"columns":[{"name":"'here'","decl":""}]}`, `["here"]`} {
			if !lines.Scan() || lines.Text() != want {
				t.Fatalf("%s: read %s (%v), want %s", encoding, lines.Text(), lines.Err(), want)
			}
		}
		cancel()
		resp.Body.Close()
	}
}

// TestStream_a_client_that_stops_reading_is_left holds limits.write_stall.
func TestStream_a_client_that_stops_reading_is_left(t *testing.T) {
	f, runner := watched(t, &httpapi.Options{Stall: 200 * time.Millisecond})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/alice/test/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", alice, acceptStream, len(endless), endless)
	if err := <-runner.ended; err == nil {
		t.Error("the query ended well")
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	if _, err := io.Copy(io.Discard, answer.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the answer ended with %v, as if it were whole", err)
	}
}

// TestStream_a_client_that_stops_reading_makes_way holds limits.wal_bytes where SQL runs
// within the server: who takes no rows does not keep the log from being emptied.
func TestStream_a_client_that_stops_reading_makes_way(t *testing.T) {
	f, runner := watchedWithin(t, hosting.Limits{WALBytes: 1 << 20}, &httpapi.Options{Stall: time.Hour})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test", "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))")
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	const rows = "SELECT a FROM t, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n)"
	for len(runner.begun) > 0 {
		<-runner.begun
	}
	for len(runner.ended) > 0 {
		<-runner.ended
	}
	fmt.Fprintf(conn, "POST /v1/alice/test/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", alice, acceptStream, len(rows), rows)
	<-runner.begun
	var ended error
	for i := 0; ended == nil; i++ {
		if i > 500 {
			t.Fatal("the stream goes on")
		}
		f.query(alice, "alice/test", "UPDATE t SET a = randomblob(100000)")
		for len(runner.begun) > 0 {
			<-runner.begun
		}
		for len(runner.ended) > 0 && ended == nil {
			ended = <-runner.ended
		}
	}
	if !errors.Is(ended, ayb.ErrTooLarge) || !strings.Contains(ended.Error(), "limits.wal_bytes") {
		t.Errorf("the stream ended with %v", ended)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	if _, err := io.Copy(io.Discard, answer.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the answer ended with %v, as if it were whole", err)
	}
}
