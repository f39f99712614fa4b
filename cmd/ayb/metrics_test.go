package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"ayb"
	"ayb/hosting/worker"
	"ayb/httpapi"
)

// everything is what a server measures that has done nothing but one request.
func everything() *measured {
	m := &measured{processes: &worker.Processes{}, engine: ayb.Stats{Caches: map[string]ayb.CacheStats{"tokens": {}}}}
	m.process = measureProcess()
	m.process.known = true
	m.traffic.Routes = []httpapi.RouteStats{{
		Method: "GET", Pattern: "/health", Statuses: [6]uint64{2: 1},
		Latency: httpapi.Latency{Bounds: []time.Duration{time.Second}, Counts: []uint64{1, 0}},
	}}
	return m
}

// TestMetrics_are_those_of_the_list holds names, types and meanings to
// testdata/metrics.txt, because alerts and dashboards are made of them, and the table
// of docs/operating.md to the names.
func TestMetrics_are_those_of_the_list(t *testing.T) {
	text := everything().text()
	if problems, err := promlint.New(bytes.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("the format's own checker says %v, %v", problems, err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			got.WriteString(line)
		}
	}
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil || got.String() != string(want) {
		t.Errorf("testdata/metrics.txt should be (%v):\n%s", err, got.String())
	}
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(got.String(), -1) {
		if !bytes.Contains(page, []byte("`"+match[1]+"`")) {
			t.Errorf("docs/operating.md does not name %s", match[1])
		}
	}
}

// scraped are metrics by their names and labels.
type scraped map[string]float64

// scrape reads the metrics of a server.
func (p *process) scrape() scraped {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	match := p.out.await(ctx, regexp.MustCompile(`(?m)^Metrics: (\S+)$`)) // a line after that of the server
	if match == nil {
		p.t.Fatalf("the server does not say where its metrics are:\n%s", p.out)
	}
	status, text, err := send(p.t.Context(), "GET", match[1], "")
	if err != nil || status != 200 {
		p.t.Fatalf("%d %s, %v", status, text, err)
	}
	all := scraped{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if err != nil {
			p.t.Fatalf("%q: %v", line, err)
		}
		all[line[:i]] = value
	}
	return all
}

