package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"ayb"
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
