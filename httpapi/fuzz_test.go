package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"ayb"
	"ayb/hosting"
	"ayb/httpapi"
	"ayb/httpapi/wire"
)

// FuzzRequest sends requests with arbitrary methods, paths and headers: each is
// answered as it should be, and none with a failure of ours.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/v1/alice/test/details", "Bearer ayb_a_b"}, {"POST", "/v1/_/queries/x/cancel", ""}, {"GET", "/%2e%2e//v1/", "bearer"}, {"GET", "/v1/entity/alice?limit=1&after=x", ""},
		{"DELETE", "/v1/tokens/%41", "Basic x"}, {"PATCH", "/v1/entity/%ff", "Bearer "}, {"GET", "/confirm/gAAA%3D", ""}, {"POST", "/v1/alice/test/query", ""}, {"POST", "/v1/log_in", "entity"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: f.TempDir()})
	must(f, err)
	f.Cleanup(func() { eng.Close() })
	_, err = eng.CreateEntity(ctx, ayb.System, "alice", nil)
	must(f, err)
	h := httpapi.New(eng, &httpapi.Options{CORSOrigin: "*", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	f.Fuzz(func(t *testing.T, method, target, header string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.ContainsAny(method, " \r\n") {
			t.Skip()
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(header))
		r.Method, r.URL = method, u
		for _, name := range []string{"Authorization", "X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id", "Ayb-Query-Id", "Accept", "Accept-Encoding", "Origin", "Entity", "Content-Type"} {
			r.Header.Set(name, header)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case w.Code >= 300 && w.Code < 400 || w.Code >= 500 && w.Code != http.StatusServiceUnavailable && w.Code != http.StatusNotImplemented:
			t.Errorf("%s %q with %q: %d %s", method, target, header, w.Code, w.Body)
		case w.Code >= 400 && w.Body.Len() > 0:
			var e wire.Error
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Type == "" || e.Message == "" || e.Kind == "" {
				t.Errorf("%s %q: %d %s is no envelope", method, target, w.Code, w.Body)
			}
		case w.Code >= 400 && w.Code != http.StatusNotFound:
			t.Errorf("%s %q: %d with an empty body", method, target, w.Code)
		}
	})
}

// FuzzBody sends arbitrary bodies to every route that reads JSON: each is
// accepted, or refused as the caller's mistake.
func FuzzBody(f *testing.F) {
	for i, seed := range []string{
		`{"slug":"x"}`, `{"entity":"bob"}`, `{"role":"admin"}`, `{"access":"read-only","database":"alice/test","expires_at":"2031-01-02T03:04:05.5Z"}`,
		`{"public_sharing_level":"fork","anonymous_queries":true}`, `{"links":"[{\"url\":\"http://a\"}]","display_name":null}`, `{"sql":"SELECT ?","args":[1]}`,
	} {
		f.Add(uint8(i), seed)
	}
	eng, err := ayb.Open(ctx, ayb.Config{DataPath: f.TempDir(), Limits: ayb.Limits{Limits: hosting.Limits{QueryTime: time.Second}}})
	must(f, err)
	f.Cleanup(func() { eng.Close() })
	for _, name := range []string{"alice", "bob"} {
		_, err := eng.CreateEntity(ctx, ayb.System, name, nil)
		must(f, err)
	}
	_, err = eng.CreateDatabase(ctx, ayb.System, "alice/test", nil)
	must(f, err)
	token, _, err := eng.CreateToken(ctx, ayb.System, "alice", nil)
	must(f, err)
	h := httpapi.New(eng, nil)
	targets := []string{
		"POST /v1/alice/absent/rename", "POST /v1/alice/absent/transfer", "PUT /v1/_/members/alice/bob", "POST /v1/_/tokens",
		"PATCH /v1/alice/test/update", "PATCH /v1/entity/alice", "POST /v1/alice/test/query",
	}
	f.Fuzz(func(t *testing.T, target uint8, body string) {
		method, path, _ := strings.Cut(targets[int(target)%len(targets)], " ")
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 504 {
			t.Errorf("%s %s %q: %d %s", method, path, body, w.Code, w.Body)
		}
	})
}