func TestMetrics_move_with_what_happens(t *testing.T) {
	p := startServer(t, t.TempDir(), "AYB__METRICS__LISTEN=127.0.0.1:0", "AYB__LIMITS__REQUEST_RATE=2",
		"AYB__SNAPSHOTS__URL=file://"+filepath.ToSlash(t.TempDir()), "AYB__SNAPSHOTS__AUTOMATION__INTERVAL=1s", "AYB__SNAPSHOTS__AUTOMATION__MAX_SNAPSHOTS=1")
	token := "Bearer " + p.account("alice")
	p.must("POST", "/v1/alice/test.sqlite/create", "", "Authorization", token, "db-type", "sqlite")
	query := func(sql string) int {
		status, _ := p.request("POST", "/v1/alice/test.sqlite/query", sql, "Authorization", token)
		return status
	}
	query("CREATE TABLE t(a)")
	before := p.scrape()
	for i := range 5 {
		query(fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		query("SELECT a FROM t")
	}
	query("nonsense")
	for range 3 {
		p.request("POST", "/v1/register", "", "entity", "bob", "entity-type", "user", "email-address", "bob@example.org")
	}
	p.request("GET", "/nowhere", "")
	now := p.scrape()
	const route = `{method="POST",route="/v1/{entity}/{database}/query"`
	for name, least := range map[string]float64{
		`ayb_http_requests_total` + route + `,status="2xx"}`:               10,
		`ayb_http_requests_total` + route + `,status="4xx"}`:               1,
		`ayb_http_requests_total{method="GET",route="none",status="4xx"}`:  1,
		`ayb_http_request_duration_seconds_count` + route + `}`:            11,
		`ayb_http_request_duration_seconds_bucket` + route + `,le="+Inf"}`: 11,
		`ayb_http_response_bytes_total`:                                    100,
		`ayb_http_failures_total{kind="invalid"}`:                          1,
		`ayb_http_failures_total{kind="busy"}`:                             1,
		`ayb_http_refusals_total{reason="rate"}`:                           1,
		`ayb_queries_total{class="read"}`:                                  5,
		`ayb_queries_total{class="write"}`:                                 5,
		`ayb_query_failures_total`:                                         1,
		`ayb_commits_total`:                                                5,
		`ayb_syncs_total`:                                                  5,
		`ayb_writes_per_commit_count`:                                      5,
		`ayb_writes_per_commit_bucket{le="1"}`:                             5,
		`ayb_statement_lookups_total{result="hit"}`:                        4,
		`ayb_statement_lookups_total{result="miss"}`:                       6,
		`ayb_metadata_lookups_total{cache="tokens",result="hit"}`:          10,
		`ayb_metadata_lookups_total{cache="databases",result="hit"}`:       10,
		`ayb_audit_records_total`:                                          1,
	} {
		if moved := now[name] - before[name]; moved < least {
			t.Errorf("%s moved by %v, want %v or more", name, moved, least)
		}
	}
	for name, least := range map[string]float64{
		`ayb_metadata_requests_total{kind="query"}`: 1, `ayb_metadata_requests_total{kind="change"}`: 1,
		"ayb_http_connections": 1, "ayb_http_connections_max": 100, "ayb_databases_open": 1, "ayb_database_connections": 2, "ayb_database_memory_bytes": 1 << 20,
		"ayb_http_requests_in_flight": 0, `ayb_queries_waiting{class="write"}`: 0, "ayb_calls_in_flight": 0, "ayb_sessions": 0,
		"go_goroutines": 5, "go_memstats_heap_alloc_bytes": 1 << 20, "process_start_time_seconds": 1e9,
	} {
		if value, there := now[name]; !there || value < least {
			t.Errorf("%s is %v (%v), want %v or more", name, value, there, least)
		}
	}
	if defaultIsolation() == workerProcesses && (now["ayb_workers"] != 1 || now["ayb_workers_started_total"] != 1) {
		t.Errorf("%v workers, %v were started", now["ayb_workers"], now["ayb_workers_started_total"])
	}
	for deadline := time.Now().Add(patience); now["ayb_snapshot_last_round_timestamp_seconds"] == 0; now = p.scrape() {
		if time.Now().After(deadline) {
			t.Fatal("no round is counted")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if now[`ayb_snapshots_total{result="taken"}`] != 1 || now["ayb_snapshot_rounds_total"] < 1 || now["ayb_snapshot_bytes_total"] < 8192 {
		t.Errorf("snapshots are not counted: %v", now)
	}
}

func TestMetrics_have_as_many_labels_whatever_is_asked(t *testing.T) {
	p := startServer(t, t.TempDir(), "AYB__METRICS__LISTEN=127.0.0.1:0")
	p.request("GET", "/v1/x/y", "")
	p.request("FROB", "/v1/x/y", "")
	before := p.scrape()
	for i := range 300 {
		p.request([]string{"GET", fmt.Sprintf("M%d", i)}[i%2], fmt.Sprintf("/v1/%d/%d", i, i), "")
	}
	now := p.scrape()
	if !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(now))) {
		t.Errorf("%d series have become %d", len(before), len(now))
	}
}

func TestMetrics_are_for_the_operator_alone(t *testing.T) {
	m := &meter{}
	ask := func(remote bool, path, from, host, site string) int {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr, r.Host = from, host
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		m.handler(remote).ServeHTTP(w, r)
		return w.Code
	}
	for _, test := range []struct {
		remote                 bool
		path, from, host, site string
		want                   int
	}{
		{false, "/debug/pprof/cmdline", "127.0.0.1:5", "127.0.0.1:9100", "", 200},
		{false, "/debug/pprof/", "127.0.0.1:5", "127.0.0.1:9100", "", 200},
		{false, "/debug/pprof/cmdline", "[::1]:5", "[::1]:9100", "", 200},
		{false, "/debug/pprof/cmdline", "[::ffff:127.0.0.1]:5", "localhost", "none", 200},
		{false, "/debug/pprof/cmdline", "127.0.0.1:5", "evil.example:9100", "", 403},
		{false, "/debug/pprof/cmdline", "127.0.0.1:5", "localhost:9100", "cross-site", 403},
		{true, "/debug/pprof/cmdline", "10.0.0.1:5", "10.0.0.2:9100", "", 403},
		{true, "/debug/pprof/profile", "10.0.0.1:5", "127.0.0.1:9100", "", 403},
		{false, "/metrics", "10.0.0.1:5", "127.0.0.1:9100", "", 403},
		{false, "/metrics", "127.0.0.1:5", "evil.example:9100", "", 403},
		{true, "/metrics", "127.0.0.1:5", "localhost:9100", "cross-site", 403},
		{false, "/v1/register", "127.0.0.1:5", "127.0.0.1:9100", "", 404},
	} {
		if got := ask(test.remote, test.path, test.from, test.host, test.site); got != test.want {
			t.Errorf("%+v: answered %d", test, got)
		}
	}
}

func TestMetrics_come_and_go_with_the_server(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	cmd := command(t, t.TempDir(), []string{"AYB__PORT=0", "AYB__METRICS__LISTEN=" + address}, "server")
	text, err := cmd.CombinedOutput()
	if want := "Error: The server can't listen on " + address + ": the port is in use by another program; stop it, or choose another port (metrics.listen in ayb.toml, or AYB__METRICS__LISTEN)\n"; err == nil || string(text) != want {
		t.Errorf("on a port in use: %v, %s", err, text)
	}
	taken.Close()
	p := startServer(t, t.TempDir(), "AYB__METRICS__LISTEN="+address)
	p.scrape()
	if status, _ := p.request("GET", "/metrics", ""); status != http.StatusNotFound {
		t.Errorf("the public handler answers %d", status)
	}
	profile := callServer(t, address) // the end does not wait for it
	fmt.Fprint(profile, "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	p.scrape()
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("something listens after the end")
	}
}
