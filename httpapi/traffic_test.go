package httpapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"ayb"
	"ayb/fault"
	"ayb/httpapi"
)

// counted waits until nothing is under way and returns what was counted.
func counted(t *testing.T, traffic *httpapi.Traffic) httpapi.TrafficStats {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if s := traffic.Stats(); s.InFlight == 0 {
			return s
		} else if time.Now().After(deadline) {
			t.Fatalf("%d requests are still under way", s.InFlight)
		}
	}
}

// of returns the requests of one route.
func of(s httpapi.TrafficStats, method, pattern string) (found httpapi.RouteStats) {
	for _, r := range s.Routes {
		if r.Method == method && r.Pattern == pattern {
			return r
		}
	}
	return found
}

func TestTraffic_counts_what_was_asked_and_answered(t *testing.T) {
	traffic := httpapi.NewTraffic()
	f := serve(t, &ayb.Config{RequestRate: 1}, &httpapi.Options{Traffic: traffic})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	if s := traffic.Stats(); len(s.Routes) != 0 || len(s.Failures) != len(fault.Kinds()) || len(s.Refusals) != len(fault.Reasons())+1 {
		t.Errorf("before anything: %+v", s)
	}
	f.query(alice, "alice/test", "SELECT 1")
	f.query(alice, "alice/test", "SELECT 2")
	f.call(request{method: post, path: "/v1/alice/test/query", token: alice, body: "nonsense"})
	f.call(request{method: "GET", path: "/health"})
	for range 3 {
		f.call(request{method: "PATCH", path: "/v1/entity/alice", token: alice, body: `{"links":"[{\"url\":\"https://example.invalid\"}]"}`})
	}
	s := counted(t, traffic)
	const query = "/v1/{entity}/{database}/query"
	r := of(s, post, query)
	if r.Statuses != [6]uint64{2: 2, 4: 1} {
		t.Errorf("queries: %v", r.Statuses)
	}
	sum := uint64(0)
	for _, n := range r.Latency.Counts {
		sum += n
	}
	if sum != 3 || r.Latency.Sum <= 0 || len(r.Latency.Counts) != len(r.Latency.Bounds)+1 {
		t.Errorf("times of queries: %+v", r.Latency)
	}
	if of(s, "GET", "/health").Statuses != [6]uint64{2: 1} || s.Sent == 0 {
		t.Errorf("counted %+v", s)
	}
	if s.Failures[fault.Invalid] != 1 || s.Failures[fault.Busy] == 0 || s.Refusals[fault.Rate] != s.Failures[fault.Busy] {
		t.Errorf("failures %v, refusals %v", s.Failures, s.Refusals)
	}
}

func TestTraffic_knows_who_is_under_way_and_who_went_away(t *testing.T) {
	traffic := httpapi.NewTraffic()
	f := serve(t, nil, &httpapi.Options{Traffic: traffic})
	alice := f.token("alice", nil)
	f.MustDatabase("alice/test")
	resp, err := f.send(ctx, request{method: post, path: "/v1/alice/test/query", token: alice, body: endless, headers: []string{acceptStream}})
	must(t, err)
	if n := traffic.Stats().InFlight; n != 1 {
		t.Errorf("%d are under way", n)
	}
	resp.Body.Close()
	s := counted(t, traffic)
	if r := of(s, post, "/v1/{entity}/{database}/query"); r.Statuses != [6]uint64{4: 1} || s.Failures[fault.Internal] != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestTraffic_what_clients_make_up_is_one_and_the_same(t *testing.T) {
	traffic := httpapi.NewTraffic()
	h := httpapi.New(serve(t, nil, nil).Engine, &httpapi.Options{Traffic: traffic})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const all = 2000
	for range all {
		request, err := http.NewRequest(fmt.Sprintf("M%d", random.IntN(1e9)), fmt.Sprintf("http://x/v1/%d/%d", random.Int(), random.Int()), nil)
		must(t, err)
		if random.IntN(2) == 0 {
			request.Method = "GET"
		}
		h.ServeHTTP(discardResponse{http.Header{}}, request)
	}
	s := traffic.Stats()
	if n := of(s, "GET", httpapi.NoRoute).Statuses[4] + of(s, httpapi.OtherMethod, httpapi.NoRoute).Statuses[4]; len(s.Routes) != 2 || n != all {
		t.Errorf("%d routes, %d requests", len(s.Routes), n)
	}
}

type discardResponse struct{ header http.Header }

func (d discardResponse) Header() http.Header         { return d.header }
func (d discardResponse) Write(p []byte) (int, error) { return len(p), nil }
func (d discardResponse) WriteHeader(int)             {}

func BenchmarkTraffic(b *testing.B) {
	h := httpapi.New(nil, &httpapi.Options{})
	counting := httpapi.New(nil, &httpapi.Options{Traffic: httpapi.NewTraffic()})
	for name, h := range map[string]http.Handler{"off": h, "on": counting} {
		b.Run(name, func(b *testing.B) {
			request, err := http.NewRequest("GET", "http://x/nothing", nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				h.ServeHTTP(discardResponse{http.Header{}}, request)
			}
		})
	}
}
