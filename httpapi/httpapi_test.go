package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ayb"
	"ayb/aybtest"
	"ayb/httpapi"
	"ayb/httpapi/wire"
)

// A fixture is an engine behind the API on a real listener, as a client sees it.
type fixture struct {
	*aybtest.Fixture
	*httptest.Server
	t   *testing.T
	log *logBuffer
}

// serve starts a server. cfg and opt may be nil.
func serve(t *testing.T, cfg *ayb.Config, opt *httpapi.Options) *fixture {
	t.Helper()
	f := &fixture{Fixture: aybtest.New(t, cfg), t: t, log: &logBuffer{}}
	o := httpapi.Options{}
	if opt != nil {
		o = *opt
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewJSONHandler(f.log, nil))
	}
	f.Server = httptest.NewUnstartedServer(httpapi.New(f.Engine, &o))
	f.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	f.Server.Start()
	t.Cleanup(f.Server.Close)
	return f
}

// token makes an entity, if need be, and a token for it.
func (f *fixture) token(slug string, opt *ayb.TokenOptions) string {
	f.t.Helper()
	ent, err := f.Entity(ctx, ayb.System, slug)
	if err != nil {
		f.MustEntity(slug)
		ent, err = f.Entity(ctx, ayb.System, slug)
		must(f.t, err)
	}
	secret, _, err := f.CreateToken(ctx, ayb.System, string(ent.Slug), opt)
	must(f.t, err)
	return secret
}

// A reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// A request is what call sends. Headers are "name: value" lines.
type request struct {
	method, path, token, body string
	headers                   []string
}

// call sends a request and reads the answer.
func (f *fixture) call(r request) reply {
	f.t.Helper()
	answer, err := f.try(ctx, r)
	if err != nil {
		f.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return answer
}

func (f *fixture) try(ctx context.Context, r request) (reply, error) {
	resp, err := f.send(ctx, r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

func (f *fixture) send(ctx context.Context, r request) (*http.Response, error) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(ctx, r.method, f.URL+r.path, strings.NewReader(r.body))
	must(f.t, err)
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for _, line := range r.headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	return f.Client().Do(req)
}

// query runs SQL on a database and fails the test if that fails.
func (f *fixture) query(token, ref, sql string) string {
	f.t.Helper()
	r := f.call(request{method: "POST", path: "/v1/" + ref + "/query", token: token, body: sql})
	if r.status != 200 {
		f.t.Fatalf("%s: %d %s", sql, r.status, r.body)
	}
	return r.body
}

// want fails the test unless the answer is as expected. A body that begins with
// an ellipsis is compared by its end.
func (r reply) want(t *testing.T, status int, body string) {
	t.Helper()
	end, partly := strings.CutPrefix(body, "...")
	if r.status != status || r.body != body && !(partly && strings.HasSuffix(r.body, end)) {
		t.Errorf("answered %d %s\n\twant %d %s", r.status, r.body, status, body)
	}
}

// refused fails the test unless the answer is an envelope of that type and kind.
func (r reply) refused(t *testing.T, status int, typ wire.ErrorType, kind, message string) {
	t.Helper()
	e := r.envelope(t)
	if r.status != status || e.Type != typ || string(e.Kind) != kind || message != "" && e.Message != message {
		t.Errorf("answered %d %s\n\twant %d %s, %s: %s", r.status, r.body, status, typ, kind, message)
	}
}

func (r reply) envelope(t *testing.T) (e wire.Error) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || e.Message == "" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("answered %d %s (%s), which is no envelope: %v", r.status, r.body, r.header.Get("Content-Type"), err)
	}
	return e
}

// A logBuffer keeps what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wait polls until done reports true, or fails after a while.
func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	return string(text)
}
